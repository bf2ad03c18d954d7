import Basics
import Foundation

/// ln sum exp, without overflow; -infinity for an empty list or one of -infinities.
public func logSumExp(_ values: some Collection<Double>) -> Double {
  guard let top = values.max(), top > -.infinity else { return -.infinity }
  guard top < .infinity else { return .infinity }
  return top + log(values.reduce(0) { $0 + exp($1 - top) })
}

/// Kish's effective sample size (sum w)^2 / sum w^2, between 1 and n; 0 when every weight is zero.
public func kishEffectiveSampleSize(logWeights: [Double]) -> Double {
  let total = logSumExp(logWeights)
  guard total > -.infinity else { return 0 }
  return exp(2 * total - logSumExp(logWeights.lazy.map { 2 * $0 }))
}

/// Weights that sum to 1. Non-finite log weights count as zero weight.
public func normalisedWeights(logWeights: [Double]) -> [Double] {
  let finite = logWeights.map { $0.isFinite ? $0 : -.infinity }
  let total = logSumExp(finite)
  guard total > -.infinity else { return finite.map { _ in 0 } }
  return finite.map { exp($0 - total) }
}

/// How often each of `count` samples comes in one resample of as many, drawn with replacement.
func bootstrapMultiplicity(_ count: Int, _ random: inout RandomStream) -> [Double] {
  var multiplicity = [Double](repeating: 0, count: count)
  for _ in 0..<count { multiplicity[Int(random.next(upperBound: UInt64(count)))] += 1 }
  return multiplicity
}

/// Weights of which the largest is 1.
func relativeWeights(logWeights: [Double]) -> [Double] {
  let top = logWeights.max() ?? 0
  return logWeights.map { exp($0 - top) }
}

/// Two groups of samples whose weights are set against each other.
struct SampleSplit: Sendable {
  /// 0 for a sample of the first group, 1 for one of the second, -1 for one of neither.
  let sides: [Int8]

  /// The first group, and all else.
  init(inside: [Bool]) { sides = inside.map { $0 ? 0 : 1 } }

  /// The samples of two states.
  init(_ states: StateAssignment, _ pair: StateSet.Pair) {
    sides = states.place.map { $0 == pair.from ? 0 : $0 == pair.to ? 1 : -1 }
  }

  /// A state's samples, and all else.
  init(_ states: StateAssignment, state: Int) { sides = states.place.map { $0 == state ? 0 : 1 } }

  /// Sums of the groups' weights.
  func sums(_ weights: [Double]) -> (first: Double, second: Double) {
    var (p, q) = (0.0, 0.0)
    for n in weights.indices { if sides[n] == 0 { p += weights[n] } else if sides[n] == 1 { q += weights[n] } }
    return (p, q)
  }

  /// -ln of the first group's weight over the second's, kT.
  func difference(_ weights: [Double]) -> Double {
    let (p, q) = sums(weights)
    return -log(p / q)
  }
}
