/// Spearman's rank correlation of two series of one length; ties share their mean rank. NaN for fewer than two values.
///
/// Not a measure of a log-density's quality: it stays near 1 where errors of a nat or two ruin a free energy.
public func spearmanCorrelation(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count, a.count >= 2 else { return .nan }
  let (x, y) = (ranks(a), ranks(b))
  let mean = Double(a.count + 1) / 2
  var (xy, xx, yy) = (0.0, 0.0, 0.0)
  for (p, q) in zip(x, y) {
    xy += (p - mean) * (q - mean)
    xx += (p - mean) * (p - mean)
    yy += (q - mean) * (q - mean)
  }
  return xy / (xx * yy).squareRoot()
}

private func ranks(_ values: [Double]) -> [Double] {
  let order = values.indices.sorted { values[$0] < values[$1] }
  var result = [Double](repeating: 0, count: values.count)
  var start = 0
  while start < order.count {
    var end = start
    while end + 1 < order.count, values[order[end + 1]] == values[order[start]] { end += 1 }
    for index in start...end { result[order[index]] = Double(start + end) / 2 + 1 }
    start = end + 1
  }
  return result
}
