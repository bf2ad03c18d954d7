/// How often a time series of a molecule's coordinates went into a state and out of it, and how long it stayed.
///
/// A change counts once the sample stands a margin deep on the other side: a look over the border is none.
public struct StateTransitions: Equatable, Sendable {
  /// Changes into the state, and out of it.
  public private(set) var entries = 0, exits = 0
  /// Samples inside, by the last border that was crossed for good.
  public private(set) var samplesInside = 0

  /// Changes of both kinds.
  public var count: Int { entries + exits }

  /// `columns`: the coordinates' values, rad or nm, [coordinates][samples], of which the state's sides are. `margin`: rad, a tenth of it
  /// in nm for distances; at most a quarter of a range's width, or of what it leaves of the turn.
  public init(_ columns: [[Double]], state: ConformationalState, margin: Double = 0.3) {
    var inside: Bool?
    for n in columns.first?.indices ?? 0..<0 {
      func value(_ coordinate: Int) -> Double { columns[coordinate][n] }
      let now = state.contains(value)
      if inside == nil { inside = now }
      if let before = inside, now != before, state.isDeep(value, inside: now, margin: margin) {
        if now { entries += 1 } else { exits += 1 }
        inside = now
      }
      if inside == true { samplesInside += 1 }
    }
  }

  /// Of an arc of one torsion, `angles` in rad.
  public init(_ angles: [Double], state: TorsionState, margin: Double = 0.3) {
    self.init([angles], state: StateSet(torsion: "", state).states[0], margin: margin)
  }
}

extension StateSet {
  /// Changes into and out of each state, the rest last, in runs of `columns` [runs][coordinates][samples]. Of the rest they are those of all
  /// others together.
  public func changes(_ runs: [[[Double]]]) -> [Int] {
    let own = states.map { state in runs.reduce(0) { $0 + StateTransitions($1, state: state).count } }
    return own + [own.reduce(0, +)]
  }
}
