import Artifacts
import Foundation
import Testing
import Workflow

/// Runs single stages on alanine dipeptide, in a folder that is removed with the test.
public final class AlanineStages {
  public static let dataset = Package.alanine

  private let scratch: Scratch
  public var folder: URL { scratch.url }
  public let system = MoleculeFiles.alanine

  public init() throws { scratch = try Scratch() }

  /// What a stage sees that was given these parameters; its checkpoints are written at every opportunity.
  public func context(
    _ type: any StageType.Type, _ name: String, _ given: [String: ParameterValue], inputs: [String: [StageInput]] = [:],
    system: MoleculeFiles? = nil, threads: Int = 1, interruption: @escaping () -> Bool = { false }
  ) throws -> StageContext {
    StageContext(
      stage: name, seed: 11, values: try #require(type.resolvedParameters(given)), inputs: inputs,
      output: try ArtifactWriter(url: scratch.file("\(name).h5")),
      checkpoints: CheckpointStore(folder: folder, stage: name, key: "k"), temperature: 300,
      system: system ?? self.system, threads: threads, checkpointInterval: 0, interruption: interruption)
  }

  public func commit(_ context: StageContext, _ type: any StageType.Type) throws -> Artifact {
    try context.output.commit(as: type.type, context.stage)
  }
}
