import Artifacts
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import Records
import Testing
import Trajectories
import Workflow

@testable import Stages

/// The simulate stage on alanine dipeptide, some picoseconds of it.
@Suite(.serialized) struct SimulateStageTests {
  let alanine: AlanineStages
  let output = Recorded.simulate

  init() throws { alanine = try AlanineStages() }

  static let short: [String: ParameterValue] = [
    "runs": 2, "length": .number(1), "save_interval": .number(0.02), "equilibration": .number(0.3),
    "steering_time": .number(30), "hydrogen_mass": .number(3),
  ]

  @Test func framesBeginInEachState() throws {
    let context = try alanine.context(SimulateStage.self, "md", Self.short, threads: 2)
    try SimulateStage.run(context)
    let artifact = try alanine.commit(context, SimulateStage.self)
    #expect(try artifact.shape(output.trajectory.coordinates) == [200, 22, 3])
    #expect(try artifact.read(output.steeredTorsions) == ["phi"])
    let targets = try artifact.read(output.targets).values
    #expect(targets[0...1] == [1, 1] && abs(targets[2] + 2.1416) < 1e-3)
    let runs = try artifact.read(output.run, as: Int.self).values
    #expect(runs == (0..<200).map { $0 / 50 })
    let time = try artifact.read(output.trajectory.time, as: Double.self).values
    #expect(abs(time[0] - 0.02) < 1e-6 && abs(time[49] - 1) < 1e-6 && abs(time[50] - 0.02) < 1e-6)
    let populations = try artifact.read(output.statePopulation).values
    #expect(populations == [1, 1, 0, 0])
    #expect(try artifact.read(output.transitions).values == [0, 0, 0, 0])
    #expect(try artifact.read(output.energyEvaluations) >= 4 * (30_000 + 300 + 1000))

    let coordinates = try artifact.read(output.trajectory.coordinates, as: Double.self).values
    let topology = try Topology.read(pdb: alanine.system.topology)
    #expect(try Chirality(topology: topology).invertedFrames(in: coordinates).isEmpty)
    let engine = try OpenMMEngine(systemXML: alanine.system.forcefieldFile, threads: 1)
    #expect(try artifact.read(output.energies).values == engine.energies(coordinates))
    let angles = torsionAngles(coordinates, atoms: 22, torsions: [[4, 6, 8, 14]])
    #expect(try artifact.read(output.trajectory.torsions.angles["phi"]).values == angles)

    // the file beside it holds the same frames, in angstrom
    let trajectory = try TrajectoryFile.open(alanine.folder.appendingPathComponent("md.nc"), expectedAtoms: 22)
    #expect(trajectory.frameCount == 200)
    let file = try trajectory.readFrames(0..<200)
    #expect(zip(file, coordinates).allSatisfy { abs($0 - $1) < 1e-7 })
    #expect(try trajectory.readTimes(0..<200) == time)

    // as does one that is made from the artifact later
    let again = alanine.folder.appendingPathComponent("again.nc")
    #expect(try TrajectoryExport.write(artifact, to: again) == 200)
    #expect(try AMBERTrajectory(url: again).readFrames(0..<200) == file)
    #expect(throws: ExportError.overItself(file: artifact.url.path)) {
      try TrajectoryExport.write(artifact, to: artifact.url)
    }

    // and both are the same to ingest
    func frames(_ name: String, _ values: [String: ParameterValue], _ inputs: [String: [StageInput]] = [:]) throws
      -> Artifact
    {
      let context = try alanine.context(IngestStage.self, name, values, inputs: inputs)
      try IngestStage.run(context)
      return try alanine.commit(context, IngestStage.self)
    }
    let input = StageInput(name: "md", type: "simulate", artifact: artifact)
    let fromStage = try frames("a", ["simulation": "md", "stride": 3], ["simulation": [input]])
    let fromFile = try frames("b", ["trajectory": .list([.string(trajectory.url.path)]), "stride": 3])
    let (x, y) = try (
      fromStage.read(output.trajectory.coordinates, as: Double.self),
      fromFile.read(output.trajectory.coordinates, as: Double.self)
    )
    #expect(x.shape == [67, 22, 3])
    #expect(zip(x.values, y.values).allSatisfy { abs($0 - $1) < 3e-7 })
    #expect(try fromStage.read(Recorded.ingest.files) == ["md.h5"])
    #expect(throws: IngestError.source(both: false)) { try frames("c", [:]) }
    #expect(throws: IngestError.source(both: true)) {
      try frames(
        "d", ["simulation": "md", "trajectory": .list([.string(trajectory.url.path)])], ["simulation": [input]])
    }
  }

  @Test func interruptedAndResumedIsBitIdentical() throws {
    var values = Self.short
    values["steering_time"] = .number(5)
    values["starts"] = .list([.list([.number(-1.3)]), .list([.number(-2.2)])])
    values["length"] = .number(0.4)
    let whole = try alanine.context(SimulateStage.self, "whole", values)
    try SimulateStage.run(whole)
    let expected = try alanine.commit(whole, SimulateStage.self)

    let (resumed, interruptions) = try alanine.inParts(SimulateStage.self, "parts", values) { 3 + $0 % 3 }
    #expect(interruptions > 4)
    #expect(resumed.provenance.contentDigest == expected.provenance.contentDigest)
  }

  /// In a few picoseconds the moves bring a side chain to places that dynamics alone does not reach, interrupted or not.
  @Test func movesTurnSideChains() throws {
    let dataset = AlanineStages.dataset.deletingLastPathComponent().appendingPathComponent("dipeptides/AC")
    let topology = try Topology.read(pdb: dataset.appendingPathComponent("topology.pdb"))
    let system = SystemFiles(
      topology: dataset.appendingPathComponent("topology.pdb"),
      forcefield: dataset.appendingPathComponent("system.xml"), torsions: ["phi": try topology.torsion(named: "phi")])
    var values = Self.short
    values["length"] = .number(20)
    values["save_interval"] = .number(0.2)
    values["timestep"] = .number(0.002)
    values["steering_time"] = .number(20)
    values["rotamers"] = .bool(false)
    func run(_ name: String, moves: Bool, callsAtMost: Int = .max) throws -> Artifact {
      values["rotamer_moves"] = moves ? .bool(true) : nil
      for _ in 0..<1000 {
        var calls = 0
        let context = try alanine.context(SimulateStage.self, name, values, system: system, threads: 2) {
          calls += 1
          return calls >= callsAtMost
        }
        do {
          try SimulateStage.run(context)
          return try alanine.commit(context, SimulateStage.self)
        } catch is WorkflowInterruption {
          context.output.discard()
        }
      }
      throw WorkflowInterruption()
    }
    let (plain, moved) = (try run("still", moves: false), try run("turned", moves: true))
    let resumed = try run("parts", moves: true, callsAtMost: 4)
    #expect(resumed.provenance.contentDigest == moved.provenance.contentDigest)
    let chi = try #require(topology.namedTorsions.first { $0.fullName == "chi1-2" }).atoms
    func changes(_ artifact: Artifact) throws -> Int {
      let coordinates = try artifact.read(output.trajectory.coordinates, as: Double.self)
      let angles = torsionAngles(coordinates.values, atoms: coordinates.shape[1], torsions: [chi])
      let turn: Double = 2 * .pi
      let thirds: [Int] = angles.map { Int(($0 + turn) / (turn / 3)) % 3 }
      return zip(thirds, thirds.dropFirst()).filter { $0 != $1 }.count
    }
    let (often, seldom) = (try changes(moved), try changes(plain))
    #expect(often > 3 * max(4, seldom), "\(often), \(seldom)")
    #expect(try moved.read(output.moves.names) == ["chi1-2", "chi2-2"])
    #expect(!plain.has(output.moves.acceptance))
    let acceptance = try moved.read(output.moves.acceptance).values
    #expect(acceptance.allSatisfy { $0 > 0.005 && $0 < 0.9 }, "\(acceptance)")
    func cost(_ artifact: Artifact) throws -> Int { try artifact.read(output.energyEvaluations) }
    let more = try cost(moved) - cost(plain)
    // 20.3 ps, a move every 0.1 ps, two energies each, in four runs
    #expect(more == 2 * 4 * (202 + 1), "\(more)")
  }

  @Test func whatCannotBeStartedIsATypedError() throws {
    func run(_ values: [String: ParameterValue], system: SystemFiles? = nil) throws {
      let context = try alanine.context(SimulateStage.self, "bad", values, system: system)
      defer { context.output.discard() }
      try SimulateStage.run(context)
    }
    #expect(throws: MolecularSystemError.noDynamics(purpose: "dynamics")) {
      try run([:], system: SystemFiles(topology: alanine.system.topology))
    }
    #expect(throws: SimulateError.noStarts(steering: ["phi", "psi"])) {
      try run(["steering": .list([.string("phi"), .string("psi")])])
    }
    #expect(throws: SimulateError.startLength(start: 1, count: 1, steering: ["phi", "psi"])) {
      try run([
        "steering": .list([.string("phi"), .string("psi")]),
        "starts": .list([.list([.number(1), .number(1)]), .list([.number(1)])]),
      ])
    }
    #expect(throws: MoleculesError.self) {
      try run(["steering": .list([.string("chi1")]), "starts": .list([.list([.number(1)])])])
    }
    // what no hydrogen can weigh here is said in words of this stage
    #expect {
      try run(["hydrogen_mass": .number(5)])
    } throws: { "\($0)".hasPrefix("a hydrogen mass of 5.0 dalton leaves ") && !"\($0)".contains("umbrella") }
    // far too fast: the run is refused, and what it has is kept
    #expect(throws: AdvisedError.self) {
      try run(["timestep": .number(0.01), "steering_time": .number(2), "attempts": 1, "length": .number(40)])
    }
    #expect(try !CheckpointStore(folder: alanine.folder, stage: "bad", key: "k").parts().isEmpty)
  }

  /// Side chains begin at each of their staggered places.
  @Test func rotamersAreSpread() throws {
    let dipeptide = AlanineStages.dataset.deletingLastPathComponent().appendingPathComponent("dipeptides/IM")
    let topology = dipeptide.appendingPathComponent("topology.pdb")
    let system = SystemFiles(
      topology: topology, forcefield: dipeptide.appendingPathComponent("system.xml"),
      torsions: ["phi": try Topology.read(pdb: topology).torsion(named: "phi")])
    let context = try alanine.context(SimulateStage.self, "im", ["runs": 3], system: system)
    defer { context.output.discard() }
    let setup = try SimulateSetup(context, context.parameters(SimulateStage.Parameters.self))
    #expect(setup.starts.names == ["phi", "chi1-1", "chi2-1", "chi1-2", "chi2-2", "chi3-2"])
    #expect(setup.starts.targets.count == 6)
    #expect(setup.moves.moves.isEmpty)
    let moving = try alanine.context(
      SimulateStage.self, "moving", ["runs": 3, "rotamer_moves": .bool(true)], system: system)
    defer { moving.output.discard() }
    let moves = try SimulateSetup(moving, moving.parameters(SimulateStage.Parameters.self)).moves
    #expect(moves.names == ["chi1-1", "chi2-1", "chi1-2", "chi2-2", "chi3-2"])
    #expect(moves.moves.filter { !$0.isThird }.isEmpty)
    for torsion in 1..<6 {
      for start in 0..<2 {
        let places = (0..<3).map { Int((setup.starts.targets[3 * start + $0][torsion] * 180 / .pi).rounded()) }
        #expect(places.sorted() == [-60, 60, 180])
      }
    }
  }
}
