import OptimalTransport
import Torch

/// How the noise and the data of a batch are paired before they are interpolated.
///
/// A coupling moves noise only; data keep their order, so that labels stay with them. Angles have no noise of their own (their
/// path starts from the data) and take no part.
public enum Coupling: String, Codable, CaseIterable, Sendable {
  /// As drawn.
  case independent
  /// Each batch's noise is permuted so that the sum of squared distances is least, exactly.
  /// Source: Tong et al., "Improving and generalizing flow-based generative models with minibatch optimal transport", TMLR 2024.
  case optimalTransport = "optimal-transport"
  /// The noise of each pair is rotated onto its data (Kabsch). For positions [atoms, 3] and models that commute with rotations: the
  /// rotated noise by itself is no longer the prior, but its shape is.
  case kabsch

  /// noise and data [n, euclidean] of one batch -> noise [n, euclidean] in its new order or orientation.
  public func coupled(noise: Tensor, data: Tensor) throws -> Tensor {
    switch self {
    case .independent: return noise
    case .optimalTransport: return try noise.selected(Self.optimalOrder(noise: noise, data: data))
    case .kabsch: return try Superposition.rotated(noise, onto: data)
    }
  }

  /// For each row of `data`, the row of `noise` it is paired with by exact optimal transport, Int64 [n].
  static func optimalOrder(noise: Tensor, data: Tensor) throws -> Tensor {
    try withoutGradients {
      let (z, x) = (try noise.cast(.float64), try data.cast(.float64))
      // |x|^2 + |z|^2 adds the same to every assignment
      let costs = try -x.matmul(z.transposed())
      let order = try Transport.assignment(costs: costs.values(as: Double.self), count: x.shape[0])
      return try Tensor(order.map(Int64.init))
    }
  }
}

/// Least-squares superposition of centred point sets.
/// Source: Kabsch, Acta Cryst. A 32, 922, 1976; the sign of the determinant as in Acta Cryst. A 34, 827, 1978.
enum Superposition {
  /// `mobile` [n, 3 atoms], each rotated by a proper rotation so that |mobile - target|^2 is least. Both must be centred where
  /// translations are not to count.
  static func rotated(_ mobile: Tensor, onto target: Tensor) throws -> Tensor {
    let rotation = try rotations(of: mobile, onto: target)
    let points = try mobile.reshaped(mobile.shape[0], -1, 3)
    return try points.matmul(rotation).reshaped(mobile.shape)
  }

  /// Matrices R [n, 3, 3], determinant +1, for row vectors: mobile R is closest to target.
  static func rotations(of mobile: Tensor, onto target: Tensor) throws -> Tensor {
    try withoutGradients {
      let n = mobile.shape[0]
      let type = mobile.scalarType ?? .float32
      let a = try mobile.cast(.float64).reshaped(n, -1, 3)
      let b = try target.cast(.float64).reshaped(n, -1, 3)
      let (u, _, vt) = try a.transposed().matmul(b).singularValueDecomposition()
      // the axis of the smallest singular value is turned over where the best orthogonal matrix is a reflection
      let handedness = try u.matmul(vt).signLogDeterminant().sign.reshaped(n, 1, 1)
      let ones = try Tensor.ones([n, 1, 2], .float64)
      return try (u * Tensor.concatenated([ones, handedness], axis: 2)).matmul(vt).cast(type)
    }
  }
}
