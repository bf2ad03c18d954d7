import Foundation

/// What some samples tell of states: their populations, and the free energies of pairs of them. nan where too little carries a number.
public struct StateEstimates: Sendable, Equatable {
  /// A state's share.
  public struct Population: Sendable, Equatable {
    public var share = Double.nan, standardError = Double.nan
    /// 95 %.
    public var interval = [Double.nan, .nan]
    /// Kish's, of the state's samples; nan where it is not known.
    public var effectiveSamples = Double.nan

    public init() {}

    public init(share: Double, standardError: Double, interval: [Double], effectiveSamples: Double) {
      (self.share, self.standardError) = (share, standardError)
      (self.interval, self.effectiveSamples) = (interval, effectiveSamples)
    }

    /// From -ln(P / (1 - P)), kT, and its error.
    init(difference: Double, standardError error: Double, effectiveSamples: Double) {
      func share(_ difference: Double) -> Double { 1 / (1 + exp(difference)) }
      self.share = share(difference)
      standardError = self.share * (1 - self.share) * error
      interval = [share(difference + 1.96 * error), share(difference - 1.96 * error)]
      self.effectiveSamples = effectiveSamples
    }
  }

  /// -ln(P(from) / P(to)), kT.
  public struct Difference: Sendable, Equatable {
    public var value = Double.nan, standardError = Double.nan
    /// 95 %.
    public var interval = [Double.nan, .nan]

    public init() {}

    public init(value: Double, standardError: Double, interval: [Double]? = nil) {
      (self.value, self.standardError) = (value, standardError)
      self.interval = interval ?? [value - 1.96 * standardError, value + 1.96 * standardError]
    }
  }

  /// Of the states, the rest last.
  public let names: [String]
  /// [states]
  public let populations: [Population]
  public let pairs: [StateSet.Pair]
  /// [pairs]
  public let differences: [Difference]

  /// - Precondition: as many populations as names, as many differences as pairs.
  public init(names: [String], populations: [Population], pairs: [StateSet.Pair], differences: [Difference]) {
    (self.names, self.populations, self.pairs, self.differences) = (names, populations, pairs, differences)
  }

  /// Fewer changes into and out of a state than these, in all runs together, leave its share that of the runs' starts.
  public static let fewestChanges = 20

  /// Of unbiased runs, `runs` being the run of each frame: shares of the frames, with half of what the halves of the runs differ by as
  /// errors. Runs take turns between the halves; a single run is cut in the middle. `changes`: of each state, see `StateTransitions`; a state
  /// that was changed less often than `fewestChanges` has no error, and neither has a difference of it.
  ///
  /// - Precondition: as many changes as names.
  public init(counting states: StateAssignment, runs: [Int], changes: [Int]) {
    let last = runs.last ?? 0
    let half = runs.indices.map { last > 0 ? runs[$0] % 2 : (2 * $0 < runs.count ? 0 : 1) }
    let parts = ([nil, 0, 1] as [Int?]).map { part in
      states.rows(half.indices.filter { part == nil || half[$0] == part }).counts.map(Double.init)
    }
    func spread(_ value: ([Double]) -> Double) -> (Double, Double) {
      let values = parts.map(value)
      return (values[0], abs(values[1] - values[2]) / 2)
    }
    let populations = states.names.indices.map { state -> Population in
      // what was never left or never entered has a share that nobody knows
      guard states.isTold[state], parts[0][state] > 0, parts[0][state] < parts[0].reduce(0, +) else {
        return Population()
      }
      let (share, found) = spread { $0[state] / max(1, $0.reduce(0, +)) }
      let error = changes[state] < Self.fewestChanges ? Double.nan : found
      guard error.isFinite else {
        return Population(share: share, standardError: .nan, interval: [.nan, .nan], effectiveSamples: .nan)
      }
      return Population(
        share: share, standardError: error, interval: [max(0, share - 1.96 * error), min(1, share + 1.96 * error)],
        effectiveSamples: .nan)
    }
    let differences = states.pairs.map { pair -> Difference in
      guard states.isTold[pair.from], states.isTold[pair.to], parts[0][pair.from] > 0, parts[0][pair.to] > 0
      else { return Difference() }
      let (value, error) = spread { -log($0[pair.from] / $0[pair.to]) }
      return error.isFinite && min(changes[pair.from], changes[pair.to]) >= Self.fewestChanges
        ? Difference(value: value, standardError: error) : Difference(value: value, standardError: .nan)
    }
    self.init(names: states.names, populations: populations, pairs: states.pairs, differences: differences)
  }
}
