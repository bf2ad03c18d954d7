import Artifacts
import Basics
import ForceFields
import Foundation
import Molecules
import Records
import TestSupport
import Testing
import Workflow

@testable import Stages

/// The reweight stage on hand-made samples of alanine dipeptide whose log-density, and so whose answer, is chosen.
@Suite final class ReweightStageTests {
  static let dataset = Package.alanine

  let folder: URL
  let system = SystemFiles(
    topology: ReweightStageTests.dataset.appendingPathComponent("alanine.pdb"),
    forcefield: ReweightStageTests.dataset.appendingPathComponent("system.xml"))
  let count = 400

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("boltzmill-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The reference with phi turned, every fourth sample into the state; sample 7 mirrored, sample 8 with two atoms in one
  /// place.
  func coordinates() throws -> [Double] {
    let topology = try Topology.read(pdb: system.topology)
    let zmatrix = try InternalCoordinates(topology: topology)
    let phi = try #require(zmatrix.coordinate(ofTorsion: topology.torsion(named: "phi")))
    let start = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    var random = RandomStream(seed: 4, "samples")
    var values: [Double] = []
    for n in 0..<count {
      var q = start
      q[phi] = n % 4 == 0 ? 0.2 + 1.6 * random.uniform() : -0.2 - 2.5 * random.uniform()
      values += q
    }
    var x = try zmatrix.cartesian(values, frames: count).coordinates
    for k in 0..<22 { x[(7 * 22 + k) * 3 + 2] *= -1 }
    for k in 0..<3 { x[(8 * 22 + 5) * 3 + k] = x[(8 * 22 + 3) * 3 + k] }
    return x
  }

  func samples(_ x: [Double], estimates: [[Double]], method: String) throws -> StageInput {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("fresh.h5"))
    let record = Recorded.sample
    try writer.write(record.trajectory.coordinates, x, shape: [x.count / 66, 22, 3])
    let mean = estimates[0].indices.map { n in estimates.reduce(0) { $0 + $1[n] } / Double(estimates.count) }
    try writer.write(record.logDensity.values, mean)
    try writer.write(record.logDensity.method, method)
    if estimates.count > 1 {
      try writer.write(record.probes, estimates.flatMap { $0 }, shape: [estimates.count, mean.count])
    }
    return StageInput(name: "fresh", type: "sample", artifact: try commit(writer, "sample"))
  }

  func commit(_ writer: ArtifactWriter, _ type: String) throws -> Artifact {
    _ = try writer.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: type, stageType: type, stageVersion: 1, seed: 1, start: Date(), end: Date(),
        wallSeconds: 0))
    return try Artifact.open(writer.url, verify: true)
  }

  func context(
    _ samples: StageInput, density: String, system: SystemFiles? = nil, checkpointInterval: Double = 60,
    progress: any Basics.ProgressReporting = Basics.SilentProgress(), interruption: @escaping () -> Bool = { false }
  ) throws -> StageContext {
    var resolved: [String: ParameterValue] = [:]
    for field in ReweightStage.parameters { resolved[field.name] = field.defaultValue }
    resolved["samples"] = .string(samples.name)
    resolved["density"] = .string(density)
    return StageContext(
      stage: "traced", seed: 3, values: .object(resolved), inputs: ["samples": [samples]],
      output: try ArtifactWriter(url: folder.appendingPathComponent("traced.h5")),
      checkpoints: CheckpointStore(folder: folder, stage: "traced", key: "k"), temperature: 300,
      system: system ?? self.system, progress: progress, threads: 2, checkpointInterval: checkpointInterval,
      interruption: interruption)
  }

  @Test func perfectDensityGivesCountsUnderTheFixedNames() throws {
    let x = try coordinates()
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    let forceField = system.forcefieldFile
    let energies = try OpenMMEngine(systemXML: forceField, threads: 1).energies(x)
    let exact = energies.map { $0.isFinite ? -$0 / thermal + 12 : 0 }
    let context = try context(samples(x, estimates: [exact], method: "exact-trace"), density: "exact-trace")
    try ReweightStage.run(context)
    let artifact = try commit(context.output, "reweight")
    let record = Recorded.reweight
    // one sample in four is in the state; one elsewhere is mirrored, and one that is in the state (8) has no finite energy
    #expect(try abs(artifact.read(record.freeEnergy.deltaF) - log(299.0 / 99.0)) < 1e-6)
    #expect(try abs(artifact.read(record.effectiveFraction) - 398.0 / 400.0) < 1e-6)
    #expect(try artifact.read(record.inverted) == 1)
    #expect(try artifact.read(record.nonFinite) == 1)
    #expect(try artifact.read(record.dropped) == 1)
    #expect(try artifact.read(record.energyEvaluations) == 400)
    let interval = try artifact.read(record.freeEnergy.interval).values
    #expect(interval[0] < log(3) && interval[1] > log(3) && interval[1] - interval[0] < 0.8)
    #expect(try abs(artifact.read(record.statePopulations).values[0] - 99.0 / 398.0) < 1e-9)
    #expect(try artifact.shape(record.stateIntervals) == [2, 2])
    #expect(try artifact.read(record.stateNames) == ["phi in (0, 2)", "elsewhere"])
    #expect(try artifact.shape(record.profile.angles["phi"]) == [60])
    let weights = try artifact.read(record.logWeights).values
    #expect(weights[7] == -.infinity && weights[8] == -.infinity && abs(weights[0] + log(398.0)) < 1e-6)
    let stored = try artifact.read(record.energies).values
    #expect(zip(stored, energies).allSatisfy { $0 == $1 })
    #expect(context.warnings.count == 2 && context.warnings[1].contains("inverted stereocentre"))
    #expect(!artifact.has(record.noiseEffect))
  }

  @Test func noisyEstimatesAreCorrected() throws {
    let x = try coordinates()
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    let energies = try OpenMMEngine(systemXML: system.forcefieldFile, threads: 1).energies(x)
    var random = RandomStream(seed: 8, "noise")
    let estimates = (0..<2).map { _ in
      energies.map { ($0.isFinite ? -$0 / thermal : 0) + 0.7 * random.normal() }
    }
    let context = try context(samples(x, estimates: estimates, method: "stochastic-trace"), density: "stochastic-trace")
    try ReweightStage.run(context)
    let artifact = try commit(context.output, "reweight")
    let record = Recorded.reweight
    let variance = try artifact.read(record.noiseVariance).values
    // 0.7^2 / 2 in both states, from 400 squared differences
    for v in variance { #expect(abs(v - 0.245) < 0.12) }
    #expect(try abs(artifact.read(record.noiseEffect)) < 0.15)
    #expect(try artifact.read(record.noiseEffectError) > 0)
    let deltaF = try artifact.read(record.freeEnergy.deltaF)
    let error = try artifact.read(record.freeEnergy.standardError)
    #expect(abs(deltaF - log(299.0 / 99.0)) < 4 * error)
  }

  /// Samples of which three stray into a state that no training frame has seen: no free energy, and the true reason.
  @Test func oneSampleInTheStateGivesNoNumber() throws {
    let x = try coordinates()
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    let energies = try OpenMMEngine(systemXML: system.forcefieldFile, threads: 1).energies(x)
    // every fourth sample is in the state: all but three of them weigh next to nothing
    let density = energies.indices.map { n -> Double in
      let exact = energies[n].isFinite ? -energies[n] / thermal : 0
      return n % 4 == 0 && n > 8 ? exact + 60 : exact
    }
    let fresh = try samples(x, estimates: [density], method: "exact-trace")
    // the frames that the emulator learnt from: those outside the state
    let frames = try ArtifactWriter(url: folder.appendingPathComponent("frames.h5"))
    let rows = (0..<count).filter { $0 % 4 != 0 && $0 > 8 }
    let outside: [Float] = rows.flatMap { (n: Int) -> [Float] in x[66 * n..<66 * n + 66].map(Float.init) }
    try frames.write(
      Recorded.ingest.trajectory.coordinates, outside, shape: [rows.count, 22, 3])
    let learnt = StageInput(name: "frames", type: "ingest", artifact: try commit(frames, "ingest"))
    let network = try ArtifactWriter(url: folder.appendingPathComponent("emulator.h5"))
    try network.write(Recorded.emulator.parameters, 1)
    let emulator = StageInput(
      name: "emulator", type: "emulator", artifact: try commit(network, "emulator"), inputs: ["frames": [learnt]])
    let stray = StageInput(
      name: fresh.name, type: fresh.type, artifact: fresh.artifact, inputs: ["emulator": [emulator]])

    let context = try context(stray, density: "exact-trace")
    try ReweightStage.run(context)
    let artifact = try commit(context.output, "reweight")
    let record = Recorded.reweight
    #expect(try artifact.read(record.freeEnergy.deltaF).isNaN && artifact.read(record.freeEnergy.standardError).isNaN)
    #expect(try artifact.read(record.freeEnergy.interval).values.allSatisfy { $0.isNaN })
    #expect(try artifact.read(record.statePopulationsTrajectory).values == [0, 1])
    let effective = try artifact.read(record.stateEffective).values
    #expect(effective[0] < 3 && effective[1] > 250)
    #expect(
      context.warnings.contains { $0.hasPrefix("the state rests on") && $0.contains("10 are the least for a number") })
    #expect(
      context.warnings.contains {
        $0.hasPrefix("none of the frames that the emulator was trained on") && $0.contains("phi in (0, 2)")
      })
    #expect(!context.warnings.contains { $0.contains("train the emulator longer") })
  }

  private final class Watch: Basics.ProgressReporting {
    var completed: [Int] = []
    func begin(_ title: String, total: Int, unit: String) {}
    func update(completed: Int, metrics: [(name: String, value: String)]) { self.completed.append(completed) }
    func end() {}
  }

  /// GFN2-xTB energies, interrupted twice and resumed: the artifact is that of an undisturbed run, and no energy is computed twice.
  @Test func energiesOfTightBindingResume() throws {
    let quantum = SystemFiles(
      topology: system.topology,
      method: ("gfn2-xtb", ["solvent": "water", "charge": 0, "unpaired_electrons": 0]))
    let n = 100
    let x = Array(try coordinates()[..<(n * 66)])
    let zeros = try samples(x, estimates: [[Double](repeating: 0, count: n)], method: "exact-trace")

    let whole = Watch()
    let undisturbed = try context(zeros, density: "exact-trace", system: quantum, progress: whole)
    try ReweightStage.run(undisturbed)
    #expect(whole.completed == [40, 80, 100])
    let expected = try commit(undisturbed.output, "reweight")
    #expect(try expected.read(Recorded.reweight.energyMethod) == "GFN2-xTB in water (GBSA)")
    let energies = try expected.read(Recorded.reweight.energies).values
    // about -33 hartree
    #expect(energies[0] < -80_000 && energies[0] > -90_000)
    #expect(energies.indices.filter { !energies[$0].isFinite } == [8])
    #expect(try expected.read(Recorded.reweight.secondsPerEnergy) > 0)

    let watch = Watch()
    for stop in [1, 2] {
      let stopped = try context(
        zeros, density: "exact-trace", system: quantum, progress: watch, interruption: { watch.completed.count == stop }
      )
      #expect(throws: WorkflowInterruption.self) { try ReweightStage.run(stopped) }
    }
    let resumed = try context(zeros, density: "exact-trace", system: quantum, progress: watch)
    try ReweightStage.run(resumed)
    #expect(watch.completed == [40, 80, 100])
    #expect(try commit(resumed.output, "reweight").provenance.contentDigest == expected.provenance.contentDigest)
  }

  @Test func wrongInputsAreTypedErrors() throws {
    let x = try coordinates()
    let zeros = [Double](repeating: 0, count: count)
    let input = try samples(x, estimates: [zeros], method: "exact-trace")
    #expect(
      throws: ReweightError.densityNotThere(
        stage: "fresh", wanted: "stochastic-trace", found: "log_density: exact-trace")
    ) { try ReweightStage.run(context(input, density: "stochastic-trace")) }
    var bare = system
    bare.forcefield = .null
    #expect(throws: MolecularSystemError.noEnergies(purpose: "reweighting")) {
      try ReweightStage.run(context(input, density: "exact-trace", system: bare))
    }
    var other = system
    other.state = StateDefinition(torsion: "chi7").parameterValue
    let error = #expect(throws: MolecularSystemError.self) {
      try ReweightStage.run(context(input, density: "exact-trace", system: other))
    }
    let text = try #require(error?.description)
    #expect(text.hasPrefix("system.state.torsion 'chi7' is none of the named torsions (") && text.contains("phi"))
    #expect(text.hasSuffix("name its four atoms under system.torsions"))
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("small.h5"))
    try writer.write(
      Recorded.sample.trajectory.coordinates, [Double](repeating: 0, count: 30), shape: [1, 10, 3])
    let small = StageInput(name: "small", type: "sample", artifact: try commit(writer, "sample"))
    #expect(throws: MolecularSystemError.otherMolecule(what: "samples of 'small'", found: 10, expected: 22)) {
      try ReweightStage.run(context(small, density: "exact-trace"))
    }
  }
}
