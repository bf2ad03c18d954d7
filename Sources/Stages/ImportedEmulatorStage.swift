import Artifacts
import Basics
import Foundation
import Generative
import HDF5
import Molecules
import Torch
import Workflow

/// Takes over a vector field that another program trained.
///
/// The file is HDF5: /weights/<tensor> under the names of `GVPNetwork.parameterNames`, /atom_class [atoms] in the order of the topology,
/// and the network's constants under /configuration; noise_at_one = 1 says that its time runs from data to noise.
enum ImportedEmulatorStage: StageType {
  static let type = "imported-emulator"
  static let version = 1
  static let summary = "take over a GVP emulator that another program trained"
  static let reads: [SharedField] = [.topology]

  static let parameters: [ParameterField] = [
    ParameterField("weights", .path, help: "HDF5 file of weights, atom classes and constants; see datasets/README.md"),
    ParameterField(
      "prior", .choice(["mean-free", "free"]), default: "mean-free",
      help: "noise without a centre of mass of its own, or with one"),
    ParameterField(
      "length_scale", .number(0.1...1000), default: 10.0, unit: "1/nm",
      help: "positions in nm times this are what the network sees; 10 is angstrom"),
  ]

  struct Parameters: Decodable {
    var weights: String
    var prior: String
    var lengthScale: Double
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let topology = try Topology.read(pdb: context.system.topology)
    let file = try WeightsFile(URL(fileURLWithPath: parameters.weights))
    guard file.atomClasses.count == topology.atoms.count else {
      throw EmulatorError.badWeights(
        file: parameters.weights,
        reason: "/atom_class has \(file.atomClasses.count) atoms, the topology \(topology.atoms.count)")
    }
    let atoms = try AtomClasses(file.atomClasses, count: file.configuration.atomClasses)
    let network = try GVPNetwork(configuration: file.configuration, atoms: atoms, weights: file.weights)
    let chart = CartesianChart(
      atomClasses: file.atomClasses, bonds: topology.bonds.map { [$0.first, $0.second] }, scale: parameters.lengthScale,
      meanFree: parameters.prior == "mean-free")
    try EmulatorArtifact.write(
      .cartesian(chart),
      EmulatorArtifact.Header(
        architecture: .gvp(file.configuration, timeIsReversed: file.timeIsReversed), interpolant: .linear),
      topologyJSON: topology.mdtrajJSON, to: context.output)
    try NetworkStore.write(network, to: context.output)
    try context.output.writeScalar("results/parameters", Int64(network.parameterCount))
    context.log(
      "\(network.parameterCount) parameters from \(URL(fileURLWithPath: parameters.weights).lastPathComponent)")
  }
}

/// A file of weights, read and checked for what does not depend on the network.
private struct WeightsFile {
  let atomClasses: [Int]
  let configuration: GVPConfiguration
  let timeIsReversed: Bool
  let weights: [String: NDArray<Float>]

  /// Throws `HDF5Error`, or `EmulatorError.badWeights` where a part is missing.
  init(_ url: URL) throws {
    let file = try HDF5File.openForeign(url)
    func bad(_ reason: String) -> EmulatorError { EmulatorError.badWeights(file: url.path, reason: reason) }
    func number(_ name: String) throws -> Double {
      guard
        let value = try file.exists("configuration/\(name)")
          ? file.dataset("configuration/\(name)").read(as: Double.self).first : nil, value.isFinite, abs(value) < 1e6
      else { throw bad("no usable number /configuration/\(name)") }
      return value
    }
    func count(_ name: String) throws -> Int {
      let value = try number(name)
      guard (1...4096).contains(value), value == value.rounded() else {
        throw bad("/configuration/\(name) is \(value)")
      }
      return Int(value)
    }
    guard file.exists("atom_class"), file.exists("weights") else { throw bad("it has no /atom_class or no /weights") }
    atomClasses = try file.dataset("atom_class").read(as: Int64.self).map { Int($0) }
    configuration = GVPConfiguration(
      layers: try count("n_layers"), scalars: try count("n_scalars"), vectors: try count("n_vectors"),
      radialFunctions: try count("rbf_count"), cutoff: try number("rbf_max"),
      messageNorm: try number("message_norm"), positionRange: try number("coords_range"),
      atomClasses: try count("n_atom_classes"))
    timeIsReversed = try number("noise_at_one") != 0
    var weights: [String: NDArray<Float>] = [:]
    for name in try file.list("weights") {
      let dataset = try file.dataset("weights/\(name)")
      let values = try dataset.read(as: Float.self)
      guard values.allSatisfy(\.isFinite) else { throw bad("/weights/\(name) is not finite") }
      weights[name] = try NDArray(values, shape: dataset.shape)
    }
    self.weights = weights
  }
}
