import Foundation

/// Frames of unbiased runs by a state: which lie in it, how often it was entered and left, and the free energy that follows.
public struct StateOccupancy: Sendable {
  /// Whether a frame lies in the state.
  public let inside: [Bool]
  /// Entries and exits, see `StateTransitions`, and exits alone.
  public private(set) var changes = 0, exits = 0
  /// Frames inside by the last border that was crossed for good: what the exits are to be divided by.
  public private(set) var framesInside = 0
  private let runs: [Int]

  /// `columns`: the coordinates' values, rad or nm, [coordinates][frames], in time order; `runs`: the run of each frame, from 0.
  ///
  /// - Precondition: as many runs as frames.
  public init(columns: [[Double]], runs: [Int], state: ConformationalState) {
    let frames = columns.first?.indices ?? 0..<0
    inside = frames.map { n in state.contains { columns[$0][n] } }
    self.runs = runs
    for rows in Dictionary(grouping: frames, by: { runs[$0] }).values {
      let found = StateTransitions(columns.map { column in rows.map { column[$0] } }, state: state)
      changes += found.count
      exits += found.exits
      framesInside += found.samplesInside
    }
  }

  /// Of an arc of one torsion, `angles` in rad, [frames].
  ///
  /// - Precondition: as many runs as angles.
  public init(angles: [Double], runs: [Int], state: TorsionState) {
    self.init(columns: [angles], runs: runs, state: StateSet(torsion: "", state).states[0])
  }

  /// 0 or 1: runs take turns between the halves; a single run is cut in the middle.
  public func half(of frame: Int) -> Int { (runs.last ?? 0) > 0 ? runs[frame] % 2 : (2 * frame < runs.count ? 0 : 1) }
  /// Share of the frames that lie in the state.
  public var population: Double { share { _ in true } }
  /// -ln(P(state) / P(elsewhere)), kT; infinite where all frames lie on one side.
  public var deltaF: Double { Self.deltaF(population) }

  /// Half of what `deltaF` differs by between the halves, kT.
  public var standardError: Double {
    let halves = (0..<2).map { half in Self.deltaF(share { self.half(of: $0) == half }) }
    return abs(halves[0] - halves[1]) / 2
  }

  private func share(where wanted: (Int) -> Bool) -> Double {
    let chosen = inside.indices.filter(wanted)
    return Double(chosen.filter { inside[$0] }.count) / Double(max(1, chosen.count))
  }

  private static func deltaF(_ population: Double) -> Double { -log(population / (1 - population)) }
}
