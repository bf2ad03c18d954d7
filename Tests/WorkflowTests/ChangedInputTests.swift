import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// What a result says it was made from, it was made from: files that change while a run is going on.
@Suite struct ChangedInputTests {
  private func result(_ outcome: RunOutcome, _ stage: String) -> StageOutcome.Result? {
    outcome.stages.first { $0.stage == stage }?.result
  }

  private static let text = """
    name: demo
    stages:
      early: { uses: source, file: data.bin }
      long:  { uses: count, steps: 4 }
      late:  { uses: source, file: data.bin, note: again }
    """

  /// `early` has read the file, it is replaced while `long` works, and `late` would read the other one under the key of the first.
  @Test func aFileThatIsReplacedBetweenTwoStagesStopsTheSecond() throws {
    let place = try Workplace()
    try place.write("abc", to: "data.bin")
    let folder = place.runFolder(try place.load(Self.text))
    CountStage.hooks.set(folder.url) { step in
      guard step == 2 else { return }
      try? place.write("xyz", to: "new.bin")
      let (new, old) = (place.folder.appendingPathComponent("new.bin"), place.folder.appendingPathComponent("data.bin"))
      rename(new.path, old.path)
    }
    let first = try place.run(Self.text)
    CountStage.hooks.set(folder.url) { _ in }
    #expect(first.ran == ["early", "long"])
    #expect(first.outcome.exitCode == 1)
    guard case .failed(let message)? = result(first.outcome, "late") else {
      Issue.record("late did not fail")
      return
    }
    #expect(message.hasPrefix("an input of stage 'late' changed while the run was going on ("))
    #expect(message.contains("data.bin") && message.hasSuffix("run again"))
    // taken back: what is there was made of the file as it is now
    try place.write("abc", to: "data.bin")
    #expect(try place.engine(place.load()).assess().map(\.state.word) == ["up to date", "up to date", "missing"])
    #expect(try place.run(Self.text).ran == ["late"])
    #expect(
      try Artifact.open(folder.artifact("late"), verify: true).read("values", as: Double.self).values == [97, 98, 99])
    // not taken back: both are made again, of the new one
    try place.write("xyz", to: "data.bin")
    #expect(try place.run(Self.text).ran == ["early", "late"])
  }

  private static let one = "name: demo\nstages: { long: { uses: count, steps: 6, file: data.bin } }"

  /// Changed in the middle of a stage, and put back before its end: nobody knows what it has read since. The checkpoint before it is sound.
  @Test(arguments: [true, false]) func aFileThatChangesDuringAStageStopsIt(putBack: Bool) throws {
    let straight = try Workplace()
    try straight.write("abc", to: "data.bin")
    _ = try straight.run(Self.one)
    let place = try Workplace()
    try place.write("abc", to: "data.bin")
    let folder = place.runFolder(try place.load(Self.one))
    CountStage.hooks.set(folder.url) { step in
      guard step == 4 else { return }
      try? place.write("wxyz", to: "data.bin")
      if putBack { try? place.write("abc", to: "data.bin") }
    }
    let stopped = try place.run(Self.one).outcome
    CountStage.hooks.set(folder.url) { _ in }
    guard case .failed(let message)? = result(stopped, "long") else {
      Issue.record("long did not fail")
      return
    }
    #expect(message.contains("an input of stage 'long' changed while the run was going on"))
    try place.write("abc", to: "data.bin")
    #expect(try place.engine(place.load()).assess()[0].checkpointStep == 3)
    #expect(try place.run(Self.one).ran == ["long"])
    let digests = try [straight, place].map {
      try Artifact.open($0.runFolder($0.load()).artifact("long"), verify: true).provenance.contentDigest
    }
    #expect(digests[0] == digests[1])
  }

  /// Another name for the same file, or another mode, moves the time of its last change of state, and changes nothing.
  @Test func aNewNameIsNoChange() throws {
    let place = try Workplace()
    try place.write("abc", to: "data.bin")
    let folder = place.runFolder(try place.load(Self.one))
    CountStage.hooks.set(folder.url) { step in
      let file = place.folder.appendingPathComponent("data.bin").path
      if step == 3 { link(file, file + ".linked") }
    }
    #expect(try place.run(Self.one).outcome.exitCode == 0)
    CountStage.hooks.set(folder.url) { _ in }
  }

  /// While nothing runs, a file that still grows is looked at like any other.
  @Test func lookingDoesNotMindAFileThatGrows() throws {
    let place = try Workplace()
    try place.write("abc", to: "data.bin")
    let engine = try place.engine(place.load(Self.text))
    #expect(try engine.assess().map(\.state) == [.missing, .missing, .missing])
    try place.write("abcd", to: "data.bin")
    #expect(try engine.assess().map(\.state) == [.missing, .missing, .missing])
  }

  /// Looking at a finished run costs the same however large its inputs are: each is read once. Nothing is read for what is not begun.
  @Test func largeInputsAreReadOnce() throws {
    let place = try Workplace()
    let file = place.folder.appendingPathComponent("data.bin")
    try place.write("", to: "data.bin")
    truncate(file.path, 256 << 20)
    // last written in ten years, says its clock
    try FileManager.default.setAttributes([.modificationDate: Date().addingTimeInterval(3e8)], ofItemAtPath: file.path)
    func looked() throws -> (states: [String], reads: Int, seconds: Double) {
      let engine = try place.engine(place.load(Self.one))
      let start = ContinuousClock.now
      let states = try engine.assess(keys: false).map(\.state.word)
      return (states, engine.assessor.files.reads, (ContinuousClock.now - start) / .seconds(1))
    }
    let before = try looked()
    #expect(before.states == ["missing"] && before.reads == 0)
    sleep(3)  // younger, and its digest is not remembered
    #expect(try place.run(Self.one).ran == ["long"])
    let after = try looked()
    print("looking at a finished stage with an input of 256 MiB took \(after.seconds) s")
    #expect(after.states == ["up to date"] && after.reads == 0)
    #expect(after.seconds < 0.5)
  }
}
