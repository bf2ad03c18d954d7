import Molecules

/// An arc of the circle that defines a metastable state: the angles met when going from `from` upwards to `to`, rad.
public struct TorsionState: Codable, Equatable, Sendable {
  public var from: Double
  public var to: Double

  /// The default is alanine dipeptide's rare state, 0 < phi < 2 rad.
  public init(from: Double = 0, to: Double = 2) {
    self.from = from
    self.to = to
  }

  /// rad in (-pi, pi].
  public var middle: Double {
    let width = to - from - 2 * .pi * ((to - from) / (2 * .pi)).rounded(.down)
    return wrappedAngle(from + width / 2)
  }

  public func contains(_ angle: Double) -> Bool {
    let period = 2 * Double.pi
    func positive(_ x: Double) -> Double {
      let r = x.remainder(dividingBy: period)
      return r < 0 ? r + period : r
    }
    let offset = positive(angle - from)
    return offset > 0 && offset < positive(to - from)
  }
}
