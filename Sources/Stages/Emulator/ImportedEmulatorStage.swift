import Basics
import Foundation
import Generative
import HDF5
import Molecules
import Records
import Workflow

/// Takes over a vector field that another program trained.
///
/// The file is HDF5: /weights/<tensor> under the names of `GVPNetwork.parameterNames`, /atom_class [atoms] in the order of the topology,
/// and the network's constants under /configuration; noise_at_one = 1 says that its time runs from data to noise, predicts_endpoint = 1
/// that it gives the data point and not the velocity (left out: 0).
enum ImportedEmulatorStage: RecordedStage {
  static let type = EmulatorRecord.importedStageType
  static let version = 1
  static let summary = "take over a GVP emulator that another program trained"
  static let reads: [SharedField] = SharedField.molecule
  static let output = Recorded.emulator

  struct Parameters: ParameterGroup {
    @Parameter("HDF5 file of weights, atom classes and constants; see datasets/README.md") var weights: InputFile
    @Parameter("noise without a centre of mass of its own, or with one") var prior = EmulatorStage.Prior.meanFree
    @Parameter("positions in nm times this are what the network sees; 10 is angstrom", unit: "1/nm", in: 0.1...1000)
    var lengthScale = 10.0
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let topology = try context.molecule().topology
    let url = parameters.weights.url
    let file = try WeightsFile(url)
    guard file.atomClasses.count == topology.atoms.count else {
      throw EmulatorStageError.badWeights(
        file: url.path,
        reason: "/atom_class has \(file.atomClasses.count) atoms, the topology \(topology.atoms.count)")
    }
    let emulator = try Emulator(
      gvp: file.configuration, weights: file.weights, atomClasses: file.atomClasses, topology: topology,
      timeIsReversed: file.timeIsReversed, predictsEndpoint: file.predictsEndpoint, scale: parameters.lengthScale,
      meanFree: parameters.prior == .meanFree)
    let archive = try emulator.archive()
    try context.output.write(archive, output.model)
    try context.output.write(tensors: archive.tensors)
    try context.output.write(output.topology, [topology.mdtrajJSON])
    try context.output.write(output.parameters, emulator.parameterCount)
    context.log(
      "\(emulator.parameterCount) parameters from \(url.lastPathComponent)"
        + (file.predictsEndpoint ? ", which give the data point: paths end at t = 0.999" : ""))
  }
}

/// A file of weights, read and checked for what does not depend on the network.
private struct WeightsFile {
  let atomClasses: [Int]
  let configuration: GVPConfiguration
  let timeIsReversed, predictsEndpoint: Bool
  let weights: [String: NDArray<Float>]

  /// Throws `HDF5Error`, or `EmulatorStageError.badWeights` where a part is missing.
  init(_ url: URL) throws {
    let file = try HDF5File.openForeign(url)
    func bad(_ reason: String) -> EmulatorStageError { EmulatorStageError.badWeights(file: url.path, reason: reason) }
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
    func yes(_ name: String) throws -> Bool {
      let value = try number(name)
      guard value == 0 || value == 1 else { throw bad("/configuration/\(name) is \(value); it must be 0 or 1") }
      return value == 1
    }
    guard file.exists("atom_class"), file.exists("weights") else { throw bad("it has no /atom_class or no /weights") }
    atomClasses = try file.dataset("atom_class").read(as: Int64.self).map { Int($0) }
    configuration = GVPConfiguration(
      layers: try count("n_layers"), scalars: try count("n_scalars"), vectors: try count("n_vectors"),
      radialFunctions: try count("rbf_count"), cutoff: try number("rbf_max"),
      messageNorm: try number("message_norm"), positionRange: try number("coords_range"),
      atomClasses: try count("n_atom_classes"))
    timeIsReversed = try yes("noise_at_one")
    predictsEndpoint = try file.exists("configuration/predicts_endpoint") && yes("predicts_endpoint")
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
