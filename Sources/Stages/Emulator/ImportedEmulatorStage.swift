import Basics
import Foundation
import Generative
import HDF5
import Molecules
import Records
import Workflow

/// Takes over a vector field that another program trained.
///
/// The file is HDF5: /weights/<tensor> under the names of `GVPNetwork.parameterNames`, and the network's constants under /configuration;
/// noise_at_one = 1 says that its time runs from data to noise, predicts_endpoint = 1 that it gives the data point and not the velocity (left
/// out: 0), length_scale what positions in nm are multiplied by (left out: the parameter of that name). A network of one molecule has
/// /atom_class [atoms] in the order of the topology. One of many peptides has /features, tables from which the atoms of the topology get their features (`PeptideFeatures`).
enum ImportedEmulatorStage: RecordedStage {
  static let type = EmulatorRecord.importedStageType
  static let version = 1
  static let summary = "take over a GVP emulator that another program trained"
  static let reads: [SharedField] = SharedField.molecule
  static let output = Recorded.emulator

  struct Parameters: ParameterGroup {
    @Parameter("HDF5 file of weights, atom classes or tables of features, and constants; see datasets/README.md")
    var weights: InputFile
    @Parameter("noise without a centre of mass of its own, or with one") var prior = EmulatorStage.Prior.meanFree
    @Parameter(
      "positions in nm times this are what the network sees; 10 is angstrom. Where the file says it (length_scale), that counts, and another value "
        + "than 10 here must be the same",
      unit: "1/nm", in: lengthScales)
    var lengthScale = usualLengthScale
  }

  /// What a network's unit of length may be, 1/nm.
  fileprivate static let lengthScales = 0.1...1000.0
  private static let usualLengthScale = 10.0

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let topology = try context.molecule().topology
    let url = parameters.weights.url
    let file = try WeightsFile(url)
    let given = parameters.lengthScale
    if let own = file.lengthScale, given != own, given != usualLengthScale {
      throw EmulatorStageError.badWeights(
        file: url.path, reason: "/configuration/length_scale is \(own) per nm, and length_scale is given as \(given)")
    }
    let network = try file.network(of: topology)
    let emulator = try Emulator(
      gvp: network.configuration, weights: network.weights, atomClasses: network.atomClasses, topology: topology,
      timeIsReversed: file.timeIsReversed, predictsEndpoint: file.predictsEndpoint,
      scale: file.lengthScale ?? given, meanFree: parameters.prior == .meanFree)
    let archive = try emulator.archive()
    try context.output.write(archive, output.model)
    try context.output.write(tensors: archive.tensors)
    try context.output.write(output.topology, [topology.mdtrajJSON])
    try context.output.write(output.parameters, emulator.parameterCount)
    context.log(
      "\(emulator.parameterCount) parameters from \(url.lastPathComponent)"
        + (file.predictsEndpoint ? ", which give the data point: paths end at t = 0.999" : "")
        + (file.lengthScale.map { "; positions in nm times \($0), as the file says" } ?? ""))
  }
}

/// A file of weights, read and checked for what does not depend on the network.
private struct WeightsFile {
  /// What tells atoms apart: a class each, or features.
  enum Atoms {
    case classes([Int])
    case features(PeptideFeatures)
  }

  private let url: URL
  private let atoms: Atoms
  /// Without its classes of atoms where these come from features.
  private let configuration: GVPConfiguration
  let timeIsReversed, predictsEndpoint: Bool
  /// 1/nm; nil where the file does not say it.
  let lengthScale: Double?
  private let weights: [String: NDArray<Float>]

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
    let isOfOneMolecule = file.exists("atom_class")
    guard isOfOneMolecule || file.exists("features"), file.exists("weights") else {
      throw bad("it has neither /atom_class nor /features, or no /weights")
    }
    guard !isOfOneMolecule || !file.exists("features") else { throw bad("it has both /atom_class and /features") }
    self.url = url
    atoms =
      isOfOneMolecule
      ? .classes(try file.dataset("atom_class").read(as: Int64.self).map { Int($0) })
      : .features(try Self.features(file, places: count("n_residue_positions"), bad))
    configuration = GVPConfiguration(
      layers: try count("n_layers"), scalars: try count("n_scalars"), vectors: try count("n_vectors"),
      radialFunctions: try count("rbf_count"), cutoff: try number("rbf_max"),
      messageNorm: try number("message_norm"), positionRange: try number("coords_range"),
      atomClasses: isOfOneMolecule ? try count("n_atom_classes") : 0)
    timeIsReversed = try yes("noise_at_one")
    predictsEndpoint = try file.exists("configuration/predicts_endpoint") && yes("predicts_endpoint")
    lengthScale = try file.exists("configuration/length_scale") ? number("length_scale") : nil
    if let lengthScale, !ImportedEmulatorStage.lengthScales.contains(lengthScale) {
      throw bad("/configuration/length_scale is \(lengthScale)")
    }
    var weights: [String: NDArray<Float>] = [:]
    for name in try file.list("weights") {
      let dataset = try file.dataset("weights/\(name)")
      let values = try dataset.read(as: Float.self)
      guard values.allSatisfy(\.isFinite) else { throw bad("/weights/\(name) is not finite") }
      weights[name] = try NDArray(values, shape: dataset.shape)
    }
    self.weights = weights
  }

  private static func features(
    _ file: HDF5File, places: Int, _ bad: (String) -> EmulatorStageError
  ) throws -> PeptideFeatures {
    func dataset(_ name: String) throws -> HDF5Dataset {
      guard file.exists("features/\(name)") else { throw bad("it has no /features/\(name)") }
      return try file.dataset("features/\(name)")
    }
    let residues = try dataset("rule_residue_name").readStrings()
    let names = try dataset("rule_atom_name").readStrings()
    let types = try dataset("rule_atom_type").read(as: Int64.self)
    let presence = try dataset("rule_presence")
    let count = residues.count
    guard names.count == count, types.count == count, presence.shape == [count, places] else {
      throw bad(
        "/features/rule_... differ in length: \(count), \(names.count), \(types.count) and \(presence.shape) for [\(count), \(places)]"
      )
    }
    let flags = try presence.read(as: Int64.self).map {
      guard let flag = PeptideFeatures.Presence(rawValue: Int($0)) else {
        throw bad("/features/rule_presence has \($0), which is neither 0, 1 nor 2")
      }
      return flag
    }
    do {
      return try PeptideFeatures(
        places: places, residueTypes: dataset("residue_type_name").readStrings(),
        atomTypes: dataset("atom_type_name").readStrings(),
        rules: (0..<count).map {
          PeptideFeatures.Rule(
            residue: residues[$0], atom: names[$0], type: Int(types[$0]),
            presence: Array(flags[places * $0..<places * ($0 + 1)]))
        })
    } catch let error as PeptideFeatureError {
      throw bad("\(error)")
    }
  }

  /// The network on one molecule. Throws `EmulatorStageError.badWeights` where the file's classes are not of so many atoms or its embedding has
  /// not the features' columns, `.otherMolecule` where the features have no place for an atom.
  func network(
    of topology: Topology
  ) throws -> (configuration: GVPConfiguration, weights: [String: NDArray<Float>], atomClasses: [Int]) {
    switch atoms {
    case .classes(let classes):
      guard classes.count == topology.atoms.count else {
        throw EmulatorStageError.badWeights(
          file: url.path,
          reason: "/atom_class has \(classes.count) atoms, the topology \(topology.atoms.count)")
      }
      return (configuration, weights, classes)
    case .features(let features):
      let columns: [[Int]]
      do {
        columns = try features.columns(of: topology)
      } catch let error where error is PeptideFeatureError || error is PeptideError {
        throw EmulatorStageError.otherMolecule(file: url.path, reason: "\(error)")
      }
      guard let embedding = weights[GVPNetwork.embeddingWeight] else {
        throw CartesianNetworkError.parameterMissing(GVPNetwork.embeddingWeight)
      }
      do {
        let folded = try features.folded(embedding, columns: columns)
        var own = configuration
        own.atomClasses = folded.classCount
        return (
          own, weights.merging([GVPNetwork.embeddingWeight: folded.embedding]) { $1 }, folded.atomClasses
        )
      } catch let error as PeptideFeatureError {
        throw EmulatorStageError.badWeights(file: url.path, reason: "\(error)")
      }
    }
  }
}
