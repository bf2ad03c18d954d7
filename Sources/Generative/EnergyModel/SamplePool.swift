import Basics
import Molecules
import Torch

/// What a checkpoint keeps of a `SamplePool`.
public struct SavedPool: Equatable, Sendable {
  /// [n, d]
  public var latents: NDArray<Float>
  /// [n]
  public var labels: NDArray<Float>?
  /// [n, d]
  public var scores: NDArray<Float>?
  /// The row that is replaced next.
  public var next: Int

  public init(latents: NDArray<Float>, labels: NDArray<Float>?, scores: NDArray<Float>?, next: Int) {
    (self.latents, self.labels, self.scores, self.next) = (latents, labels, scores, next)
  }
}

/// The samples an energy model trains on, of which the oldest are replaced.
final class SamplePool {
  struct Rows {
    /// [n, d]
    var latents: Tensor
    /// Log-densities over latents, [n]; nil without the label loss or where the samples carry none.
    var labels: Tensor?
    /// Their gradients, [n, d], NaN where the samples carry none; nil without the score-label loss.
    var scores: Tensor?
  }

  private(set) var rows: Rows
  private var next = 0
  var count: Int { rows.latents.shape[0] }
  init(_ rows: Rows) { self.rows = rows }

  init(_ samples: LabelledSamples, _ chart: EnergyModelChart, labelled: Bool, scored: Bool) throws {
    rows = Rows(latents: samples.latents)
    if labelled, let density = samples.logDensity {
      rows.labels = try Tensor(chart.chart.latentLogDensities(density, samples.logJacobian).map(Float.init))
    }
    if scored { rows.scores = try samples.scores ?? Tensor.full(samples.latents.shape, .nan) }
  }

  /// Mean square of each coordinate's score over the rows whose scores are known, [d], but for tails: near the edge of an emulator's support
  /// scores are huge, and one of them would decide the mean. Nil where no score is known.
  func meanSquareScore() throws -> Tensor? {
    guard let scores = rows.scores else { return nil }
    let columns = try scores.transposed().values(as: Float.self)
    let (count, d) = (scores.shape[0], scores.shape[1])
    var squares: [Float] = []
    for k in 0..<d {
      let sizes = columns[k * count..<(k + 1) * count].filter(\.isFinite).map { abs($0) }.sorted()
      guard let median = sizes.isEmpty ? nil : sizes[sizes.count / 2] else { return nil }
      // 1.48 times the median is the standard deviation of a Gaussian
      let edge = PathPoint.Control.edge * 1.48 * median
      let kept = sizes.prefix { $0 <= edge }
      squares.append(max(1e-6, kept.reduce(0) { $0 + $1 * $1 } / Float(max(1, kept.count))))
    }
    return try Tensor(squares)
  }

  func batch(_ index: Tensor) throws -> Rows {
    Rows(
      latents: try rows.latents.selected(index), labels: try rows.labels?.selected(index),
      scores: try rows.scores?.selected(index))
  }

  func replaceOldest(with new: Rows) throws {
    let fresh = new.latents.shape[0]
    let index = try Tensor(
      (0..<count).map { row -> Int64 in
        let offset = (row - next + count) % count
        return Int64(offset < fresh ? count + offset : row)
      })
    func mixed(_ a: Tensor, _ b: Tensor) throws -> Tensor { try Tensor.concatenated([a, b], axis: 0).selected(index) }
    next = (next + fresh) % count
    rows.latents = try mixed(rows.latents, new.latents)
    if let old = rows.labels, let new = new.labels { rows.labels = try mixed(old, new) }
    if let old = rows.scores, let new = new.scores { rows.scores = try mixed(old, new) }
  }

  func saved() throws -> SavedPool {
    try SavedPool(latents: rows.latents.array(), labels: rows.labels?.array(), scores: rows.scores?.array(), next: next)
  }

  func restore(_ saved: SavedPool) throws {
    rows = Rows(
      latents: try Tensor(saved.latents), labels: try saved.labels.map { try Tensor($0) },
      scores: try saved.scores.map { try Tensor($0) })
    next = saved.next
  }
}

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
  /// Gradient of ln q over these latents, [n, d]; nil where it is not known.
  public var scores: Tensor?
  /// How they were drawn; nil where it is not known.
  public var integrator: Integrator?

  public init(
    latents: Tensor, logJacobian: [Double], logDensity: [Double]? = nil, scores: Tensor? = nil,
    integrator: Integrator? = nil
  ) {
    (self.latents, self.logJacobian, self.logDensity, self.scores) = (latents, logJacobian, logDensity, scores)
    self.integrator = integrator
  }
}

/// Draws from the emulator, with the labels that a pool has.
struct FreshSamples {
  let source: EnergyModelSource
  private let sampler: FlowSampler

  init(_ source: EnergyModelSource, _ pool: SamplePool, _ integrator: Integrator) throws {
    self.source = source
    sampler = try FlowSampler(
      field: source.flow.field, integrator: integrator,
      method: pool.rows.labels == nil && pool.rows.scores == nil ? .none : .stochasticTrace,
      scores: pool.rows.scores != nil)
  }

  func draw(_ count: Int, seed: UInt64, index: Int) throws -> SamplePool.Rows {
    let drawn = try source.draw(count, sampler, seed: seed, index: index)
    let (latents, logJacobian) = try source.chart.latents(of: drawn)
    let estimates = drawn.logDensities.flatMap { source.chart.chart.latentLogDensities($0, logJacobian) }
    return SamplePool.Rows(
      latents: latents,
      labels: estimates.isEmpty
        ? nil : try Tensor(estimates, shape: [drawn.logDensities.count, drawn.count]).mean(0).cast(.float32),
      scores: try drawn.scores.map {
        try source.chart.scores(
          $0, of: source.flow.chart, positions: drawn.coordinates, frames: drawn.count)
      })
  }
}
