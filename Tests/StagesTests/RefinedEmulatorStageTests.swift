import Artifacts
import Basics
import Foundation
import Molecules
import Records
import TestSupport
import Testing
import Workflow

@testable import Generative
@testable import Stages

/// An emulator that is trained again on its own samples by their weights: alanine dipeptide, hardly trained.
@Suite(.serialized) struct RefinedEmulatorStageTests {
  private let chain: GenerativeStagesTests
  private let molecule = MoleculeFiles.alanine
  private static let small: [String: ParameterValue] = [
    "training": ["steps": 400, "batch": 128, "average_decay": 0.98]
  ]

  init() throws { chain = try GenerativeStagesTests() }

  private func tilted(_ steps: Int = 400) throws -> StageInput {
    // frames with psi on one side are drawn nine times of ten
    var psi = molecule
    psi.state = ["torsion": "psi", "from": -2, "to": 1.2]
    return try chain.run(
      EmulatorStage.self, "emulator",
      [
        "training": ["steps": .integer(steps), "batch": 128], "network": ["width": 48, "depth": 2], "targets": "forces",
        "state_share": 0.9,
      ], ["frames": [chain.frames()]], on: psi)
  }

  private func weighted(_ emulator: StageInput, _ name: String, count: Int = 3000) throws -> StageInput {
    let samples = try chain.run(
      SampleStage.self, "samples-\(name)", ["count": .integer(count), "ode_steps": 4], ["emulator": [emulator]],
      on: molecule)
    return try chain.run(
      ReweightStage.self, name, ["density": "stochastic-trace", "bootstrap": 10], ["samples": [samples]], on: molecule)
  }

  /// Share with psi in the arc, among samples as drawn and by the weights of a training; and the effective share of all without the heaviest.
  private func psi(_ weighing: StageInput) throws -> (drawn: Double, weighted: Double, effective: Double) {
    let angles = try weighing.artifact.read(Recorded.reweight.torsions.angles["psi"]).values
    let phi = try weighing.artifact.read(Recorded.reweight.torsions.angles["phi"]).values
    let states = phi.map { $0 > 0 && $0 < 2 ? 0 : 1 }
    let share = Double(states.filter { $0 == 0 }.count) / Double(states.count)
    let weights = TrainingWeights.clipped(
      try weighing.artifact.read(Recorded.reweight.logWeights).values, states: states, rounds: states.map { _ in 0 },
      shares: [share, 1 - share], clipped: 0.002)
    let inside = angles.map { $0 > -2 && $0 < 1.2 }
    let own = zip(weights, inside).reduce(0.0) { $0 + ($1.1 ? $1.0 : 0) }
    return (
      Double(inside.filter { $0 }.count) / Double(inside.count), own / weights.reduce(0, +),
      try weighing.artifact.read(Recorded.reweight.effectiveFractionTruncated)
    )
  }

  /// An emulator that learnt wrong populations draws those that weights want after it has learnt from them, and its samples count for more.
  @Test func weightsMoveWhatIsDrawn() throws {
    let emulator = try tilted()
    let first = try weighted(emulator, "first")
    let before = try psi(first)
    #expect(before.drawn > before.weighted + 0.15, "\(before)")
    let refined = try chain.run(
      RefinedEmulatorStage.self, "refined", Self.small, ["reweight": [first]], on: molecule)
    let again = try weighted(refined, "again")
    let after = try psi(again)
    #expect(abs(after.drawn - before.weighted) < 0.4 * (before.drawn - before.weighted), "\(before), \(after)")
    #expect(after.effective > 1.2 * before.effective, "\(before), \(after)")
    let record = Recorded.emulator
    #expect(try refined.artifact.read(record.targets) == "forces")
    let (value, error) = (
      try refined.artifact.read(record.thermometer), try refined.artifact.read(record.thermometerError)
    )
    #expect(error > 0 && abs(value - 1) < 0.05 + 4 * error, "\(value) ± \(error)")

    // a second round learns from both
    let second = try chain.run(
      RefinedEmulatorStage.self, "second", Self.small, ["reweight": [first, again]], on: molecule)
    #expect(try second.artifact.read(record.trainingFrames) > (try refined.artifact.read(record.trainingFrames)))
    // with frames of dynamics beside them, a tenth by weight, it is drawn to these
    let frames = try chain.frames()
    let beside = try chain.run(
      RefinedEmulatorStage.self, "beside", Self.small.merging(["sample_share": 0.1]) { $1 },
      ["reweight": [first], "frames": [frames]], on: molecule)
    let positions = try frames.artifact.read(Recorded.ingest.trajectory.coordinates, as: Double.self)
    #expect(
      try beside.artifact.read(record.trainingFrames)
        == (try refined.artifact.read(record.trainingFrames)) + positions.shape[0])
    let angles = torsionColumns(positions.values, atoms: 22, torsions: [[4, 6, 8, 14], [6, 8, 14, 16]])
    let phi = try first.artifact.read(Recorded.reweight.torsions.angles["phi"]).values
    // states keep the samples' shares; within each, frames are drawn alike
    let wanted = [true, false].reduce(0.0) { sum, isIn in
      let share = phi.filter { ($0 > 0 && $0 < 2) == isIn }.count
      let own = angles[0].indices.filter { (angles[0][$0] > 0 && angles[0][$0] < 2) == isIn }
      let inArc = own.filter { angles[1][$0] > -2 && angles[1][$0] < 1.2 }.count
      return sum + Double(share) / Double(phi.count) * Double(inArc) / Double(own.count)
    }
    let mixed = 0.1 * before.weighted + 0.9 * wanted
    let drawn = try psi(weighted(beside, "of-beside")).drawn
    #expect(abs(drawn - mixed) < 0.4 * abs(before.drawn - mixed), "\(drawn) for \(mixed), \(before.drawn) before")
  }

  /// Frames of another force field are refused by name, and an emulator over positions.
  @Test func whatDoesNotBelongIsRefused() throws {
    let emulator = try tilted(100)
    let longer = try AlanineFixture.withBond(of: 0.1329, in: chain.folder)
    let samples = try chain.run(
      SampleStage.self, "samples", ["count": 300, "ode_steps": 3], ["emulator": [emulator]], on: molecule)
    let weighing = try chain.run(
      ReweightStage.self, "weights", ["density": "stochastic-trace", "bootstrap": 10], ["samples": [samples]],
      on: longer)
    do {
      _ = try chain.run(
        RefinedEmulatorStage.self, "refined", Self.small, ["reweight": [weighing], "frames": [chain.frames()]],
        on: longer)
      Issue.record("frames of another force field were taken")
    } catch let error as RefinementError {
      guard case .otherFrames(let reason) = error else { throw error }
      #expect(!reason.isEmpty && "\(error)".contains("not those of the force field"), "\(error)")
    }
    let plain = try chain.run(
      EmulatorStage.self, "plain",
      ["training": ["steps": 20, "batch": 64], "network": ["width": 16, "depth": 1], "targets": "plain"],
      ["frames": [chain.frames()]], on: molecule)
    // samples of another molecule, and weights of fewer samples
    let given = try chain.frames().artifact.read(Recorded.ingest.trajectory.coordinates, as: Double.self).values
    let newest = try EmulatorArtifact.read(emulator).emulator
    let forces = BoltzmannForces(temperature: 300, framesPerCall: 100) { ([0], $0) }
    for (positions, weights) in [(Array(given.prefix(65)), 1), (Array(given.prefix(132)), 1)] {
      #expect(throws: RefinementError.shape("round 1")) {
        _ = try newest.refined(
          by: [
            RefinementSamples(
              positions: positions, logWeights: [Double](repeating: 0, count: weights),
              states: [Int](repeating: 0, count: positions.count / 65))
          ], frames: nil, stateCount: 2, of: Topology.read(pdb: molecule.topology), forces: forces,
          settings: RefinementSettings())
      }
    }
    #expect(throws: RefinementError.otherEmulator) {
      _ = try chain.run(
        RefinedEmulatorStage.self, "of-plain", Self.small, ["reweight": [weighted(plain, "of-one", count: 200)]],
        on: molecule)
    }
  }

  /// Stopped again and again, it ends with the same bits.
  @Test func resumesWithTheSameBits() throws {
    let weighing = try weighted(tilted(100), "weights", count: 400)
    let given: [String: ParameterValue] = [
      "reweight": ["weights"], "training": ["steps": 24, "batch": 64], "record_every": 5,
    ]
    let inputs = ["reweight": [weighing]]
    let stages = try AlanineStages()
    let whole = try stages.context(RefinedEmulatorStage.self, "refined", given, inputs: inputs, system: molecule)
    try RefinedEmulatorStage.run(whole)
    let expected = try stages.commit(whole, RefinedEmulatorStage.self)
    let again = try AlanineStages()
    let (found, interruptions) = try again.inParts(
      RefinedEmulatorStage.self, "refined", given, inputs: inputs, system: molecule, threads: 1, limit: { _ in 9 }
    ) { _ in }
    #expect(interruptions >= 2)
    #expect(found.provenance.contentDigest == expected.provenance.contentDigest)
  }
}
