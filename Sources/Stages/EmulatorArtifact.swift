import Artifacts
import Basics
import Foundation
import Generative
import Torch
import Workflow

/// What an `emulator` stage's artifact holds besides its training state: the chart, the network's shape, the interpolant.
struct EmulatorArtifact {
  let chart: Chart
  let field: any VectorField
  /// The topology in MDTraj's JSON, for trajectories made from samples.
  let topologyJSON: String
  /// Content digest of the emulator's artifact: samples and energy models remember whose they are.
  let digest: String

  struct Header: Codable {
    var architecture: Architecture
    var interpolant: Interpolant
    var predictsEndpoint = false

    /// A vector field with fresh parameters.
    func field(_ chart: Chart, _ generator: Generator) throws -> any VectorField {
      let field = try architecture.field(chart, interpolant, generator)
      return predictsEndpoint ? Self.endpoint(field, interpolant) : field
    }

    private static func endpoint(_ field: some VectorField, _ interpolant: Interpolant) -> any VectorField {
      EndpointVectorField(base: field, interpolant: interpolant)
    }
  }

  static func write(_ chart: Chart, _ header: Header, topologyJSON: String, to writer: ArtifactWriter) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try writer.write("emulator/header", string: String(decoding: encoder.encode(header), as: UTF8.self))
    try writer.write("emulator/chart", string: String(decoding: encoder.encode(chart), as: UTF8.self))
    try writer.write("topology", strings: [topologyJSON])
  }

  static func read(_ input: StageInput) throws -> EmulatorArtifact {
    let artifact = input.artifact
    let decoder = JSONDecoder()
    let header = try decoder.decode(Header.self, from: Data(artifact.readString("emulator/header").utf8))
    let chart = try decoder.decode(Chart.self, from: Data(artifact.readString("emulator/chart").utf8))
    let blank = try header.field(chart, Generator(seed: 0))
    return EmulatorArtifact(
      chart: chart, field: try NetworkStore.averaged(blank, artifact),
      topologyJSON: try artifact.readStrings("topology").first ?? "", digest: artifact.provenance.contentDigest)
  }
}

/// The kind and shape of an emulator's network: everything but its numbers.
enum Architecture: Codable, Equatable {
  case residual(NetworkConfiguration)
  case gvp(GVPConfiguration, timeIsReversed: Bool)
  case egnn(EGNNConfiguration)

  /// A vector field with fresh parameters.
  func field(_ chart: Chart, _ interpolant: Interpolant, _ generator: Generator) throws -> any VectorField {
    switch self {
    case .residual(let configuration):
      return ResidualVectorField(
        network: try ResidualNetwork(space: chart.space, configuration: configuration, generator: generator),
        interpolant: interpolant)
    case .gvp(let configuration, let timeIsReversed):
      let atoms = try AtomClasses(chart.atomClasses(), count: configuration.atomClasses)
      return GVPVectorField(
        network: try GVPNetwork(configuration: configuration, atoms: atoms, generator: generator), space: chart.space,
        networkTimeIsReversed: timeIsReversed, frame: try chart.frame())
    case .egnn(let configuration):
      let atoms = try AtomClasses(chart.atomClasses(), count: configuration.atomClasses)
      return EGNNVectorField(
        network: try EGNNNetwork(configuration: configuration, atoms: atoms, generator: generator), space: chart.space,
        frame: try chart.frame())
    }
  }
}

/// The averaged network of a training state in an artifact.
enum NetworkStore {
  /// `blank` with the averaged parameters and the constants of the artifact's training state.
  static func averaged<Net: Network>(_ blank: Net, _ artifact: Artifact) throws -> Net {
    blank.replacing(
      parameters: try zip(blank.parameterNames, blank.parameters).map {
        try tensor("average/\($0)", like: $1, artifact)
      },
      constants: try blank.constants.map { try tensor("constants/\($0.name)", like: $0.tensor, artifact) })
  }

  static func averaged<Model: EnergyModel>(_ blank: Model, _ artifact: Artifact) throws -> any EnergyModel {
    blank.replacing(network: try averaged(blank.network, artifact))
  }

  static func averaged<Field: VectorField>(_ blank: Field, _ artifact: Artifact) throws -> any VectorField {
    blank.replacing(network: try averaged(blank.network, artifact))
  }

  /// A network that was not trained here, where `averaged` finds it.
  static func write(_ network: some Network, to writer: ArtifactWriter) throws {
    let named = zip(network.parameterNames, network.parameters).map { (name: "average/\($0)", tensor: $1) }
    for (name, tensor) in named + network.constants.map({ (name: "constants/\($0.name)", tensor: $0.tensor) }) {
      try writer.write("training/tensors/\(name)", tensor.array(as: Float.self), compression: .none)
    }
  }

  private static func tensor(_ name: String, like blank: Tensor, _ artifact: Artifact) throws -> Tensor {
    let array = try artifact.read("training/tensors/\(name)", as: Float.self)
    guard array.shape == blank.shape else {
      throw TrainingError.badState(
        "\(artifact.url.lastPathComponent): \(name) has shape \(array.shape), not \(blank.shape)")
    }
    return try Tensor(array)
  }
}
