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

  /// More samples from the stream (seed, "batch", index), all of the reference's hand where that can be had by mirroring.
  func draw(_ count: Int, _ sampler: FlowSampler, seed: UInt64, index: Int) throws -> MolecularSamples {
    var flow = try sampler.batch(count, seed: seed, index: index)
    return try emulator.molecules(&flow, mirroredBy: chirality)
  }
}

/// Draws from the emulator into a pool, with the labels that the pool has.
struct FreshSamples {
  let source: EnergyModelSource
  let steps: Int
  let plain: FlowSampler?

  init(_ source: EnergyModelSource, _ pool: SamplePool, steps: Int) throws {
    self.source = source
    self.steps = steps
    plain =
      try pool.scores != nil
      ? nil
      : FlowSampler(
        field: source.emulator.field, integrator: .rungeKutta4(steps: steps),
        method: pool.labels == nil ? .none : .stochasticTrace)
  }

  func draw(_ count: Int, seed: UInt64, index: Int, into pool: inout SamplePool) throws {
    if let plain {
      let drawn = try source.draw(count, plain, seed: seed, index: index)
      let (latents, logJacobian) = try source.chart.latents(of: drawn)
      let estimates = drawn.logDensities.map { source.chart.latent($0, logJacobian) }
      try pool.replaceOldest(
        latents: latents,
        estimates: estimates.isEmpty ? nil : Tensor(estimates.flatMap { $0 }, shape: [estimates.count, count]),
        scores: nil)
    } else {
      let drawn = try ScoreLabelSampler(field: source.emulator.field, steps: steps).batch(
        count, seed: seed, index: index)
      try pool.replaceOldest(latents: drawn.latents, estimates: drawn.logDensities, scores: drawn.scores)
    }
  }
}
