import Basics
import Molecules
import Torch

/// What an energy model learns from: an emulator's flow, on the chart that the model works on.
public struct EnergyModelSource {
  public let flow: MolecularFlow
  public let chart: EnergyModelChart

  public init(flow: MolecularFlow, chart: EnergyModelChart) { (self.flow, self.chart) = (flow, chart) }

  /// More samples from the stream (seed, "batch", index), all of the reference's hand where that can be had by mirroring. Fewer than
  /// `count` where trajectories were lost; throws `SamplingError.allLost` where none is left.
  func draw(_ count: Int, _ sampler: FlowSampler, seed: UInt64, index: Int) throws -> MolecularSamples {
    var drawn = try sampler.batch(count, seed: seed, index: index).withoutLost()
    return try flow.molecules(&drawn)
  }
}

/// Samples that are there before a training begins, on the energy model's chart.
public struct LabelledSamples {
  /// [n, d]
  public var latents: Tensor
  /// ln |dx/dq|, [n].
  public var logJacobian: [Double]
  /// ln q over Cartesian coordinates, [n]; nil where it is not known.
  public var logDensity: [Double]?
  /// Gradient of ln q over latents, [n, d]; nil where it is not known.
  public var scores: Tensor?

  public init(latents: Tensor, logJacobian: [Double], logDensity: [Double]? = nil, scores: Tensor? = nil) {
    (self.latents, self.logJacobian, self.logDensity, self.scores) = (latents, logJacobian, logDensity, scores)
  }
}

/// Draws from the emulator, with the labels that a pool has.
struct FreshSamples {
  let source: EnergyModelSource
  private let sampler: FlowSampler

  init(_ source: EnergyModelSource, _ pool: SamplePool, steps: Int) throws {
    self.source = source
    sampler = try FlowSampler(
      field: source.flow.field, integrator: .rungeKutta4(steps: steps),
      method: pool.rows.labels == nil && pool.rows.scores == nil ? .none : .stochasticTrace,
      scores: pool.rows.scores != nil)
  }

  /// Latents on the source's chart, and their labels.
  func draw(_ count: Int, seed: UInt64, index: Int) throws -> SamplePool.Rows {
    let drawn = try source.draw(count, sampler, seed: seed, index: index)
    let (latents, logJacobian) = try source.chart.latents(of: drawn)
    let estimates = drawn.logDensities.flatMap { source.chart.chart.latentLogDensities($0, logJacobian) }
    return SamplePool.Rows(
      latents: latents,
      labels: estimates.isEmpty
        ? nil : try Tensor(estimates, shape: [drawn.logDensities.count, drawn.count]).mean(0).cast(.float32),
      scores: source.chart.isEmulators ? drawn.scores : nil)
  }
}
