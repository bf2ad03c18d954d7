import Foundation

/// What exploration can have found, and what it cannot know.
public struct ExplorationReach: Sendable, Equatable {
  /// How often a walk came to the lowest temperature from the highest.
  public let arrivals: Int
  /// A region of at least this Boltzmann weight would have been found in 19 of 20 cases, if the hottest walks cross every barrier on their
  /// way: then each arrival lies in it as often as its weight says, six of all on the average, and two sets at least see it. Of what no walk
  /// reaches nothing is known.
  public let smallestWeight: Double

  /// With fewer arrivals the walks have hardly turned over, and that nothing was found says little.
  public static let fewestArrivals = 20

  /// `samples`: how many there are, and how many effective ones.
  public init(arrivals: Int, samples: Int, effective: Double, options: MissingRegions.Options) {
    self.arrivals = arrivals
    let visits = 6.0
    // what the lower bound is of a weight that so many visits tell
    let known = gammaQuantile(0.025, shape: visits) / visits
    let weights = [
      visits / Double(max(1, arrivals)), options.expected / known / max(effective, 1e-9),
      MissingRegions.fewestDue / known / Double(max(1, samples)),
    ]
    smallestWeight = min(1, weights.max() ?? 1)
  }

  public var isShort: Bool { arrivals < Self.fewestArrivals }
}
