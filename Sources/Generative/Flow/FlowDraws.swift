import Basics
import Torch

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
