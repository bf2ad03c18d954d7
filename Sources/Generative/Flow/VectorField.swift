import Torch

/// What `VectorField.withScoreTransport` gives.
public typealias ScoreTransport = (velocity: Tensor, forms: Tensor, pull: Tensor)

/// A learnt velocity dx/dt = v(t, x) on a latent space, from the prior at t = 0 to the data at t = 1.
public protocol VectorField: FlowModel {
  /// x [n, d], t [n] -> dx/dt [n, d].
  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor
  /// What flow matching compares: the velocity [n, d], of which the angular part is divided by sigma'(t).
  func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor

  /// Velocity [n, d], and for each direction e of `directions` [m, n, d] the value of e . J e, [m, n]. Nothing is recorded for
  /// back-propagation.
  func withQuadraticForms(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor)
  /// Velocity [n, d] and the exact divergence [n], by all d directions.
  func withDivergence(_ x: Tensor, _ t: Tensor) throws -> (Tensor, Tensor)

  /// Velocity [n, d]; e . J e for each of `directions` [m, n, d], [m, n]; and the gradient of v . score + mean_m e . J e over x,
  /// [n, d], in which `score` [n, d] is held fixed.
  func withScoreTransport(_ x: Tensor, _ t: Tensor, score: Tensor, directions: Tensor) throws -> ScoreTransport
  /// The field's guess of the data point on whose path x lies, its Euclidean columns [n, euclidean].
  func endpoint(_ x: Tensor, _ t: Tensor, _ interpolant: Interpolant) throws -> Tensor

  /// Random directions [m, n, d] for estimates of the divergence at x [n, d], turned so that the estimates vary less. What comes
  /// back has the same mean of e e^T, the identity.
  func oriented(probes: Tensor, at x: Tensor) throws -> Tensor
  /// Directions [m, n, d] without their part along columns that the field does not move.
  func confined(_ directions: Tensor) throws -> Tensor
  /// The same field by operations that can be differentiated twice.
  var twiceDifferentiable: Self { get }
  /// Columns that the field moves.
  var movedColumns: Range<Int> { get }
  /// Its trajectories are nearly straight: half as many steps, of equal length, do for them.
  var isNearlyStraight: Bool { get }
}

extension VectorField {
  public var movedColumns: Range<Int> { 0..<space.dimension }
  public var isNearlyStraight: Bool { false }
  public var twiceDifferentiable: Self { self }
  public func confined(_ directions: Tensor) throws -> Tensor { directions }

  /// Unit vectors along the columns that the field moves, [moved, n, d].
  func basis(_ n: Int, _ type: ScalarType) throws -> Tensor { try space.unitVectors(movedColumns, n, type) }

  public func oriented(probes: Tensor, at x: Tensor) throws -> Tensor { probes }

  /// (alpha v - alpha' x) / (beta' alpha - alpha' beta): what the velocity implies.
  public func endpoint(_ x: Tensor, _ t: Tensor, _ interpolant: Interpolant) throws -> Tensor {
    let time = try t.unsqueezed(-1)
    let velocity = try space.split(self(x, t)).euclidean
    let moved = try interpolant.alpha(time) * velocity - interpolant.alphaDerivative(time) * space.split(x).euclidean
    return try moved / interpolant.endpointSlope(time)
  }

  /// For a space without angles.
  public func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor { try self(x, t) }

  public func withQuadraticForms(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor) {
    try quadraticFormsByReverseMode(x, t, directions: directions)
  }

  /// One forward pass, and one backward pass per direction.
  func quadraticFormsByReverseMode(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor) {
    try withGradients {
      let leaf = try x.detached().requiringGradient()
      let value = try self(leaf, t)
      return (try value.detached(), try Self.forms(value, leaf, directions, createGraph: false))
    }
  }

  private static func forms(
    _ value: Tensor, _ leaf: Tensor, _ directions: Tensor, createGraph: Bool
  ) throws -> Tensor {
    let forms = try (0..<directions.shape[0]).map { k in
      let e = try directions.slice(k..<(k + 1)).reshaped(leaf.shape)
      let pulled = try value.vectorJacobianProduct(e, inputs: [leaf], createGraph: createGraph, retainGraph: true)
      return try (pulled[0] * e).sum(-1)
    }
    return try Tensor.stacked(forms, axis: 0)
  }

  /// Velocity [n, d]; e . J e for each of `directions` [m, n, d], [m, n]; and the gradient of v . score + mean_m e . J e over x,
  /// [n, d], in which `score` [n, d] is held fixed. By double back-propagation.
  public func withScoreTransport(_ x: Tensor, _ t: Tensor, score: Tensor, directions: Tensor) throws -> ScoreTransport {
    try twiceDifferentiable.scoreTransportByDoubleBackPropagation(x, t, score: score, directions: directions)
  }

  func scoreTransportByDoubleBackPropagation(
    _ x: Tensor, _ t: Tensor, score: Tensor, directions: Tensor
  ) throws -> ScoreTransport {
    try withGradients {
      let leaf = try x.requiringGradient()
      let value = try self(leaf, t)
      return try Self.pulled(leaf, value, Self.forms(value, leaf, directions, createGraph: true), score)
    }
  }

  static func pulled(_ leaf: Tensor, _ value: Tensor, _ forms: Tensor, _ score: Tensor) throws -> ScoreTransport {
    let scalar = try (value * score).sum() + forms.sum() / Double(forms.shape[0])
    let pull = try scalar.gradients(of: [leaf])[0]
    return (try value.detached(), try forms.detached(), pull)
  }

  /// By `withQuadraticForms` of the unit vectors.
  public func withDivergence(_ x: Tensor, _ t: Tensor) throws -> (Tensor, Tensor) {
    let (velocity, forms) = try withQuadraticForms(
      x, t, directions: basis(x.shape[0], x.scalarType ?? .float32))
    return (velocity, try forms.sum(0))
  }
}

/// A field whose network has forward mode: all directions go through it at once.
protocol ForwardModeField: VectorField {
  /// Velocity [n, d] and e . J e for each of `directions` [m, n, d], [m, n]; recorded for back-propagation where that is on.
  func quadraticForms(_ x: Tensor, _ t: Tensor, _ directions: Tensor) throws -> (Tensor, Tensor)
}

extension ForwardModeField {
  public func withQuadraticForms(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor) {
    try withoutGradients { try quadraticForms(x, t, directions) }
  }

  /// Forward mode for the directions, then one backward pass.
  public func withScoreTransport(_ x: Tensor, _ t: Tensor, score: Tensor, directions: Tensor) throws -> ScoreTransport {
    try withGradients {
      let leaf = try x.requiringGradient()
      let (value, forms) = try quadraticForms(leaf, t, directions)
      return try Self.pulled(leaf, value, forms, score)
    }
  }
}

/// A field of few directions. The Jacobian of its flow is carried along with the points, and its determinant is the change of density: on
/// fixed steps that of the very map which the steps make, however long they are.
protocol JacobianField: ForwardModeField {
  /// Velocity [n, d], and the derivatives of its moved columns (rows) by the same columns of x, [n, moved, moved]; recorded for
  /// back-propagation where that is on.
  func withJacobian(_ x: Tensor, _ t: Tensor) throws -> (Tensor, Tensor)
  /// Rows that go through the network together with all their directions.
  var rowsTogether: Int { get }
}

extension JacobianField {
  var rowsTogether: Int { .max }

  /// Velocity and Jacobian as `withJacobian`, and the gradient of v . score + div v over x, [n, d], in which `score` [n, d] is held fixed. As
  /// many rows at a time as `rowsTogether`: what back-propagation needs of them is kept no longer.
  func withJacobian(
    _ x: Tensor, _ t: Tensor, score: Tensor
  ) throws -> (velocity: Tensor, jacobian: Tensor, pull: Tensor) {
    let n = x.shape[0]
    let together = max(1, min(n, rowsTogether))
    let diagonal = try Tensor.identity(movedColumns.count, x.scalarType ?? .float32)
    let parts = try stride(from: 0, to: max(1, n), by: together).map { lower in
      let rows = lower..<min(n, lower + together)
      return try withGradients {
        let leaf = try x.slice(rows).detached().requiringGradient()
        let (value, jacobian) = try withJacobian(leaf, t.slice(rows))
        let scalar = try (value * score.slice(rows)).sum() + (jacobian * diagonal).sum()
        let pull = try scalar.gradients(of: [leaf])[0]
        return (velocity: try value.detached(), jacobian: try jacobian.detached(), pull: pull)
      }
    }
    guard parts.count > 1 else { return parts[0] }
    return (
      try Tensor.concatenated(parts.map(\.velocity), axis: 0), try Tensor.concatenated(parts.map(\.jacobian), axis: 0),
      try Tensor.concatenated(parts.map(\.pull), axis: 0)
    )
  }
}

/// The velocity of a residual network: Euclidean block c(t) x + s(t) f, torus block sigma'(t) f.
///
/// c and s are `Interpolant.velocityPreconditioning`; f is the network's output, of unit scale everywhere.
public struct ResidualVectorField: ForwardModeField {
  public let network: ResidualNetwork
  public let interpolant: Interpolant

  public init(network: ResidualNetwork, interpolant: Interpolant) {
    (self.network, self.interpolant) = (network, interpolant)
  }

  public var space: LatentSpace { network.space }

  public func replacing(network: ResidualNetwork) -> Self { Self(network: network, interpolant: interpolant) }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    try velocity(x, network(x, t), Factors(t, interpolant))
  }

  public func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let (c, s) = try interpolant.velocityPreconditioning(t.unsqueezed(-1))
    let f = try space.split(network(x, t))
    let euclidean = try c * space.split(x).euclidean + s * f.euclidean
    return space.angles > 0 ? try space.joined(euclidean, f.angles) : euclidean
  }

  /// The Euclidean part c(t) |e|^2 is exact for any probe with |e_euclidean|^2 = n and for unit vectors alike.
  func quadraticForms(_ x: Tensor, _ t: Tensor, _ directions: Tensor) throws -> (Tensor, Tensor) {
    let factors = try Factors(t, interpolant)
    let (value, tangents) = try network.withTangents(x, t, directions: directions)
    let products = try space.split(directions * tangents)
    let probes = try space.split(directions).euclidean.square().sum(-1)
    var forms = try products.euclidean.sum(-1) * factors.s + probes * factors.c
    if space.angles > 0 { forms = try forms + products.angles.sum(-1) * factors.sigmaDerivative }
    return (try velocity(x, value, factors), forms)
  }

  private func velocity(_ x: Tensor, _ output: Tensor, _ factors: Factors) throws -> Tensor {
    let f = try space.split(output)
    let euclidean = try space.split(x).euclidean * factors.c.unsqueezed(-1) + f.euclidean * factors.s.unsqueezed(-1)
    guard space.angles > 0 else { return euclidean }
    return try space.joined(euclidean, f.angles * factors.sigmaDerivative.unsqueezed(-1))
  }

  private struct Factors {
    let c, s, sigmaDerivative: Tensor

    init(_ t: Tensor, _ interpolant: Interpolant) throws {
      (c, s) = try interpolant.velocityPreconditioning(t)
      sigmaDerivative = try TorusPath.sigmaDerivative(t)
    }
  }
}

/// The velocity of a field that predicts where its paths end.
///
/// The base field gives, in Euclidean coordinates, the displacement x_hat - x from a point to the data point it expects; the
/// velocity is [alpha' x + (beta' alpha - alpha' beta) x_hat] / alpha. It is singular at t = 1, so paths end at 1 - 1e-3. Angles, where
/// there are any, are left to the base field. Source: Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846.
public struct EndpointVectorField<Base: VectorField>: VectorField {
  public let base: Base
  public let interpolant: Interpolant
  public var network: Base.Net { base.network }
  public var space: LatentSpace { base.space }
  public var latestTime: Double { 1 - 1e-3 }
  public var drawsBothHands: Bool { base.drawsBothHands }
  public func oriented(probes: Tensor, at x: Tensor) throws -> Tensor { try base.oriented(probes: probes, at: x) }

  public var twiceDifferentiable: Self { Self(base: base.twiceDifferentiable, interpolant: interpolant) }

  public func replacing(network: Base.Net) -> Self {
    Self(base: base.replacing(network: network), interpolant: interpolant)
  }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try velocity(x, t, base(x, t)) }

  public func trainingOutput(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    try velocity(x, t, base.trainingOutput(x, t))
  }

  /// The base field's own prediction, whatever the interpolant.
  public func endpoint(_ x: Tensor, _ t: Tensor, _ interpolant: Interpolant) throws -> Tensor {
    let parts = try space.split(x)
    return try space.projected(parts.euclidean) + space.split(base(x, t)).euclidean
  }

  public func withQuadraticForms(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor) {
    guard space.angles == 0 else { return try quadraticFormsByReverseMode(x, t, directions: directions) }
    let (displacement, forms) = try base.withQuadraticForms(x, t, directions: directions)
    let (own, slope) = try factors(t)
    let squares = try space.projected(directions).square().sum(-1)
    return (try velocity(x, t, displacement), try squares * own + forms * slope)
  }

  /// v = own x + slope (x_hat - x).
  private func factors(_ t: Tensor) throws -> (own: Tensor, slope: Tensor) {
    let alpha = try interpolant.alpha(t)
    let slope = try interpolant.endpointSlope(t) / alpha
    return (try interpolant.alphaDerivative(t) / alpha + slope, slope)
  }

  private func velocity(_ x: Tensor, _ t: Tensor, _ output: Tensor) throws -> Tensor {
    let (own, slope) = try factors(t.unsqueezed(-1))
    let parts = try space.split(output)
    let euclidean = try own * space.projected(space.split(x).euclidean) + slope * parts.euclidean
    return try space.angles > 0 ? space.joined(euclidean, parts.angles) : euclidean
  }
}
