import Foundation
import Torch

/// The emulator's velocity on a latent space: Euclidean block c(t) x + s(t) f, torus block sigma'(t) f.
///
/// c and s are `Interpolant.velocityPreconditioning`; f is the network's output, of unit scale everywhere.
public struct VectorField {
  public let network: ResidualNetwork
  public let interpolant: Interpolant

  public init(network: ResidualNetwork, interpolant: Interpolant) {
    self.network = network
    self.interpolant = interpolant
  }

  public var space: LatentSpace { network.space }

  /// x [n, d], t [n] -> dx/dt [n, d].
  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    try velocity(x, network(x, t), Factors(t, interpolant))
  }

  /// Velocity [n, d], and for each direction e of `directions` [m, n, d] the value of e . J e, [m, n].
  ///
  /// The Euclidean part c(t) |e|^2 is exact for any probe with |e_euclidean|^2 = n and for unit vectors alike.
  public func withQuadraticForms(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor) {
    let factors = try Factors(t, interpolant)
    let (value, tangents) = try network.withTangents(x, t, directions: directions)
    let products = try space.split(directions * tangents)
    let probes = try space.split(directions).euclidean.square().sum(-1)
    var forms = try products.euclidean.sum(-1) * factors.s + probes * factors.c
    if space.angles > 0 { forms = try forms + products.angles.sum(-1) * factors.sigmaDerivative }
    return (try velocity(x, value, factors), forms)
  }

  /// Velocity [n, d] and the exact divergence [n], by all d directions at once.
  public func withDivergence(_ x: Tensor, _ t: Tensor) throws -> (Tensor, Tensor) {
    let type = x.scalarType ?? .float32
    let d = space.dimension
    let basis = try Tensor.identity(d, type).reshaped(d, 1, d).expanded([d, x.shape[0], d])
    let (velocity, forms) = try withQuadraticForms(x, t, directions: basis)
    return (velocity, try forms.sum(0))
  }

  private func velocity(_ x: Tensor, _ output: Tensor, _ factors: Factors) throws -> Tensor {
    let f = try space.split(output)
    let euclidean = try space.split(x).euclidean * factors.c.unsqueezed(-1) + f.euclidean * factors.s.unsqueezed(-1)
    guard space.angles > 0 else { return euclidean }
    return try space.joined(euclidean, f.angles * factors.sigmaDerivative.unsqueezed(-1))
  }

  private struct Factors {
    let c: Tensor
    let s: Tensor
    let sigmaDerivative: Tensor

    init(_ t: Tensor, _ interpolant: Interpolant) throws {
      (c, s) = try interpolant.velocityPreconditioning(t)
      sigmaDerivative = try TorusPath.sigmaDerivative(t)
    }
  }
}
