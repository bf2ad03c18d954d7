import CTorch

extension Tensor {
  /// Eigenvalues (ascending) and eigenvectors (columns) of a symmetric matrix [n, n].
  public func symmetricEigenDecomposition() throws -> (values: Tensor, vectors: Tensor) {
    let out = try several("eigh", 2) { bm_eigh(pointer, $0, $0 + 1) }
    return (out[0], out[1])
  }

  /// x of self x = right, self [n, n], right [n] or [n, m].
  public func solved(_ right: Tensor) throws -> Tensor {
    try make("solve", keeping: (self, right)) { bm_solve(pointer, right.pointer, $0) }
  }

  /// Thin singular value decomposition u, s, vᵀ of [m, n].
  public func singularValueDecomposition() throws -> (u: Tensor, s: Tensor, vt: Tensor) {
    let out = try several("svd", 3) { bm_svd(pointer, $0, $0 + 1, $0 + 2) }
    return (out[0], out[1], out[2])
  }

  /// Sign and ln |det| of [..., n, n].
  public func signLogDeterminant() throws -> (sign: Tensor, logAbsolute: Tensor) {
    let out = try several("slogdet", 2) { bm_slogdet(pointer, $0, $0 + 1) }
    return (out[0], out[1])
  }

  /// The tensors that one call makes of this one.
  private func several(
    _ operation: String, _ count: Int, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32
  ) throws -> [Tensor] {
    var out = [OpaquePointer?](repeating: nil, count: count)
    try check(operation, withExtendedLifetime(self) { body(&out) })
    let tensors = out.compactMap { $0.map { Tensor(owning: $0) } }
    guard tensors.count == count else { throw TorchError(operation: operation, reason: "nothing was returned") }
    return tensors
  }
}
