import Foundation

/// Binning and thinning for the eye alone: no number of a table comes from here.
enum Binning {
  /// `count` bin centres over `range`.
  static func centres(_ range: ClosedRange<Double>, count: Int) -> [Double] {
    let width = (range.upperBound - range.lowerBound) / Double(count)
    return (0..<count).map { range.lowerBound + (Double($0) + 0.5) * width }
  }

  static func index(_ value: Double, _ range: ClosedRange<Double>, count: Int) -> Int? {
    guard value >= range.lowerBound, value <= range.upperBound else { return nil }
    let place = (value - range.lowerBound) / (range.upperBound - range.lowerBound) * Double(count)
    return min(Int(place), count - 1)
  }

  /// Probability density in `count` bins over `range`, of all the finite values; `weights` are relative.
  static func density(
    _ values: [Double], weights: [Double]? = nil, range: ClosedRange<Double>, count: Int
  ) -> [Double] {
    var sums = [Double](repeating: 0, count: count)
    var total = 0.0
    for (position, value) in values.enumerated() where value.isFinite {
      let weight = weights.map { $0[position] } ?? 1
      total += weight
      if let bin = index(value, range, count: count) { sums[bin] += weight }
    }
    let width = (range.upperBound - range.lowerBound) / Double(count)
    return total > 0 ? sums.map { $0 / total / width } : sums
  }

  /// Free energies above this many kT are not drawn: a cell that holds none but weights of e^-100 says nothing, and would
  /// flatten all that does.
  static let highestFreeEnergy = 25.0

  /// -ln of the density of (x, y) in a square grid over the torus, minimum 0; nan where nothing was seen, and above
  /// `highestFreeEnergy`. z[row of y][column of x].
  static func torusFreeEnergy(x: [Double], y: [Double], weights: [Double]? = nil, count: Int) -> [[Double]] {
    let sums = torusSums(x, y, weights, count: count)
    let top = sums.lazy.flatMap { $0 }.max() ?? 0
    return sums.map { $0.map { drawn($0 > 0 ? -log($0 / top) : .nan) } }
  }

  /// What lies in each cell of a square grid over the torus. [row of y][column of x].
  private static func torusSums(_ x: [Double], _ y: [Double], _ weights: [Double]?, count: Int) -> [[Double]] {
    let range = -Double.pi...Double.pi
    var sums = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
    for position in 0..<min(x.count, y.count) {
      guard let column = index(x[position], range, count: count), let row = index(y[position], range, count: count)
      else { continue }
      sums[row][column] += weights.map { $0[position] } ?? 1
    }
    return sums
  }

  /// Of two maps only cells are compared that lie below so many kT in both: others hold a few samples.
  static let highestCompared = 6.0

  /// Free energy of one set of weighted samples minus that of another, cell by cell, both normalised to 1; nan where one of them is high.
  static func torusDifference(
    _ one: (x: [Double], y: [Double], weights: [Double]), _ other: (x: [Double], y: [Double], weights: [Double]),
    count: Int
  ) -> [[Double]] {
    let maps = [one, other].map { torusSums($0.x, $0.y, $0.weights, count: count) }
    let totals = maps.map { $0.joined().reduce(0, +) }
    let least = maps.map { ($0.joined().max() ?? 0) * exp(-highestCompared) }
    return (0..<count).map { row in
      (0..<count).map { column in
        let values = maps.map { $0[row][column] }
        guard zip(values, least).allSatisfy({ $0 > 0 && $0 >= $1 }) else { return .nan }
        return -log(values[0] / totals[0] / (values[1] / totals[1]))
      }
    }
  }

  /// `freeEnergy`, or nan where it is not drawn.
  static func drawn(_ freeEnergy: Double) -> Double { freeEnergy <= highestFreeEnergy ? freeEnergy : .nan }

  /// Weights from log-weights, the largest being 1; those that are not finite become 0.
  static func weights(_ logWeights: [Double]) -> [Double] {
    let top = logWeights.lazy.filter(\.isFinite).max() ?? 0
    return logWeights.map { $0.isFinite ? exp($0 - top) : 0 }
  }

  /// The range that holds the middle `share` of all the finite values; nil when there are none or all are equal.
  static func middle(_ values: [Double], share: Double) -> ClosedRange<Double>? {
    let sorted = values.filter(\.isFinite).sorted()
    guard let first = sorted.first, let last = sorted.last, last > first else { return nil }
    let cut = Int(Double(sorted.count) * (1 - share) / 2)
    let (low, high) = (sorted[cut], sorted[sorted.count - 1 - cut])
    return high > low ? low...high : first...last
  }

  /// Positions of at most `limit` of `count` items, evenly spread, the first and the last among them.
  static func thinned(_ count: Int, limit: Int) -> [Int] {
    guard count > limit, limit > 1 else { return Array(0..<count) }
    return (0..<limit).map { $0 * (count - 1) / (limit - 1) }
  }

  /// A square matrix made small enough to draw: each cell the largest of its block.
  static func blockMaximum(_ values: [Double], size: Int, limit: Int) -> [[Double]] {
    let block = max(1, (size + limit - 1) / limit)
    let count = (size + block - 1) / block
    var blocks = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
    for row in 0..<size {
      for column in 0..<size {
        let value = values[row * size + column]
        if value > blocks[row / block][column / block] { blocks[row / block][column / block] = value }
      }
    }
    return blocks
  }
}
