import Foundation
import Testing

@testable import Workflow

/// The steps of one stage, taken together: by the process of a stage and by a job.
@Suite struct StageRunTests {
  private static let text = "name: demo\nstages: { a: { uses: source }, b: { uses: scale, of: a } }"

  private func stageRun(_ name: String, _ place: Workplace, key: String? = nil) throws -> StageRun {
    let engine = place.engine(try place.load(Self.text))
    return StageRun(
      engine: engine, stage: try #require(engine.pipeline[name]), options: RunOptions(), expectedKey: key)
  }

  @Test func aStageIsRunOnceAndSkippedAfter() throws {
    let place = try Workplace()
    guard case .finished(let digest, _, _) = try stageRun("a", place).carryOut() else {
      Issue.record("\(place.lines)")
      return
    }
    #expect(place.lines.first == "a (source): no artifact yet\n")
    #expect(place.lines.last?.hasPrefix("a: done in ") == true)
    place.lines = []
    #expect(try stageRun("a", place).carryOut() == .finished(digest: digest, seconds: 0, remarks: []))
    #expect(place.lines == ["a: same key, sound artifact\n"])
  }

  /// What a run has decided is done, once more if need be, and nothing else: it prints nothing, because the run does.
  @Test func anExpectedKeyLeavesNothingToDecide() throws {
    let place = try Workplace()
    _ = try place.run(Self.text)
    let engine = place.engine(try place.load())
    let assessment = try #require(try engine.assess().last)
    let key = try #require(assessment.key)
    place.lines = []
    guard case .finished = try stageRun("b", place, key: key).carryOut() else {
      Issue.record("it was not run")
      return
    }
    #expect(RunLog.shared.take(engine.folder.url) == ["b"])
    #expect(place.lines.isEmpty)
    #expect(
      try stageRun("b", place, key: "0").carryOut() == .failed("\(EngineError.changedMeanwhile(stage: "b"))"))
  }

  @Test func inputsThatAreMissingOrDamagedAreNamed() throws {
    let place = try Workplace()
    let run = try stageRun("b", place)
    #expect(try run.carryOut() == .failed("\(EngineError.inputNotFinished(stage: "b", input: "a"))"))
    _ = try stageRun("a", place).carryOut()
    try Data("not HDF5".utf8).write(to: run.engine.folder.artifact("a"))
    guard case .damagedInput("a", _) = try stageRun("b", place).carryOut() else {
      Issue.record("\(place.lines)")
      return
    }
    // it is not this stage's to move, and its own run moves it
    #expect(FileManager.default.fileExists(atPath: run.engine.folder.artifact("a").path))
    guard case .finished = try stageRun("a", place).carryOut() else {
      Issue.record("\(place.lines)")
      return
    }
    #expect(FileManager.default.fileExists(atPath: run.engine.folder.artifact("a").path + ".damaged"))
  }

  @Test func whatStopsItBeforeItsBeginning() throws {
    struct Reason: Error {}
    let place = try Workplace()
    #expect(throws: Reason.self) { try stageRun("a", place).carryOut { _ in throw Reason() } }
    #expect(try stageRun("a", place).carryOut { _ in throw WorkflowInterruption() } == .interrupted)
    #expect(place.lines.isEmpty)
  }
}
