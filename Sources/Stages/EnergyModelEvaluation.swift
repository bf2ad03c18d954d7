import Basics
import Foundation
import FreeEnergies
import Generative
import Torch
import Workflow

/// Compares an energy model with its emulator's exact log-density on fresh samples, and times both.
struct EnergyModelEvaluation {
  let model: any EnergyModel
  let source: EnergyModelSource
  let samples: Int
  let odeSteps: Int

  /// Points of the prior that its end's constant is averaged over.
  static let priorSamples = 10_000
  /// The constant is followed from the prior to the data by this many times as many samples, and in so many steps of time.
  static let followedShare = 4
  static let intervals = 40
  /// Forward passes that are timed.
  static let timedSamples = 10_000

  func run(_ context: StageContext) throws {
    let seed = RandomStream.derivedSeed(context.seed, ["evaluation"])
    let exact = try exactSamples(seed, context)
    let (latents, truth) = (exact.latents, exact.logDensities)
    let predicted = source.chart.cartesian(
      try model.logDensity(latents).values(as: Double.self), exact.logJacobian)
    let seconds = try secondsPerLikelihood(latents)
    let prior = try model.priorOffset(samples: Self.priorSamples, seed: seed)
    let profile = try model.normalizationProfile(data: moreLatents(seed), intervals: Self.intervals, seed: seed)

    let errors = zip(predicted, truth).map { $0 - $1 }
    let mean = errors.reduce(0, +) / Double(errors.count)
    let rmse = (errors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(errors.count)).squareRoot()
    let output = context.output
    try output.write("results/exact_log_density", truth, shape: [samples], units: "nat", dims: ["sample"])
    try output.write("results/model_log_density", predicted, shape: [samples], units: "nat", dims: ["sample"])
    try output.writeScalar("results/rmse_log_density", rmse, units: "nat")
    try output.writeScalar("results/mean_error_log_density", mean, units: "nat")
    try output.writeScalar("results/spearman", spearmanCorrelation(predicted, truth))
    try output.writeScalar("results/prior_offset", prior.value, units: "nat")
    try output.writeScalar("results/prior_offset_standard_error", prior.standardError, units: "nat")
    try output.writeScalar("results/absolute_error", mean - prior.value, units: "nat")
    try output.writeScalar("results/data_offset", profile.dataEnd.value, units: "nat")
    try output.writeScalar("results/data_offset_standard_error", profile.dataEnd.standardError, units: "nat")
    try output.writeScalar("results/absolute_error_normalized", mean - profile.dataEnd.value, units: "nat")
    try output.write("results/normalization/time", profile.times, shape: [profile.times.count], dims: ["time"])
    try output.write(
      "results/normalization/offset", profile.offsets, shape: [profile.times.count], units: "nat", dims: ["time"])
    try output.writeMeasurement("results/seconds_per_likelihood", seconds)
    try output.writeMeasurement("results/exact_seconds_per_likelihood", exact.seconds)
    context.log(
      String(
        format:
          "log-density against the exact one: rmse %.3f nats after removing the mean; absolute through the prior end %+.3f, "
          + "through all times %+.3f; %.1f us against %.1f ms per sample",
        rmse, mean - prior.value, mean - profile.dataEnd.value, seconds * 1e6, exact.seconds * 1e3))
    if rmse > 1 {
      context.warn(
        String(
          format:
            "the energy model's log-density is off by %.2f nats rms: above 1, its free energies cannot be trusted; "
            + "train longer or on more fresh samples", rmse))
    }
  }

  /// Fresh samples with ln q over Cartesian coordinates and ln |dx/dq|.
  private struct ExactSamples {
    var latents: Tensor
    var logDensities: [Double]
    var logJacobian: [Double]
    /// For one of them.
    var seconds: Double
  }

  private func exactSamples(_ seed: UInt64, _ context: StageContext) throws -> ExactSamples {
    let exact = try FlowSampler(
      field: source.emulator.field, integrator: .rungeKutta4(steps: odeSteps), method: .exactTrace)
    var (logDensities, logJacobian) = ([Double](), [Double]())
    var latents: [Tensor] = []
    context.progress.begin("exact likelihood", total: samples, unit: "samples")
    defer { context.progress.end() }
    let start = Date()
    while logDensities.count < samples {
      try context.checkInterruption()
      let drawn = try source.draw(min(200, samples - logDensities.count), exact, seed: seed, index: latents.count)
      let (rows, jacobian) = try source.chart.latents(of: drawn)
      logDensities += drawn.logDensities[0]
      logJacobian += jacobian
      latents.append(rows)
      context.progress.update(completed: logDensities.count)
    }
    let seconds = Date().timeIntervalSince(start) / Double(samples)
    return ExactSamples(
      latents: try Tensor.concatenated(latents, axis: 0), logDensities: logDensities, logJacobian: logJacobian,
      seconds: seconds)
  }

  /// Samples without likelihoods, [n, d].
  private func moreLatents(_ seed: UInt64) throws -> Tensor {
    let plain = try FlowSampler(
      field: source.emulator.field, integrator: .rungeKutta4(steps: odeSteps), method: .none)
    let streams = RandomStream.derivedSeed(seed, ["followed"])
    let parts = try (0..<Self.followedShare).map { index in
      try source.chart.latents(of: source.draw(samples, plain, seed: streams, index: index)).latents
    }
    return try Tensor.concatenated(parts, axis: 0)
  }

  private func secondsPerLikelihood(_ latents: Tensor) throws -> Double {
    let index = try Tensor((0..<Self.timedSamples).map { Int64($0 % latents.shape[0]) })
    let rows = try latents.selected(index)
    _ = try model.logDensity(rows)
    let began = Date()
    _ = try model.logDensity(rows)
    return Date().timeIntervalSince(began) / Double(Self.timedSamples)
  }
}
