import Generative
import Workflow

/// Parameters of a residual network, shared by the stages that train one.
struct NetworkParameters: Decodable {
  var width: Int
  var depth: Int
  var harmonics: Int
  var timeFrequencies: Int

  func configuration(outputs: Int) -> NetworkConfiguration {
    NetworkConfiguration(
      width: width, depth: depth, harmonics: harmonics, timeFrequencies: timeFrequencies, outputs: outputs)
  }

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

  static func field(width: Int, depth: Int) -> ParameterField {
    ParameterField("network", .object(fields(width: width, depth: depth)), help: "residual network")
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

  /// Throws `EmulatorError.networkAndCoordinates`.
  func architecture(_ chart: Chart) throws -> Architecture {
    switch (chart, type) {
    case (.internal, .auto), (.internal, .mlp):
      return .residual(
        NetworkConfiguration(
          width: width, depth: depth, harmonics: harmonics, timeFrequencies: timeFrequencies,
          outputs: chart.space.dimension))
    case (.cartesian(let chart), .auto), (.cartesian(let chart), .gvp):
      return .gvp(
        GVPConfiguration(layers: layers, scalars: scalars, vectors: vectors, atomClasses: chart.classCount),
        timeIsReversed: false)
    case (.cartesian(let chart), .egnn):
      return .egnn(EGNNConfiguration(layers: layers, width: scalars, atomClasses: chart.classCount))
    case (.internal, _):
      throw EmulatorError.networkAndCoordinates(network: type.rawValue, coordinates: "internal", fitting: "mlp")
    case (.cartesian, _):
      throw EmulatorError.networkAndCoordinates(
        network: type.rawValue, coordinates: "cartesian", fitting: "gvp or egnn")
    }
  }
}

public enum EmulatorError: Error, CustomStringConvertible, Equatable {
  case networkAndCoordinates(network: String, coordinates: String, fitting: String)
  case couplingAndCoordinates(coupling: String)
  case atomClasses(count: Int, atoms: Int)
  case badWeights(file: String, reason: String)

  public var description: String {
    switch self {
    case .networkAndCoordinates(let network, let coordinates, let fitting):
      return "network.type \(network) does not work on \(coordinates) coordinates; use \(fitting)"
    case .couplingAndCoordinates(let coupling):
      return "coupling: \(coupling) is for coordinates: cartesian; internal ones have no orientation to align"
    case .atomClasses(let count, let atoms):
      return "atom_classes has \(count) entries for \(atoms) atoms; give one class per atom, from 0"
    case .badWeights(let file, let reason):
      return "\(file) does not hold the weights of a gvp network: \(reason)"
    }
  }
}
