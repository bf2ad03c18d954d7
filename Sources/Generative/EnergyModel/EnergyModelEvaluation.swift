import Basics
import Foundation
import Torch

/// An energy model against its emulator's exact log-density on fresh samples, and what both cost.
public struct EnergyModelEvaluation {
  /// ln q over Cartesian coordinates, nats, [samples]; the model's up to its constant.
  public let exact, predicted: [Double]
  /// Mean of predicted - exact, and its spread around that, nats: over the samples where both are finite, NaN without one.
  public let meanError, rootMeanSquare: Double
  /// How many samples these are of: where coordinates give no molecule, there is no density to compare.
  public let compared: Int
  /// The model's constant, fixed at the prior end and followed from there to the data.
  public let priorOffset: Estimate
  public let normalization: NormalizationProfile
  /// Clock time for one sample, s.
  public let secondsPerLikelihood, exactSecondsPerLikelihood: Double
  /// Points of the prior that its end's constant is averaged over.
  private static let priorSamples = 10_000
  /// The constant is followed from the prior to the data by this many times as many samples, and in so many steps of time.
  private static let followedShare = 4
  private static let intervals = 40
  private static let timedSamples = 10_000

  /// On `samples` fresh samples by the steps that the model's own samples were drawn with. Throws `SamplingError`, and what the host throws to stop.
  public init(
    of trained: MolecularEnergyModel, _ source: EnergyModelSource, samples: Int, integrator: Integrator, seed: UInt64,
    host: any TrainingHost = UnattendedHost()
  ) throws {
    let seed = RandomStream.derivedSeed(seed, ["evaluation"])
    let drawn = try ExactSamples(source, count: samples, integrator: integrator, seed: seed, host)
    exact = drawn.logDensities
    exactSecondsPerLikelihood = drawn.seconds
    predicted = try trained.logDensity(drawn.latents, drawn.logJacobian)
    secondsPerLikelihood = try Self.secondsPerLikelihood(trained.model, drawn.latents)
    priorOffset = try trained.model.priorOffset(samples: Self.priorSamples, seed: seed)
    let followed = try Self.moreLatents(source, count: samples, integrator: integrator, seed: seed)
    normalization = try trained.model.normalizationProfile(data: followed, intervals: Self.intervals, seed: seed)
    let errors = zip(predicted, exact).map { $0 - $1 }.filter(\.isFinite)
    compared = errors.count
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

    init(_ source: EnergyModelSource, count: Int, integrator: Integrator, seed: UInt64, _ host: any TrainingHost) throws
    {
      let sampler = try FlowSampler(
        field: source.flow.field, integrator: integrator, method: .exactTrace)
      var parts: [Tensor] = []
      host.progress.begin("exact likelihood", total: count, unit: "samples")
      defer { host.progress.end() }
      let watch = Stopwatch()
      while logDensities.count < count {
        try host.checkInterruption()
        // some more than are missing: of a batch of one or two all could be lost
        let (size, first) = (min(200, count + 8), parts.count)
        let group = min(Runtime.threads, (count - logDensities.count + size - 1) / size)
        for drawn in try Runtime.sideBySide(
          group, { k in try source.draw(size, sampler, seed: seed, index: first + k) })
        {
          let (rows, jacobian) = try source.chart.latents(of: drawn)
          let kept = min(count - logDensities.count, drawn.count)
          logDensities += drawn.logDensities[0].prefix(kept)
          logJacobian += jacobian.prefix(kept)
          parts.append(try rows.slice(0..<kept))
        }
        host.progress.update(completed: logDensities.count)
      }
      seconds = watch.seconds / Double(count)
      latents = try Tensor.concatenated(parts, axis: 0)
    }
  }

  /// Samples without likelihoods, [n, d].
  private static func moreLatents(
    _ source: EnergyModelSource, count: Int, integrator: Integrator, seed: UInt64
  ) throws -> Tensor {
    let plain = try FlowSampler(field: source.flow.field, integrator: integrator, method: .none)
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

/// A number with the standard error of its estimate.
public struct Estimate: Codable, Equatable, Sendable {
  public var value, standardError: Double
}

/// How far U(t, x) is from ln p_t(x) on average, along t.
public struct NormalizationProfile: Equatable, Sendable {
  /// Ascending from 0 to 1.
  public let times: [Double]
  /// c(t) of U(t, x) = ln p_t(x) + c(t), nats; the first is the prior offset.
  public let offsets: [Double]
  /// At the data end: ln q(x) = U(1, x) - this, whatever happened in between.
  public let dataEnd: Estimate
}

extension EnergyModel {
  /// The constant that the prior end fixes: the mean of U(0, z) - ln p_0(z) over the prior. If U(t, x) = ln p_t(x) + constant at all t,
  /// as score matching and InfoNCE over time want it, then ln q(x) = U(1, x) - constant, absolutely.
  public func priorOffset(samples: Int, seed: UInt64) throws -> Estimate {
    try withoutGradients {
      let z = try space.prior(samples, Generator(seed: RandomStream.derivedSeed(seed, ["prior"])), network.scalarType)
      let excess = try (values(z, at: 0) - space.priorLogDensity(z.cast(.float64))).values(as: Double.self)
      let mean = excess.reduce(0, +) / Double(samples)
      let variance = excess.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, samples - 1))
      return Estimate(value: mean, standardError: (variance / Double(samples)).squareRoot())
    }
  }

  /// Follows the constant from the prior to the data, over points I_t of `data` [n, d]: from one time to the next by Bennett's
  /// acceptance ratio (J. Comput. Phys. 22 (1976) 245), which asks of U only its values at points of both times.
  ///
  /// Where InfoNCE was learnt perfectly, all offsets are equal. Where it was not, ln q(x) = U(1, x) - dataEnd still is normalised.
  /// Its standard error is that of `blocks` parts of the data.
  public func normalizationProfile(
    data: Tensor, intervals: Int, blocks: Int = 10, seed: UInt64
  ) throws -> NormalizationProfile {
    let times = (0...intervals).map { Double($0) / Double(intervals) }
    let n = data.shape[0]
    let prior = try priorOffset(samples: n, seed: seed)
    // U at the points of times[k], by the model at times[k - 1], times[k] and times[k + 1]
    var forward: [[Double]] = []
    var backward: [[Double]] = []
    try withoutGradients {
      for (k, time) in times.enumerated() {
        let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["rung", String(k)]))
        let points = try PathPoint(
          data: data.cast(network.scalarType), t: Tensor.full([n], time, network.scalarType), space: space,
          interpolant: interpolant, generator
        ).point
        let here = try values(points, at: time)
        if k < intervals { forward.append(try (values(points, at: times[k + 1]) - here).values(as: Double.self)) }
        if k > 0 { backward.append(try (here - values(points, at: times[k - 1])).values(as: Double.self)) }
      }
    }
    var offsets = [prior.value]
    for (up, down) in zip(forward, backward) { offsets.append(offsets[offsets.count - 1] + bennettShift(up, down)) }
    let size = n / blocks
    let parts = (0..<(size > 1 ? blocks : 0)).map { block in
      zip(forward, backward).reduce(0) { sum, pair in
        let rows = block * size..<(block + 1) * size
        return sum + bennettShift(Array(pair.0[rows]), Array(pair.1[rows]))
      }
    }
    let mean = parts.reduce(0, +) / Double(max(1, parts.count))
    let spread = parts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, parts.count - 1))
    let error = parts.isEmpty ? .nan : (spread / Double(parts.count) + pow(prior.standardError, 2)).squareRoot()
    return NormalizationProfile(
      times: times, offsets: offsets, dataEnd: Estimate(value: offsets[offsets.count - 1], standardError: error))
  }
}

/// The shift c with sum over `lower` of s(a - c) = sum over `upper` of s(c - b), s the logistic function: `lower` holds
/// ln p'(x) - ln p(x) + c at points of p, `upper` the same at as many points of p'.
func bennettShift(_ lower: [Double], _ upper: [Double]) -> Double {
  func excess(_ c: Double) -> Double {
    lower.reduce(0) { $0 + 1 / (1 + exp(c - $1)) } - upper.reduce(0) { $0 + 1 / (1 + exp($1 - c)) }
  }
  var (low, high) = (min(lower.min() ?? 0, upper.min() ?? 0) - 1, max(lower.max() ?? 0, upper.max() ?? 0) + 1)
  guard low.isFinite, high.isFinite else { return .nan }
  while high - low > 1e-10 * max(1, abs(low)) {
    let middle = (low + high) / 2
    if middle == low || middle == high { break }
    if excess(middle) > 0 { low = middle } else { high = middle }
  }
  return (low + high) / 2
}
