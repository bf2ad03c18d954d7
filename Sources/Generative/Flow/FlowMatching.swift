import OptimalTransport
import Torch

/// What a vector field is trained to predict in Euclidean coordinates. Any field can be trained on either.
public enum FlowObjective: Codable, Equatable, Sendable {
  /// The velocity alpha' z + beta' x.
  case velocity
  /// The data point x. The weight ((beta' alpha - alpha' beta) / alpha)^2, with which this would be the velocity objective, grows
  /// without bound toward the data; it is held in [minimumWeight, maximumWeight].
  case endpoint(minimumWeight: Double, maximumWeight: Double)
}

/// The flow-matching loss.
///
/// Velocity: E_t |v(t, I_t) - (alpha' z + beta' x)|^2 over Euclidean coordinates; endpoint: E_t w(t) |x_hat(t, I_t) - x|^2. On the
/// torus |f - z|^2, which is the velocity's divided by sigma'(t)^2. Sources: Lipman et al., "Flow matching for generative
/// modeling", ICLR 2023; for the endpoint objective Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846.
public struct FlowMatchingLoss {
  public let interpolant: Interpolant
  public let objective: FlowObjective
  /// How noise and data of a batch are paired.
  public let coupling: Coupling

  public init(
    interpolant: Interpolant, objective: FlowObjective = .velocity, coupling: Coupling = .independent
  ) {
    (self.interpolant, self.objective, self.coupling) = (interpolant, objective, coupling)
  }

  /// data [n, d], t [n]; the noise is drawn from `generator`. Returns the mean over points and dimensions, a scalar.
  public func callAsFunction(
    _ field: some VectorField, data: Tensor, t: Tensor, _ generator: Generator
  ) throws -> Tensor {
    let space = field.space
    let n = data.shape[0]
    let (x, theta) = try space.split(data)
    let z = try coupling.coupled(noise: space.noise(n, generator), data: x)
    let time = try t.unsqueezed(-1)
    let y = try interpolant.alpha(time) * z + interpolant.beta(time) * x

    guard space.angles > 0 else {
      return try euclideanLoss(field, y, x, z, t, output: nil) / Double(n * space.dimension)
    }
    let turn = try generator.normal([n, space.angles])
    let point = try space.joined(y, theta + TorusPath.sigma(time) * turn)
    let output = try space.split(field.trainingOutput(point, t))
    let euclidean = try euclideanLoss(field, point, x, z, t, output: output.euclidean)
    let torus = try (output.angles - turn).square().sum()
    return try (euclidean + torus) / Double(n * space.dimension)
  }

  /// Summed over points and Euclidean dimensions. `output`: the velocity's Euclidean columns where they are known already.
  private func euclideanLoss(
    _ field: some VectorField, _ point: Tensor, _ x: Tensor, _ z: Tensor, _ t: Tensor, output: Tensor?
  ) throws -> Tensor {
    let time = try t.unsqueezed(-1)
    switch objective {
    case .velocity:
      let target = try interpolant.alphaDerivative(time) * z + interpolant.betaDerivative(time) * x
      return try ((output ?? field(point, t)) - target).square().sum()
    case .endpoint(let minimum, let maximum):
      let factor = try interpolant.endpointSlope(time) / interpolant.alpha(time)
      let weight = try factor.square().clamped(minimum...max(minimum, maximum))
      return try (weight * (field.endpoint(point, t, interpolant) - x).square()).sum()
    }
  }

  /// One time per point, stratified over (0, 1) and in random order: the mean over a batch has less variance.
  public static func stratifiedTimes(_ n: Int, _ generator: Generator) throws -> Tensor {
    let grid = try (Tensor.arange(n, .float32) + generator.uniform([1])) / Double(n)
    return try grid.selected(generator.permutation(n))
  }
}

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
