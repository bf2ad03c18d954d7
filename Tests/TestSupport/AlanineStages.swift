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

  /// Runs a stage that is interrupted again and again, after as many looks as `limit` says of each attempt, until it comes to its end: with
  /// one and two threads in turn, or always with `threads`, for a stage whose last digits hang on them (LibTorch's products do). `saved`
  /// hears of each context that was stopped.
  public func inParts<Stage: StageType>(
    _ type: Stage.Type, _ name: String, _ given: [String: ParameterValue], inputs: [String: [StageInput]] = [:],
    system: MoleculeFiles? = nil, threads: Int? = nil, limit: (Int) -> Int,
    saved: (StageContext) throws -> Void = { _ in }
  ) throws -> (artifact: Artifact, interruptions: Int) {
    for attempt in 0..<1000 {
      var calls = 0
      let most = limit(attempt)
      let part = try context(type, name, given, inputs: inputs, system: system, threads: threads ?? 1 + attempt % 2) {
        calls += 1
        return calls >= most
      }
      do {
        try type.run(part)
        return (try commit(part, type), attempt)
      } catch is WorkflowInterruption {
        try saved(part)
        part.output.discard()
      }
    }
    throw NeverEnds()
  }

  private struct NeverEnds: Error {}
}
