import Torch

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

  public func oriented(probes: Tensor, at x: Tensor) throws -> Tensor { try base.oriented(probes: probes, at: x) }

  public func replacing(network: Base.Net) -> EndpointVectorField {
    EndpointVectorField(base: base.replacing(network: network), interpolant: interpolant)
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
