import Artifacts
import Foundation
import Testing
import Workflow

@testable import Stages

/// Runs single stages on alanine dipeptide, in a folder that is removed with the test.
final class AlanineStages {
  static let dataset = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("datasets/alanine")

  let folder: URL
  let system = SystemFiles(
    topology: dataset.appendingPathComponent("alanine.pdb"), forcefield: dataset.appendingPathComponent("system.xml"))

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("boltzmill-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// What a stage sees that was given these parameters; its checkpoints are written at every opportunity.
  func context(
    _ type: any StageType.Type, _ name: String, _ given: [String: ParameterValue], inputs: [String: [StageInput]] = [:],
    system: SystemFiles? = nil, threads: Int = 1, interruption: @escaping () -> Bool = { false }
  ) throws -> StageContext {
    StageContext(
      stage: name, seed: 11, values: try #require(type.resolvedParameters(given)), inputs: inputs,
      output: try ArtifactWriter(url: folder.appendingPathComponent("\(name).h5")),
      checkpoints: CheckpointStore(folder: folder, stage: name, key: "k"), temperature: 300,
      system: system ?? self.system, threads: threads, checkpointInterval: 0, interruption: interruption)
  }

  func commit(_ context: StageContext, _ type: any StageType.Type) throws -> Artifact {
    try context.output.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: context.stage, stageType: type.type, stageVersion: 1, seed: 11, start: Date(),
        end: Date(), wallSeconds: 0))
    return try Artifact.open(context.output.url, verify: true)
  }
}
