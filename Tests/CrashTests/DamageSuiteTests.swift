import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// Every artifact and checkpoint of the whole chain, spoilt in every way of `Damage`: found, named, kept as .damaged, and made
/// again from the nearest sound input, with the same bits. BOLTZMILL_DAMAGE=all tries every pair; a normal test run tries a third
/// of them, each stage and each way several times.
@Suite(.serialized, .tags(.slow)) struct DamageSuiteTests {
  struct Count {
    var tried = 0
    var detected = 0
    var recovered = 0
  }

  private static let triesAll = ProcessInfo.processInfo.environment["BOLTZMILL_DAMAGE"] == "all"

  private func damagedFiles(_ folder: URL) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.contains(".damaged") }
  }

  private func copy(_ source: URL) throws -> Program {
    let program = try TinyPipeline.program()
    try FileManager.default.createDirectory(
      at: program.folder.appendingPathComponent("runs"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: source, to: TinyPipeline.runFolder(program))
    return program
  }

  @Test func everyArtifactInEveryWay() throws {
    let reference = try TinyPipeline.whole.get()
    var count = Count()
    for (row, stage) in TinyPipeline.stages.enumerated() {
      let program = try copy(TinyPipeline.runFolder(reference.program))
      let folder = TinyPipeline.runFolder(program)
      let url = folder.appendingPathComponent("\(stage).h5")
      let other = folder.appendingPathComponent(stage == "frames" ? "fresh.h5" : "frames.h5")
      for (index, damage) in Damage.allCases.enumerated() where Self.triesAll || (index + row) % 3 == 0 {
        let place = "\(stage).h5: \(damage)"
        count.tried += 1
        try damage.apply(to: url, other: other)
        let (lines, outcome) = try TinyPipeline.runHere(program)
        if damage.leavesContent {
          #expect(outcome.stages.allSatisfy { $0.result == .skipped }, "\(place)\n\(lines)")
          #expect(lines.contains("it is sealed again") && damagedFiles(folder).isEmpty, "\(place)\n\(lines)")
          count.detected += 1
          count.recovered += 1
          continue
        }
        let ran = outcome.stages.filter { if case .ran = $0.result { true } else { false } }.map(\.stage)
        if ran == [stage] { count.detected += 1 }
        #expect(ran == [stage], "\(place): \(ran) ran\n\(lines)")
        if damage != .deleted {
          #expect(lines.contains("\(stage).h5.damaged"), "\(place)\n\(lines)")
          #expect(damagedFiles(folder) == ["\(stage).h5.damaged"], "\(place)")
          try? FileManager.default.removeItem(at: folder.appendingPathComponent("\(stage).h5.damaged"))
        }
        let digest = try Artifact.open(url, verify: true).provenance.contentDigest
        if digest == reference.digests[stage] { count.recovered += 1 }
        #expect(digest == reference.digests[stage], "\(place)")
      }
      #expect(try TinyPipeline.digests(folder) == reference.digests, "\(stage)")
    }
    print("damage: artifacts: \(count.tried) tried, \(count.detected) detected, \(count.recovered) recovered")
  }

  /// Several at once, with what they are made from.
  @Test func aSpoiltChainIsMadeAgainFromItsFirstStage() throws {
    let reference = try TinyPipeline.whole.get()
    let program = try copy(TinyPipeline.runFolder(reference.program))
    let folder = TinyPipeline.runFolder(program)
    let damages: [Damage] = [.cutInHalf, .bitInData, .foreign, .cutToNothing, .anotherStages]
    let stages = ["frames", "emulator", "fresh", "boltzmann", "report"]
    for (stage, damage) in zip(stages, damages) {
      try damage.apply(
        to: folder.appendingPathComponent("\(stage).h5"), other: folder.appendingPathComponent("traced.h5"))
    }
    let (_, outcome) = try TinyPipeline.runHere(program)
    #expect(outcome.stages.filter { if case .ran = $0.result { true } else { false } }.map(\.stage) == stages)
    #expect(try TinyPipeline.digests(folder) == reference.digests)
    #expect(damagedFiles(folder).count == 5)
  }

  /// An artifact of the same stage from a run with another seed is sound; its key says that it is not this run's.
  @Test func anotherRunsArtifactIsNotUsed() throws {
    let reference = try TinyPipeline.whole.get()
    let other = try TinyPipeline.program(short: true, seed: 4)
    _ = try TinyPipeline.runHere(other)
    let program = try copy(TinyPipeline.runFolder(reference.program))
    let folder = TinyPipeline.runFolder(program)
    for stage in ["emulator", "proposals"] {
      let url = folder.appendingPathComponent("\(stage).h5")
      try FileManager.default.removeItem(at: url)
      try FileManager.default.copyItem(
        at: TinyPipeline.runFolder(other).appendingPathComponent("\(stage).h5"), to: url)
      let (lines, outcome) = try TinyPipeline.runHere(program)
      #expect(outcome.stages.filter { if case .ran = $0.result { true } else { false } }.map(\.stage) == [stage])
      #expect(lines.contains("seed: 4 -> 3"), "\(lines)")
      #expect(try TinyPipeline.digests(folder) == reference.digests)
    }
  }

  /// A checkpoint is sealed and has the stage's key; under the artifact's name it would pass for a result.
  @Test func aCheckpointUnderAnArtifactsNameIsNotUsed() throws {
    let reference = try TinyPipeline.whole.get()
    let interrupted = try killed(at: "checkpoint.between-generations:7")
    let program = try copy(TinyPipeline.runFolder(reference.program))
    let folder = TinyPipeline.runFolder(program)
    let url = folder.appendingPathComponent("emulator.h5")
    try FileManager.default.removeItem(at: url)
    try FileManager.default.copyItem(
      at: TinyPipeline.runFolder(interrupted).appendingPathComponent("emulator.ckpt-A.h5"), to: url)
    let (lines, _) = try TinyPipeline.runHere(program)
    #expect(lines.contains("the file holds the checkpoint of stage 'emulator'"), "\(lines)")
    #expect(try TinyPipeline.digests(folder) == reference.digests)
  }

  /// The parts that ingest saves on the way: what follows a damaged one is not used either.
  @Test func everyPartOfALongStream() throws {
    let reference = try TinyPipeline.short.get()
    let interrupted = try killed(at: "checkpoint.between-generations:3")
    let source = TinyPipeline.runFolder(interrupted)
    var count = Count()
    for part in 0..<3 {
      for (index, damage) in Damage.allCases.enumerated() where Self.triesAll || (index + part) % 4 == 0 {
        let place = "part \(part): \(damage)"
        count.tried += 1
        let program = try copy(source)
        let folder = TinyPipeline.runFolder(program)
        try damage.apply(
          to: folder.appendingPathComponent("frames.part-\(part).h5"),
          other: folder.appendingPathComponent("frames.part-\((part + 1) % 3).h5"))
        try program.write(TinyPipeline.text(short: true), to: "tiny.yaml")
        let (lines, _) = try TinyPipeline.runHere(program)
        let named = lines.contains("frames.part-\(part).h5.damaged") || damage.leavesContent
        if named || damage == .deleted { count.detected += 1 }
        #expect(named || damage == .deleted, "\(place)\n\(lines)")
        #expect(
          part == 0 || damage.leavesContent || lines.contains("going on from frame \(40 * part) of 160"),
          "\(place)\n\(lines)")
        let digests = try TinyPipeline.digests(folder, short: true)
        if digests == reference.digests { count.recovered += 1 }
        #expect(digests == reference.digests, "\(place)")
        #expect(TinyPipeline.leftovers(folder).isEmpty, "\(place)")
      }
    }
    print("damage: parts: \(count.tried) tried, \(count.detected) detected, \(count.recovered) recovered")
  }

  /// A run folder of a program that was killed: after the third checkpoint in the second part of ingest's stream, after the fourth
  /// at the start of the emulator's training, from then on step by step in the training.
  private func killed(at place: String) throws -> Program {
    let program = try TinyPipeline.program()
    let environment = TinyPipeline.environment.merging(["BOLTZMILL_FAULT": "\(place)=kill"]) { $1 }
    let result = try program.finish(
      program.start(["run", "tiny.yaml"] + TinyPipeline.options, environment: environment))
    #expect(result.signal == SIGKILL)
    return program
  }

  @Test func everyCheckpointInEveryWay() throws {
    let reference = try TinyPipeline.whole.get()
    let interrupted = try killed(at: "checkpoint.between-generations:8")
    let source = TinyPipeline.runFolder(interrupted)
    var count = Count()
    // the newest is B, of step 4; A is of step 3
    for (slots, step) in [(["B"], 3), (["A"], 4), (["A", "B"], 0)] {
      for (index, damage) in Damage.allCases.enumerated()
      where Self.triesAll || (index + slots.count + step) % 3 == 0 {
        let place = "\(slots): \(damage)"
        count.tried += 1
        let program = try copy(source)
        let folder = TinyPipeline.runFolder(program)
        for slot in slots {
          try damage.apply(
            to: folder.appendingPathComponent("emulator.ckpt-\(slot).h5"),
            other: folder.appendingPathComponent("frames.h5"))
        }
        // only the stage itself: the rest is for other tests
        try program.write(TinyPipeline.text(short: true), to: "tiny.yaml")
        let (lines, _) = try TinyPipeline.runHere(program)
        let named = slots.allSatisfy { lines.contains("emulator.ckpt-\($0).h5.damaged") } || damage.leavesContent
        if named || damage == .deleted { count.detected += 1 }
        #expect(named || damage == .deleted, "\(place)\n\(lines)")
        let isKept = damage != .deleted && !damage.leavesContent
        #expect(damagedFiles(folder).count == (isKept ? slots.count : 0), "\(place)")
        #expect(
          step == 0 || damage.leavesContent || lines.contains("going on from step \(step) of 6"), "\(place)\n\(lines)")
        let digests = try TinyPipeline.digests(folder, short: true)
        let expected = reference.digests.filter { TinyPipeline.shortStages.contains($0.key) }
        if digests == expected { count.recovered += 1 }
        #expect(digests == expected, "\(place)")
      }
    }
    print("damage: checkpoints: \(count.tried) tried, \(count.detected) detected, \(count.recovered) recovered")
  }

  /// The engine's own notes are a convenience: whatever is in them, nothing wrong is believed.
  @Test func spoiltNotesChangeNothing() throws {
    let reference = try TinyPipeline.whole.get()
    let program = try copy(TinyPipeline.runFolder(reference.program))
    let folder = TinyPipeline.runFolder(program)
    let notes = folder.appendingPathComponent(".verified.json")
    _ = try TinyPipeline.runHere(program)
    let sound = try Data(contentsOf: notes)
    var tried = 0
    for spoilt in [
      Data(), Data("{".utf8), sound.prefix(sound.count / 2), Data("[1, 2]".utf8), Data("{\"frames\": 3}".utf8),
    ] {
      try spoilt.write(to: notes)
      let (_, outcome) = try TinyPipeline.runHere(program)
      #expect(outcome.stages.allSatisfy { $0.result == .skipped })
      tried += 1
    }
    try Data("another run\n".utf8).write(to: folder.appendingPathComponent(".lock"))
    #expect(try TinyPipeline.runHere(program).outcome.exitCode == 0)
    #expect(tried == 5)
  }
}
