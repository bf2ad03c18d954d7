import Torch

/// A flow of the heavy atoms' positions, then one of the hydrogens' broad torsions given these, then one of the hydrogens' narrow coordinates given
/// both. Densities multiply: ln q adds up along all of them.
public struct HeavyFlows: FlowModel {
  public let network: HeavyNetwork
  public let space: LatentSpace

  public init(network: HeavyNetwork, space: LatentSpace) { (self.network, self.space) = (network, space) }

  public func replacing(network: HeavyNetwork) -> Self { Self(network: network, space: space) }

  public var parts: [any VectorField] {
    var list: [any VectorField] = [positions]
    if let torsions { list.append(torsions) }
    if let rest { list.append(rest) }
    return list
  }

  var positions: PairField { PairField(network: network.positions, space: space) }
  var torsions: TorsionField? {
    network.torsions.map { TorsionField(network: $0, space: space, given: network.positions.standing) }
  }
  var rest: ConditionalField? {
    network.rest.map {
      ConditionalField(network: $0, space: space, interpolant: .linear, given: network.positions.standing)
    }
  }
}

/// Three networks with one list of parameters; a molecule without hydrogens, or without broad torsions of hydrogens, has fewer.
public struct HeavyNetwork: Network {
  public let positions: PairNetwork
  public let torsions, rest: ResidualNetwork?

  private var parts: [(name: String, network: any Network)] {
    [("positions", positions)] + (torsions.map { [("torsions", $0)] } ?? []) + (rest.map { [("rest", $0)] } ?? [])
  }
  public var parameterNames: [String] {
    parts.flatMap { part in part.network.parameterNames.map { "\(part.name).\($0)" } }
  }
  public var parameters: [Tensor] { parts.flatMap(\.network.parameters) }
  public var constants: [(name: String, tensor: Tensor)] {
    parts.flatMap { part in part.network.constants.map { ("\(part.name).\($0.name)", $0.tensor) } }
  }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    var (left, fixed) = (parameters[...], constants[...])
    func next<Part: Network>(_ part: Part) -> Part {
      let (count, still) = (part.parameters.count, part.constants.count)
      defer { (left, fixed) = (left.dropFirst(count), fixed.dropFirst(still)) }
      return part.replacing(parameters: Array(left.prefix(count)), constants: Array(fixed.prefix(still)))
    }
    let moved = next(positions)
    let turning = torsions.map(next)
    return Self(positions: moved, torsions: turning, rest: rest.map(next))
  }
}
