import Artifacts
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Generative
import Molecules
import Records
import TestSupport
import Testing
import Torch
import Workflow

@testable import Stages

/// The perturb stage on a hardly trained emulator of alanine dipeptide, to a force field whose C=O bond is longer by four widths.
@Suite(.serialized) struct PerturbStageTests {
  private let chain: GenerativeStagesTests
  private let cheap = MoleculeFiles.alanine
  private static let parameters: [String: ParameterValue] = [
    "first": 260, "exploration": 40, "rounds": [80, 60], "fresh_share": 0.3, "surrogate_steps": 60, "flow_steps": 40,
    "batch": 64, "chains": 300, "blocks": 2, "record_every": 10,
  ]

  init() throws { chain = try GenerativeStagesTests() }

  private func target() throws -> MoleculeFiles { try AlanineFixture.withBond(of: 0.1329, in: chain.folder) }

  private func emulator() throws -> StageInput {
    try chain.run(
      EmulatorStage.self, "emulator",
      ["training": ["steps": 300, "batch": 64], "network": ["width": 32, "depth": 1], "targets": "forces"],
      ["frames": [chain.frames()]], on: cheap)
  }

  /// What is written is what the force field says; the map has found the bond; fresh samples of the new emulator have it, and count for more.
  @Test func theForceFieldThatChangedIsFound() throws {
    let (emulator, target) = (try emulator(), try target())
    let found = try chain.run(
      PerturbStage.self, "target", Self.parameters, ["emulator": [emulator]], on: target)
    let (artifact, record) = (found.artifact, Recorded.perturb)
    let points = try artifact.labelledPoints(record.points)
    #expect(points.count == 260 + 40 + 80 + 60 && points.dimension == 60)
    #expect(try artifact.read(record.energyEvaluations) == points.count)
    #expect(try artifact.read(record.rounds.energies).values == [380, 440])
    #expect(points.sources.filter { $0 == 1 }.count == 40 && points.rounds.filter { $0 == 1 }.count == 60)
    for (value, error) in zip(
      try artifact.read(record.rounds.thermometer).values, try artifact.read(record.rounds.thermometerError).values)
    { #expect(error > 0 && abs(value - 1) < max(0.1, 5 * error), "\(value) ± \(error)") }
    // half of the points in each state
    #expect(abs(points.states.prefix(260).reduce(0, +) - 130) <= 1)
    let topology = try Topology.read(pdb: cheap.topology)
    let coordinates = try InternalCoordinates(topology: topology)
    let (positions, volumes) = try coordinates.cartesian(points.values, frames: points.count)
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    let energies = try OpenMMEngine(systemXML: target.forcefieldFile, threads: 1).energies(positions)
    #expect(points.logDensities.filter(\.isFinite).count > 400)
    for n in 0..<points.count where points.logDensities[n].isFinite {
      #expect(abs(points.logDensities[n] - (volumes[n] - energies[n] / thermal)) < 1e-6 * max(1, abs(energies[n])))
    }
    // the gradient is the slope of what is written
    let bond = try #require(coordinates.coordinate(ofBond: Topology.Bond(4, 5)))
    var moved = Array(points.values[0..<60])
    moved[bond] += 1e-6
    let (place, volume) = try coordinates.cartesian(moved, frames: 1)
    let slope =
      try
      (volume[0] - OpenMMEngine(systemXML: target.forcefieldFile, threads: 1).energies(place)[0] / thermal
      - points.logDensities[0]) / 1e-6
    #expect(abs(slope / points.gradients[bond] - 1) < 1e-2)
    #expect(points.gradients[bond] > 1000, "the bond is to be longer")

    let system = MoleculeFiles(topology: cheap.topology, forcefield: target.forcefieldFile)
    func drawn(_ from: StageInput, _ name: String) throws -> (length: Double, share: Double) {
      let samples = try chain.run(
        SampleStage.self, "samples-\(name)", ["count": 400, "ode_steps": 4], ["emulator": [from]], on: system)
      let values = try samples.artifact.read(Recorded.sample.internalCoordinates).values
      let length =
        stride(from: bond, to: values.count, by: 60).reduce(0.0) { $0 + values[$1] } / Double(values.count / 60)
      let weighted = try chain.run(
        ReweightStage.self, "weighted-\(name)", ["density": "stochastic-trace", "bootstrap": 10],
        ["samples": [samples]],
        on: system)
      return (length, try weighted.artifact.read(Recorded.reweight.effectiveFraction))
    }
    let (before, after) = (try drawn(emulator, "before"), try drawn(found, "after"))
    #expect(abs(before.length - 0.1229) < 2e-3 && abs(after.length - 0.1329) < 2e-3)
    #expect(after.share > 2 * before.share, "\(before), \(after)")
  }

  /// Stopped again and again, while energies are asked for and in each training, it ends with the same bits, and no energy is asked for twice.
  @Test func resumesWithTheSameBits() throws {
    let (emulator, target) = (try emulator(), try target())
    let inputs = ["emulator": [emulator]]
    let short: [String: ParameterValue] = [
      "emulator": "emulator", "surrogate_steps": 20, "flow_steps": 15, "chains": 100, "rounds": [40, 20],
    ]
    let given = Self.parameters.merging(short) { $1 }
    let stages = try AlanineStages()
    let whole = try stages.context(PerturbStage.self, "target", given, inputs: inputs, system: target)
    try PerturbStage.run(whole)
    let expected = try stages.commit(whole, PerturbStage.self)
    let again = try AlanineStages()
    var (phases, counts): ([Int], [Int]) = ([], [])
    let (found, interruptions) = try again.inParts(
      PerturbStage.self, "target", given, inputs: inputs, system: target, threads: 1, limit: { 5 + 4 * ($0 % 4) }
    ) {
      guard let saved = try $0.checkpoints.latest() else { return }
      phases.append(try saved.artifact.read(Recorded.perturbCheckpoint.phase))
      counts.append(try saved.artifact.shape(Recorded.perturbCheckpoint.points.logDensities)[0])
    }
    #expect(interruptions >= 5 && Set(phases).count >= 3, "\(phases)")
    #expect(counts == counts.sorted() && Set(counts).count >= 2, "energies only grow: \(counts)")
    #expect(found.provenance.contentDigest == expected.provenance.contentDigest)
  }

  /// What cannot be carried is refused by name.
  @Test func whatCannotBeCarriedIsRefused() throws {
    let cartesian = try chain.run(
      EmulatorStage.self, "cartesian",
      [
        "coordinates": "cartesian", "network": ["type": "egnn", "hidden": 8, "layers": 1],
        "training": ["steps": 2, "batch": 8],
      ], ["frames": [chain.frames()]], on: cheap)
    #expect(throws: PerturbationError.cartesian) {
      _ = try chain.run(PerturbStage.self, "target", Self.parameters, ["emulator": [cartesian]], on: cheap)
    }
    // what cannot work is told before anything is asked
    let emulator = try emulator()
    for (name, value, told) in [("first", 60, "write first:"), ("chains", 20, "raise chains")] {
      let wrong = Self.parameters.merging([name: .integer(value)]) { $1 }
      do {
        _ = try chain.run(PerturbStage.self, "wrong", wrong, ["emulator": [emulator]], on: cheap)
        Issue.record("\(name): \(value) was taken")
      } catch {
        #expect("\(error)".contains(told), "\(error)")
      }
    }
  }

  /// A target that wants the alpha carbon's other hand: it cannot be reached, and is said not to be, without a number.
  @Test func aTargetOfTheOtherHandIsNotReached() throws {
    let text = try String(contentsOf: AlanineFixture.systemXML, encoding: .utf8)
    let place = try #require(text.range(of: "<Torsions>"))
    // N, C, CB about CA: 1 + cos is largest at the hand that the molecule has
    let frame = try chain.frames().artifact.read(Recorded.ingest.trajectory.coordinates, rows: 0..<1).values
    let phase = torsionAngles(frame.map(Double.init), atoms: 22, torsions: [[6, 14, 10, 8]])[0]
    let wanted = "<Torsion k=\"900\" p1=\"6\" p2=\"14\" p3=\"10\" p4=\"8\" periodicity=\"1\" phase=\"\(phase)\"/>"
    let file = chain.folder.appendingPathComponent("mirror.xml")
    try (String(text[..<place.upperBound]) + wanted + text[place.upperBound...]).write(
      to: file, atomically: true, encoding: .utf8)
    let target = MoleculeFiles(topology: cheap.topology, forcefield: file)
    let (emulator, longer) = (try emulator(), try self.target())
    let given = Self.parameters.merging(["first": 600, "rounds": [80, 300], "flow_steps": 150]) { $1 }
    var told: [String] = []
    _ = try chain.run(PerturbStage.self, "near", given, ["emulator": [emulator]], on: longer, warned: { told += $0 })
    #expect(!told.contains { $0.contains("not reached") }, "one that can be reached is: \(told)")
    #expect(!told.contains { $0.contains("widths apart") }, "four widths in one bond are no small matter: \(told)")
    let found = try chain.run(
      PerturbStage.self, "mirror", given, ["emulator": [emulator]], on: target, warned: { told += $0 })
    let samples = try chain.run(
      SampleStage.self, "mirrored", ["count": 400, "ode_steps": 4], ["emulator": [found]], on: target,
      warned: { told += $0 })
    do {
      let weighted = try chain.run(
        ReweightStage.self, "weighted", ["density": "stochastic-trace", "bootstrap": 10], ["samples": [samples]],
        on: target, warned: { told += $0 })
      let deltaF = try weighted.artifact.read(Recorded.reweight.freeEnergy.deltaF)
      #expect(deltaF.isNaN)
    } catch let error as FreeEnergiesError { told.append("\(error)") }
    #expect(told.contains { $0.contains("reached") }, "\(told)")
  }
}
