import Basics
import Foundation

/// What a log-density that was learnt has wrong, by unbiased estimates of the same samples, and what that does to free energies.
///
/// A bootstrap resamples the samples and keeps the log-density: an error that all samples of a state share is in none of its replicates. If
/// ln q is too large by d_A in state A and by d_B in B, under the weights, -ln(P_A / P_B) is too large by d_A - d_B, to first order.
struct ModelErrors {
  /// Of each sample, nat; nan where one of the two is not finite.
  private let differences: [Double]
  /// Under the weights, in each state; nan in a state without a sample to tell.
  let states: [Double]

  /// - Precondition: as many of each as there are samples.
  init(of logDensity: [Double], by judges: [[Double]], weights: [Double], states: StateAssignment) {
    let judged = meanEstimate(judges)
    let differences = zip(logDensity, judged).map { $0.isFinite && $1.isFinite ? $0 - $1 : .nan }
    self.differences = differences
    var sums = states.names.map { _ in (difference: 0.0, weight: 0.0) }
    for n in differences.indices where differences[n].isFinite && weights[n] > 0 {
      sums[states.place[n]].difference += weights[n] * differences[n]
      sums[states.place[n]].weight += weights[n]
    }
    self.states = sums.map { $0.difference / $0.weight }
  }

  /// With the error in it: in squares, ends of the interval moved out by 1.96 of it.
  func widened(_ difference: StateEstimates.Difference, _ pair: StateSet.Pair) -> StateEstimates.Difference {
    let error = abs(states[pair.from] - states[pair.to])
    guard error.isFinite else { return difference }
    return StateEstimates.Difference(
      value: difference.value, standardError: hypot(difference.standardError, error),
      interval: Self.widened(difference.interval, around: difference.value, by: error))
  }

  /// The same of a state's share, whose odds are off by the state's error less that of all others together.
  func widened(
    _ population: StateEstimates.Population, _ state: Int, _ shares: [Double]
  ) -> StateEstimates.Population {
    let others = shares.indices.filter { $0 != state && shares[$0] > 0 }
    let rest = others.reduce(0) { $0 + shares[$1] * states[$1] } / others.reduce(0) { $0 + shares[$1] }
    let error = population.share * (1 - population.share) * abs(states[state] - rest)
    guard error.isFinite else { return population }
    return StateEstimates.Population(
      share: population.share, standardError: hypot(population.standardError, error),
      interval: Self.widened(population.interval, around: population.share, by: error).map { min(max($0, 0), 1) },
      effectiveSamples: population.effectiveSamples)
  }

  /// Of each bin of a profile, less the mean of all; 0 where nothing is known. `bins`: of each sample; none: empty.
  func bins(_ bins: [Int], count: Int, _ weights: [Double]) -> [Double] {
    var sums = [(difference: Double, weight: Double)](repeating: (0, 0), count: count)
    var all = (difference: 0.0, weight: 0.0)
    for n in bins.indices where differences[n].isFinite && weights[n] > 0 {
      sums[bins[n]].difference += weights[n] * differences[n]
      sums[bins[n]].weight += weights[n]
      all.difference += weights[n] * differences[n]
      all.weight += weights[n]
    }
    let mean = all.difference / all.weight
    return sums.map { $0.weight > 0 ? abs($0.difference / $0.weight - mean) : 0 }
  }

  /// The interval with an error in it; as it was where that is not known.
  static func widened(_ interval: [Double], around value: Double, by error: Double) -> [Double] {
    guard error.isFinite else { return interval }
    return interval.enumerated().map { end, place in
      let half = hypot(place - value, 1.96 * error)
      return end == 0 ? value - half : value + half
    }
  }
}
