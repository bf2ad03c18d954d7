import Basics
import Torch

public enum SamplePoolError: Error, CustomStringConvertible, Equatable {
  case scoresElsewhere

  public var description: String { "scores are not carried over to other coordinates" }
}

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

  /// Throws `SamplePoolError.scoresElsewhere` where score labels are asked for on another chart than the emulator's.
  init(_ samples: LabelledSamples, _ chart: EnergyModelChart, labelled: Bool, scored: Bool) throws {
    rows = Rows(latents: samples.latents)
    if labelled, let density = samples.logDensity {
      rows.labels = try Tensor(chart.chart.latentLogDensities(density, samples.logJacobian).map(Float.init))
    }
    if scored {
      guard chart.isEmulators else { throw SamplePoolError.scoresElsewhere }
      rows.scores = try samples.scores ?? Tensor.full(samples.latents.shape, .nan)
    }
  }

  /// The rows `index`.
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
    func mixed(_ old: Tensor, _ new: Tensor) throws -> Tensor {
      try Tensor.concatenated([old, new], axis: 0).selected(index)
    }
    next = (next + fresh) % count
    rows.latents = try mixed(rows.latents, new.latents)
    if let old = rows.labels, let new = new.labels { rows.labels = try mixed(old, new) }
    if let old = rows.scores, let new = new.scores { rows.scores = try mixed(old, new) }
  }

  func saved() throws -> SavedPool {
    SavedPool(
      latents: try rows.latents.array(), labels: try rows.labels?.array(), scores: try rows.scores?.array(), next: next)
  }

  func restore(_ saved: SavedPool) throws {
    rows = Rows(
      latents: try Tensor(saved.latents), labels: try saved.labels.map { try Tensor($0) },
      scores: try saved.scores.map { try Tensor($0) })
    next = saved.next
  }
}
