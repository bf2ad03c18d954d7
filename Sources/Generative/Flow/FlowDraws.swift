import Basics
import Torch

/// Samples drawn so far, as they come from the flow.
public struct FlowDraws {
  public let dimension: Int
  public private(set) var latents: [Float] = []
  public private(set) var prior: [Float] = []
  /// Empty without score labels.
  public private(set) var scores: [Float] = []
  /// [estimates][count]
  public private(set) var estimates: [[Double]]
  public private(set) var functionEvaluations = 0
  /// Trajectories that gave no sample, by their number among all that were begun.
  public private(set) var lost: [LostTrajectory] = []
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

  public func batches(of size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
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

  /// To go on from. "latents", "prior", "scores" where there are any, "estimates", "function_evaluations", "seconds", "lost/..."
  public func saved() throws -> SavedArrays {
    var saved = SavedArrays()
    saved["latents"] = .floats(try NDArray(latents, shape: [count, dimension]))
    saved["prior"] = .floats(try NDArray(prior, shape: [count, dimension]))
    if !scores.isEmpty { saved["scores"] = .floats(try NDArray(scores, shape: [count, dimension])) }
    saved["estimates"] = .doubles(try NDArray(estimates.flatMap { $0 }, shape: [estimates.count, count]))
    try saved.set("function_evaluations", functionEvaluations)
    try saved.set("seconds", seconds)
    guard !lost.isEmpty else { return saved }
    saved["lost/sample"] = .integers(NDArray(lost.map { Int64($0.sample) }))
    saved["lost/time"] = .doubles(NDArray(lost.map(\.time)))
    saved["lost/step"] = .doubles(NDArray(lost.map(\.step)))
    return saved
  }

  /// Throws `SavedArraysError` where a part is missing.
  public mutating func restore(_ saved: SavedArrays) throws {
    latents = try saved.floats("latents").values
    prior = try saved.floats("prior").values
    if saved.contains("scores") { scores = try saved.floats("scores").values }
    let values = try saved.doubles("estimates").values
    for k in estimates.indices { estimates[k] = Array(values[k * count..<(k + 1) * count]) }
    functionEvaluations = try saved.integer("function_evaluations")
    seconds = try saved.number("seconds")
    lost = []
    guard saved.contains("lost/sample") else { return }
    let (times, steps) = (try saved.doubles("lost/time").values, try saved.doubles("lost/step").values)
    lost = zip(try saved.integers("lost/sample").values, zip(times, steps)).map {
      LostTrajectory(sample: Int($0), time: $1.0, step: $1.1)
    }
  }
}
