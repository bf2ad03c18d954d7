import Artifacts
import Foundation
import TestSupport
import Testing

/// A training that is killed within an epoch, between two epochs and twice in a row ends as one that was left alone: parameters,
/// their average, moments, random streams, loss curve. With one thread and with two, of a size at which two share the work.
@Suite(.tags(.slow)) struct TrainingKillTests {
  private static let steps = 14
  /// 1,600 frames without a twentieth for validation, in batches of 256.
  private static let stepsPerEpoch = 5

  private static let withFrames = Result {
    let program = try TrainingKillTests().program()
    #expect(try TrainingKillTests().run(program, threads: 1, stage: "frames").code == 0)
    return program
  }

  private func program() throws -> Program {
    let alanine = Package.alanine.path
    let program = try Program()
    try program.write(
      """
      name: tiny
      system: { topology: \(alanine)/alanine.pdb, forcefield: \(alanine)/system.xml }
      temperature: 300
      stages:
        frames:   { uses: ingest, trajectory: \(alanine)/alanine-left.nc, stride: 10 }
        emulator: { uses: emulator, frames: frames, targets: forces, record_every: 1, training: { steps: \(Self.steps), batch: 256 } }

      """, to: "tiny.yaml")
    return program
  }

  private func run(_ program: Program, threads: Int, stage: String, fault: String? = nil) throws -> Program.Result {
    var environment = TinyPipeline.environment
    environment["BOLTZMILL_FAULT"] = fault
    let words = ["run", "tiny.yaml", "--only", stage, "--threads", "\(threads)", "--checkpoint-interval", "0"]
    return try program.finish(program.start(words, environment: environment))
  }

  /// Trains, killed right after so many checkpoints of each sitting. Returns the artifact's digest and the steps from which the
  /// training went on.
  private func train(threads: Int, killedAfter: [Int]) throws -> (digest: String, resumedAt: [Int]) {
    let program = try program()
    // the same frames for all: made once, and taken over with their folder
    let (made, own) = (TinyPipeline.runFolder(try Self.withFrames.get()), TinyPipeline.runFolder(program))
    try FileManager.default.createDirectory(at: own.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: made, to: own)
    var resumed: [Int] = []
    for count in killedAfter {
      let killed = try run(
        program, threads: threads, stage: "emulator", fault: "checkpoint.between-generations:\(count)=kill")
      #expect(killed.signal == SIGKILL, "\(killed.errors)")
      resumed += steps(killed)
    }
    let last = try run(program, threads: threads, stage: "emulator")
    #expect(last.code == 0, "\(last.errors)")
    resumed += steps(last)
    let artifact = try Artifact.open(
      TinyPipeline.runFolder(program).appendingPathComponent("emulator.h5"), verify: true)
    #expect(artifact.provenance.threads == threads)
    #expect(try artifact.read("training/curve/steps", as: Int64.self).values.count > 1)
    return (artifact.provenance.contentDigest, resumed)
  }

  private func steps(_ result: Program.Result) -> [Int] {
    (result.output + result.errors).matches(of: #/going on from step (\d+) of/#).compactMap { Int($0.output.1) }
  }

  @Test(arguments: [1, 2]) func killedWithinAndBetweenEpochsAndTwiceInARow(threads: Int) throws {
    let straight = try train(threads: threads, killedAfter: [])
    #expect(straight.resumedAt.isEmpty)
    var places: [Int] = []
    // all places by two threads, which share the work; by one only the pair of kills in a row
    for count in 5...7 where threads == 2 {
      let found = try train(threads: threads, killedAfter: [count])
      #expect(found.resumedAt.count == 1)
      places += found.resumedAt
      #expect(found.digest == straight.digest, "killed at step \(found.resumedAt)")
    }
    let atTheEnd = places.filter { $0 % Self.stepsPerEpoch == 0 }
    #expect(
      threads == 1 || atTheEnd.count == 1 && places.count == 3, "an epoch's end and two other places, not \(places)")
    let twice = try train(threads: threads, killedAfter: [7, 1])
    #expect(twice.resumedAt.count == 2)
    #expect(twice.digest == straight.digest)
  }
}
