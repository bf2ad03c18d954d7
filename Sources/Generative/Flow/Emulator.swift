import Basics
import Foundation
import Molecules
import Torch

/// A Boltzmann emulator: a trained flow that draws a molecule's conformations, with their densities.
///
/// What draws is `flow(for:)`: for a topology its chart and the vector field on it. An emulator of many molecules would differ in
/// that function alone.
public struct Emulator {
  public let header: Header
  let chart: Chart
  /// Of the header's kind.
  let field: any VectorField

  /// Everything about the model but its numbers and the molecule.
  public struct Header: Codable, Sendable {
    public var architecture: EmulatorArchitecture
    public var interpolant: Interpolant
    /// The network gives the data point it expects and not the velocity.
    public var predictsEndpoint = false

    /// A vector field with fresh parameters.
    func field(_ chart: Chart, _ generator: Generator) throws -> any VectorField {
      let field = try architecture.field(chart, interpolant, generator)
      return predictsEndpoint ? Self.endpoint(field, interpolant) : field
    }

    private static func endpoint(_ field: some VectorField, _ interpolant: Interpolant) -> any VectorField {
      EndpointVectorField(base: field, interpolant: interpolant)
    }
  }
}

extension Emulator {
  /// A GVP network that another program trained on linear interpolants, in Cartesian coordinates. Weights carry the names of
  /// `GVPNetwork.parameterNames`; `timeIsReversed` where the network's time runs from data to noise.
  ///
  /// Throws `CartesianNetworkError` where the weights are not those of the configuration, `EmulatorError.atomClasses` where the classes are
  /// not as many as the topology's atoms.
  public init(
    gvp configuration: GVPConfiguration, weights: [String: NDArray<Float>], atomClasses: [Int], topology: Topology,
    timeIsReversed: Bool, scale: Double = 10, meanFree: Bool = true
  ) throws {
    let chart = Chart.cartesian(
      try CartesianChart(topology: topology, atomClasses: atomClasses, scale: scale, meanFree: meanFree))
    let network = try GVPNetwork(
      configuration: configuration, atoms: AtomClasses(atomClasses, count: configuration.atomClasses), weights: weights)
    self.init(
      header: Header(architecture: .gvp(configuration, timeIsReversed: timeIsReversed), interpolant: .linear),
      chart: chart,
      field: GVPVectorField(
        network: network, space: chart.space, networkTimeIsReversed: timeIsReversed, frame: try chart.frame()))
  }

  public var parameterCount: Int { field.network.parameterCount }

  /// The emulator on one molecule. Throws `EmulatorError.otherMolecule`, and `MoleculesError.flatCentre` for a topology whose
  /// coordinates show no hand.
  public func flow(for topology: Topology) throws -> MolecularFlow {
    guard topology.atoms.count == chart.atoms else {
      throw EmulatorError.otherMolecule(atoms: topology.atoms.count, expected: chart.atoms)
    }
    return MolecularFlow(chart: chart, field: field, chirality: try Chirality(topology: topology))
  }
}

extension Emulator {
  /// As text and named tensors, for a store.
  public func archive() throws -> ModelArchive { try ModelArchive(header, chart, network: field.network) }

  /// Throws `DecodingError`, and `TrainingError.badState` where tensors are missing or of another shape.
  public init(_ archive: ModelArchive) throws {
    let (header, chart) = try archive.decoded(Header.self, Chart.self)
    self.init(header: header, chart: chart, field: try Self.filled(header.field(chart, Generator(seed: 0)), archive))
  }

  private static func filled<Field: VectorField>(_ blank: Field, _ archive: ModelArchive) throws -> any VectorField {
    blank.replacing(network: try archive.network(like: blank.network))
  }
}

public enum EmulatorError: Error, CustomStringConvertible, Equatable {
  case otherMolecule(atoms: Int, expected: Int)
  case atomClasses(count: Int, atoms: Int)
  case couplingNeedsPositions(Coupling)

  public var description: String {
    switch self {
    case .otherMolecule(let atoms, let expected):
      return "the molecule has \(atoms) atoms, and the emulator is one of a molecule with \(expected)"
    case .atomClasses(let count, let atoms):
      return "there are \(count) atom classes for \(atoms) atoms; give one class per atom, from 0"
    case .couplingNeedsPositions(let coupling):
      return "the coupling \(coupling.rawValue) aligns positions; internal coordinates have no orientation to align"
    }
  }
}
