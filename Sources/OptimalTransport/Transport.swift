import COptimalTransport

/// What cannot be transported.
public enum TransportError: Error, Equatable, CustomStringConvertible {
  /// Lists that do not fit each other, costs that are not finite, weights that are no weights.
  case invalidArgument(String)
  case outOfMemory(rows: Int, columns: Int)  // More pairs than memory holds
  case failed(String)  // The solver gave up; the message is its own

  public var description: String {
    switch self {
    case .invalidArgument(let reason): "optimal transport: \(reason)"
    case .outOfMemory(let rows, let columns):
      "optimal transport between \(rows) and \(columns) points does not fit into memory; use fewer points"
    case .failed(let reason): "optimal transport failed: \(reason)"
    }
  }
}

/// Exact optimal transport between finite sets, by LEMON's network simplex. The result depends on nothing but the costs.
///
/// Costs are compared in steps of 2^-40 of their spread (largest minus smallest).
/// Source of the algorithm: Kovács, "Minimum-cost flow algorithms: an experimental evaluation", Optim. Methods Softw. 30, 2015.
public enum Transport {
  /// The one-to-one assignment of least total cost: `costs` [count, count] -> column of each row.
  public static func assignment(costs: [Double], count: Int) throws -> [Int] {
    guard count > 0, costs.count == count * count else {
      throw TransportError.invalidArgument("\(costs.count) costs are no matrix of \(count) x \(count)")
    }
    var targets = [Int64](repeating: 0, count: count)
    try check(bm_assignment(Int64(count), costs, &targets), rows: count, columns: count)
    return targets.map { Int($0) }
  }

  /// The least mean cost of carrying one distribution to another: `costs` [rows, columns], row and column weights not negative, of any
  /// sum (nil: all equal).
  ///
  /// Weights are rounded to whole multiples of 2^-40 of their sum (rows and columns alike), unless both are nil.
  public static func cost(
    _ costs: [Double], rows: Int, columns: Int, rowWeights: [Double]? = nil, columnWeights: [Double]? = nil
  ) throws -> Double {
    guard rows > 0, columns > 0, costs.count == rows * columns else {
      throw TransportError.invalidArgument("\(costs.count) costs are no matrix of \(rows) x \(columns)")
    }
    let supplies: [Int64]
    let demands: [Int64]
    if rowWeights == nil, columnWeights == nil {
      let shared = greatestCommonDivisor(rows, columns)
      supplies = [Int64](repeating: Int64(columns / shared), count: rows)
      demands = [Int64](repeating: Int64(rows / shared), count: columns)
    } else {
      supplies = try units(rowWeights ?? [Double](repeating: 1, count: rows), count: rows)
      demands = try units(columnWeights ?? [Double](repeating: 1, count: columns), count: columns)
    }
    var total = 0.0
    try check(bm_transport(Int64(rows), Int64(columns), costs, supplies, demands, &total), rows: rows, columns: columns)
    return total / Double(supplies.reduce(0, +))
  }

  /// Whole units, 2^40 in all, in proportion to the weights: the remainders of rounding down go to those that lost most.
  static func units(_ weights: [Double], count: Int) throws -> [Int64] {
    guard weights.count == count else {
      throw TransportError.invalidArgument("\(weights.count) weights for \(count) points")
    }
    let sum = weights.reduce(0, +)
    guard let least = weights.min(), least >= 0, sum > 0, sum.isFinite else {
      throw TransportError.invalidArgument("weights must be finite and not negative, and one of them positive")
    }
    let all = Int64(1) << 40
    let shares = weights.map { $0 / sum * Double(all) }
    var units = shares.map { Int64($0.rounded(.down)) }
    let missing = Int(all - units.reduce(0, +))
    let order = shares.indices.sorted {
      let (a, b) = (shares[$0] - Double(units[$0]), shares[$1] - Double(units[$1]))
      return a == b ? $0 < $1 : a > b
    }
    if missing >= 0 {
      for k in 0..<missing { units[order[k % count]] += 1 }
    } else {
      // rounding of the shares themselves went up: take it from the largest
      if let largest = units.indices.max(by: { units[$0] < units[$1] }) { units[largest] += Int64(missing) }
    }
    return units
  }

  private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }

  private static func check(_ status: Int32, rows: Int, columns: Int) throws {
    switch bm_transport_status(UInt32(bitPattern: status)) {
    case BM_TRANSPORT_OK: return
    case BM_TRANSPORT_MEMORY: throw TransportError.outOfMemory(rows: rows, columns: columns)
    case BM_TRANSPORT_ARGUMENT: throw TransportError.invalidArgument(String(cString: bm_transport_last_error()))
    default: throw TransportError.failed(String(cString: bm_transport_last_error()))
    }
  }
}
