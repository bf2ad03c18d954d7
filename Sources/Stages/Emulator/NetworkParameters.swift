import Generative
import Workflow

/// The network of an energy model: a residual one on internal coordinates, an invariant one on Cartesian ones.
struct EnergyNetworkParameters: ParameterGroup {
  enum Kind: String, CaseIterable, ParameterType { case auto, mlp, graphormer, egnn }

  @Parameter("auto: mlp on internal coordinates, graphormer on Cartesian ones; egnn is the other for Cartesian ones")
  var type = Kind.auto
  @Parameter("mlp: units of a hidden layer", in: 1...8192) var width = 256
  @Parameter("mlp: residual blocks", in: 0...64) var depth = 4
  @Parameter("mlp: torsions enter as sin and cos of k theta, k up to this", in: 1...32) var harmonics = 3
  @Parameter("mlp: random Fourier features of time", in: 0...256) var timeFrequencies = 16
  @Parameter("graphormer, egnn: layers", in: 1...32) var layers = 3
  @Parameter("graphormer, egnn: features of an atom", in: 1...1024) var scalars = 64
  @Parameter("graphormer: hidden width after attention", in: 1...8192) var feedForward = 128
  @Parameter("graphormer: heads, a divisor of scalars", in: 1...256) var heads = 8
  @Parameter("graphormer, egnn: Gaussians of a distance", in: 2...512) var kernels = 24

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
    case (.heavy, _):
      throw EmulatorStageError.energyOfHeavy
    }
  }
}

/// The network of an emulator: a residual one on internal coordinates, an equivariant one on positions of all or of heavy atoms.
struct EmulatorNetworkParameters: ParameterGroup {
  enum Kind: String, CaseIterable, ParameterType { case auto, mlp, gvp, egnn, pairs }

  @Parameter(
    "auto: mlp on internal coordinates, pairs on heavy atoms, gvp on all atoms; gvp, egnn and pairs work on heavy atoms and on all atoms"
  )
  var type = Kind.auto
  @Parameter("mlp: units of a hidden layer", in: 1...8192) var width = 256
  @Parameter("mlp: residual blocks", in: 0...64) var depth = 4
  @Parameter("mlp: torsions enter as sin and cos of k theta, k up to this", in: 1...32) var harmonics = 3
  @Parameter("mlp: random Fourier features of time", in: 0...256) var timeFrequencies = 16
  @Parameter("mlp of the torsions alone, of two flows: units of a hidden layer", in: 1...8192) var torsionWidth = 128
  @Parameter("the same: torsions enter as sin and cos of k theta, k up to this", in: 1...32) var torsionHarmonics = 4
  @Parameter("pairs: units of a hidden layer; left out: 256", in: 1...8192) var pairWidth: Int?
  @Parameter("pairs: residual blocks of each of its two stages; left out: 2", in: 0...64) var pairDepth: Int?
  @Parameter("gvp, egnn: rounds of messages; on heavy atoms of both stages together", in: 1...32) var layers = 5
  @Parameter("gvp, egnn: scalar features of an atom", in: 1...1024) var scalars = 64
  @Parameter("gvp: vector features of an atom", in: 1...256) var vectors = 16

  /// Throws `EmulatorStageError.networkAndCoordinates`.
  func architecture(_ chart: Chart, inTwo: Bool) throws -> EmulatorArchitecture {
    func residual(_ outputs: Int) -> ResidualConfiguration {
      ResidualConfiguration(
        width: width, depth: depth, harmonics: harmonics, timeFrequencies: timeFrequencies, outputs: outputs)
    }
    switch (chart, type) {
    case (.internal, .auto), (.internal, .mlp):
      guard inTwo else { return .residual(residual(chart.space.dimension)) }
      return .twoFlows(
        torsions: ResidualConfiguration(
          width: torsionWidth, depth: depth, harmonics: torsionHarmonics, timeFrequencies: timeFrequencies,
          outputs: chart.space.angles), rest: residual(chart.space.euclidean))
    case (.heavy(let chart), .auto), (.heavy(let chart), .pairs):
      return .heavy(
        chart, PairConfiguration(geometry: chart.geometry, width: pairWidth, depth: pairDepth), hydrogens: residual(1))
    case (.heavy(let chart), .egnn), (.heavy(let chart), .gvp):
      let messages = PairMessages(
        kind: type == .egnn ? .egnn : .gvp, layers: layers, scalars: scalars, vectors: vectors)
      return .heavy(chart, PairConfiguration(geometry: chart.geometry, messages: messages), hydrogens: residual(1))
    case (.heavy, _):
      throw EmulatorStageError.networkAndCoordinates(
        network: type.rawValue, coordinates: "heavy", fitting: "pairs, egnn or gvp")
    case (.cartesian(let chart), .pairs):
      return .pairs(PairConfiguration(geometry: chart.geometry, width: pairWidth, depth: pairDepth))
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
        network: type.rawValue, coordinates: "cartesian", fitting: "gvp, egnn or pairs")
    }
  }
}

public enum EmulatorStageError: Error, CustomStringConvertible, Equatable {
  case networkAndCoordinates(network: String, coordinates: String, fitting: String)
  case heads(Int, scalars: Int)
  /// An energy model on the latents of heavy atoms and hydrogens.
  case energyOfHeavy
  case badWeights(file: String, reason: String)
  /// Weights of a network that has no place for an atom or a residue of the molecule.
  case otherMolecule(file: String, reason: String)

  public var description: String {
    switch self {
    case .networkAndCoordinates(let network, let coordinates, let fitting):
      "network.type \(network) does not work on \(coordinates) coordinates; use \(fitting)"
    case .heads(let heads, let scalars): "network.heads \(heads) does not divide network.scalars \(scalars)"
    case .energyOfHeavy:
      "there is no energy model on positions of heavy atoms and internal coordinates of hydrogens; give coordinates: internal"
    case .otherMolecule(let file, let reason): "the network of \(file) is not for this molecule: \(reason)"
    case .badWeights(let file, let reason): "\(file) does not hold the weights of a gvp network: \(reason)"
    }
  }
}
