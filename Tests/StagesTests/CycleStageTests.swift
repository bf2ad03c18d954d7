import Artifacts
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import Records
import TestSupport
import Testing
import Torch
import Workflow

@testable import Generative
@testable import Stages

/// The cycle stage on a hardly trained emulator of alanine dipeptide, to a force field whose C=O bond is longer and whose phi is turned.
@Suite(.serialized) struct CycleStageTests {
  private let chain: GenerativeStagesTests
  private let cheap = MoleculeFiles.alanine

  init() throws { chain = try GenerativeStagesTests() }

  private func target() throws -> MoleculeFiles { try AlanineFixture.withBond(of: 0.1289, in: chain.folder) }

  /// Works are those of the map, whose volume is that of finite differences; both ways and both sides agree with the weights of the target.
  @Test func fromOneForceFieldToTheOther() throws {
    let target = try target()
    let emulator = try chain.run(
      EmulatorStage.self, "emulator",
      [
        "training": ["steps": 400, "batch": 64], "network": ["width": 32, "depth": 1], "targets": "forces",
        "state_share": 0.5,
      ],
      ["frames": [chain.frames()]], on: cheap)
    let carried = try chain.run(
      PerturbStage.self, "target",
      [
        "first": 1500, "exploration": 40, "rounds": [80, 60], "surrogate_steps": 60, "flow_steps": 100, "batch": 64,
        "chains": 300, "blocks": 2,
      ], ["emulator": [emulator]], on: target)
    let (first, fresh) = (
      try chain.run(SampleStage.self, "first", ["count": 900, "ode_steps": 4], ["emulator": [emulator]], on: cheap),
      try chain.run(SampleStage.self, "fresh", ["count": 800, "ode_steps": 4], ["emulator": [carried]], on: target)
    )
    let weighted = try chain.run(
      ReweightStage.self, "weighted", ["density": "stochastic-trace", "bootstrap": 50, "heaviest_share": 1.0],
      ["samples": [fresh]], on: target)
    // by itself no number where one of a state's few hundred samples has more than 2 % of its weight
    var warnings: [String] = []
    let strict = try chain.run(
      ReweightStage.self, "strict", ["density": "stochastic-trace", "bootstrap": 10], ["samples": [fresh]], on: target,
      warned: { warnings = $0 })
    let heaviest = try strict.artifact.read(Recorded.reweight.stateLargestWeight).values
    let given = try strict.artifact.read(Recorded.reweight.freeEnergy.deltaF)
    #expect(heaviest.contains { $0 > 0.02 } && given.isNaN)
    #expect(warnings.contains { $0.contains("too much on one sample") })
    let inputs = ["samples": [first], "reweight": [weighted]]
    var both = target
    both.sampledBy = cheap.forcefield
    let found = try chain.run(CycleStage.self, "cycle", ["count": 700, "bootstrap": 50], inputs, on: both)
    let (artifact, record) = (found.artifact, Recorded.cycle)

    // the works, by the map and two engines
    let forces = BoltzmannForces(temperature: 300, framesPerCall: 1000) {
      try OpenMMEngine(systemXML: cheap.forcefieldFile, threads: 1).energiesAndForces($0)
    }
    let map = try PotentialMap(
      from: EmulatorArtifact.read(emulator).emulator, to: EmulatorArtifact.read(carried).emulator,
      at: carried.artifact.labelledPoints(Recorded.perturb.points), forces: forces)
    let forward = try artifact.read(record.forwardWorks).values
    let backward = try artifact.read(record.backwardWorks).values
    #expect(forward.count == 700 && backward.count == 800)
    let positions = try first.positions(0..<20)
    let (led, volumes) = try map(positions, frames: 20)
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    let before = try OpenMMEngine(systemXML: cheap.forcefieldFile, threads: 1).energies(positions)
    let after = try OpenMMEngine(systemXML: target.forcefieldFile, threads: 1).energies(led)
    for n in 0..<20 {
      #expect(abs(forward[n] - ((after[n] - before[n]) / thermal - volumes[n])) < 1e-6 * max(1, abs(forward[n])))
    }
    // back again, and the volume of internal coordinates by differences
    let (there, opposite) = try map.inverse(led, frames: 20)
    for (one, other) in zip(volumes, opposite) { #expect(abs(one + other) < 1e-7) }
    let coordinates = try InternalCoordinates(topology: Topology.read(pdb: cheap.topology))
    let own = try coordinates.internalCoordinates(positions, frames: 20).values
    let returned = try coordinates.internalCoordinates(there, frames: 20).values
    let bonds = coordinates.indices(of: .bond)
    for bond in bonds { #expect(abs(own[bond] - returned[bond]) < 1e-9) }
    let dimension = coordinates.dimension
    let step = 1e-5
    var moved: [Double] = []
    for k in 0..<dimension {
      for sign in [1.0, -1] {
        var values = Array(own[0..<dimension])
        values[k] += sign * step
        moved += values
      }
    }
    let (placed, sizes) = try coordinates.cartesian(moved, frames: 2 * dimension)
    #expect(sizes.allSatisfy { $0.isFinite })
    var images = try coordinates.internalCoordinates(
      map(placed, frames: 2 * dimension).positions, frames: 2 * dimension
    ).values
    // which of three equal ends is called the first is as good as at random; folded torsions turn three times as fast
    guard case .internal(let chart) = try EmulatorArtifact.read(carried).emulator.chart else {
      throw PerturbationError.cartesian
    }
    var none: [Double] = []
    chart.rotors?.fold(&images, gradient: &none, frames: 2 * dimension)
    var slopes = [Double](repeating: 0, count: dimension * dimension)
    for k in 0..<dimension {
      for j in 0..<dimension {
        var change = images[2 * k * dimension + j] - images[(2 * k + 1) * dimension + j]
        if [.torsion, .relativeTorsion].contains(coordinates.kinds[j]) { change = wrappedAngle(change) }
        slopes[k * dimension + j] = change / (2 * step)
      }
    }
    let inside = try coordinates.internalCoordinates(positions, frames: 20).logJacobian[0]
    let outside = try coordinates.internalCoordinates(led, frames: 20).logJacobian[0]
    let numeric =
      try Tensor(slopes, shape: [dimension, dimension]).signLogDeterminant().logAbsolute
      .item() - ((chart.rotors ?? []).logDeterminant + Double(chart.rotors?.count ?? 0) * log(3))
    #expect(abs(numeric - (volumes[0] - outside + inside)) < 1e-4, "\(numeric), \(volumes[0] - outside + inside)")

    // all ways agree, and carry numbers
    func read(_ answers: CycleAnswersRecord) throws -> (Double, Double) {
      (try artifact.read(answers.values).values[0], try artifact.read(answers.errors).values[0])
    }
    let answers = try [record.target, record.forwardAlone].map(read)
    let cycle = (try artifact.read(record.freeEnergy.deltaF), try artifact.read(record.freeEnergy.standardError))
    print("cycle: \(cycle), target and forward \(answers), reference \(try read(record.reference))")
    for answer in answers {
      #expect(answer.1 > 0 && abs(answer.0 - cycle.0) < 4 * (answer.1 * answer.1 + cycle.1 * cycle.1).squareRoot())
    }
    let shared = try artifact.read(record.shared).values
    #expect(shared.count == 2 && shared.allSatisfy { $0 > 10 }, "\(shared)")
    // the bond's own share is -2 ln(0.1289 / 0.1229) kT; what lies around the oxygen adds a little
    let offset = try artifact.read(record.offset)
    let gains = try artifact.read(record.bennett.values).values.map { $0 + offset }
    #expect(gains.allSatisfy { abs($0) < 1.5 }, "\(gains)")
  }

  @Test func whatIsNoCycleIsRefused() throws {
    func findings(_ stages: String) throws -> String {
      let folder = chain.folder
      let file = folder.appendingPathComponent("cycle.yaml")
      let target = try target()
      try """
      name: cycle
      system:
        topology: \(cheap.topology.path)
        forcefield: \(target.forcefieldFile.path)
        sampled_by: \(cheap.forcefieldFile.path)
        torsions: { phi: [4, 6, 8, 14], psi: [6, 8, 14, 16] }
        state: { torsion: phi, from: 0, to: 2 }
      stages:
        frames: { uses: ingest, trajectory: \(Package.alanine.appendingPathComponent("alanine-left.nc").path) }
        emulator: { uses: emulator, frames: frames }
        second: { uses: emulator, frames: frames, state_share: 0.3 }
        target: { uses: perturb, emulator: emulator }
        first: { uses: sample, emulator: emulator, count: 100 }
        other: { uses: sample, emulator: second, count: 100 }
        bare: { uses: sample, emulator: emulator, count: 100, log_density: none }
        fresh: { uses: sample, emulator: target, count: 100 }
        weighted: { uses: reweight, samples: fresh, density: stochastic-trace }
        plain: { uses: reweight, samples: first, density: stochastic-trace }
        model: { uses: energy-model, samples: fresh }
        carried: { uses: anneal, samples: fresh, density: model }
        moved: { uses: reweight, samples: carried, density: annealed }
        again: { uses: perturb, emulator: target }
        further: { uses: sample, emulator: again, count: 100 }
        twice: { uses: reweight, samples: further, density: stochastic-trace }
      \(stages)
      """.write(to: file, atomically: true, encoding: .utf8)
      do {
        let definition = try PipelineLoader(registry: StageCatalog.registry).load(file)
        _ = try definition.check(Set(definition.stages.map(\.name)))
        return ""
      } catch { return "\(error)" }
    }
    for (inputs, message) in [
      ("samples: first, reweight: weighted", ""),
      ("samples: first, reweight: plain", "'emulator' is none"),
      ("samples: other, reweight: weighted", "perturb began with 'emulator'"),
      ("samples: fresh, reweight: weighted", "perturb began with 'emulator'"),
      ("samples: bare, reweight: weighted", "log_density: none"),
      ("samples: first, reweight: moved", "'carried' were moved"),
      ("samples: first, reweight: twice", "'target', which was carried itself"),
    ] {
      let told = try findings("  cycle: { uses: cycle, \(inputs) }")
      #expect(message.isEmpty ? told.isEmpty : told.contains(message), "\(inputs): \(told)")
    }
  }

  /// One emulator for many targets: what the file says of the dynamics stands in for nothing.
  @Test func oneEmulatorIsCarriedToMany() throws {
    func names(_ system: String, _ more: String = "") throws -> [String] {
      let file = chain.folder.appendingPathComponent("many.yaml")
      try """
      name: many
      matrix: { to: { a: { file: system.xml }, b: { file: potentials/ff14sb-obc2.xml } } }
      system: { topology: alanine.pdb, forcefield: "${to.file}"\(system) }
      stages:
        frames: { uses: ingest, trajectory: alanine-left.nc }
        emulator: { uses: emulator, frames: frames }
        target: { uses: perturb, emulator: emulator }
      \(more)
      """.replacing(#/(alanine.pdb|alanine-left.nc)/#) { "\(Package.alanine.path)/\($0.1)" }
        .replacing("file: ", with: "file: \(Package.alanine.path)/").write(to: file, atomically: true, encoding: .utf8)
      return try PipelineLoader(registry: StageCatalog.registry).load(file).stages.map(\.name).sorted()
    }
    #expect(
      try names(", sampled_by: \(cheap.forcefieldFile.path)") == ["emulator", "frames", "target@a", "target@b"])
    #expect(try names("") == ["emulator@a", "emulator@b", "frames", "target@a", "target@b"])
    // dynamics too: one for all, and one for each where the target's own runs it
    let md = "  md: { uses: simulate }\n"
    #expect(try names(", sampled_by: \(cheap.forcefieldFile.path)", md).filter { $0.hasPrefix("md") } == ["md"])
    #expect(try names("", md).filter { $0.hasPrefix("md") } == ["md@a", "md@b"])
    // by a word of the matrix that may stand for nothing, each entry is asked
    #expect(try names(", sampled_by: \"${to.file}\"", md).filter { $0.hasPrefix("md") } == ["md@a", "md@b"])
  }
}
