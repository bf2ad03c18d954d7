import Molecules

/// An arc of the circle that defines a metastable state: the angles met when going from `from` upwards to `to`, rad.
public struct TorsionState: Codable, Equatable, Sendable {
  /// rad; `to` is below `from` for an arc over the end of the period.
  public var from, to: Double

  /// The default is alanine dipeptide's rare state, 0 < phi < 2 rad.
  public init(from: Double = 0, to: Double = 2) { (self.from, self.to) = (from, to) }

  /// Of the arc, rad in (-pi, pi].
  public var middle: Double {
    let width = to - from - 2 * .pi * ((to - from) / (2 * .pi)).rounded(.down)
    return wrappedAngle(from + width / 2)
  }

  /// Whether an angle, rad, lies strictly between the borders; false for one that is no number.
  public func contains(_ angle: Double) -> Bool {
    let offset = positiveTurn(angle - from)
    return offset > 0 && offset < positiveTurn(to - from)
  }
}
