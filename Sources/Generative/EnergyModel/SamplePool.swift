import Basics
import Torch

public enum SamplePoolError: Error, CustomStringConvertible, Equatable {
  case scoresElsewhere

  public var description: String {
    "scores are not carried over to other coordinates"
  }
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
    self.latents = latents
    self.labels = labels
    self.scores = scores
    self.next = next
  }
}

/// The samples an energy model trains on: rows of latents with their labels, of which the oldest are replaced.
final class SamplePool {
  private(set) var latents: Tensor
  /// Log-densities over latents, [n]; nil without the label loss or where the samples carry none.
  private(set) var labels: Tensor?
  /// Their gradients, [n, d], NaN where the samples carry none; nil without the score-label loss.
  private(set) var scores: Tensor?
  private var next = 0

  var count: Int { latents.shape[0] }

  /// Throws `SamplePoolError.scoresElsewhere` where score labels are asked for on another chart than the emulator's.
  init(_ samples: LabelledSamples, _ chart: EnergyModelChart, labelled: Bool, scored: Bool) throws {
    latents = samples.latents
    if labelled, let density = samples.logDensity {
      labels = try Tensor(chart.latent(density, samples.logJacobian).map(Float.init))
    }
    if scored {
      guard chart.isEmulators else { throw SamplePoolError.scoresElsewhere }
      scores = try samples.scores ?? Tensor.full(latents.shape, .nan)
    }
  }

  /// Without labels.
  init(latents: Tensor) { self.latents = latents }

  /// Labels of the rows `index`.
  func labels(_ index: Tensor) throws -> EnergyModelObjective.Labels {
    try EnergyModelObjective.Labels(
      logDensity: labels.map { try $0.selected(index) }, score: scores.map { try $0.selected(index) })
  }

  /// New rows: latents [n, d], estimates [m, n] of their log-densities over latents, and scores [n, d].
  struct Rows {
    var latents: Tensor
    var estimates: Tensor?
    var scores: Tensor?
  }

  func replaceOldest(with new: Rows) throws {
    let fresh = new.latents.shape[0]
    let rows = (0..<count).map { row -> Int64 in
      let offset = (row - next + count) % count
      return Int64(offset < fresh ? count + offset : row)
    }
    let index = try Tensor(rows)
    latents = try Tensor.concatenated([latents, new.latents], axis: 0).selected(index)
    if let old = labels, let estimates = new.estimates {
      labels = try Tensor.concatenated([old, estimates.mean(0).cast(.float32)], axis: 0).selected(index)
    }
    if let old = scores, let fresh = new.scores {
      scores = try Tensor.concatenated([old, fresh], axis: 0).selected(index)
    }
    next = (next + fresh) % count
  }

  func saved() throws -> SavedPool {
    SavedPool(
      latents: try latents.array(), labels: try labels?.array(), scores: try scores?.array(), next: next)
  }

  func restore(_ saved: SavedPool) throws {
    latents = try Tensor(saved.latents)
    labels = try saved.labels.map { try Tensor($0) }
    scores = try saved.scores.map { try Tensor($0) }
    next = saved.next
  }
}
