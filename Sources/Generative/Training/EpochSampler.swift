import Basics
import Torch

/// Batches that visit every sample once per epoch, in an order that (seed, epoch) alone decides.
public struct EpochSampler {
  let count: Int
  let batch: Int
  private let seed: UInt64
  private var epoch = -1
  private var order: Tensor?

  public init(count: Int, batch: Int, seed: UInt64) throws {
    guard count >= batch else { throw TrainingError.tooFewSamples(count: count, batch: batch) }
    (self.count, self.batch, self.seed) = (count, batch, seed)
  }

  /// The batch of a step in words: its place in the epoch and its first rows.
  mutating func name(step: Int) throws -> String {
    let rows = try indices(step: step).array(as: Int64.self).values.prefix(8).map(String.init)
    let perEpoch = count / batch
    return "batch \(step % perEpoch + 1) of epoch \(step / perEpoch + 1) (samples \(rows.joined(separator: ", "))"
      + "\(batch > 8 ? ", ..." : ""))"
  }

  /// Row indices [batch] of training step `step`. The incomplete batch at the end of an epoch is left out.
  public mutating func indices(step: Int) throws -> Tensor {
    let perEpoch = count / batch
    let wanted = step / perEpoch
    if wanted != epoch || order == nil {
      let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["epoch", String(wanted)]))
      order = try generator.permutation(count)
      epoch = wanted
    }
    let start = (step % perEpoch) * batch
    guard let order else { throw TrainingError.badState("no epoch order") }
    return try order.slice(start..<(start + batch))
  }
}
