/// How often a time series of a torsion went into a state and out of it, and how long it stayed.
///
/// A change counts once the angle stands `margin` deep on the other side: a look over the border is none.
public struct StateTransitions: Equatable, Sendable {
  public private(set) var entries = 0
  public private(set) var exits = 0
  /// Samples inside, by the last border that was crossed for good.
  public private(set) var samplesInside = 0
  public private(set) var samplesOutside = 0

  public var count: Int { entries + exits }

  /// `margin` in rad; at most a quarter of the state's width, or of the rest's.
  public init(_ angles: [Double], state: TorsionState, margin: Double = 0.3) {
    let period = 2 * Double.pi
    func positive(_ x: Double) -> Double {
      let r = x.remainder(dividingBy: period)
      return r < 0 ? r + period : r
    }
    let width = positive(state.to - state.from)
    let depthWanted = min(margin, width / 4, (period - width) / 4)
    var inside: Bool?
    for angle in angles {
      let offset = positive(angle - state.from)
      let now = offset > 0 && offset < width
      let depth = now ? min(offset, width - offset) : min(offset - width, period - offset)
      if inside == nil { inside = now }
      if let before = inside, now != before, depth > depthWanted {
        if now { entries += 1 } else { exits += 1 }
        inside = now
      }
      if inside == true { samplesInside += 1 } else { samplesOutside += 1 }
    }
  }
}
