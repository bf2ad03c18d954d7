import Torch

/// What a residual network's outputs mean to an energy model.
public enum EnergyHead: String, Codable, CaseIterable, Sendable {
  /// One output: U is a scalar function of the network's features.
  case scalar
  /// One output, and a coefficient for each feature of position: U is linear in the coordinates, with slopes that depend on them.
  case linear
}

/// An energy model by a residual network.
///
/// U(t, x) = ln p_0(x) + scale f_0 + sum_i f_i phi_i, where p_0 is the prior, f(t, x) the network's output and phi its features of
/// position (the Euclidean coordinates, sin and cos of k theta; only with the linear head): the network learns how p_t
/// differs from the prior, and a fresh one is the prior at every t, to the absolute constant.
public struct ResidualEnergyModel: EnergyModel {
  public let network: ResidualNetwork
  public let interpolant: Interpolant

  static let scale = 3.0

  public init(network: ResidualNetwork, interpolant: Interpolant) {
    (self.network, self.interpolant) = (network, interpolant)
  }

  public var space: LatentSpace { network.space }

  public func replacing(network: ResidualNetwork) -> ResidualEnergyModel {
    ResidualEnergyModel(network: network, interpolant: interpolant)
  }

  public var head: EnergyHead { network.configuration.outputs == 1 ? .scalar : .linear }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let prior = try space.priorLogDensity(x)
    guard head == .linear else { return try prior + network(x, t).reshaped(-1) * Self.scale }
    let (output, features) = try network.withPositionFeatures(x, t)
    let scalar = try output.slice(0..<1, axis: 1).reshaped(-1) * Self.scale
    let linear = try (output.slice(1..<output.shape[1], axis: 1) * features).sum(-1)
    return try scalar + linear + prior
  }

  /// Outputs that a network for this model must have.
  public static func outputs(space: LatentSpace, harmonics: Int, head: EnergyHead = .linear) -> Int {
    head == .scalar ? 1 : 1 + ResidualNetwork.positionFeatures(space, harmonics)
  }
}
