import Basics
import Foundation
import Torch

/// What the curve of the held-out loss says of a training: where it was lowest, and whether what came after learnt the frames by heart.
///
/// Most of a flow-matching loss is the noise of its targets, so it hardly tells two networks apart that differ in what few coordinates
/// do. Of networks that it holds for equal, within 1 %, the one that was trained longest is taken.
struct OverFitting {
  typealias Row = (step: Int, loss: Double)
  private static let tolerance = 0.01

  /// The row with the lowest held-out loss, the last one that is as good, and the last of all.
  let lowest, taken, last: Row

  /// From the column "validation"; nil where it has no number.
  init?(_ curve: LossCurve) {
    let rows = zip(curve.steps, curve.column("validation")).filter { $1.isFinite }.map { Row(step: $0, loss: $1) }
    guard let first = rows.first, let last = rows.last else { return nil }
    var (lowest, taken) = (first, first)
    for row in rows {
      if row.loss < lowest.loss { lowest = row }
      if Self.rise(of: row, from: lowest) <= Self.tolerance { taken = row }
    }
    (self.lowest, self.taken, self.last) = (lowest, taken, last)
  }

  private static func rise(of row: Row, from lowest: Row) -> Double {
    (row.loss - lowest.loss) / max(abs(lowest.loss), .leastNormalMagnitude)
  }

  /// The network of the last row is the one to keep.
  var keepsLast: Bool { taken.step == last.step }

  /// The held-out loss has risen by a tenth, and for twice as long as the training that is taken: no later step will be better.
  var isBeyondReturn: Bool { Self.rise(of: last, from: lowest) > 0.1 && last.step >= 3 * taken.step }

  func remark(frames: Int, steps: Int) -> Remark {
    func number(_ value: Double) -> String { String(format: "%.3f", value) }
    let end = last.step < steps ? "when training was ended, at step \(last.step) of \(steps)" : "at the end"
    return Remark(
      "\(frames) frames carry no longer training: the loss of frames held out was lowest after \(lowest.step) steps "
        + "(\(number(lowest.loss)); \(number(last.loss)) \(end)). The network of step \(taken.step) is taken "
        + "(\(number(taken.loss))); more frames make a better one", .note)
  }
}

extension TrainingLoop {
  /// Trains on what `step` gives, and ends with the averaged network whose loss on what was held out, `validation`, was low; nil where
  /// nothing is. The curve's columns are "train" and "validation"; `frames` are those of the training, for what is said. Throws as `run`
  /// does.
  func runKeepingBest(
    frames: Int, batch: (Int) throws -> String, validation: (Net) throws -> Double?, step: () throws -> Tensor
  ) throws {
    try run(batch: batch) {
      guard let value = try validation(trainer.average) else { return [.nan] }
      var curve = trainer.curve
      curve.record(step: trainer.step, [.nan, value])
      if value.isFinite, OverFitting(curve)?.keepsLast ?? false { try trainer.keepAverage() }
      return [value]
    } endsEarly: {
      OverFitting($0)?.isBeyondReturn ?? false
    } step: {
      [try trainer.update(step())]
    }
    if let found = OverFitting(trainer.curve), !found.keepsLast, try trainer.returnToKeptAverage() {
      host.warn(found.remark(frames: frames, steps: trainer.settings.steps))
    } else {
      trainer.forgetKeptAverage()
    }
  }
}
