import Foundation
import Torch

/// How often weighted samples are drawn in training.
enum TrainingWeights {
  /// Share of a state's samples whose weights are cut, where nothing else is said.
  static let clipped = 0.002

  /// Within each state and round in proportion to the weights, of which the largest are cut; rounds by their effective samples, states by
  /// their shares. [samples]
  static func clipped(
    _ logWeights: [Double], states: [Int], rounds: [Int], shares: [Double], clipped: Double
  ) -> [Double] {
    var weights = [Double](repeating: 0, count: logWeights.count)
    for state in shares.indices {
      var total = 0.0
      var members: [Int] = []
      for round in 0..<((rounds.max() ?? -1) + 1) {
        let rows = states.indices.filter { states[$0] == state && rounds[$0] == round }
        guard !rows.isEmpty else { continue }
        let logs = rows.map { logWeights[$0] }
        let level = logs.filter(\.isFinite).max() ?? 0
        var own = logs.map { $0.isFinite ? exp($0 - level) : 0 }
        let sorted = own.filter { $0 > 0 }.sorted()
        guard !sorted.isEmpty else { continue }
        let cut = sorted[max(0, sorted.count - 1 - Int((clipped * Double(own.count)).rounded(.up)))]
        own = own.map { min($0, cut) }
        let (sum, squares) = (own.reduce(0, +), own.reduce(0) { $0 + $1 * $1 })
        guard sum > 0, squares > 0 else { continue }
        // as many as they count for
        for (row, weight) in zip(rows, own) { weights[row] = weight / sum * (sum * sum / squares) }
        total += sum * sum / squares
        members += rows
      }
      for row in members { weights[row] *= shares[state] / max(total, .leastNormalMagnitude) }
    }
    return weights
  }

  /// E[-g (y - mean)] over narrow latents y and gradients g of ln p, [samples, n], by weights, and its standard error: 1 where samples, weights
  /// and forces belong together.
  static func thermometer(_ y: Tensor, _ g: Tensor, _ raw: [Double]) throws -> (value: Double, error: Double) {
    let total = raw.reduce(0, +)
    let weights = raw.map { $0 / total }
    let column = try Tensor(weights, shape: [weights.count, 1])
    let products = try (g * (y - (y * column).sum(0))).mean(-1).values(as: Double.self).map { -$0 }
    let mean = zip(weights, products).reduce(0) { $0 + $1.0 * $1.1 }
    let variance = zip(weights, products).reduce(0) { $0 + $1.0 * $1.0 * ($1.1 - mean) * ($1.1 - mean) }
    return (mean, variance.squareRoot())
  }
}
