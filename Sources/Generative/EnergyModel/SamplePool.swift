import Basics
import Torch

public enum SamplePoolError: Error, CustomStringConvertible, Equatable {
  case scoresElsewhere

  public var description: String {
    "scores are not carried over to other coordinates"
  }
}

/// The samples an energy model trains on: rows of latents with their labels, of which the oldest are replaced.
struct SamplePool {
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

  mutating func replaceOldest(with new: Rows) throws {
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

  func saved() throws -> SavedArrays {
    var saved = SavedArrays(["latents": .floats(try latents.array())])
    if let labels { saved["labels"] = .floats(try labels.array()) }
    if let scores { saved["scores"] = .floats(try scores.array()) }
    try saved.set("next", next)
    return saved
  }

  mutating func restore(_ saved: SavedArrays) throws {
    latents = try Tensor(saved.floats("latents"))
    labels = saved.contains("labels") ? try Tensor(saved.floats("labels")) : nil
    scores = saved.contains("scores") ? try Tensor(saved.floats("scores")) : nil
    next = try saved.integer("next")
  }
}
