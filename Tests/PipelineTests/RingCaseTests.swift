import Artifacts
import Basics
import Foundation
import Records
import TestSupport
import Testing

/// Molecules with rings, through the real program.
@Suite struct RingCaseTests {
  private let program: Program

  init() throws { program = try Program() }

  private func artifact(_ run: String, _ stage: String) throws -> Artifact {
    try Artifact.open(program.folder.appendingPathComponent("runs/\(run)/\(stage).h5"), verify: true)
  }

  /// With dynamics, training and a draw that are short.
  @Test func aRingOfManyAtomsIsNamedAndGivesNoInterval() throws {
    let folder = Package.fixture("cases/ring-of-many-atoms")
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      try FileManager.default.copyItem(
        at: folder.appendingPathComponent(file), to: program.folder.appendingPathComponent(file))
    }
    let sentence = "the bond SG of CYX 2 - SG of CYX 5 closes a ring of 14 atoms and is no coordinate of the emulator"
    let checked = try program.run("check", "p.yaml")
    #expect(checked.code == 0 && (checked.output + checked.errors).contains(sentence), "\(checked.errors)")
    let result = try program.run(
      "run", "p.yaml", "--set", "md.length=30", "--set", "emulator.training.steps=150", "--set", "fresh.count=400")
    #expect(result.code == 0, "\(result.errors)")
    let emulator = try artifact("ring-of-many-atoms", "emulator")
    #expect(emulator.provenance.warnings.contains { $0.contains(sentence) })
    let drawn = try artifact("ring-of-many-atoms", "fresh").provenance.warnings
    let broken = try #require(drawn.first { $0.contains(sentence) })
    // "in 47.5 % of the samples (190 of 400) a ring is broken: ..."
    let share = try #require(broken.split(separator: " ").dropFirst().first.flatMap { Double($0) })
    #expect(share > 20 && share <= 100 && broken.contains(" of 400)"))
    let traced = try artifact("ring-of-many-atoms", "traced")
    let interval = try traced.read(Recorded.reweight.freeEnergy.interval).values
    #expect(interval.count == 2 && interval.allSatisfy(\.isNaN))
    #expect(try traced.read(Recorded.reweight.freeEnergy.deltaF).isNaN)
    #expect(traced.provenance.warnings.contains { $0.contains("have a broken ring: they weigh nothing") })
    #expect(!(result.output + result.errors).contains("train the emulator longer"))
  }

  /// Proline's ring is closed in every sample, with the width that heat gives the bond which closes it.
  @Test func prolineKeepsItsRing() throws {
    let files = Package.fixture("rings").path
    try program.write(
      """
      name: proline
      seed: 1
      system:
        topology: \(files)/proline.pdb
        forcefield: \(files)/proline.xml
        state: { torsion: psi, from: -2, to: 1 }
      stages:
        md:       { uses: simulate, runs: 2, length: 50, save_interval: 0.05, equilibration: 2, steering_time: 10 }
        frames:   { uses: ingest, simulation: md }
        emulator: { uses: emulator, frames: frames, network: { width: 64, depth: 2 }, training: { steps: 500, batch: 256 } }
        fresh:    { uses: sample, emulator: emulator, count: 400, log_density: stochastic-trace }
      """, to: "proline.yaml")
    let checked = try program.run("check", "proline.yaml")
    #expect(checked.code == 0 && !(checked.output + checked.errors).contains("closes a ring"), "\(checked.errors)")
    let result = try program.run("run", "proline.yaml")
    #expect(result.code == 0, "\(result.errors)")
    let samples = try artifact("proline", "fresh")
    #expect(!samples.provenance.warnings.contains { $0.contains("ring") }, "\(samples.provenance.warnings)")
    let (drawn, learnt) = (
      try lengths(samples.read(Recorded.sample.trajectory.coordinates, as: Double.self)),
      try lengths(artifact("proline", "frames").read(Recorded.ingest.trajectory.coordinates, as: Double.self))
    )
    #expect(drawn.count == 400 && learnt.count >= 1000)
    let (a, b) = (Self.moments(drawn), Self.moments(learnt))
    #expect(abs(a.mean - b.mean) < b.deviation && a.deviation < 1.6 * b.deviation && b.deviation < 0.005, "\(a), \(b)")
  }

  /// From N to CD of the proline, nm.
  private func lengths(_ x: NDArray<Double>) -> [Double] {
    let (nitrogen, carbon, width) = (6, 7, 3 * x.shape[1])
    return stride(from: 0, to: x.values.count, by: width).map { base -> Double in
      let squares = (0..<3).map { axis -> Double in
        let difference = x.values[base + 3 * nitrogen + axis] - x.values[base + 3 * carbon + axis]
        return difference * difference
      }
      return squares.reduce(0, +).squareRoot()
    }
  }

  private static func moments(_ values: [Double]) -> (mean: Double, deviation: Double) {
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(values.count)
    return (mean, variance.squareRoot())
  }
}
