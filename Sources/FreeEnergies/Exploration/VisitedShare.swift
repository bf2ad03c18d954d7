import Foundation

/// Which share of a stretch of dynamics some visits make up, and between what bounds it lies.
///
/// The records within one visit hang together, visits do not: they are taken as Poisson events, each with its own length. The bounds
/// are those of a weighted sum of Poisson counts. Source: Fay and Feuer, Statistics in Medicine 16, 791 (1997).
public struct VisitedShare: Sendable, Equatable {
  public let share: Double
  /// How many visits of one length they are worth, (sum of lengths)^2 / (sum of squares).
  public let visits: Double
  /// 95 %.
  public private(set) var lower: Double
  public let upper: Double

  /// `lengths`: of each visit, `total`: of the whole stretch, both in records. Visits of no length count for nothing; without any, all
  /// numbers are 0 and nothing bounds the share from above.
  public init(lengths: [Double], of total: Double) {
    let parts = lengths.filter { $0 > 0 }.map { $0 / total }
    guard let largest = parts.max(), total > 0 else {
      (share, visits, lower, upper) = (0, 0, 0, 1)
      return
    }
    let (sum, squares) = (parts.reduce(0, +), parts.reduce(0) { $0 + $1 * $1 })
    (share, visits) = (sum, sum * sum / squares)
    lower = sum * gammaQuantile(0.025, shape: visits) / visits
    let (next, nextSquares) = (sum + largest, squares + largest * largest)
    let shape = next * next / nextSquares
    upper = min(1, next * gammaQuantile(0.975, shape: shape) / shape)
  }

  /// The same with the smaller of two lower bounds.
  func bounded(by other: VisitedShare) -> VisitedShare {
    var result = self
    result.lower = min(lower, other.lower)
    return result
  }
}

/// The regularised incomplete gamma function P(a, x), a > 0: by its series below a + 1, else by its continued fraction.
/// Source: Press et al., Numerical Recipes, 3rd edition, section 6.2.
func regularisedGamma(_ a: Double, _ x: Double) -> Double {
  guard x > 0 else { return 0 }
  let scale = exp(a * log(x) - x - lgamma(a))
  if x < a + 1 {
    var (term, sum, k) = (1 / a, 1 / a, a)
    while term > sum * 1e-16 {
      k += 1
      term *= x / k
      sum += term
    }
    return sum * scale
  }
  let tiny = 1e-300
  var b = x + 1 - a
  var (c, d) = (1 / tiny, 1 / b)
  var fraction = d
  for i in 1...10_000 {
    let n = Double(i) * (a - Double(i))
    b += 2
    d = n * d + b
    if abs(d) < tiny { d = tiny }
    c = b + n / c
    if abs(c) < tiny { c = tiny }
    d = 1 / d
    fraction *= d * c
    if abs(d * c - 1) < 1e-15 { break }
  }
  return 1 - scale * fraction
}

/// Where the gamma distribution of scale 1 has a share `p` below it; half the quantile of chi^2 with twice as many degrees of freedom.
func gammaQuantile(_ p: Double, shape: Double) -> Double {
  var (low, high) = (0.0, 2 * shape + 50)
  for _ in 0..<200 {
    let middle = (low + high) / 2
    if regularisedGamma(shape, middle) < p { low = middle } else { high = middle }
  }
  return (low + high) / 2
}
