import Artifacts
import Basics
import Foundation
import TestSupport
import Testing

@testable import Workflow

@Suite struct EngineTests {
  static let chain = """
    name: demo
    seed: 7
    stages:
      first:  { uses: source, values: [1, 2, 3] }
      second: { uses: scale, of: first }
      third:  { uses: scale, of: second }
      side:   { uses: source, values: [5] }
      all:    { uses: gather, compare: [third, side] }
    """

  private func results(_ outcome: RunOutcome) -> [String: StageOutcome.Result] {
    Dictionary(uniqueKeysWithValues: outcome.stages.map { ($0.stage, $0.result) })
  }

  @Test func runsThenSkips() throws {
    let place = try Workplace()
    let first = try place.run(Self.chain)
    #expect(first.ran == ["first", "second", "third", "side", "all"])
    #expect(first.outcome.exitCode == 0)
    let folder = place.runFolder(try place.load())
    let all = try Artifact.open(folder.artifact("all"), verify: true)
    #expect(try all.read("sums", as: Double.self).values == [24, 12, 5])
    #expect(try all.readStrings("names") == ["third", "second", "side"])
    #expect(all.provenance.versions == ["LibTest": "1.2"])

    let again = try place.run(Self.chain)
    #expect(again.ran.isEmpty)
    #expect(again.outcome.stages.allSatisfy { $0.result == .skipped && $0.reason.hasPrefix("same key ") })
  }

  @Test func namesOrderAndSpacesInTheFileDoNotMatter() throws {
    let place = try Workplace()
    _ = try place.run(Self.chain)
    let other = """
      # another text that says the same
      seed: 7.0e0
      name: demo
      temperature: 300.0
      stages:
        all: { compare: [third, side], uses: gather, against: nothing }
        third: { uses: scale, of: second, training: { learning_rate: 0.001 } }
        side: { uses: source, values: 5.0 }
        second: { of: first, uses: scale, factor: 2 }
        first: { uses: source, values: [1.0, 2, 3] }
      """
    #expect(try place.run(other).ran.isEmpty)
  }

  @Test func aChangedParameterRunsThatStageAndWhatFollows() throws {
    let place = try Workplace()
    _ = try place.run(Self.chain)
    let changed = Self.chain.replacingOccurrences(of: "of: first", with: "of: first, training: { steps: 40000 }")
    // the result does not depend on it: what follows finds its input unchanged
    let plan = try place.engine(place.load(changed)).assess()
    #expect(plan.map(\.state.word) == ["up to date", "stale", "waiting", "up to date", "waiting"])
    #expect("\(plan[1].state)" == "training.steps: 20000 -> 40000")
    #expect("\(plan[2].state)" == "depends on the result of second")
    #expect("\(plan[4].state)" == "depends on the result of second, third")
    #expect(try place.run(changed).ran == ["second"])

    let factor = try place.run(changed, overrides: ["second.factor=3"])
    #expect(factor.ran == ["second", "third", "all"])
    let reasons = Dictionary(uniqueKeysWithValues: factor.outcome.stages.map { ($0.stage, $0.reason) })
    #expect(reasons["second"] == "factor: 2 -> 3")
    #expect(reasons["third"] == "of: the content of 'second' changed")
    // 'all' reads 'second' through 'third': both enter its key
    #expect(reasons["all"] == "compare: the content of 'third' changed")
  }

  @Test func explainsEveryKindOfDifference() throws {
    let place = try Workplace()
    try place.write("abc", to: "data.bin")
    try place.write("PDB", to: "molecule.pdb")
    let text = """
      name: demo
      seed: 7
      temperature: 300
      system: { topology: molecule.pdb, torsions: { phi: [0, 1, 2, 3] } }
      stages:
        a: { uses: source, file: data.bin }
        b: { uses: source }
        m: { uses: molecule }
        g: { uses: gather, compare: [a, b] }
      """
    _ = try place.run(text)
    func why(_ stage: String, _ text: String, _ overrides: [String] = []) throws -> String {
      let assessments = try place.engine(place.load(text, overrides: overrides)).assess()
      return "\(try #require(assessments.first { $0.stage.name == stage }).state)"
    }
    #expect(try why("b", text, ["seed=8"]) == "seed: 7 -> 8")
    #expect(try why("b", text, ["b.values=[1, 5, 3]"]) == "values[1]: 2 -> 5")
    #expect(try why("b", text, ["b.values=[1, 5]"]) == "values: [1,2,3] -> [1,5]")
    #expect(try why("b", text, ["b.warning=oh"]) == "warning: none -> oh")
    #expect(try why("a", text, ["a.file=null"]) == "file: a file -> none")
    #expect(try why("g", text, ["g.compare=[b]"]) == "compare: a, b -> b")
    #expect(try why("g", text, ["g.against=b"]) == "against: nothing -> b")
    #expect(try why("m", text, ["temperature=310"]) == "system.temperature: 300 -> 310")
    #expect(try why("b", text, ["temperature=310"]) == "same key, sound artifact")
    #expect(try why("m", text, ["system.state.to=1.5"]) == "system.state.to: 2 -> 1.5")
    #expect(try why("m", text, ["system.torsions.phi=[0, 1, 2, 4]"]) == "system.torsions.phi[3]: 3 -> 4")
    try place.write("abd", to: "data.bin")
    #expect(try why("a", text) == "file: the file's content changed")
    try place.write("PDB2", to: "molecule.pdb")
    #expect(try why("m", text) == "system.topology: the file's content changed")
    #expect(
      try why("b", text.replacingOccurrences(of: "b: { uses: source", with: "b: { uses: scale, of: a"))
        == "uses: source -> scale")
  }

  @Test func pathsAndTimesDoNotMatter() throws {
    let place = try Workplace()
    try place.write("abc", to: "data.bin")
    let text = "name: demo\nstages: { a: { uses: source, file: data.bin } }"
    _ = try place.run(text)
    try FileManager.default.moveItem(
      at: place.folder.appendingPathComponent("data.bin"), to: place.folder.appendingPathComponent("moved.bin"))
    #expect(try place.run(text.replacingOccurrences(of: "data.bin", with: "./moved.bin")).ran.isEmpty)
  }

  @Test func aStageOfTheSameNameAndAnotherTypeIsStale() throws {
    let place = try Workplace()
    _ = try place.run("name: demo\nstages: { a: { uses: source } }")
    let again = try place.run("name: demo\nstages: { a: { uses: count } }")
    #expect(again.ran == ["a"])
    #expect(again.outcome.stages[0].reason == "uses: source -> count")
  }

  @Test func damagedArtifactsAreSetAsideAndMadeAgain() throws {
    let place = try Workplace()
    _ = try place.run(Self.chain)
    let folder = place.runFolder(try place.load())
    let url = folder.artifact("second")
    let sound = try Artifact.open(url, verify: true).provenance.contentDigest
    let bytes = try Data(contentsOf: url)
    let cases: [Data] = [
      Data(), Data("not HDF5".utf8), bytes.prefix(bytes.count / 2), bytes.prefix(bytes.count - 65),
      try Data(contentsOf: folder.artifact("side")),
    ]
    for (index, damage) in cases.enumerated() {
      try damage.write(to: url)
      #expect(try place.run(Self.chain).ran == ["second"], "case \(index)")
      #expect(try Artifact.open(url, verify: true).provenance.contentDigest == sound)
    }
    let kept = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).filter { $0.contains("damaged") }
    // another stage's artifact is sound, but not here
    #expect(kept.count == 5)
    #expect(try Data(contentsOf: url.appendingPathExtension("damaged")) == Data())
  }

  @Test func everyFlippedByteIsNoticedOrHarmless() throws {
    let place = try Workplace()
    let text = "name: demo\nstages: { a: { uses: source } }"
    _ = try place.run(text)
    let url = place.runFolder(try place.load()).artifact("a")
    let digest = try Artifact.open(url, verify: true).provenance.contentDigest
    let bytes = try Data(contentsOf: url)
    for position in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 25)) {
      var flipped = bytes
      flipped[position] ^= 0x10
      try flipped.write(to: url)
      let outcome = try place.run(text).outcome
      #expect(outcome.exitCode == 0)
      #expect(try Artifact.open(url, verify: true).provenance.contentDigest == digest, "byte \(position)")
    }
  }

  @Test func aDamagedInputOutsideTheSelectionIsNamed() throws {
    let place = try Workplace()
    _ = try place.run(Self.chain)
    let folder = place.runFolder(try place.load())
    try Data("broken".utf8).write(to: folder.artifact("first"))
    var options = RunOptions()
    options.only = ["second"]
    options.force = ["second"]
    let outcome = try place.run(Self.chain, options: options).outcome
    #expect(outcome.exitCode == 1)
    guard case .failed(let message)? = results(outcome)["second"] else {
      Issue.record("second did not fail")
      return
    }
    #expect(message.contains("needs 'first'"))
  }

  @Test func selects() throws {
    let place = try Workplace()
    func ran(_ set: (inout RunOptions) -> Void) throws -> [String] {
      var options = RunOptions()
      set(&options)
      return try place.run(Self.chain, options: options).ran
    }
    #expect(throws: EngineError.inputNotFinished(stage: "third", input: "second")) { try ran { $0.only = ["third"] } }
    #expect(try ran { $0.until = "second" } == ["first", "second"])
    #expect(try ran { $0.only = ["third"] } == ["third"])
    #expect(try ran { $0.only = ["si*"] } == ["side"])
    #expect(try ran { $0.force = ["second"] } == ["second", "all"])
    #expect(try ran { $0.force = ["*"] } == ["first", "second", "third", "side", "all"])
    #expect(
      try ran { options in
        options.from = "second"; options.force = ["*"]
      } == ["second", "third", "all"])
    #expect(try ran { _ in } == [])
    expectError(saying: "thrid", "third") { try ran { $0.only = ["thrid"] } }
    #expect(throws: EngineError.emptySelection) {
      try ran { options in
        options.from = "side"; options.until = "first"
      }
    }
  }

  @Test func aFailureStopsTheRunOrJustWhatFollows() throws {
    let place = try Workplace()
    let failing = Self.chain.replacingOccurrences(of: "of: first", with: "of: first, mode: fail")
    let stopped = try place.run(failing)
    #expect(stopped.ran == ["first", "second"])
    #expect(stopped.outcome.exitCode == 1)
    #expect(results(stopped.outcome)["second"] == .failed("told to fail"))
    #expect(results(stopped.outcome)["side"] == .notRun("the run was stopped before it"))
    var options = RunOptions()
    options.keepGoing = true
    let further = try place.run(failing, options: options)
    #expect(further.ran == ["second", "side"])
    #expect(further.outcome.exitCode == 1)
    #expect(results(further.outcome)["third"] == .notRun("'second' is not finished"))
    let files = try FileManager.default.contentsOfDirectory(atPath: place.runFolder(try place.load()).url.path)
    #expect(files.filter { $0.contains("tmp") || $0.hasPrefix("second") } == [])
    #expect(try place.run(Self.chain).ran == ["second", "third", "all"])
  }

  @Test func aStaleArtifactStaysUntilTheNewOneIsThere() throws {
    let place = try Workplace()
    _ = try place.run(Self.chain)
    let url = place.runFolder(try place.load()).artifact("second")
    let before = try Data(contentsOf: url)
    _ = try place.run(Self.chain, overrides: ["second.mode=fail"])
    #expect(try Data(contentsOf: url) == before)
    #expect(try place.run(Self.chain).ran == [])
  }

  /// Before it is lost, it is named.
  @Test func aCheckpointOfOtherParametersIsSaidToBeReplaced() throws {
    let text = "name: demo\nstages: { long: { uses: count, steps: 12 } }"
    let place = try Workplace()
    let folder = place.runFolder(try place.load(text))
    let interruption = Interruption()
    CountStage.hooks.set(folder.url) { if $0 == 3 { interruption.request() } }
    #expect(try place.run(text, interruption: interruption).outcome.exitCode == 75)
    #expect(try place.engine(place.load(text)).assess()[0].otherCheckpoint == nil)
    let other = try place.engine(place.load(text, overrides: ["long.steps=20"])).assess(keys: false)[0]
    #expect(other.checkpointStep == nil)
    #expect(
      other.why.hasSuffix("a checkpoint at step 3 of other parameters (steps: 12 -> 20) is there; it is replaced"),
      "\(other.why)")
    #expect(try place.run(text, overrides: ["long.steps=20"]).outcome.exitCode == 0)
    #expect(
      place.lines.contains {
        $0.contains(
          "warning: long: a checkpoint at step 3 of other parameters (steps: 12 -> 20) was there; it is replaced")
      }, "\(place.lines)")
    #expect(try place.engine(place.load(text)).assess()[0].otherCheckpoint == nil, "nothing is left of it")
  }

  @Test func interruptedAndResumedEqualsUndisturbed() throws {
    let text = "name: demo\nstages: { long: { uses: count, steps: 12 }, after: { uses: scale, of: long } }"
    let straight = try Workplace()
    _ = try straight.run(text)
    let place = try Workplace()
    let folder = place.runFolder(try place.load(text))
    for stop in [3, 4, 9] {
      let interruption = Interruption()
      CountStage.hooks.set(folder.url) { if $0 == stop { interruption.request() } }
      let outcome = try place.run(text, interruption: interruption).outcome
      #expect(outcome.exitCode == 75)
      #expect(results(outcome) == ["long": .interrupted, "after": .notRun("the run was stopped before it")])
      #expect(try place.engine(place.load()).assess()[0].checkpointStep == stop)
    }
    CountStage.hooks.set(folder.url) { _ in }
    #expect(try place.run(text).ran == ["long", "after"])
    #expect(place.lines.contains { $0.contains("from the checkpoint of step 9") })
    for stage in ["long", "after"] {
      let resumed = try Artifact.open(folder.artifact(stage), verify: true).provenance.contentDigest
      let reference = try Artifact.open(straight.runFolder(straight.load()).artifact(stage), verify: true).provenance
      #expect(resumed == reference.contentDigest)
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(!files.contains { $0.contains(".ckpt-") }, "\(files)")
    // a request during the last stage comes too late: the run is done
    let interruption = Interruption()
    CountStage.hooks.set(folder.url) { if $0 == 12 { interruption.request() } }
    let last = try place.run(
      "name: demo\nstages: { long: { uses: count, steps: 12 } }", overrides: ["seed=1"], interruption: interruption)
    #expect(last.outcome.exitCode == 0)
  }

  @Test func aForcedStageThatWasInterruptedIsFinishedByAPlainRun() throws {
    let text = "name: demo\nstages: { long: { uses: count, steps: 6 } }"
    let place = try Workplace()
    _ = try place.run(text)
    let folder = place.runFolder(try place.load(text))
    let interruption = Interruption()
    CountStage.hooks.set(folder.url) { if $0 == 3 { interruption.request() } }
    var options = RunOptions()
    options.force = ["long"]
    #expect(try place.run(text, options: options, interruption: interruption).outcome.exitCode == 75)
    CountStage.hooks.set(folder.url) { _ in }
    #expect(try place.run(text).ran == ["long"])
    #expect(try place.run(text).ran == [])
  }

  @Test func warningsStayWithTheArtifact() throws {
    let place = try Workplace()
    let text = "name: demo\nstages: { a: { uses: source, warning: too short } }"
    _ = try place.run(text)
    #expect(place.lines.contains("a: warning: too short\n"))
    let again = try place.run(text).outcome
    #expect(again.stages[0].warnings == ["too short"])
    #expect(StatusTable.summary(again).hasSuffix("warning: a: too short"))
    let noted = StageOutcome(
      stage: "a", type: "source", result: .skipped, reason: "", digest: nil, remarks: [Remark("known", .note)])
    #expect(StatusTable.summary(RunOutcome(stages: [noted])).hasSuffix("\n1 note, which 'status' shows"))
    let engine = try place.engine(place.load())
    #expect(StatusTable.text(try engine.assess()).hasSuffix("warning: a: too short"))
  }

  @Test func oneRunPerFolder() throws {
    let place = try Workplace()
    let pipeline = try place.load(Self.chain)
    let first = place.runFolder(pipeline)
    try first.lock(as: "pipeline run demo.yaml")
    let second = place.runFolder(pipeline)
    #expect {
      try second.lock(as: "pipeline run demo.yaml")
    } throws: { error in
      guard case EngineError.locked(_, let holder)? = error as? EngineError else { return false }
      return holder.hasPrefix("process \(getpid()) on ") && holder.hasSuffix(": pipeline run demo.yaml")
    }
    #expect(second.holder() != nil)
    first.unlock()
    #expect(second.holder() == nil)
    try second.lock(as: "again")
  }

  @Test func verifiesAndCleans() throws {
    let place = try Workplace()
    _ = try place.run(Self.chain)
    let engine = try place.engine(place.load())
    #expect(engine.verify().count == 5)
    #expect(engine.verify().allSatisfy { $0.problem == nil })
    #expect(try engine.upkeep().removable.isEmpty)
    try Data(contentsOf: engine.folder.artifact("side")).prefix(1000).write(to: engine.folder.artifact("side"))
    #expect(engine.verify().filter { $0.problem != nil }.map(\.file) == ["side.h5"])
    _ = try place.run(Self.chain)
    let fewer = try place.engine(
      place.load(
        "name: demo\nseed: 7\nstages: { first: { uses: source, values: [1, 2, 3] }, side: { uses: source, values: 5 } }"
      ))
    let files = try fewer.upkeep().removable
    #expect(
      files.map { "\($0.url.lastPathComponent): \($0.reason)" } == [
        "all.h5: artifact of a stage that is not in the file", "second.h5: artifact of a stage that is not in the file",
        "side.h5.damaged: damaged", "third.h5: artifact of a stage that is not in the file",
      ])
    try fewer.remove(files)
    #expect(try fewer.upkeep().removable.isEmpty)
    #expect(try fewer.upkeep(all: true).removable.count == 2)
  }
}
