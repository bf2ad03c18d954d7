import Foundation

/// What exploration can have found, and what it cannot know.
public struct ExplorationReach: Sendable, Equatable {
  /// How often a walk came to the lowest temperature from the highest.
  public let arrivals: Int
  /// A region of at least this Boltzmann weight would have been found in 19 of 20 cases, if the hottest walks cross every barrier on their
  /// way: then each arrival lies in it as often as its weight says, and either half of the sets sees it, without which there is no lower
  /// bound. Of what no walk reaches nothing is known.
  public let smallestWeight: Double

  /// What that weight would become smaller with.
  public let limit: Limit

  public enum Limit: Sendable { case arrivals, samples }

  /// Where no smaller region would have been found than this, it says little that none was; arrivals are then fewer than `fewestArrivals`, or
  /// samples too few.
  static let largestTold = 0.3
  public let fewestArrivals: Int

  /// Whether it says something that nothing was found.
  public var tells: Bool { smallestWeight <= Self.largestTold }

  /// Of walks in `sets` sets, of which the arrivals that count; `samples`: how many there are.
  public init(arrivals: Int, sets: Int, samples: Int) {
    self.arrivals = arrivals
    let visits = Self.visits(sets: sets)
    fewestArrivals = Int((visits / Self.largestTold).rounded(.up))
    // what the lower bound is of a weight that so many visits tell
    let known = gammaQuantile(0.025, shape: visits) / visits
    let weights: [(limit: Limit, weight: Double)] = [
      (.arrivals, visits / Double(max(1, arrivals))),
      (.samples, MissingRegions.fewestDue / known / Double(max(1, samples))),
    ]
    let largest = weights.max { $0.weight < $1.weight } ?? weights[0]
    (limit, smallestWeight) = (largest.limit, min(1, largest.weight))
  }

  /// How many visits must be due for both halves of the sets to see one in 19 of 20 cases: 7.4 where they are equal.
  static func visits(sets: Int) -> Double {
    let half = Double((sets + 1) / 2) / Double(max(2, sets))
    var (low, high) = (0.0, 1000.0)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      let seen = (1 - exp(-middle * half)) * (1 - exp(-middle * (1 - half)))
      if seen < 0.95 { low = middle } else { high = middle }
    }
    return high
  }
}
