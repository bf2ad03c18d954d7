import Basics
import Foundation
import Torch

/// The loop around a `Trainer` that every training shares: progress, the loss curve, checkpoints by time, interruption, resume, and what
/// happens when the loss is not finite: back to the last rollback point with half the learning rate, three times at most.
struct TrainingLoop<Net: Network> {
  let trainer: Trainer<Net>
  let host: any TrainingHost
  let title: String
  /// Steps between two rows of the loss curve.
  let recordEvery: Int
  /// What the curve's columns are called beside the progress.
  let labels: [String]
  /// Saved with every state, restored with it.
  var pool: SamplePool?
  /// Steps between rollback points, at least: so many that writing one is lost among them.
  var leastRollbackInterval = 500
  private static var halvingsAtMost: Int { 3 }
  /// Depends on nothing but the settings, so that a run that was killed rolls back as one that was not.
  private var rollbackInterval: Int { max(leastRollbackInterval, (trainer.settings.steps + 9) / 10) }

  /// Goes on from the newest state, if there is one, and calls `step` (one optimisation step that returns its losses,
  /// the curve's first columns) until training is finished, or `endsEarly` says so of the curve. A row of the curve has the means of the losses since the
  /// last one, and what `atRecord` gives for the other columns. `batch` names the samples of a step. Throws
  /// `TrainingError.broken` where halving the learning rate did not help, and what the host throws to stop.
  func run(
    batch: (Int) throws -> String = { _ in "" }, atRecord: () throws -> [Double] = { [] },
    endsEarly: (LossCurve) -> Bool = { _ in false }, step: () throws -> [Double]
  ) throws {
    var recent: [[Double]] = []
    func means() -> [Double] {
      (recent.first ?? []).indices.map { c in recent.reduce(0) { $0 + $1[c] } / Double(recent.count) }
    }
    func state() throws -> TrainingCheckpoint {
      TrainingCheckpoint(training: try trainer.state(), recent: recent, pool: try pool?.saved())
    }
    func restore(_ saved: TrainingCheckpoint) throws {
      try trainer.restore(saved.training)
      recent = saved.recent
      if let pool, let contents = saved.pool { try pool.restore(contents) }
    }

    if let saved = try host.newestState() {
      try restore(saved)
      host.log("going on from step \(trainer.step) of \(trainer.settings.steps)")
    }
    host.progress.begin(title, total: trainer.settings.steps, unit: "steps")
    defer { host.progress.end() }
    let start = (watch: Stopwatch(), step: trainer.step)
    var checkpoints = (count: 0, seconds: 0.0)
    /// Times `save`, whether it asks for the state or not.
    func timed(_ save: (() throws -> TrainingCheckpoint) throws -> Void) throws {
      let watch = Stopwatch()
      try save {
        checkpoints.count += 1
        return try state()
      }
      checkpoints.seconds += watch.seconds
    }
    while !trainer.isFinished && !endsEarly(trainer.curve) {
      // a resumed run passes here again, and the point before this one must stay
      if trainer.step % rollbackInterval == 0, try host.rollbackPoint(step: trainer.step) == nil {
        try timed { try host.saveRollbackPoint($0()) }
      }
      do {
        recent.append(try step())
      } catch TrainingError.notFinite(let step, let loss, let norm) {
        let (saved, place) = try rollbackPoint(before: step, loss: loss, gradientNorm: norm, batch)
        let halvings = trainer.halvings + 1
        try restore(saved)
        trainer.halvings = halvings
        let found = try batch(step)
        host.warn(
          "training broke at step \(step)\(found.isEmpty ? "" : ", \(found)"): loss \(loss), gradient norm \(norm); "
            + "went back to step \(place) with half the learning rate")
        continue
      }
      if trainer.step % recordEvery == 0 || trainer.isFinished {
        trainer.curve.record(step: trainer.step, try means() + atRecord())
        recent = []
      }
      report(trainer.curve.rows.last ?? means(), rate: (trainer.step - start.step, start.watch.seconds))
      try timed(host.saveIfDue)
    }
    if checkpoints.count > 0 {
      let share = String(format: "%.2f", 100 * checkpoints.seconds / max(1e-9, start.watch.seconds))
      host.log("\(checkpoints.count) checkpoints took \(share) % of the time")
    }
  }

  private func report(_ row: [Double], rate: (steps: Int, seconds: Double)) {
    var metrics = zip(labels, row).filter { $1.isFinite }.map { (name: $0, value: String(format: "%.4f", $1)) }
    let speed = Double(rate.steps * trainer.settings.batch) / max(1e-9, rate.seconds)
    // after the loss, which comes first
    metrics.insert((name: "samples/s", value: String(format: "%.0f", speed)), at: min(1, metrics.count))
    host.progress.update(completed: trainer.step, metrics: metrics)
  }

  private func rollbackPoint(
    before step: Int, loss: Double, gradientNorm: Double, _ batch: (Int) throws -> String
  ) throws -> (TrainingCheckpoint, step: Int) {
    let place = step - step % rollbackInterval
    guard trainer.halvings < Self.halvingsAtMost, let saved = try host.rollbackPoint(step: place) else {
      throw TrainingError.broken(
        step: step, loss: loss, gradientNorm: gradientNorm, batch: try batch(step), halvings: trainer.halvings)
    }
    return (saved, place)
  }
}

/// Batches that visit every sample once per epoch, in an order that (seed, epoch) alone decides.
public struct EpochSampler {
  let count, batch: Int
  private let seed: UInt64
  private var epoch = -1
  private var order: Tensor?

  /// How often each sample is drawn, relative to the others; empty where each is drawn once.
  private let weights: [Double]

  /// `repeats`: how often a sample may come in one batch. Where the samples are fewer than a batch, it runs through several epochs.
  /// `weights`: how often a sample comes, relative to the others; in one epoch it comes as often as that says, rounded up or down by
  /// chance.
  ///
  /// Throws `TrainingError.tooFewSamples`, `.badWeights`.
  public init(count: Int, batch: Int, seed: UInt64, repeats: Int = 1, weights: [Double] = []) throws {
    guard count * repeats >= batch else {
      throw TrainingError.tooFewSamples(count: count, batch: batch)
    }
    (self.count, self.batch, self.seed) = (count, batch, seed)
    self.weights = weights
    guard weights.isEmpty || (weights.count == count && weights.reduce(0, +) > 0) else {
      throw TrainingError.badWeights(samples: count, weights: weights.count)
    }
  }

  /// The batch of a step in words: its place in the epoch and its first rows.
  mutating func name(step: Int) throws -> String {
    let rows = try indices(step: step).array(as: Int64.self).values.prefix(8).map(String.init)
    let named = "samples \(rows.joined(separator: ", "))\(batch > 8 ? ", ..." : "")"
    let perEpoch = count / batch
    return perEpoch == 0
      ? "a batch of all samples (\(named))" : "batch \(step % perEpoch + 1) of epoch \(step / perEpoch + 1) (\(named))"
  }

  /// Row indices [batch] of training step `step`. The incomplete batch at the end of an epoch is left out, but for batches that are larger
  /// than an epoch.
  public mutating func indices(step: Int) throws -> Tensor {
    let perEpoch = count / batch
    guard perEpoch > 0 else { return try indicesOfSeveralEpochs(step) }
    let wanted = step / perEpoch
    if wanted != epoch || order == nil {
      order = try permutation(wanted)
      epoch = wanted
    }
    let start = (step % perEpoch) * batch
    guard let order else { throw TrainingError.badState("no epoch order") }
    return try order.slice(start..<(start + batch))
  }

  private func indicesOfSeveralEpochs(_ step: Int) throws -> Tensor {
    let first = step * batch
    let orders = try (first / count...(first + batch - 1) / count).map(permutation)
    return try Tensor.concatenated(orders, axis: 0).slice(first % count..<first % count + batch)
  }

  private func permutation(_ epoch: Int) throws -> Tensor {
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["epoch", String(epoch)]))
    let order = try generator.permutation(count)
    guard !weights.isEmpty else { return order }
    let start = try generator.uniform([1], .float64).item()
    return try Tensor(systematicDraw(weights, count: count, start: start).map(Int64.init)).selected(order)
  }
}

/// `count` rows, each as often as whole numbers lie in its part of [start, start + count): as its weight says, rounded up or down.
func systematicDraw(_ weights: [Double], count: Int, start: Double) -> [Int] {
  let scale = Double(count) / weights.reduce(0, +)
  var place = start
  var rows: [Int] = []
  for (row, weight) in weights.enumerated() {
    let next = place + weight * scale
    rows += [Int](repeating: row, count: Int(next.rounded(.down)) - Int(place.rounded(.down)))
    place = next
  }
  // sums of parts may round to one less
  while rows.count < count, let last = rows.last { rows.append(last) }
  return Array(rows.prefix(count))
}
