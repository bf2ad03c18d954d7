import Artifacts
import Basics
import Foundation
import Generative
import Torch
import Workflow

/// What an `emulator` stage's artifact holds besides its training state: the chart, the network's shape, the interpolant.
struct EmulatorArtifact {
  let chart: InternalChart
  let field: any VectorField
  /// The topology in MDTraj's JSON, for trajectories made from samples.
  let topologyJSON: String
  /// Content digest of the emulator's artifact: samples and energy models remember whose they are.
  let digest: String

  struct Header: Codable {
    var space: LatentSpace
    var network: NetworkConfiguration
    var interpolant: Interpolant
  }

  static func write(_ chart: InternalChart, _ header: Header, topologyJSON: String, to writer: ArtifactWriter) throws {
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
    let chart = try decoder.decode(InternalChart.self, from: Data(artifact.readString("emulator/chart").utf8))
    let network = try NetworkStore.average(artifact, space: header.space, configuration: header.network)
    return EmulatorArtifact(
      chart: chart, field: ResidualVectorField(network: network, interpolant: header.interpolant),
      topologyJSON: try artifact.readStrings("topology").first ?? "", digest: artifact.provenance.contentDigest)
  }
}

/// The averaged network of a training state in an artifact.
enum NetworkStore {
  static func average(
    _ artifact: Artifact, space: LatentSpace, configuration: NetworkConfiguration
  ) throws -> ResidualNetwork {
    let parameters = try ResidualNetwork.parameterNames(configuration).map {
      try Tensor(artifact.read("training/tensors/average/\($0)", as: Float.self))
    }
    return ResidualNetwork(
      space: space, configuration: configuration, parameters: parameters,
      frequencies: try Tensor(artifact.read("training/tensors/constants/frequencies", as: Float.self)))
  }
}
