import Artifacts
import Basics
import Generative
import Torch

/// Samples drawn so far, as they come from the flow.
struct FlowDraws {
  let dimension: Int
  private(set) var latents: [Float] = []
  private(set) var prior: [Float] = []
  /// Empty without score labels.
  private(set) var scores: [Float] = []
  /// [estimates][count]
  private(set) var estimates: [[Double]]
  private(set) var functionEvaluations = 0
  /// Trajectories that gave no sample, by their number among all that were begun.
  private(set) var lost: [LostTrajectory] = []
  var seconds = 0.0

  init(dimension: Int, estimates: Int) {
    self.dimension = dimension
    self.estimates = [[Double]](repeating: [], count: estimates)
  }

  var count: Int { latents.count / max(1, dimension) }

  /// Trajectories that were begun.
  var begun: Int { count + lost.count }

  /// Throws `SamplingError.allLost` where a batch gave no sample at all.
  mutating func append(_ batch: FlowSamples) throws {
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

  func batches(of size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  func samples(_ rows: Range<Int>) throws -> FlowSamples {
    let span = rows.lowerBound * dimension..<rows.upperBound * dimension
    let shape = [rows.count, dimension]
    return FlowSamples(
      latents: try Tensor(Array(latents[span]), shape: shape), prior: try Tensor(Array(prior[span]), shape: shape),
      logDensities: estimates.isEmpty
        ? nil : try Tensor(estimates.flatMap { $0[rows] }, shape: [estimates.count, rows.count]),
      scores: scores.isEmpty ? nil : try Tensor(Array(scores[span]), shape: shape),
      functionEvaluations: 0)
  }

  func write(to writer: ArtifactWriter) throws {
    try writer.write("draws/latents", NDArray(latents, shape: [count, dimension]), compression: .none)
    try writer.write("draws/prior", NDArray(prior, shape: [count, dimension]), compression: .none)
    if !scores.isEmpty {
      try writer.write("draws/scores", NDArray(scores, shape: [count, dimension]), compression: .none)
    }
    try writer.write(
      "draws/estimates", NDArray(estimates.flatMap { $0 }, shape: [estimates.count, count]), compression: .none)
    try writer.writeScalar("draws/function_evaluations", Int64(functionEvaluations))
    try writer.writeScalar("draws/seconds", seconds)
    try writeLost("draws", to: writer)
  }

  /// Writes lost/sample, lost/time and lost/step, if there are any.
  func writeLost(_ group: String, to writer: ArtifactWriter) throws {
    guard !lost.isEmpty else { return }
    let shape = [lost.count]
    try writer.write("\(group)/lost/sample", lost.map { Int64($0.sample) }, shape: shape, dims: ["trajectory"])
    try writer.write("\(group)/lost/time", lost.map(\.time), shape: shape, dims: ["trajectory"])
    try writer.write("\(group)/lost/step", lost.map(\.step), shape: shape, dims: ["trajectory"])
  }

  mutating func restore(_ checkpoint: Artifact) throws {
    latents = try checkpoint.read("draws/latents", as: Float.self).values
    prior = try checkpoint.read("draws/prior", as: Float.self).values
    if checkpoint.exists("draws/scores") { scores = try checkpoint.read("draws/scores", as: Float.self).values }
    let values = try checkpoint.read("draws/estimates", as: Double.self).values
    for k in estimates.indices { estimates[k] = Array(values[k * count..<(k + 1) * count]) }
    functionEvaluations = Int(try checkpoint.scalar("draws/function_evaluations", as: Int64.self))
    seconds = try checkpoint.scalar("draws/seconds", as: Double.self)
    lost = []
    guard checkpoint.exists("draws/lost") else { return }
    let numbers = try checkpoint.read("draws/lost/sample", as: Int64.self).values
    let times = try checkpoint.read("draws/lost/time", as: Double.self).values
    let steps = try checkpoint.read("draws/lost/step", as: Double.self).values
    lost = zip(numbers, zip(times, steps)).map { LostTrajectory(sample: Int($0), time: $1.0, step: $1.1) }
  }
}
