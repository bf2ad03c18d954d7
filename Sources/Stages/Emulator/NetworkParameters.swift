import Generative
import Workflow

/// Parameters of a residual network, shared by the stages that train one.
enum NetworkParameters {
  static func fields(width: Int, depth: Int) -> [ParameterField] {
    [
      ParameterField("width", .integer(1...8192), default: .integer(width), help: "mlp: units of a hidden layer"),
      ParameterField("depth", .integer(0...64), default: .integer(depth), help: "mlp: residual blocks"),
      ParameterField(
        "harmonics", .integer(1...32), default: 3,
        help: "mlp: torsions enter as sin and cos of k theta, k up to this"),
      ParameterField("time_frequencies", .integer(0...256), default: 16, help: "mlp: random Fourier features of time"),
    ]
  }
}

/// Parameters of an energy model's network: a residual network on internal coordinates, an invariant one on Cartesian ones.
struct EnergyNetworkParameters: Decodable {
  enum Kind: String, Decodable, CaseIterable {
    case auto, mlp, graphormer, egnn
  }

  var type: Kind
  var width: Int
  var depth: Int
  var harmonics: Int
  var timeFrequencies: Int
  var layers: Int
  var scalars: Int
  var feedForward: Int
  var heads: Int
  var kernels: Int

  static func field(width: Int, depth: Int) -> ParameterField {
    ParameterField(
      "network",
      .object(
        [
          ParameterField(
            "type", .choice(Kind.allCases.map(\.rawValue)), default: "auto",
            help:
              "auto: mlp on internal coordinates, graphormer on Cartesian ones; egnn is the other for Cartesian ones")
        ] + NetworkParameters.fields(width: width, depth: depth) + [
          ParameterField("layers", .integer(1...32), default: 3, help: "graphormer, egnn: layers"),
          ParameterField("scalars", .integer(1...1024), default: 64, help: "graphormer, egnn: features of an atom"),
          ParameterField(
            "feed_forward", .integer(1...8192), default: 128, help: "graphormer: hidden width after attention"),
          ParameterField("heads", .integer(1...256), default: 8, help: "graphormer: heads, a divisor of scalars"),
          ParameterField("kernels", .integer(2...512), default: 24, help: "graphormer, egnn: Gaussians of a distance"),
        ]), help: "the network that gives the log-density")
  }

  /// Throws `EmulatorStageError.networkAndCoordinates`, `.heads`.
  func architecture(_ chart: Chart, head: EnergyHead) throws -> EnergyArchitecture {
    switch (chart, type) {
    case (.internal, .auto), (.internal, .mlp):
      let outputs = ResidualEnergyModel.outputs(space: chart.space, harmonics: harmonics, head: head)
      return .residual(
        ResidualConfiguration(
          width: width, depth: depth, harmonics: harmonics, timeFrequencies: timeFrequencies, outputs: outputs))
    case (.cartesian(let chart), .auto), (.cartesian(let chart), .graphormer), (.cartesian(let chart), .egnn):
      guard type == .egnn || scalars % heads == 0 else { throw EmulatorStageError.heads(heads, scalars: scalars) }
      return .cartesian(
        CartesianEnergyConfiguration(
          architecture: type == .egnn ? .egnn : .graphormer, width: scalars, feedForward: feedForward, heads: heads,
          layers: layers, kernels: kernels, timeFrequencies: timeFrequencies),
        BondGraph(classes: chart.atomClasses, bonds: chart.bonds))
    case (.internal, _):
      throw EmulatorStageError.networkAndCoordinates(network: type.rawValue, coordinates: "internal", fitting: "mlp")
    case (.cartesian, _):
      throw EmulatorStageError.networkAndCoordinates(
        network: type.rawValue, coordinates: "cartesian", fitting: "graphormer or egnn")
    }
  }
}

/// Parameters of an emulator's network: a residual network on internal coordinates, an equivariant one on Cartesian ones.
struct EmulatorNetworkParameters: Decodable {
  enum Kind: String, Decodable, CaseIterable {
    case auto, mlp, gvp, egnn
  }

  var type: Kind
  var width: Int
  var depth: Int
  var harmonics: Int
  var timeFrequencies: Int
  var layers: Int
  var scalars: Int
  var vectors: Int

  static func field(width: Int, depth: Int) -> ParameterField {
    ParameterField(
      "network",
      .object(
        [
          ParameterField(
            "type", .choice(Kind.allCases.map(\.rawValue)), default: "auto",
            help: "auto: mlp on internal coordinates, gvp on Cartesian ones; egnn is the other for Cartesian ones")
        ] + NetworkParameters.fields(width: width, depth: depth) + [
          ParameterField("layers", .integer(1...32), default: 5, help: "gvp, egnn: rounds of messages"),
          ParameterField("scalars", .integer(1...1024), default: 64, help: "gvp, egnn: scalar features of an atom"),
          ParameterField("vectors", .integer(1...256), default: 16, help: "gvp: vector features of an atom"),
        ]), help: "the network that gives the velocity")
  }

  /// Throws `EmulatorStageError.networkAndCoordinates`.
  func architecture(_ chart: Chart) throws -> EmulatorArchitecture {
    switch (chart, type) {
    case (.internal, .auto), (.internal, .mlp):
      return .residual(
        ResidualConfiguration(
          width: width, depth: depth, harmonics: harmonics, timeFrequencies: timeFrequencies,
          outputs: chart.space.dimension))
    case (.cartesian(let chart), .auto), (.cartesian(let chart), .gvp):
      return .gvp(
        GVPConfiguration(layers: layers, scalars: scalars, vectors: vectors, atomClasses: chart.classCount),
        timeIsReversed: false)
    case (.cartesian(let chart), .egnn):
      return .egnn(EGNNConfiguration(layers: layers, width: scalars, atomClasses: chart.classCount))
    case (.internal, _):
      throw EmulatorStageError.networkAndCoordinates(network: type.rawValue, coordinates: "internal", fitting: "mlp")
    case (.cartesian, _):
      throw EmulatorStageError.networkAndCoordinates(
        network: type.rawValue, coordinates: "cartesian", fitting: "gvp or egnn")
    }
  }
}

public enum EmulatorStageError: Error, CustomStringConvertible, Equatable {
  case networkAndCoordinates(network: String, coordinates: String, fitting: String)
  case heads(Int, scalars: Int)
  case badWeights(file: String, reason: String)

  public var description: String {
    switch self {
    case .networkAndCoordinates(let network, let coordinates, let fitting):
      return "network.type \(network) does not work on \(coordinates) coordinates; use \(fitting)"
    case .heads(let heads, let scalars):
      return "network.heads \(heads) does not divide network.scalars \(scalars)"
    case .badWeights(let file, let reason):
      return "\(file) does not hold the weights of a gvp network: \(reason)"
    }
  }
}
