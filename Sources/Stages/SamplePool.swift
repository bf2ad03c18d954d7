import Artifacts
import Generative
import Torch

public enum SamplePoolError: Error, CustomStringConvertible, Equatable {
  case scoresElsewhere

  public var description: String {
    "losses.score_label above 0 needs coordinates: emulator; scores are not carried over to other coordinates"
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
  init(_ source: EnergyModelSource, labelled: Bool, scored: Bool) throws {
    let samples = source.samples.artifact
    let logJacobian: [Double]
    (latents, logJacobian) = try source.chart.latents(of: samples)
    if labelled, samples.exists("log_density") {
      let density = try samples.read("log_density", as: Double.self).values
      labels = try Tensor(source.chart.latent(density, logJacobian).map(Float.init))
    }
    if scored {
      guard source.chart.isEmulators else { throw SamplePoolError.scoresElsewhere }
      scores =
        try samples.exists("scores")
        ? Tensor(samples.read("scores", as: Float.self)) : Tensor.full(latents.shape, .nan)
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

  func write(to writer: ArtifactWriter) throws {
    try writer.write("pool/latents", latents.array(as: Float.self), compression: .none)
    if let labels { try writer.write("pool/labels", labels.array(as: Float.self), compression: .none) }
    if let scores { try writer.write("pool/scores", scores.array(as: Float.self), compression: .none) }
    try writer.writeScalar("pool/next", Int64(next))
  }

  mutating func restore(_ checkpoint: Artifact) throws {
    latents = try Tensor(checkpoint.read("pool/latents", as: Float.self))
    labels = checkpoint.exists("pool/labels") ? try Tensor(checkpoint.read("pool/labels", as: Float.self)) : nil
    scores = checkpoint.exists("pool/scores") ? try Tensor(checkpoint.read("pool/scores", as: Float.self)) : nil
    next = Int(try checkpoint.scalar("pool/next", as: Int64.self))
  }
}
