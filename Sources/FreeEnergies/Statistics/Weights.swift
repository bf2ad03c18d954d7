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

/// Sums of the weights of samples inside a state and outside.
func stateSums(_ weights: [Double], _ inside: [Bool]) -> (inside: Double, outside: Double) {
  var (p, q) = (0.0, 0.0)
  for n in weights.indices { if inside[n] { p += weights[n] } else { q += weights[n] } }
  return (p, q)
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

/// -ln of the weight in the state over that elsewhere, kT.
func stateDifference(_ weights: [Double], _ inside: [Bool]) -> Double {
  let (p, q) = stateSums(weights, inside)
  return -log(p / q)
}
