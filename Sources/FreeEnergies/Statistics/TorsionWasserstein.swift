import OptimalTransport

/// Distances between two distributions of torsion pairs, e.g. (phi, psi).
public enum TorsionMetric {
  /// min(|d|, 2 pi - |d|) per torsion: the distance on the torus.
  case torus
  /// d mod pi per torsion, as published code has it. Not a metric (points half a turn apart coincide, and d(a, b) is not d(b, a)):
  /// for comparison with published values only.
  case published

  fileprivate func distance(_ difference: Double) -> Double {
    switch self {
    case .torus:
      let turns = (difference / (2 * Double.pi)).rounded()
      return abs(difference - turns * 2 * Double.pi)
    case .published:
      let rest = difference.truncatingRemainder(dividingBy: Double.pi)
      return rest < 0 ? rest + Double.pi : rest
    }
  }
}

/// Exact 2-Wasserstein distance between two sets of torsion tuples, rad.
///
/// `a` [rows, torsions] and `b` [columns, torsions] in rad, row by row; weights of any sum (nil: equal). The cost of a pair is the sum of
/// squared distances over its torsions. Memory grows as rows x columns (about 60 bytes each): draw a few thousand points.
public func torsionWasserstein(
  _ a: [Double], _ b: [Double], torsions: Int, weightsOfA: [Double]? = nil, weightsOfB: [Double]? = nil,
  metric: TorsionMetric = .torus
) throws -> Double {
  guard torsions > 0, a.count % torsions == 0, b.count % torsions == 0, !a.isEmpty, !b.isEmpty else {
    throw TransportError.invalidArgument("\(a.count) and \(b.count) values are no points of \(torsions) torsions")
  }
  guard a.allSatisfy(\.isFinite), b.allSatisfy(\.isFinite)
  else { throw TransportError.invalidArgument("a torsion is not finite") }
  let (rows, columns) = (a.count / torsions, b.count / torsions)
  let costs = [Double](unsafeUninitializedCapacity: rows * columns) { costs, count in
    for i in 0..<rows {
      for j in 0..<columns {
        var sum = 0.0
        for k in 0..<torsions {
          let distance = metric.distance(a[i * torsions + k] - b[j * torsions + k])
          sum += distance * distance
        }
        costs[i * columns + j] = sum
      }
    }
    count = rows * columns
  }
  return try Transport.cost(
    costs, rows: rows, columns: columns, rowWeights: weightsOfA, columnWeights: weightsOfB
  ).squareRoot()
}
