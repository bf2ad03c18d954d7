import Foundation

/// A difference of two groups of samples of biased windows, and what each sample adds to its error.
struct WindowDifference {
  let split: SampleSplit
  /// -ln(P(first) / P(second)), kT; nan where one of the groups is empty.
  let value: Double
  /// Its derivative with respect to each ln w; empty where there is no value.
  let direct: [Double]
  /// What each sample adds to the error, about its window's mean; empty where there is no value.
  let influence: [Double]
  /// Statistical inefficiency of that, over all windows together, in samples.
  let inefficiency: Double

  var hasValue: Bool { !direct.isEmpty }

  /// `weights`: without any bias, normalised. `windows`: rows of each window; `segments`: rows of each stretch of time.
  ///
  /// Throws `FreeEnergiesError.emptyState` where one of the groups is empty, and what MBAR's solver throws.
  init(
    _ split: SampleSplit, weights: [Double], mbar: MBAR, window: [Int], windows: [Range<Int>], segments: [Range<Int>],
    haveOneLength: Bool
  ) throws {
    self.split = split
    (value, direct) = try mbar.splitInfluence(weights: weights, split)
    var influence = try mbar.fullInfluence(of: direct, state: window)
    for rows in windows {
      let mean = influence[rows].reduce(0, +) / Double(rows.count)
      for i in rows { influence[i] -= mean }
    }
    // Variance and covariances are summed over windows before they are divided: a window counts by what it contributes,
    // and the noise of single short windows averages out.
    inefficiency = statisticalInefficiency(
      segments: segments.map { Array(influence[$0]) }, weighsLags: !haveOneLength)
    self.influence = influence
  }

  /// One that the samples do not tell.
  init(untold split: SampleSplit) {
    (self.split, value, direct, influence, inefficiency) = (split, .nan, [], [], 1)
  }
}

/// All differences that states ask for: of every pair, and of each state against all others, from which populations follow.
struct WindowDifferences {
  private let states: StateAssignment
  /// The pairs', then the states'; the latter only where there are more than two, for else they are the pair's.
  let all: [WindowDifference]
  /// Kish's, of each state's samples by their weights.
  private let effective: [Double]

  /// See `WindowDifference`. Throws `FreeEnergiesError.emptyState` where no pair has samples on both sides.
  init(
    _ states: StateAssignment, weights: [Double], mbar: MBAR, window: [Int], windows: [Range<Int>],
    segments: [Range<Int>], haveOneLength: Bool = true
  ) throws {
    self.states = states
    var failure: FreeEnergiesError?
    func difference(_ split: SampleSplit, _ wanted: [Int]) throws -> WindowDifference {
      guard wanted.allSatisfy({ states.isTold[$0] }) else { return WindowDifference(untold: split) }
      do {
        return try WindowDifference(
          split, weights: weights, mbar: mbar, window: window, windows: windows, segments: segments,
          haveOneLength: haveOneLength)
      } catch let error as FreeEnergiesError {
        guard case .emptyState = error else { throw error }
        failure = failure ?? error
        return WindowDifference(untold: split)
      }
    }
    let pairs = try states.pairs.map { try difference(SampleSplit(states, $0), [$0.from, $0.to]) }
    guard pairs.contains(where: \.hasValue) else {
      throw failure ?? FreeEnergiesError.emptyState("no pair of states can be told by the coordinates that are there")
    }
    let shares =
      states.isTwoSided
      ? [] : try states.names.indices.map { try difference(SampleSplit(states, state: $0), [$0]) }
    all = pairs + shares
    let (sums, squares) = (states.sums(weights), states.sums(weights.map { $0 * $0 }))
    effective = states.names.indices.map {
      states.isTold[$0] ? (sums[$0] > 0 ? sums[$0] * sums[$0] / squares[$0] : 0) : .nan
    }
  }

  /// A sentence for each pair that has no value because no sample lies in one of its states.
  var warnings: [String] {
    zip(states.pairs, all).compactMap { pair, found in
      guard !found.hasValue, states.isTold[pair.from], states.isTold[pair.to] else { return nil }
      let (from, to) = (states.names[pair.from], states.names[pair.to])
      return "No sample lies in one of \(from) and \(to): the free energy of \(from) against \(to) is not determined."
    }
  }

  /// Inefficiency of the first pair that has a value.
  var inefficiency: Double { all.first(where: \.hasValue)?.inefficiency ?? 1 }

  /// The differences by other weights, kT.
  func values(_ weights: [Double]) -> [Double] {
    all.map { $0.hasValue ? $0.split.difference(weights) : .nan }
  }

  /// Populations and differences, with the standard errors of `all`, kT.
  func estimates(errors: [Double]) -> StateEstimates {
    let pairs = states.pairs.indices.map {
      StateEstimates.Difference(value: all[$0].value, standardError: errors[$0])
    }
    let populations = states.names.indices.map { state -> StateEstimates.Population in
      let index = states.isTwoSided ? 0 : states.pairs.count + state
      let sign = states.isTwoSided && states.first.from != state ? -1.0 : 1
      return .init(
        difference: sign * all[index].value, standardError: errors[index], effectiveSamples: effective[state])
    }
    return StateEstimates(names: states.names, populations: populations, pairs: states.pairs, differences: pairs)
  }
}
