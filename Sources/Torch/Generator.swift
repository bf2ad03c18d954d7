import CTorch

/// A seeded stream of random tensors (LibTorch's Mersenne twister), whose state can be saved and restored bit for bit.
public final class Generator {
  private let pointer: OpaquePointer

  public init(seed: UInt64) throws {
    var out: OpaquePointer?
    try check("generator", bm_generator_new(seed, &out))
    guard let out else { throw TorchError(operation: "generator", reason: "nothing was returned") }
    pointer = out
  }

  deinit { bm_generator_free(pointer) }

  public func state() throws -> [UInt8] {
    try make("generator state", keeping: self) { bm_generator_state(pointer, $0) }.values(as: UInt8.self)
  }

  /// Throws when `state` is not one that `state()` returned.
  public func restore(_ state: [UInt8]) throws {
    let tensor = try Tensor(state)
    try check(
      "generator state", withExtendedLifetime((self, tensor)) { bm_generator_set_state(pointer, tensor.pointer) })
  }

  public func normal(_ shape: [Int], _ type: ScalarType = .float32) throws -> Tensor {
    try make("randn", keeping: self) { bm_randn(pointer, type.code, shape.int64, shape.rank, $0) }
  }

  /// Uniform on [0, 1).
  public func uniform(_ shape: [Int], _ type: ScalarType = .float32) throws -> Tensor {
    try make("rand", keeping: self) { bm_rand(pointer, type.code, shape.int64, shape.rank, $0) }
  }

  /// +1 and -1 with equal probability: the probe of least variance for a trace.
  public func rademacher(_ shape: [Int], _ type: ScalarType = .float32) throws -> Tensor {
    try make("rademacher", keeping: self) { bm_rademacher(pointer, type.code, shape.int64, shape.rank, $0) }
  }

  public func permutation(_ count: Int) throws -> Tensor {
    try make("randperm", keeping: self) { bm_randperm(pointer, Int64(count), $0) }
  }
}
