import Artifacts
import Basics
import Foundation
import Workflow

/// What a pipeline file says of the molecule.
public struct MoleculeFiles {
  private let structure: URL?
  /// A file, or a method with its parameters.
  public var forcefield: ParameterValue
  /// Of the dynamics, where it is another one.
  public var sampledBy: ParameterValue = .null
  public var torsions: [String: [Int]]
  public var state: ParameterValue
  /// Named states in the form that stages are given them, in place of `state`; with their pairs and distances.
  public var states: ParameterValue = .null
  public var pairs: ParameterValue = .null
  public var distances: ParameterValue = .null

  public init(
    topology: URL? = nil, forcefield: URL? = nil, method: (name: String, parameters: ParameterValue)? = nil,
    torsions: [String: [Int]] = [:], state: ParameterValue = ["torsion": "phi", "from": 0, "to": 2]
  ) {
    structure = topology
    self.forcefield =
      method.map { ["method": .string($0.name), "parameters": $0.parameters] }
      ?? forcefield.map { .string($0.path) } ?? .null
    self.torsions = torsions
    self.state = state
  }

  /// Alanine dipeptide and the force field of datasets/alanine.
  public static let alanine = MoleculeFiles(
    topology: Package.alanine.appendingPathComponent("alanine.pdb"), forcefield: AlanineFixture.systemXML)

  public static func dipeptide(_ name: String) -> MoleculeFiles {
    let folder = Package.dipeptide(name)
    return MoleculeFiles(
      topology: folder.appendingPathComponent("topology.pdb"), forcefield: folder.appendingPathComponent("system.xml"))
  }

  /// The PDB file.
  public var topology: URL { structure ?? URL(fileURLWithPath: "/") }

  /// Of a force field that is a file.
  public var forcefieldFile: URL { URL(fileURLWithPath: forcefield.string ?? "") }

  var shared: [String: ParameterValue] {
    [
      "topology": structure.map { .string($0.path) } ?? .null, "forcefield": forcefield,
      "sampled_by": sampledBy,
      "torsions": .object(torsions.mapValues { .list($0.map(ParameterValue.integer)) }),
      "state": states == .null ? state : .null, "states": states, "pairs": pairs, "distances": distances,
    ]
  }
}

extension StageContext {
  /// A context of a test's own.
  public convenience init(
    stage: String, seed: UInt64, values: ParameterValue, inputs: [String: [StageInput]] = [:], output: ArtifactWriter,
    checkpoints: CheckpointStore, temperature: Double = .nan, system: MoleculeFiles,
    progress: any Basics.ProgressReporting = SilentProgress(), threads: Int = 1, checkpointInterval: Double = 60,
    interruption: @escaping () -> Bool = { false }, log: @escaping (String) -> Void = { _ in }
  ) {
    self.init(
      stage: stage, seed: seed, values: values, inputs: inputs, output: output, checkpoints: checkpoints,
      shared: system.shared.merging(["temperature": .number(temperature)]) { $1 }, settings: ["device": "cpu"],
      progress: progress, threads: threads, checkpointInterval: checkpointInterval, interruption: interruption, log: log
    )
  }
}

extension ArtifactWriter {
  /// Commits under an invented provenance, and opens what was written.
  @discardableResult
  public func commit(
    as type: String, _ stage: String = "stage", wallSeconds: Double = 0, warnings: [String] = []
  ) throws -> Artifact {
    let now = Date()
    try commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: stage, stageType: type, stageVersion: 1, seed: 11, start: now, end: now,
        wallSeconds: wallSeconds, warnings: warnings))
    return try Artifact.open(url, verify: true)
  }
}

extension StageInput {
  /// A stage that was never run: `fill` writes what it would have written.
  public init(
    _ name: String, _ type: String, in folder: URL, inputs: [String: [StageInput]] = [:], wallSeconds: Double = 0,
    warnings: [String] = [], _ fill: (ArtifactWriter) throws -> Void
  ) throws {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("\(name).h5"))
    try fill(writer)
    self.init(
      name: name, type: type, artifact: try writer.commit(as: type, name, wallSeconds: wallSeconds, warnings: warnings),
      inputs: inputs)
  }
}
