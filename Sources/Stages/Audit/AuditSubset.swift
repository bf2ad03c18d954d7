import Basics
import Foundation
import FreeEnergies
import Generative
import Records
import Torch
import Workflow

/// All samples of a reweighting, with what it knew of them.
struct AuditedSamples {
  let reweighting: StageInput
  let system: MolecularSystem
  let molecular: MolecularStates
  fileprivate let samples: StageInput
  fileprivate let frames: ReweightFrames
  fileprivate let integrator: Integrator
  /// ln w and ln q as the reweighting used them, [samples]; no weight outside the first pair of states.
  let logWeights: [Double]
  let logDensity: [Double]
  let inside: [Bool]  // The first pair's first state
  private let mostOfOneSample: Double

  init(_ reweighting: StageInput, _ context: StageContext) throws {
    self.reweighting = reweighting
    samples = try reweighting.input(\ReweightStage.Inputs.samples)
    let record = Recorded.sample
    guard samples.artifact.has(record.prior), let integrator = try samples.artifact.integrator else {
      throw AuditError.noPrior(stage: samples.name)
    }
    self.integrator = integrator
    system = try MolecularSystem(context)
    molecular = try system.states()
    frames = try ReweightFrames(samples, system, molecular)
    logWeights = frames.states.ofFirstPair(try reweighting.artifact.read(Recorded.reweight.logWeights).values)
    logDensity = try reweighting.artifact.read(Recorded.reweight.logDensity.values).values
    inside = frames.states.inside
    mostOfOneSample = try reweighting.artifact.readIfThere(Recorded.reweight.heaviestShare) ?? 1
  }

  /// Whether enough samples carry the state, and the rest, for a number: else exact likelihoods of the same few change nothing.
  var isCarried: Bool {
    [true, false].allSatisfy { side in
      let rows = inside.indices.filter { inside[$0] == side }
      return StateSupport(logWeights: rows.map { logWeights[$0] }, mostOfOneSample: mostOfOneSample).givesNumber
    }
  }
}

/// Log-densities of a subset of samples by one method.
struct LikelihoodEstimates {
  var estimates: [[Double]]  // Over Cartesian coordinates, [estimates][subset]
  var seconds: Double  // Clock time for one sample
  /// Largest difference of a latent coordinate from the stored sample's.
  var reproductionError = 0.0
}

/// The samples that were chosen.
struct AuditSubset {
  let samples: AuditedSamples
  let rows: [Int]  // Ascending
  let reducedPotential: [Double]  // kT, [subset]; less the logarithm of the volume of constraints
  private let flow: MolecularFlow
  private let latents, prior: Tensor
  private let logJacobian: [Double]

  init(_ samples: AuditedSamples, _ rows: [Int]) throws {
    (self.samples, self.rows) = (samples, rows)
    let (artifact, record) = (samples.samples.artifact, Recorded.sample)
    flow = try EmulatorArtifact.read(samples.samples.input(\SampleStage.Inputs.emulator)).emulator
      .flow(for: samples.system.topology)
    let thermal = PhysicalConstants.thermalEnergy(temperature: samples.system.temperature)
    let energies = try samples.reweighting.artifact.read(Recorded.reweight.energies).values
    let volumes = try samples.reweighting.artifact.readIfThere(Recorded.reweight.logVolumes)?.values ?? []
    reducedPotential = rows.map { energies[$0] / thermal - (volumes.isEmpty ? 0 : volumes[$0]) }
    let jacobian = try artifact.read(record.logJacobian).values
    logJacobian = rows.map { jacobian[$0] }
    let index = try Tensor(rows.map(Int64.init))
    latents = try Tensor(artifact.read(record.latents)).selected(index)
    prior = try Tensor(artifact.read(record.prior)).selected(index)
  }

  var count: Int { rows.count }
  var logWeights: [Double] { rows.map { samples.logWeights[$0] } }
  var logDensity: [Double] { rows.map { samples.logDensity[$0] } }
  var inside: [Bool] { rows.map { samples.inside[$0] } }
  var states: StateAssignment { samples.frames.states.rows(rows) }
  /// Of the named torsions, [torsions][subset].
  var torsions: [[Double]] { samples.frames.torsions.map { torsion in rows.map { torsion.angles[$0] } } }

  /// ln w by exact likelihoods, up to a constant.
  func logWeights(_ exact: LikelihoodEstimates) -> [Double] {
    zip(reducedPotential, exact.estimates[0]).map { -$0 - $1 }
  }

  /// Transports every sample again from its prior point. Throws `AuditError.notReproduced` where it does not come back.
  func logDensities(
    _ method: LogDensityMethod, probes: Int = 2, batch: Int = 1000, title: String, _ context: StageContext
  ) throws -> LikelihoodEstimates {
    let sampler = try FlowSampler(field: flow.field, integrator: samples.integrator, method: method, probes: probes)
    let generator = try Generator(seed: RandomStream.derivedSeed(context.seed, [method.rawValue, String(probes)]))
    context.progress.begin(title, total: count, unit: "samples")
    defer { context.progress.end() }
    do {
      let found = try flow.retransported(
        prior: prior, latents: latents, logJacobian: logJacobian, by: sampler, generator, batch: batch
      ) { done in
        context.progress.update(completed: done)
        if done < count { try context.checkInterruption() }
      }
      return LikelihoodEstimates(
        estimates: found.logDensities, seconds: found.seconds, reproductionError: found.reproductionError)
    } catch let error as ReproductionError {
      throw AuditError.notReproduced(stage: samples.samples.name, difference: error.difference, row: rows[error.sample])
    }
  }

  /// ln q over Cartesian coordinates by an energy model, up to its constant.
  func logDensities(_ model: EnergyModelArtifact) throws -> LikelihoodEstimates {
    let (all, jacobian) = try model.energyModel.chart.latents(of: samples.samples.artifact)
    let latents = try all.selected(Tensor(rows.map(Int64.init)))
    let logJacobian = rows.map { jacobian[$0] }
    _ = try model.energyModel.logDensity(latents, logJacobian)
    let watch = Stopwatch()
    let values = try model.energyModel.logDensity(latents, logJacobian)
    return LikelihoodEstimates(estimates: [values], seconds: watch.seconds / Double(max(1, count)))
  }
}
