import Basics
import Foundation
import Torch

/// An energy model against its emulator's exact log-density on fresh samples, and what both cost.
public struct EnergyModelEvaluation {
  /// ln q over Cartesian coordinates, nats, [samples]; the model's up to its constant.
  public let exact: [Double]
  public let predicted: [Double]
  /// Mean of predicted - exact, and its spread around that, nats.
  public let meanError: Double
  public let rootMeanSquare: Double
  /// The model's constant, fixed at the prior end and followed from there to the data.
  public let priorOffset: Estimate
  public let normalization: NormalizationProfile
  /// Clock time for one sample, s.
  public let secondsPerLikelihood: Double
  public let exactSecondsPerLikelihood: Double

  /// Points of the prior that its end's constant is averaged over.
  private static let priorSamples = 10_000
  /// The constant is followed from the prior to the data by this many times as many samples, and in so many steps of time.
  private static let followedShare = 4
  private static let intervals = 40
  /// Forward passes that are timed.
  private static let timedSamples = 10_000

  /// On `samples` fresh samples by `odeSteps` steps of rk4. Throws `SamplingError`, and what the host throws to stop.
  public init(
    of trained: MolecularEnergyModel, _ source: EnergyModelSource, samples: Int, odeSteps: Int, seed: UInt64,
    host: any TrainingHost = UnattendedHost()
  ) throws {
    let seed = RandomStream.derivedSeed(seed, ["evaluation"])
    let drawn = try ExactSamples(source, count: samples, odeSteps: odeSteps, seed: seed, host)
    exact = drawn.logDensities
    exactSecondsPerLikelihood = drawn.seconds
    predicted = try trained.logDensity(drawn.latents, drawn.logJacobian)
    secondsPerLikelihood = try Self.secondsPerLikelihood(trained.model, drawn.latents)
    priorOffset = try trained.model.priorOffset(samples: Self.priorSamples, seed: seed)
    let followed = try Self.moreLatents(source, count: samples, odeSteps: odeSteps, seed: seed)
    normalization = try trained.model.normalizationProfile(data: followed, intervals: Self.intervals, seed: seed)
    let errors = zip(predicted, exact).map { $0 - $1 }
    let mean = errors.reduce(0, +) / Double(errors.count)
    meanError = mean
    rootMeanSquare = (errors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(errors.count)).squareRoot()
  }

  /// Fresh samples with ln q over Cartesian coordinates and ln |dx/dq|.
  private struct ExactSamples {
    var latents: Tensor
    var logDensities: [Double] = []
    var logJacobian: [Double] = []
    /// For one of them.
    var seconds: Double

    init(_ source: EnergyModelSource, count: Int, odeSteps: Int, seed: UInt64, _ host: any TrainingHost) throws {
      let sampler = try FlowSampler(
        field: source.flow.field, integrator: .rungeKutta4(steps: odeSteps), method: .exactTrace)
      var parts: [Tensor] = []
      host.progress.begin("exact likelihood", total: count, unit: "samples")
      defer { host.progress.end() }
      let watch = Stopwatch()
      while logDensities.count < count {
        try host.checkInterruption()
        let drawn = try source.draw(min(200, count - logDensities.count), sampler, seed: seed, index: parts.count)
        let (rows, jacobian) = try source.chart.latents(of: drawn)
        logDensities += drawn.logDensities[0]
        logJacobian += jacobian
        parts.append(rows)
        host.progress.update(completed: logDensities.count)
      }
      seconds = watch.seconds / Double(count)
      latents = try Tensor.concatenated(parts, axis: 0)
    }
  }

  /// Samples without likelihoods, [n, d].
  private static func moreLatents(
    _ source: EnergyModelSource, count: Int, odeSteps: Int, seed: UInt64
  ) throws -> Tensor {
    let plain = try FlowSampler(field: source.flow.field, integrator: .rungeKutta4(steps: odeSteps), method: .none)
    let streams = RandomStream.derivedSeed(seed, ["followed"])
    let parts = try (0..<followedShare).map { index in
      try source.chart.latents(of: source.draw(count, plain, seed: streams, index: index)).latents
    }
    return try Tensor.concatenated(parts, axis: 0)
  }

  private static func secondsPerLikelihood(_ model: some EnergyModel, _ latents: Tensor) throws -> Double {
    let index = try Tensor((0..<timedSamples).map { Int64($0 % latents.shape[0]) })
    let rows = try latents.selected(index)
    _ = try model.logDensity(rows)
    let watch = Stopwatch()
    _ = try model.logDensity(rows)
    return watch.seconds / Double(timedSamples)
  }
}
