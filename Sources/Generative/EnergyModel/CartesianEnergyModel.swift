import Foundation
import Torch

/// An energy model on Cartesian coordinates: U(t, x) = ln N(x; 0, alpha^2 + beta^2 s^2) + network(t, x) + constant, where s^2 is the data's
/// mean square of a coordinate and N is over mean-free positions.
///
/// A fresh one is the prior's log-density at t = 0, to its absolute value, and a chain of bonds of the data's lengths at t = 1.
/// Points are rows of positions; those of a mean-free space. What U says of a point does not depend on where its centre is.
public struct CartesianEnergyModel: EnergyModel {
  public let network: CartesianEnergyNetwork
  public let interpolant: Interpolant
  /// Added to U.
  public let constant: Double

  public init(network: CartesianEnergyNetwork, interpolant: Interpolant = .trigonometric, constant: Double = 0) {
    (self.network, self.interpolant, self.constant) = (network, interpolant, constant)
  }

  /// Of the largest molecule.
  public var space: LatentSpace { LatentSpace(atoms: network.graph.atoms, meanFree: true) }

  public func replacing(network: CartesianEnergyNetwork) -> CartesianEnergyModel {
    CartesianEnergyModel(network: network, interpolant: interpolant, constant: constant)
  }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let graph = network.graph
    let centred = try graph.centred(x)
    let (alpha, beta) = (try interpolant.alpha(t), try interpolant.beta(t))
    let variance = try alpha.square() + beta.square() * network.statistics.variance
    let dimensions: Tensor
    if let mask = graph.atomMask {
      dimensions = try mask.cast(network.scalarType).sum(-1) * 3 - 3
    } else {
      dimensions = try Tensor.full([1], Double(3 * graph.atoms - 3), network.scalarType)
    }
    let noise = try (centred.square().sum(-1) / variance + dimensions * (variance * (2 * Double.pi)).log()) * -0.5
    return try noise + network.energy(centred, t, alpha: alpha, beta: beta) + constant
  }
}
