import Foundation

/// The free-energy difference of two potentials from samples of both, by Bennett's acceptance ratio, beside what each side says alone.
///
/// Samples carry weights, normalised within each side; a side counts as many samples as its weights are worth (Kish). Works may come through
/// an invertible map: W = u_B(T x) - u_A(x) - ln |dT/dx| of samples of A, and the like backwards (targeted free-energy perturbation).
/// Source: C. H. Bennett, J. Comput. Phys. 22, 245 (1976); C. Jarzynski, Phys. Rev. E 65, 046122 (2002).
public struct BennettAcceptance: Sendable {
  /// Works of one side's samples, kT; infinite where the other potential gives no energy.
  struct Side: Sendable {
    let works: [Double]
    /// They add up to 1.
    let weights: [Double]
    /// What the weights are worth.
    let effective: Double

    init(works: [Double], weights: [Double]) {
      let total = weights.reduce(0, +)
      (self.works, self.weights) = (works, weights.map { $0 / total })
      effective = 1 / self.weights.reduce(0) { $0 + $1 * $1 }
    }

    /// -ln of the mean of exp(-W), kT.
    var exponentialAverage: Double { -logSumExp(zip(weights, works).map { $0 > 0 ? log($0) - $1 : -.infinity }) }

    /// Sum of w f and w f (1 - f), with f = 1 / (1 + exp(x)) at x = W + shift; times what the weights are worth.
    func fermi(_ shift: Double) -> (sum: Double, slope: Double) {
      var (sum, slope) = (0.0, 0.0)
      for n in works.indices where weights[n] > 0 {
        let f = 1 / (1 + exp(works[n] + shift))
        sum += weights[n] * f
        slope += weights[n] * f * (1 - f)
      }
      return (effective * sum, effective * slope)
    }
  }

  /// F_B - F_A, kT.
  public let difference: Double
  /// The same from samples of A alone, and from samples of B alone.
  public let forward, backward: Double
  /// How many samples the two ensembles share: the sum of Bennett's acceptances, the same on both sides. Where it is small, its inverse is
  /// about the variance of the difference.
  public let shared: Double

  /// `start`: where the solution is looked for first. nan where a side has no finite work, or no solution is found.
  init(_ a: Side, _ b: Side, start: Double? = nil) {
    (forward, backward) = (a.exponentialAverage, -b.exponentialAverage)
    guard forward.isFinite, backward.isFinite else {
      (difference, shared) = (.nan, 0)
      return
    }
    let ratio = log(a.effective / b.effective)
    func excess(_ value: Double) -> (value: Double, slope: Double) {
      let (here, there) = (a.fermi(ratio - value), b.fermi(value - ratio))
      return (here.sum - there.sum, here.slope + there.slope)
    }
    // it grows with the difference
    var (low, high) = (min(forward, backward) - 1, max(forward, backward) + 1)
    let farthest = Self.farthest * (high - low)
    var step = high - low
    while excess(low).value > 0, step < farthest { (low, step) = (low - step, 2 * step) }
    step = high - low
    while excess(high).value < 0, step < farthest { (high, step) = (high + step, 2 * step) }
    guard excess(low).value <= 0, excess(high).value >= 0 else {
      (difference, shared) = (.nan, 0)
      return
    }
    var value = min(max(start ?? (forward + backward) / 2, low), high)
    for _ in 0..<Self.mostSteps {
      let found = excess(value)
      if found.value > 0 { high = value } else { low = value }
      let newton = value - found.value / found.slope
      let next = newton > low && newton < high ? newton : (low + high) / 2
      let moved = abs(next - value)
      value = next
      if moved < Self.tolerance * max(1, abs(value)) { break }
    }
    difference = value
    shared = a.fermi(ratio - value).sum
  }

  /// `weights` and `backwardWeights` are logarithms, of any level; samples of -infinity are left out. Throws `FreeEnergiesError.shape`.
  public init(works: [Double], weights: [Double], backwardWorks: [Double], backwardWeights: [Double]) throws {
    guard works.count == weights.count, backwardWorks.count == backwardWeights.count else {
      throw FreeEnergiesError.shape(
        "as many works (\(works.count), \(backwardWorks.count)) as weights (\(weights.count), \(backwardWeights.count)) are needed"
      )
    }
    self.init(
      Side(works: works, weights: normalisedWeights(logWeights: weights)),
      Side(works: backwardWorks, weights: normalisedWeights(logWeights: backwardWeights)))
  }

  private static let (farthest, tolerance, mostSteps) = (1e6, 1e-12, 200)
}
