import Basics
import CTorch

public enum ScalarType: Int32, Sendable {
  case float32 = 0
  case float64 = 1
  case int64 = 2
  case bool = 3
  case uint8 = 4

  var code: bm_dtype { bm_dtype(UInt32(rawValue)) }
}

/// Swift types that can be copied in and out of tensors.
public protocol TensorScalar {
  static var scalarType: ScalarType { get }
}

extension Float: TensorScalar { public static var scalarType: ScalarType { .float32 } }
extension Double: TensorScalar { public static var scalarType: ScalarType { .float64 } }
extension Int64: TensorScalar { public static var scalarType: ScalarType { .int64 } }
extension UInt8: TensorScalar { public static var scalarType: ScalarType { .uint8 } }

/// A LibTorch tensor. Copies share storage; the last one releases it.
///
/// Operations never change a tensor; the few that do are named `…InPlace` or live in `Optimizer`. Every operation throws
/// `TorchError` (shapes that do not fit, memory that is not there).
public struct Tensor {
  final class Handle {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { bm_tensor_free(pointer) }
  }

  let handle: Handle

  package init(owning pointer: OpaquePointer) { handle = Handle(pointer) }

  package var pointer: OpaquePointer { handle.pointer }
}

// MARK: - making and reading

extension Tensor {
  public init<T: TensorScalar>(_ values: [T], shape: [Int]) throws {
    guard shape.reduce(1, *) == values.count else {
      throw TorchError(
        operation: "from data", reason: "\(NDArrayError.shapeMismatch(shape: shape, count: values.count))")
    }
    self = try values.withUnsafeBytes { bytes in
      try make("from data") { bm_tensor_from_data(bytes.baseAddress, T.scalarType.code, shape.int64, shape.rank, $0) }
    }
  }

  public init<T: TensorScalar>(_ values: [T]) throws { try self.init(values, shape: [values.count]) }

  public init<T: TensorScalar>(_ array: NDArray<T>) throws { try self.init(array.values, shape: array.shape) }

  public static func full(_ shape: [Int], _ value: Double, _ type: ScalarType = .float32) throws -> Tensor {
    try make("full") { bm_tensor_full(value, type.code, shape.int64, shape.rank, $0) }
  }

  public static func zeros(_ shape: [Int], _ type: ScalarType = .float32) throws -> Tensor { try full(shape, 0, type) }
  public static func ones(_ shape: [Int], _ type: ScalarType = .float32) throws -> Tensor { try full(shape, 1, type) }

  public static func arange(_ count: Int, _ type: ScalarType = .int64) throws -> Tensor {
    try make("arange") { bm_tensor_arange(Int64(count), type.code, $0) }
  }

  public static func linspace(_ first: Double, _ last: Double, _ count: Int, _ type: ScalarType = .float32) throws
    -> Tensor
  { try make("linspace") { bm_tensor_linspace(first, last, Int64(count), type.code, $0) } }

  public static func identity(_ count: Int, _ type: ScalarType = .float32) throws -> Tensor {
    try make("eye") { bm_tensor_eye(Int64(count), type.code, $0) }
  }

  public var rank: Int { withExtendedLifetime(self) { Int(bm_tensor_rank(pointer)) } }

  public var shape: [Int] {
    var sizes = [Int64](repeating: 0, count: rank)
    withExtendedLifetime(self) { bm_tensor_shape(pointer, &sizes) }
    return sizes.map(Int.init)
  }

  public var count: Int { shape.reduce(1, *) }

  /// nil for an element type the project does not use.
  public var scalarType: ScalarType? { withExtendedLifetime(self) { ScalarType(rawValue: bm_tensor_dtype(pointer)) } }

  /// The elements in C order, converted to `T`.
  public func values<T: TensorScalar>(as type: T.Type = T.self) throws -> [T] {
    let count = self.count
    return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      let status = withExtendedLifetime(self) {
        bm_tensor_copy_out(pointer, T.scalarType.code, buffer.baseAddress, Int64(count))
      }
      try check("copy out", status)
      initialized = count
    }
  }

  public func array<T: TensorScalar>(as type: T.Type = T.self) throws -> NDArray<T> {
    try NDArray(values(as: type), shape: shape)
  }

  public func item() throws -> Double {
    guard count == 1 else {
      throw TorchError(operation: "item", reason: "shape \(shape) holds \(count) elements, not 1")
    }
    return try values(as: Double.self)[0]
  }

  public func cast(_ type: ScalarType) throws -> Tensor {
    try make("cast", keeping: self) { bm_tensor_cast(pointer, type.code, $0) }
  }

  /// A copy with storage of its own.
  public func clone() throws -> Tensor { try make("clone", keeping: self) { bm_tensor_clone(pointer, $0) } }

  /// Overwrites this tensor's storage (shared by its copies) with `source`, which must have the same shape.
  public func copyInPlace(from source: Tensor) throws {
    try check("copy", withExtendedLifetime((self, source)) { bm_tensor_copy_into(pointer, source.pointer) })
  }
}

extension Array where Element == Int {
  var int64: [Int64] { map(Int64.init) }
  var rank: Int32 { Int32(count) }
}

func withPointers<Result>(
  _ tensors: [Tensor], _ body: (UnsafeMutablePointer<OpaquePointer?>) throws -> Result
) rethrows -> Result {
  var pointers: [OpaquePointer?] = tensors.map(\.pointer)
  return try withExtendedLifetime(tensors) {
    try pointers.withUnsafeMutableBufferPointer { buffer in
      // an empty list still needs an address; C never reads it
      if let base = buffer.baseAddress { return try body(base) }
      var none: OpaquePointer?
      return try body(&none)
    }
  }
}
