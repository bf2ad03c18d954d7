import CTorch
import Foundation

/// A failure inside LibTorch: which operation, and LibTorch's own message (shapes, types, memory).
public struct TorchError: Error, CustomStringConvertible, Equatable {
  public let operation: String
  public let reason: String

  public var description: String { "LibTorch, \(operation): \(reason)" }
}

/// Process-wide settings of LibTorch.
public enum Runtime {
  /// Version of the LibTorch headers, "2.15.0".
  public static var version: String { String(cString: bm_torch_version()) }

  public static var threads: Int { Int(bm_torch_threads()) }

  public static var cudaIsAvailable: Bool { bm_torch_cuda_available() }

  /// Call once before the first tensor: sets the number of threads inside one operation, makes operations deterministic
  /// and keeps freed memory in the process.
  public static func initialize(threads: Int) throws {
    try check("initialize", bm_torch_initialize(Int32(clamping: max(1, threads))))
  }
}

/// Runs `body` without recording gradients; restores the previous mode however it ends.
public func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = bm_grad_enabled()
  bm_set_grad_enabled(false)
  defer { bm_set_grad_enabled(before) }
  return try body()
}

/// Runs `body` with gradient recording on, also inside `withoutGradients`.
public func withGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = bm_grad_enabled()
  bm_set_grad_enabled(true)
  defer { bm_set_grad_enabled(before) }
  return try body()
}

/// The one gate for status codes of the C layer.
func check(_ operation: String, _ status: Int32) throws {
  if status != 0 {
    throw TorchError(operation: operation, reason: String(cString: bm_torch_last_error()))
  }
}

/// Calls a C function that makes one tensor. `operands` are what the call reads through their pointers: the optimiser may
/// release a Swift value right after its pointer was taken, so they are kept alive until the call is over.
func make<Operands>(
  _ operation: String, keeping operands: Operands, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32
) throws -> Tensor {
  var out: OpaquePointer?
  let status = withExtendedLifetime(operands) { body(&out) }
  try check(operation, status)
  guard let pointer = out else { throw TorchError(operation: operation, reason: "no tensor was returned") }
  return Tensor(owning: pointer)
}

/// Calls a C function that makes one tensor out of plain values.
func make(_ operation: String, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32) throws -> Tensor {
  try make(operation, keeping: (), body)
}
