import Artifacts
import Basics
import Foundation
import Generative
import Molecules
import Torch
import Workflow

/// What an energy model learns from: samples of an emulator, and the emulator itself for more of them.
struct EnergyModelSource {
  let samples: StageInput
  let emulator: EmulatorArtifact
  let chart: EnergyModelChart
  private let chirality: Chirality

  init(_ context: StageContext, coordinates: String) throws {
    samples = try context.input("samples")
    emulator = try EmulatorArtifact.read(samples.input("emulator"))
    let topology = try Topology.read(pdb: context.system.topology)
    chirality = try Chirality(topology: topology)
    if coordinates == "internal", case .cartesian = emulator.chart {
      let positions = try samples.artifact.read("coordinates", as: Double.self)
      let internalCoordinates = try InternalCoordinates(topology: topology)
      let frames = positions.shape.first ?? 0
      let (values, _) = try internalCoordinates.internalCoordinates(positions.values, frames: frames)
      chart = EnergyModelChart(
        chart: .internal(try InternalChart(coordinates: internalCoordinates, values: values, frames: frames)),
        isEmulators: false)
    } else {
      chart = EnergyModelChart(chart: emulator.chart, isEmulators: true)
    }
  }

  /// More samples from the stream (seed, "batch", index), all of the reference's hand where that can be had by mirroring. Fewer than
  /// `count` where trajectories were lost; throws `SamplingError.allLost` where none is left.
  func draw(_ count: Int, _ sampler: FlowSampler, seed: UInt64, index: Int) throws -> MolecularSamples {
    var flow = try sampler.batch(count, seed: seed, index: index).withoutLost()
    return try emulator.molecules(&flow, mirroredBy: chirality)
  }
}

/// Draws from the emulator, with the labels that a pool has.
struct FreshSamples {
  let source: EnergyModelSource
  private let sampler: FlowSampler

  init(_ source: EnergyModelSource, _ pool: SamplePool, steps: Int) throws {
    self.source = source
    sampler = try FlowSampler(
      field: source.emulator.field, integrator: .rungeKutta4(steps: steps),
      method: pool.labels == nil && pool.scores == nil ? .none : .stochasticTrace, scores: pool.scores != nil)
  }

  /// Latents on the source's chart, and their labels.
  func draw(_ count: Int, seed: UInt64, index: Int) throws -> SamplePool.Rows {
    let drawn = try source.draw(count, sampler, seed: seed, index: index)
    let (latents, logJacobian) = try source.chart.latents(of: drawn)
    let estimates = drawn.logDensities.map { source.chart.latent($0, logJacobian) }
    return SamplePool.Rows(
      latents: latents,
      estimates: estimates.isEmpty ? nil : try Tensor(estimates.flatMap { $0 }, shape: [estimates.count, drawn.count]),
      scores: source.chart.isEmulators ? drawn.scores : nil)
  }
}
