import Torch

/// The flow-matching loss, velocity objective.
///
/// E_t |v(t, I_t) - (alpha' z + beta' x)|^2 over Euclidean coordinates; on the torus |f - z|^2, which is the same divided by
/// sigma'(t)^2. Source: Lipman et al., "Flow matching for generative modeling", ICLR 2023.
public struct FlowMatchingLoss {
  public let interpolant: Interpolant
  /// How noise and data of a batch are paired.
  public let coupling: Coupling

  public init(interpolant: Interpolant, coupling: Coupling = .independent) {
    self.interpolant = interpolant
    self.coupling = coupling
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
    let target = try interpolant.alphaDerivative(time) * z + interpolant.betaDerivative(time) * x

    guard space.angles > 0 else {
      return try (field(y, t) - target).square().sum() / Double(n * space.dimension)
    }
    let turn = try generator.normal([n, space.angles])
    let angles = try theta + TorusPath.sigma(time) * turn
    let output = try space.split(field.trainingOutput(space.joined(y, angles), t))
    let euclidean = try (output.euclidean - target).square().sum()
    let torus = try (output.angles - turn).square().sum()
    return try (euclidean + torus) / Double(n * space.dimension)
  }

  /// One time per point, stratified over (0, 1) and in random order: the mean over a batch has less variance.
  public static func stratifiedTimes(_ n: Int, _ generator: Generator) throws -> Tensor {
    let grid = try (Tensor.arange(n, .float32) + generator.uniform([1])) / Double(n)
    return try grid.selected(generator.permutation(n))
  }
}
