import Basics
import Torch

/// Samples with two kinds of labels: their log-density and its gradient.
public struct LabelledSamples {
  /// [n, d], angles wrapped.
  public var latents: Tensor
  /// The points of the prior they come from, [n, d].
  public var prior: Tensor
  /// Independent estimates of ln q, [probes, n] in Float64; one without probes.
  public var logDensities: Tensor
  /// d ln q / dx, [n, d].
  public var scores: Tensor
}

/// Transports the score g = grad ln q along a fixed-step trajectory, beside the sample and its log-density.
///
/// From d ln q/dt = -div v along dx/dt = v follows dg/dt = -J^T g - grad(div v), with J = dv/dx and g(0) the prior's score. Both terms are
/// one reverse pass over the scalar v . g + div v, and with e . J e for div v the pass is unbiased too: on fixed steps the path
/// does not depend on the probes, and everything is linear in them.
public struct ScoreLabelSampler {
  public let field: any VectorField
  /// Steps of classical Runge-Kutta in s, t = 1 - (1 - s)^2, the grid of `Integrator.rungeKutta4`.
  public let steps: Int
  /// Hutchinson probes per evaluation; nil for the exact divergence, by all directions.
  public let probes: Int?

  public init(field: any VectorField, steps: Int, probes: Int? = 2) {
    self.field = field
    self.steps = steps
    self.probes = probes
  }

  /// One batch of `count` samples from the stream (seed, "batch", index).
  public func batch(_ count: Int, seed: UInt64, index: Int) throws -> LabelledSamples {
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["batch", String(index)]))
    return try integrate(from: field.space.prior(count, generator, field.scalarType), generator)
  }

  /// Transports prior points [n, d] to the data end.
  public func integrate(from start: Tensor, _ generator: Generator) throws -> LabelledSamples {
    let space = field.space
    let n = start.shape[0]
    let type = start.scalarType ?? .float32
    var x = start
    let normal = try space.split(start).euclidean
    var g = try -normal
    if space.angles > 0 { g = try space.joined(g, Tensor.zeros([n, space.angles], type)) }
    var logDensity = try space.priorLogDensity(start.cast(.float64)).unsqueezed(0).expanded([probes ?? 1, n])
    let basis = try probes == nil ? identityProbes(n, type) : nil

    func rates(_ x: Tensor, _ g: Tensor, _ s: Double) throws -> (x: Tensor, g: Tensor, divergence: Tensor) {
      let rate = 2 * (1 - s)
      let t = try Tensor.full([n], 1 - (1 - s) * (1 - s), type)
      let directions = try basis ?? generator.rademacher([probes ?? 1, n, space.dimension], type)
      let (velocity, forms, pull) = try field.withScoreTransport(x, t, score: g, directions: directions)
      let divergence = try basis == nil ? forms : forms.mean(0, keepingDimensions: true)
      return (try velocity * rate, try pull * -rate, try divergence.cast(.float64) * rate)
    }

    let h = 1 / Double(steps)
    for step in 0..<steps {
      let s = Double(step) * h
      let k1 = try rates(x, g, s)
      let k2 = try rates(x + k1.x * (h / 2), g + k1.g * (h / 2), s + h / 2)
      let k3 = try rates(x + k2.x * (h / 2), g + k2.g * (h / 2), s + h / 2)
      let k4 = try rates(x + k3.x * h, g + k3.g * h, s + h)
      x = try x + (k1.x + (k2.x + k3.x) * 2 + k4.x) * (h / 6)
      g = try g + (k1.g + (k2.g + k3.g) * 2 + k4.g) * (h / 6)
      logDensity =
        try logDensity
        - (k1.divergence + (k2.divergence + k3.divergence) * 2 + k4.divergence) * (h / 6)
    }
    return LabelledSamples(latents: try space.wrapped(x), prior: start, logDensities: logDensity, scores: g)
  }

  /// sqrt(d) times the unit vectors, [d, n, d]: as probes their mean form is the exact divergence.
  private func identityProbes(_ n: Int, _ type: ScalarType) throws -> Tensor {
    let d = field.space.dimension
    let unit = try Tensor.identity(d, type) * Double(d).squareRoot()
    return try unit.reshaped(d, 1, d).expanded([d, n, d])
  }
}

extension VectorField {
  /// Velocity [n, d]; e . J e for each of `directions` [m, n, d], [m, n]; and the gradient of v . score + mean_m e . J e over x,
  /// [n, d], in which `score` [n, d] is held fixed. By double back-propagation.
  public func withScoreTransport(
    _ x: Tensor, _ t: Tensor, score: Tensor, directions: Tensor
  ) throws -> (velocity: Tensor, forms: Tensor, pull: Tensor) {
    try withGradients {
      let leaf = try x.requiringGradient()
      let value = try self(leaf, t)
      var forms: [Tensor] = []
      for k in 0..<directions.shape[0] {
        let e = try directions.slice(k..<(k + 1)).reshaped(x.shape)
        let pulled = try value.vectorJacobianProduct(e, inputs: [leaf], createGraph: true)[0]
        forms.append(try (pulled * e).sum(-1))
      }
      return try Self.pulled(leaf, value, Tensor.stacked(forms, axis: 0), score)
    }
  }

  static func pulled(
    _ leaf: Tensor, _ value: Tensor, _ forms: Tensor, _ score: Tensor
  ) throws -> (velocity: Tensor, forms: Tensor, pull: Tensor) {
    let scalar = try (value * score).sum() + forms.sum() / Double(forms.shape[0])
    let pull = try scalar.gradients(of: [leaf])[0]
    return (try value.detached(), try forms.detached(), pull)
  }
}
