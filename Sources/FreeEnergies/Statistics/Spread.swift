/// Standard deviation of values that may hold infinities (empty bins of a resample), which are left out; NaN of fewer than two.
func finiteStandardDeviation(_ values: [Double]) -> Double {
  let finite = values.filter(\.isFinite)
  guard finite.count > 1 else { return .nan }
  let mean = finite.reduce(0, +) / Double(finite.count)
  return (finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(finite.count - 1)).squareRoot()
}

/// The central 95 % of finite values.
func centralInterval(_ values: [Double]) -> [Double] {
  let finite = values.filter(\.isFinite)
  guard !finite.isEmpty else { return [.nan, .nan] }
  return [quantile(finite, 0.025), quantile(finite, 0.975)]
}

/// Linear between order statistics.
func quantile(_ values: [Double], _ fraction: Double) -> Double {
  let sorted = values.sorted()
  guard let last = sorted.indices.last else { return .nan }
  let place = fraction * Double(last)
  let low = Int(place)
  return sorted[low] + (place - Double(low)) * (sorted[min(last, low + 1)] - sorted[low])
}
