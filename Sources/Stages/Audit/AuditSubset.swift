import Basics
import Foundation
import FreeEnergies
import Generative
import Molecules
import Torch
import Workflow

/// Log-densities of a subset of samples by one method.
struct LikelihoodEstimates {
  /// Over Cartesian coordinates, [estimates][subset].
  var estimates: [[Double]]
  /// Clock time for one sample.
  var seconds: Double
  /// Largest difference of a latent coordinate from the stored sample's.
  var reproductionError: Double
}

/// Samples of a reweighting, chosen at random, with what the reweighting knew of them.
struct AuditSubset {
  /// Ascending rows of the samples.
  let rows: [Int]
  let stateAngle: [Double]
  /// Of the named torsions, [torsions][subset].
  let torsions: [[Double]]
  let state: TorsionState
  /// ln q and ln w as the reweighting used them, [subset].
  let logDensity: [Double]
  let logWeights: [Double]
  /// kT, [subset]
  let reducedPotential: [Double]
  /// The energy model, where the reweighting used one.
  let density: StageInput?
  private let samples: StageInput
  private let flow: MolecularFlow
  private let latents: Tensor
  private let prior: Tensor
  private let logJacobian: [Double]
  private let integrator: Integrator

  var count: Int { rows.count }

  /// Which samples to audit, from the weights of all (logarithms) and whether each lies in the state.
  typealias Choice = (_ logWeights: [Double], _ logDensity: [Double], _ inside: [Bool]) throws -> [Int]

  init(_ reweighted: StageInput, _ context: StageContext, choice: Choice) throws {
    samples = try reweighted.input("samples")
    density = reweighted.optionalInput("density")
    guard samples.artifact.exists("prior"), let text = try samples.artifact.attribute("prior", "integrator") else {
      throw AuditError.noPrior(stage: samples.name)
    }
    integrator = try JSONDecoder().decode(Integrator.self, from: Data(text.utf8))
    let topology = try Topology.read(pdb: context.system.topology)
    flow = try EmulatorArtifact.read(samples.input("emulator")).emulator.flow(for: topology)
    let frames = try ReweightFrames(samples, MolecularSystem(context))
    let weights = try reweighted.artifact.read("log_weights", as: Double.self).values
    let densities = try reweighted.artifact.read("log_density", as: Double.self).values
    let border = TorsionState(from: context.system.state.from, to: context.system.state.to)
    let rows = try choice(weights, densities, frames.stateAngle.map(border.contains))
    func column(_ input: StageInput, _ path: String) throws -> [Double] {
      let all = try input.artifact.read(path, as: Double.self).values
      return rows.map { all[$0] }
    }
    let thermal = PhysicalConstants.thermalEnergy(temperature: context.temperature)
    logWeights = rows.map { weights[$0] }
    logDensity = rows.map { densities[$0] }
    reducedPotential = try column(reweighted, "energies").map { $0 / thermal }
    logJacobian = try column(samples, "log_jacobian")
    stateAngle = rows.map { frames.stateAngle[$0] }
    torsions = frames.torsions.map { torsion in rows.map { torsion.angles[$0] } }
    state = border
    let index = try Tensor(rows.map(Int64.init))
    latents = try Tensor(samples.artifact.read("latents", as: Float.self)).selected(index)
    prior = try Tensor(samples.artifact.read("prior", as: Float.self)).selected(index)
    self.rows = rows
  }

  /// Transports every sample again from its prior point. Throws `AuditError.notReproduced` where it does not come back.
  func logDensities(
    _ method: LogDensityMethod, probes: Int = 2, batch: Int = 1000, title: String, _ context: StageContext
  ) throws -> LikelihoodEstimates {
    let sampler = try FlowSampler(field: flow.field, integrator: integrator, method: method, probes: probes)
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
      throw AuditError.notReproduced(
        stage: samples.name, difference: error.difference, row: rows[error.sample])
    }
  }

  /// ln q over Cartesian coordinates by an energy model, up to its constant.
  func logDensities(_ model: EnergyModelArtifact) throws -> LikelihoodEstimates {
    let (all, jacobian) = try model.energyModel.chart.latents(of: samples.artifact)
    let latents = try all.selected(Tensor(rows.map(Int64.init)))
    let logJacobian = rows.map { jacobian[$0] }
    _ = try model.energyModel.logDensity(latents, logJacobian)
    let watch = Stopwatch()
    let values = try model.energyModel.logDensity(latents, logJacobian)
    return LikelihoodEstimates(
      estimates: [values], seconds: watch.seconds / Double(max(1, count)), reproductionError: 0)
  }
}
