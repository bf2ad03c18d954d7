/// How often a time series of a torsion went into a state and out of it, and how long it stayed.
///
/// A change counts once the angle stands `margin` deep on the other side: a look over the border is none.
public struct StateTransitions: Equatable, Sendable {
  /// Changes into the state, and out of it.
  public private(set) var entries = 0, exits = 0
  /// Samples inside, by the last border that was crossed for good.
  public private(set) var samplesInside = 0

  /// Changes of both kinds.
  public var count: Int { entries + exits }

  /// `angles` and `margin` in rad; the margin is at most a quarter of the state's width, or of the rest's.
  public init(_ angles: [Double], state: TorsionState, margin: Double = 0.3) {
    let (period, width) = (2 * Double.pi, positiveTurn(state.to - state.from))
    let depthWanted = min(margin, width / 4, (period - width) / 4)
    var inside: Bool?
    for angle in angles {
      let offset = positiveTurn(angle - state.from)
      let now = offset > 0 && offset < width
      let depth = now ? min(offset, width - offset) : min(offset - width, period - offset)
      if inside == nil { inside = now }
      if let before = inside, now != before, depth > depthWanted {
        if now { entries += 1 } else { exits += 1 }
        inside = now
      }
      if inside == true { samplesInside += 1 }
    }
  }
}
