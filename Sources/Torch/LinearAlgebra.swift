import CTorch

extension Tensor {
  /// Eigenvalues (ascending) and eigenvectors (columns) of a symmetric matrix [n, n].
  public func symmetricEigenDecomposition() throws -> (values: Tensor, vectors: Tensor) {
    var values: OpaquePointer?
    var vectors: OpaquePointer?
    try check("eigh", withExtendedLifetime(self) { bm_eigh(pointer, &values, &vectors) })
    guard let values, let vectors else { throw TorchError(operation: "eigh", reason: "nothing was returned") }
    return (Tensor(owning: values), Tensor(owning: vectors))
  }

  /// x of self x = right, self [n, n], right [n] or [n, m].
  public func solved(_ right: Tensor) throws -> Tensor {
    try make("solve", keeping: (self, right)) { bm_solve(pointer, right.pointer, $0) }
  }

  /// Thin singular value decomposition u, s, vᵀ of [m, n].
  public func singularValueDecomposition() throws -> (u: Tensor, s: Tensor, vt: Tensor) {
    var u: OpaquePointer?
    var s: OpaquePointer?
    var vt: OpaquePointer?
    try check("svd", withExtendedLifetime(self) { bm_svd(pointer, &u, &s, &vt) })
    guard let u, let s, let vt else { throw TorchError(operation: "svd", reason: "nothing was returned") }
    return (Tensor(owning: u), Tensor(owning: s), Tensor(owning: vt))
  }

  /// Sign and ln |det| of [..., n, n].
  public func signLogDeterminant() throws -> (sign: Tensor, logAbsolute: Tensor) {
    var sign: OpaquePointer?
    var logAbsolute: OpaquePointer?
    try check("slogdet", withExtendedLifetime(self) { bm_slogdet(pointer, &sign, &logAbsolute) })
    guard let sign, let logAbsolute else { throw TorchError(operation: "slogdet", reason: "nothing was returned") }
    return (Tensor(owning: sign), Tensor(owning: logAbsolute))
  }

  /// Moore-Penrose inverse; singular values below `relativeTolerance` times the largest count as zero.
  public func pseudoInverse(relativeTolerance: Double = 1e-10) throws -> Tensor {
    try make("pinv", keeping: self) { bm_pinv(pointer, relativeTolerance, $0) }
  }
}
