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
