import Basics
import Foundation

/// What a log-density that was learnt has wrong, by unbiased estimates of the same samples, and what that does to free energies.
///
/// A bootstrap resamples the samples and keeps the log-density: an error that all samples of a state share is in none of its replicates. If
/// ln q is too large by d, the weights of state A have to be multiplied by E[exp d] over A's weighted samples, and -ln(P_A / P_B) is too large
/// by ln E_A[exp d] - ln E_B[exp d]: to second order by the means and half the variances of d, of which the judges' own noise is taken out.
struct ModelErrors {
  /// Of each sample, nat; nan where one of the two is not finite.
  private let differences: [Double]
  /// ln E[exp d] under the weights, in each state; nan in a state without a sample to tell.
  let states: [Double]

  /// - Precondition: as many of each as there are samples.
  init(of logDensity: [Double], by judges: [[Double]], weights: [Double], states: StateAssignment) {
    let judged = meanEstimate(judges)
    let differences = zip(logDensity, judged).map { $0.isFinite && $1.isFinite ? $0 - $1 : .nan }
    self.differences = differences
    self.states = states.names.indices.map { state in
      let rows = differences.indices.filter {
        states.place[$0] == state && differences[$0].isFinite && weights[$0] > 0
      }
      let total = rows.reduce(0) { $0 + weights[$1] }
      let mean = rows.reduce(0) { $0 + weights[$1] * differences[$1] } / total
      // of one judge nobody knows what of the variance is its noise
      guard judges.count > 1 else { return mean }
      let count = Double(judges.count)
      let variance = rows.reduce(0.0) { sum, n in
        let noise = judges.reduce(0.0) { $0 + ($1[n] - judged[n]) * ($1[n] - judged[n]) } / (count * (count - 1))
        return sum + weights[n] * ((differences[n] - mean) * (differences[n] - mean) - noise)
      }
      return mean + max(0, variance / total) / 2
    }
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

  /// Of each bin of a profile, less the mean of all and less what the bin's few samples may be off by; 0 where nothing is known. `bins`: of each
  /// sample; none: empty.
  func bins(_ bins: [Int], count: Int, _ weights: [Double]) -> [Double] {
    let told = bins.indices.filter { differences[$0].isFinite && weights[$0] > 0 }
    let mean = told.reduce(0) { $0 + weights[$1] * differences[$1] } / told.reduce(0) { $0 + weights[$1] }
    var rows = [[Int]](repeating: [], count: count)
    for n in told { rows[bins[n]].append(n) }
    return rows.map { own in
      guard own.count > 1 else { return 0 }
      let total = own.reduce(0) { $0 + weights[$1] }
      let off = own.reduce(0) { $0 + weights[$1] * differences[$1] } / total - mean
      let squares = own.reduce(0.0) { sum, n in
        let rest = weights[n] * (differences[n] - mean - off)
        return sum + rest * rest
      }
      return max(0, off * off - squares / (total * total)).squareRoot()
    }
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
