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

/// The anneal stage on samples of a hardly trained emulator of alanine dipeptide.
@Suite(.serialized) struct AnnealStageTests {
  private let chain: GenerativeStagesTests
  private let system = SystemFiles(
    topology: Package.alanine.appendingPathComponent("alanine.pdb"),
    forcefield: Package.alanine.appendingPathComponent("system.xml"))
  private static let parameters: [String: ParameterValue] = ["steps": 4, "pilot": 20, "batch": 24]

  init() throws { chain = try GenerativeStagesTests() }

  /// Samples with estimates of ln q, and an energy model of them.
  private func inputs(count: Int = 60) throws -> [String: [StageInput]] {
    let emulator = try chain.run(
      EmulatorStage.self, "emulator",
      ["training": ["steps": 200, "batch": 64], "network": ["width": 32, "depth": 1]],
      ["frames": [chain.frames()]], on: system)
    let samples = try chain.run(
      SampleStage.self, "samples", ["count": .integer(count), "ode_steps": 4, "scores": true], ["emulator": [emulator]])
    let model = try chain.run(
      EnergyModelStage.self, "ebm",
      [
        "training": ["steps": 30, "batch": 32], "network": ["width": 32, "depth": 1], "evaluation_samples": 10,
        "ode_steps": 4,
      ], ["samples": [samples]])
    return ["samples": [samples], "density": [model]]
  }

  /// What is written fits together: weights are sums of work, and what stands for ln q gives them back where energies are made anew.
  @Test func weightsFollowFromWhatIsWritten() throws {
    let inputs = try inputs()
    let annealed = try chain.run(AnnealStage.self, "annealed", Self.parameters, inputs, on: system)
    let (artifact, record) = (annealed.artifact, Recorded.anneal)
    let weights = try artifact.read(record.logWeights).values
    let work = try artifact.read(record.work).values
    // trajectories that are lost give no sample
    let count = try artifact.shape(record.work)[0]
    #expect(try count > 50 && work.count == 4 * count && artifact.read(record.lambdas).values.last == 1)
    for n in 0..<count { #expect(weights[n] == (0..<4).reduce(0) { $0 + work[4 * n + $1] }) }
    let positions = try artifact.read(record.trajectory.coordinates).values
    let engine = try OpenMMEnergies.reduced(positions, system.forcefieldFile)
    let density = try artifact.read(record.logDensity).values
    let living = weights.indices.filter { weights[$0] > -.infinity }
    #expect(living.count > 40)
    for n in living { #expect(abs(-engine[n] - density[n] - weights[n]) < 1e-5, "\(n)") }
    // where they began, the first weight is that of plain reweighting
    let samples = try #require(inputs["samples"]?[0])
    let first = try artifact.read(record.logWeightsBefore).values
    let model = try EnergyModelArtifact.read(#require(inputs["density"]?[0])).logDensity(of: samples)
    let began = try OpenMMEnergies.reduced(
      samples.artifact.read(Recorded.sample.trajectory.coordinates).values, system.forcefieldFile)
    let constants = living.map { first[$0] - (-began[$0] - model[$0]) }
    let mean = constants.reduce(0, +) / Double(constants.count)
    #expect(constants.allSatisfy { abs($0 - mean) < 1e-4 })
    // and exp(U - ln q) stands before the work in the other form
    let own = try samples.artifact.read(Recorded.sample.logDensity.values).values
    let unbiased = try artifact.read(record.unbiasedLogWeights).values
    let shifts = living.map { unbiased[$0] - weights[$0] - (model[$0] - own[$0]) }
    let shift = shifts.reduce(0, +) / Double(shifts.count)
    #expect(shifts.allSatisfy { abs($0 - shift) < 1e-4 })
    #expect(try artifact.shape(record.unbiasedLogDensity) == [2, count])
    // yardsticks are those of the weights
    let before = try artifact.read(record.before.all)
    #expect(abs(before - kishEffectiveSampleSize(logWeights: first) / Double(count)) < 1e-12)
    #expect(try artifact.read(record.effectiveFraction) > before)
    #expect(
      try artifact.read(record.energyEvaluations) == 4 * count + AnnealingPilot.evaluations(points: 20, steps: 4))
    let phi = try artifact.read(record.trajectory.torsions.angles["phi"]).values
    let measured = torsionAngles(positions, atoms: 22, torsions: [[4, 6, 8, 14]])
    #expect(zip(phi, measured).allSatisfy { abs(wrappedAngle($0 - $1)) < 1e-9 })

    // reweight makes the same weights of it, in both forms
    for (form, expected) in [("annealed", weights), ("annealed-unbiased", unbiased)] {
      let weighted = try chain.run(
        ReweightStage.self, "weighted-\(form)", ["density": .string(form), "bootstrap": 10], ["samples": [annealed]],
        on: system)
      let found = try weighted.artifact.read(Recorded.reweight.logWeights).values
      // before any correction for noise: what stands for ln q, the mean of its estimates
      let density = try weighted.artifact.read(Recorded.reweight.logDensity.values).values
      let estimates = form == "annealed" ? [] : try artifact.read(record.unbiasedLogDensity).values
      let plain = try artifact.read(record.logDensity).values
      for n in living {
        let stands = form == "annealed" ? plain[n] : (estimates[n] + estimates[count + n]) / 2
        #expect(abs(density[n] - stands) < 1e-9)
      }
      if form == "annealed" {
        let norm = logSumExp(expected)
        for n in living { #expect(abs(found[n] - (expected[n] - norm)) < 1e-5) }
        #expect(
          try abs(
            weighted.artifact.read(Recorded.reweight.effectiveFraction)
              - artifact.read(record.effectiveFraction)) < 1e-6)
      }
      #expect(weighted.artifact.has(Recorded.reweight.noiseEffect) == (form != "annealed"))
      #expect(
        try weighted.artifact.read(Recorded.reweight.energyEvaluations)
          == count + artifact.read(record.energyEvaluations))
      #expect(try ReweightStage.method?(weighted) == form)
    }
  }

  /// Stopped again and again, in the pilot, within batches and between them, it ends with the same bits.
  @Test func resumesWithTheSameBits() throws {
    let inputs = try inputs()
    let stages = try AlanineStages()
    var given = Self.parameters
    for (slot, stage) in inputs { given[slot] = .string(stage[0].name) }
    let whole = try stages.context(AnnealStage.self, "annealed", given, inputs: inputs)
    try AnnealStage.run(whole)
    let expected = try stages.commit(whole, AnnealStage.self)
    let again = try AlanineStages()
    var steps: [Int] = []
    let (found, interruptions) = try again.inParts(
      AnnealStage.self, "annealed", given, inputs: inputs, threads: 1,
      limit: { $0 == 0 ? 5 : $0 == 1 ? 33 : 1 + $0 % 2 }
    ) { if let saved = try $0.checkpoints.latest() { steps.append(saved.step) } }
    #expect(interruptions > 4 && steps.count > 3)
    #expect(found.provenance.contentDigest == expected.provenance.contentDigest)
  }

  /// Samples of the other hand weigh nothing, and that is said.
  @Test func samplesOfTheOtherHandWeighNothing() throws {
    var inputs = try inputs(count: 40)
    let samples = try #require(inputs["samples"]?[0])
    let record = Recorded.sample
    let model = try EnergyModelArtifact.read(#require(inputs["density"]?[0]))
    guard case .internal(let chart) = model.energyModel.chart.chart else {
      throw AnnealError.cartesian(energyModel: "")
    }
    // the third sample's mirror image has latents too
    var values = try samples.artifact.read(record.internalCoordinates).values
    let dimension = chart.coordinates.dimension
    let frames = values.count / dimension
    for (k, kind) in chart.coordinates.kinds.enumerated() where kind == .torsion || kind == .relativeTorsion {
      values[2 * dimension + k] *= -1
    }
    let latents = try chart.latents(internal: values, frames: frames)
    let writer = try ArtifactWriter(url: chain.folder.appendingPathComponent("turned.h5"))
    try writer.write(record.latents, latents.cast(.float32).values(as: Float.self), shape: latents.shape)
    try writer.write(record.emulator, #require(try samples.artifact.read(record.emulator)))
    try writer.write(record.logJacobian, samples.artifact.read(record.logJacobian).values)
    let positions = try samples.artifact.read(record.trajectory.coordinates)
    try writer.write(record.trajectory.coordinates, positions)
    let turned = StageInput(name: "turned", type: "sample", artifact: try writer.commit(as: "sample", "turned"))
    inputs["samples"] = [turned]
    var warnings: [String] = []
    let annealed = try chain.run(
      AnnealStage.self, "annealed", Self.parameters, inputs, on: system, warned: { warnings = $0 })
    #expect(try annealed.artifact.read(Recorded.anneal.inverted) == 1)
    #expect(try annealed.artifact.read(Recorded.anneal.logWeights).values[2] == -.infinity)
    #expect(warnings.contains("1 of \(frames) samples have an inverted stereocentre: they weigh nothing"))
    // no ln q of their own, and so one form alone
    #expect(!annealed.artifact.has(Recorded.anneal.unbiasedLogDensity))
    #expect(
      throws: ReweightError.densityNotThere(
        stage: "annealed", wanted: "annealed-unbiased", found: "none of its samples' own")
    ) {
      _ = try chain.run(
        ReweightStage.self, "weighted", ["density": "annealed-unbiased"], ["samples": [annealed]], on: system)
    }
  }
}

/// u of positions, kT at 300 K, by OpenMM.
private enum OpenMMEnergies {
  static func reduced(_ positions: [Double], _ file: URL) throws -> [Double] {
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    return try OpenMMEngine(systemXML: file, threads: 1).energies(positions).map { $0 / thermal }
  }
}
