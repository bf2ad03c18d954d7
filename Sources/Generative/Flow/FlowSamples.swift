import Foundation
import Torch

/// A trajectory that did not reach its end.
public struct LostTrajectory: Equatable, Sendable, CustomStringConvertible {
  /// Its row.
  public var sample: Int
  /// Where its adaptive step collapsed; the end of time where fixed steps led to numbers that are not finite.
  public var time: Double
  /// What the step had fallen to, or the length of the last fixed step; in s.
  public var step: Double

  public init(sample: Int, time: Double, step: Double) { (self.sample, self.time, self.step) = (sample, time, step) }

  public var description: String {
    String(format: "sample %d was lost at t = %.6g with a step of %.2g", sample, time, step)
  }
}

/// Samples of an emulator on its latent space.
public struct FlowSamples {
  /// [n, d], angles wrapped; NaN in the rows of lost trajectories.
  public var latents: Tensor
  /// The points of the prior they were transported from, [n, d].
  public var prior: Tensor
  /// Independent estimates of the log-density on the latent space, [estimates, n] in Float64; nil without likelihood.
  public var logDensities: Tensor?
  /// Gradient of the log-density over the latent space, [n, d]; nil where it was not asked for.
  public var scores: Tensor?
  /// Evaluations of the network per sample.
  public var functionEvaluations: Int
  /// Rows without a result.
  public var lost: [LostTrajectory] = []

  /// The rows that have a result. Throws `SamplingError.allLost` where there is none.
  public func withoutLost() throws -> FlowSamples {
    guard let first = lost.first else { return self }
    let gone = Set(lost.map(\.sample))
    let kept = (0..<latents.shape[0]).filter { !gone.contains($0) }
    guard !kept.isEmpty else { throw SamplingError.allLost(samples: latents.shape[0], first: first) }
    let index = try Tensor(kept.map(Int64.init))
    return FlowSamples(
      latents: try latents.selected(index), prior: try prior.selected(index),
      logDensities: try logDensities.map { try $0.selected(index, axis: 1) },
      scores: try scores.map { try $0.selected(index) }, functionEvaluations: functionEvaluations)
  }

  func losingWhatIsNotFinite(time: Double, step: Double) throws -> FlowSamples {
    var sums = try latents.cast(.float64).sum(-1)
    if let logDensities { sums = try sums + logDensities.sum(0) }
    if let scores { sums = try sums + scores.cast(.float64).sum(-1) }
    let values = try sums.values(as: Double.self)
    var result = self
    result.lost = values.indices.filter { !values[$0].isFinite }.map { .init(sample: $0, time: time, step: step) }
    return try result.withLostRowsBlank()
  }

  func withLostRowsBlank() throws -> FlowSamples {
    guard !lost.isEmpty else { return self }
    var factors = [Double](repeating: 1, count: latents.shape[0])
    for row in lost.map(\.sample) { factors[row] = .nan }
    let blank = try Tensor(factors)
    func blanked(_ rows: Tensor) throws -> Tensor { try rows * blank.cast(rows.scalarType ?? .float32).unsqueezed(-1) }
    var result = self
    result.latents = try blanked(latents)
    result.logDensities = try logDensities.map { try $0 * blank }
    result.scores = try scores.map(blanked)
    return result
  }
}

/// Samples drawn so far, as they come from the flow.
public struct FlowDraws: Equatable {
  public let dimension: Int
  public var latents: [Float] = []
  public var prior: [Float] = []
  /// Empty without score labels.
  public var scores: [Float] = []
  /// [estimates][count]
  public var estimates: [[Double]]
  public var functionEvaluations = 0
  /// Trajectories that gave no sample, by their number among all that were begun.
  public var lost: [LostTrajectory] = []
  /// Of drawing, by a clock.
  public var seconds = 0.0

  public init(dimension: Int, estimates: Int) {
    self.dimension = dimension
    self.estimates = [[Double]](repeating: [], count: estimates)
  }

  public var count: Int { latents.count / max(1, dimension) }
  /// Trajectories that were begun.
  public var begun: Int { count + lost.count }

  /// The rows in pieces of `size`, the last of what is left.
  public func rows(batch size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// The log-density of each sample by its estimates [estimates][n], of which there is one at least.
  public static func mean(_ estimates: [[Double]]) -> [Double] {
    (estimates.first ?? []).indices.map { i in estimates.reduce(0) { $0 + $1[i] } / Double(estimates.count) }
  }

  /// Throws `SamplingError.allLost` where a batch gave no sample at all.
  public mutating func append(_ batch: FlowSamples) throws {
    let before = begun
    functionEvaluations += batch.functionEvaluations * batch.latents.shape[0]
    let flow = try batch.withoutLost()
    lost += batch.lost.map { LostTrajectory(sample: before + $0.sample, time: $0.time, step: $0.step) }
    let n = flow.latents.shape[0]
    latents += try flow.latents.values(as: Float.self)
    prior += try flow.prior.values(as: Float.self)
    if let labels = flow.scores { scores += try labels.values(as: Float.self) }
    if let values = try flow.logDensities?.values(as: Double.self) {
      for k in estimates.indices { estimates[k] += values[k * n..<(k + 1) * n] }
    }
  }

  public func samples(_ rows: Range<Int>) throws -> FlowSamples {
    let span = rows.lowerBound * dimension..<rows.upperBound * dimension
    let shape = [rows.count, dimension]
    return FlowSamples(
      latents: try Tensor(Array(latents[span]), shape: shape), prior: try Tensor(Array(prior[span]), shape: shape),
      logDensities: estimates.isEmpty
        ? nil : try Tensor(estimates.flatMap { $0[rows] }, shape: [estimates.count, rows.count]),
      scores: scores.isEmpty ? nil : try Tensor(Array(scores[span]), shape: shape),
      functionEvaluations: 0)
  }
}

extension FlowSampler {
  /// Goes on with `draws` until `count` trajectories were begun, as many batches of `size` side by side as there are threads. `round` hears after
  /// each of these rounds; what it throws ends the work. Throws `SamplingError`.
  public func draw(
    _ count: Int, into draws: inout FlowDraws, batch size: Int, seed: UInt64,
    round: (inout FlowDraws) throws -> Void = { _ in }
  ) throws {
    let size = min(size, max(1, count))
    while draws.begun < count {
      let first = draws.begun / size
      let left = (count - draws.begun + size - 1) / size
      let drawn = try Runtime.sideBySide(min(left, Runtime.threads)) { k in
        try batch(min(size, count - (first + k) * size), seed: seed, index: first + k)
      }
      for samples in drawn { try draws.append(samples) }
      try round(&draws)
    }
  }
}
