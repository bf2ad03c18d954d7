/// A grid of torsion cells, 30 degrees wide and cut at a state's borders, with a reference's share of each. By these, frames that
/// began in places of somebody's choosing count as often as what they stand for.
public struct TorsionCells: Sendable {
  private static let perTurn = 12
  private let shares: [Int: Double]
  private let frames: [Int]
  private let inside: [Bool]
  /// Share of the reference in cells that any frame visits.
  public let coverage: Double

  /// - Parameters:
  ///   - reference: points of the cells' torsions, with weights.
  ///   - referenceInside: whether a point of it lies in the state.
  ///   - frames: the same torsions of the frames, rad, [torsions][frames].
  ///   - inside: whether a frame lies in the state.
  ///
  /// - Precondition: as many torsions of the frames as of the reference.
  public init(reference: WeightedTorsions, referenceInside: [Bool], frames: [[Double]], inside: [Bool]) {
    func cell(_ angles: [Double], _ isInside: Bool) -> Int {
      angles.reduce(isInside ? 1 : 0) { $0 * Self.perTurn + FreeEnergyProfile.bin(of: $1, bins: Self.perTurn) }
    }
    var shares: [Int: Double] = [:]
    for (row, weight) in reference.weights.enumerated() {
      shares[cell(reference.columns.map { $0[row] }, referenceInside[row]), default: 0] += weight
    }
    self.frames = inside.indices.map { row in cell(frames.map { $0[row] }, inside[row]) }
    (self.inside, self.shares) = (inside, shares)
    let visited = Set(self.frames)
    // in one order: a dictionary's own differs from run to run, and with it the last digits of a sum
    let ordered = shares.sorted { $0.key < $1.key }
    let total = ordered.reduce(0) { $0 + $1.value }
    coverage = ordered.reduce(0) { $0 + (visited.contains($1.key) ? $1.value : 0) } / total
  }

  /// Weights of some of the frames, sum 1: the state and the rest have `population` and 1 - `population`, and within each, a cell's frames
  /// have its share of the reference. Where no frame of a side is in a cell of the reference, that side's frames weigh alike.
  public func weights(ofFrames rows: [Int], population: Double) -> [Double] {
    let counts = Dictionary(rows.map { (frames[$0], 1.0) }, uniquingKeysWith: +)
    var weights = rows.map { (shares[frames[$0]] ?? 0) / (counts[frames[$0]] ?? 1) }
    for (isInside, share) in [(true, population), (false, 1 - population)] {
      let places = rows.indices.filter { inside[rows[$0]] == isInside }
      let sum = places.reduce(0) { $0 + weights[$1] }
      for k in places { weights[k] = share * (sum > 0 ? weights[k] / sum : 1 / Double(places.count)) }
    }
    return weights
  }
}
