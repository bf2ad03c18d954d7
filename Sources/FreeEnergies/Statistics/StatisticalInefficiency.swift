import Foundation

/// Statistical inefficiency g = 1 + 2 tau of a stationary series, tau in samples: n correlated samples are worth n / g.
///
/// Sums the normalised autocorrelation function until it first turns negative after `minimumLag`, as pymbar's
/// `statistical_inefficiency` does. Source: Chodera et al., J. Chem. Theory Comput. 3, 26 (2007). A constant series gives 1.
/// A series much shorter than its own correlation time gives too small a value; compare independent series for that.
///
/// Of several independent series of one quantity it is taken about their common mean: series that sit at different
/// values, each without moving, then show as one long correlation instead of none.
///
/// `weighsLags`: for series of very different lengths and spreads, of whose sums the variance is asked: each lag
/// counts by the products that
/// there are of it, and not as if all series were as long as the longest.
public func statisticalInefficiency(segments: [[Double]], minimumLag: Int = 3, weighsLags: Bool = false) -> Double {
  let count = segments.reduce(0) { $0 + $1.count }
  let longest = segments.map(\.count).max() ?? 0
  guard longest > 2 else { return 1 }
  let mean = segments.reduce(0) { $0 + $1.reduce(0, +) } / Double(count)
  let centred = segments.map { $0.map { $0 - mean } }
  let variance = centred.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } } / Double(count)
  guard variance > 1e-24 * max(1e-6, mean * mean) else { return 1 }
  var g = 1.0
  for lag in 1..<(longest - 1) {
    var (sum, pairs) = (0.0, 0)
    for values in centred where values.count > lag {
      values.withUnsafeBufferPointer { v in for i in 0..<(v.count - lag) { sum += v[i] * v[i + lag] } }
      pairs += values.count - lag
    }
    let correlation = sum / (Double(pairs) * variance)
    if correlation <= 0, lag > minimumLag { break }
    g += 2 * correlation * (weighsLags ? Double(pairs) / Double(count) : 1 - Double(lag) / Double(longest))
  }
  return max(1, g)
}

/// Statistical inefficiency of angles (rad): the larger of those of cosine and sine, which know no cut at pi.
public func statisticalInefficiency(angles: [Double]) -> Double { statisticalInefficiency(angleSegments: [angles]) }

/// The same over several independent series about their common mean.
public func statisticalInefficiency(angleSegments: [[Double]]) -> Double {
  max(
    statisticalInefficiency(segments: angleSegments.map { $0.map { cos($0) } }),
    statisticalInefficiency(segments: angleSegments.map { $0.map { sin($0) } }))
}
