import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// Counts to ten; stops itself at the third step where it is told to.
private enum FirstVersion: StageType {
  static let type = "counter"
  static let version = 1
  static let summary = "counts"
  static func run(_ context: StageContext) throws { try count(context, stop: 3) }

  static func count(_ context: StageContext, stop: Int?) throws {
    var values = try context.checkpoints.latest()?.artifact.read("values", as: Int.self).values ?? []
    let begun = values.count
    while values.count < 10 {
      values.append(values.count)
      try context.checkpoints.save(step: values.count) { try $0.write("values", values, shape: [values.count]) }
      if values.count == stop { throw WorkflowInterruption() }
    }
    try context.output.write("values", values, shape: [10])
    try context.output.writeScalar("begun", begun)
  }
}

private enum SecondVersion: StageType {
  static let type = "counter"
  static let version = 2
  static let soundVersions = [1]
  static let summary = "counts"
  static func run(_ context: StageContext) throws { try FirstVersion.count(context, stop: nil) }
}

private enum ThirdVersion: StageType {
  static let type = "counter"
  static let version = 3
  static let summary = "counts"
  static func run(_ context: StageContext) throws { try FirstVersion.count(context, stop: nil) }
}

/// A version that changes no number takes over what older ones have finished, and goes on from where they were stopped.
@Suite struct SoundVersionTests {
  private func run(_ type: any StageType.Type, in scratch: Scratch) throws -> StageOutcome.Result? {
    let file = scratch.file("count.yaml")
    try "stages: { long: { uses: counter } }".write(to: file, atomically: true, encoding: .utf8)
    let pipeline = try PipelineLoader(registry: StageRegistry([type])).load(file)
    let folder = RunFolder(runs: scratch.url, pipeline: pipeline)
    try folder.lock(as: "test")
    defer { folder.unlock() }
    return try Engine(pipeline: pipeline, folder: folder, console: Console(quiet: true)).run().stages.first?.result
  }

  @Test func goesOnFromAnOlderVersionsCheckpointAndStandsOnItsResult() throws {
    let scratch = try Scratch()
    #expect(try run(FirstVersion.self, in: scratch) == .interrupted)
    guard case .ran = try run(SecondVersion.self, in: scratch) else {
      Issue.record("it did not run")
      return
    }
    let file = scratch.url.appendingPathComponent("count/long.h5")
    #expect(try Artifact.open(file, verify: true).scalar("begun", as: Int.self) == 3)
    #expect(try run(SecondVersion.self, in: scratch) == .skipped)
    // a version that says nothing of older ones begins anew
    guard case .ran = try run(ThirdVersion.self, in: scratch) else {
      Issue.record("it did not run")
      return
    }
    #expect(try Artifact.open(file, verify: true).scalar("begun", as: Int.self) == 0)
  }
}
