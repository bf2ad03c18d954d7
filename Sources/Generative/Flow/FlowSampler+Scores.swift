import Torch

extension FlowSampler {
  /// Of points, densities and scores g = grad ln q along a fixed-step trajectory.
  ///
  /// From d ln q/dt = -div v along dx/dt = v follows dg/dt = -J^T g - grad(div v), with J = dv/dx and g(0) the prior's score. Both
  /// terms are one reverse pass over the scalar v . g + div v, and with e . J e for div v the pass is unbiased too: on fixed
  /// steps the path does not depend on the probes, and everything is linear in them.
  func scoreRates(like start: Tensor, _ generator: Generator) throws -> Rates {
    let (n, type) = (start.shape[0], start.scalarType ?? .float32)
    let basis = try method == .exactTrace ? identityProbes(n, type) : nil
    return { state, s in
      let rate = clock.rate(s)
      let t = try Tensor.full([n], clock.time(s), type)
      let directions = try basis ?? generator.rademacher([probes, n, field.space.dimension], type)
      let (velocity, forms, pull) = try field.withScoreTransport(state[0], t, score: state[2], directions: directions)
      let divergence = try basis == nil ? forms : forms.mean(0, keepingDimensions: true)
      return [try velocity * rate, try divergence.cast(.float64) * -rate, try pull * -rate]
    }
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
    try scoreTransportByDoubleBackPropagation(x, t, score: score, directions: directions)
  }

  func scoreTransportByDoubleBackPropagation(
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
