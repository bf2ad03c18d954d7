import Torch

/// An energy-based model of a law along an interpolant: U(t, x) is ln p_t(x) up to one constant, with the plus sign. At t = 1 it is the
/// emulator's log-density, at the cost of one forward pass.
/// Source: Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846, sections 3 and 4.
public protocol EnergyModel {
  associatedtype Net: Network
  var network: Net { get }
  var space: LatentSpace { get }
  var interpolant: Interpolant { get }
  func replacing(network: Net) -> Self
  /// x [n, d], t [n] -> U [n].
  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor
}

extension EnergyModel {
  /// U at time `t`, [n], in Float64; one forward pass per sample, in chunks.
  public func values(_ x: Tensor, at t: Double, chunk: Int = 8192) throws -> Tensor {
    try withoutGradients {
      let type = network.scalarType
      var parts: [Tensor] = []
      var start = 0
      while start < x.shape[0] {
        let rows = try x.slice(start..<min(start + chunk, x.shape[0])).cast(type)
        parts.append(try self(rows, Tensor.full([rows.shape[0]], t, type)).cast(.float64))
        start += chunk
      }
      return parts.isEmpty ? try Tensor.zeros([0], .float64) : try Tensor.concatenated(parts, axis: 0)
    }
  }

  /// Log-density at the data end up to the model's constant, [n], in Float64.
  public func logDensity(_ x: Tensor, chunk: Int = 8192) throws -> Tensor { try values(x, at: 1, chunk: chunk) }

  /// dU/dx, [n, d].
  public func score(_ x: Tensor, _ t: Tensor, createGraph: Bool) throws -> Tensor {
    let leaf = try x.requiringGradient()
    return try self(leaf, t).sum().gradients(of: [leaf], createGraph: createGraph)[0]
  }
}

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

  public func replacing(network: ResidualNetwork) -> Self { Self(network: network, interpolant: interpolant) }

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

  public func replacing(network: CartesianEnergyNetwork) -> Self {
    Self(network: network, interpolant: interpolant, constant: constant)
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
