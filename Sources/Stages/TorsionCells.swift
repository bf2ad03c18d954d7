import FreeEnergies

/// A grid of torsion cells, 30 degrees wide and cut at the state's borders, with the reference's share of each. By these, frames that
/// began in places of somebody's choosing count as often as what they stand for.
struct TorsionCells {
  private static let perTurn = 12
  /// Frames that visit cells of a smaller share than this are warned of.
  static let leastCoverage = 0.95
  private let shares: [Int: Double]
  private let frames: [Int]
  /// Of the reference, in cells that any frame visits.
  let coverage: Double

  /// `columns` [torsions][reference samples], rad, with their `stateAngles` and weights; `frames` [torsions][frames], with whether they are
  /// inside the state.
  init(
    columns: [[Double]], stateAngles: [Double], weights: [Double], _ state: TorsionState, frames: [[Double]],
    _ inside: [Bool]
  ) {
    func cell(_ angles: [Double], _ isInside: Bool) -> Int {
      angles.reduce(isInside ? 1 : 0) { $0 * Self.perTurn + FreeEnergyProfile.bin(of: $1, bins: Self.perTurn) }
    }
    var shares: [Int: Double] = [:]
    for row in weights.indices {
      shares[cell(columns.map { $0[row] }, state.contains(stateAngles[row])), default: 0] += weights[row]
    }
    self.frames = inside.indices.map { row in cell(frames.map { $0[row] }, inside[row]) }
    self.shares = shares
    let visited = Set(self.frames)
    // in one order: a dictionary's own differs from run to run, and with it the last digits of a sum
    let ordered = shares.sorted { $0.key < $1.key }
    let total = ordered.reduce(0) { $0 + $1.value }
    coverage = ordered.reduce(0) { $0 + (visited.contains($1.key) ? $1.value : 0) } / total
  }

  /// The share of each frame's cell over the frames that are in it.
  func weights(ofFrames rows: [Int]) -> [Double] {
    let counts = Dictionary(rows.map { (frames[$0], 1.0) }, uniquingKeysWith: +)
    return rows.map { (shares[frames[$0]] ?? 0) / (counts[frames[$0]] ?? 1) }
  }
}
