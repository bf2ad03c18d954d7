import Molecules

/// A part of a coordinate's values: an arc of a torsion, or an interval of a distance.
public enum CoordinateRange: Equatable, Sendable {
  /// rad.
  case arc(TorsionState)
  /// nm.
  case interval(ClosedRange<Double>)

  /// From the lower end upwards to the other: for a torsion across the end of its turn, where `to` lies below `from`. A distance whose ends
  /// are in the wrong order has no width.
  public init(from: Double, to: Double, isTorsion: Bool) {
    self = isTorsion ? .arc(TorsionState(from: from, to: to)) : .interval(from...max(from, to))
  }

  /// Whether a value, rad or nm, lies in it. The ends of an arc do not; what is no number does not.
  public func contains(_ value: Double) -> Bool {
    switch self {
    case .arc(let arc): arc.contains(value)
    case .interval(let range): range.contains(value)
    }
  }

  /// rad in (-pi, pi], or nm.
  public var middle: Double {
    switch self {
    case .arc(let arc): arc.middle
    case .interval(let range): (range.lowerBound + range.upperBound) / 2
    }
  }

  /// rad or nm.
  var width: Double {
    switch self {
    case .arc(let arc): positiveTurn(arc.to - arc.from)
    case .interval(let range): range.upperBound - range.lowerBound
    }
  }

  /// A value that lies well within both; nil where they share a border at most.
  func common(with other: CoordinateRange) -> Double? {
    switch (self, other) {
    case (.arc(let first), .arc(let second)):
      for (one, two) in [(first, second), (second, first)] {
        let (offset, width) = (positiveTurn(two.from - one.from), positiveTurn(one.to - one.from))
        let shared = min(width - offset, positiveTurn(two.to - two.from))
        if shared > 1e-9 { return wrappedAngle(two.from + shared / 2) }
      }
      return nil
    case (.interval(let first), .interval(let second)):
      let (low, high) = (max(first.lowerBound, second.lowerBound), min(first.upperBound, second.upperBound))
      return high - low > 1e-9 ? (low + high) / 2 : nil
    default: return nil
    }
  }

  /// rad or nm by which a value must have passed a border for the change to count: a margin, or less where the range, or what it leaves
  /// of the turn, is narrow.
  fileprivate func margin(_ wanted: Double) -> Double {
    switch self {
    case .arc: min(wanted, width / 4, (2 * Double.pi - width) / 4)
    case .interval: min(wanted / 10, width / 4)
    }
  }

  /// How far from its border a value lies, rad or nm, inside or outside as it does.
  fileprivate func depth(_ value: Double) -> Double {
    switch self {
    case .arc(let arc):
      let (offset, width, period) = (positiveTurn(value - arc.from), width, 2 * Double.pi)
      return offset > 0 && offset < width ? min(offset, width - offset) : min(offset - width, period - offset)
    case .interval(let range):
      let (low, high) = (value - range.lowerBound, range.upperBound - value)
      return low >= 0 && high >= 0 ? min(low, high) : max(-low, -high)
    }
  }
}

/// A conformational state of a molecule: a box in one coordinate or several, or the union of such boxes.
///
/// Coordinates are torsions and distances, known here by their place in a list. The simplest state is an arc of one torsion.
public struct ConformationalState: Equatable, Sendable {
  /// One coordinate's part of a box.
  public struct Side: Equatable, Sendable {
    /// Its place in the list of coordinates.
    public let coordinate: Int
    public let range: CoordinateRange

    public init(coordinate: Int, _ range: CoordinateRange) { (self.coordinate, self.range) = (coordinate, range) }
  }

  /// What lies in the ranges of all its sides; coordinates without a side may have any value.
  public struct Box: Equatable, Sendable {
    public let sides: [Side]

    public init(_ sides: [Side]) { self.sides = sides }

    func contains(_ value: (Int) -> Double) -> Bool { sides.allSatisfy { $0.range.contains(value($0.coordinate)) } }

    /// Values of the coordinates of both that lie in both; nil where there are none.
    func common(with other: Box) -> [(coordinate: Int, value: Double)]? {
      var found: [(coordinate: Int, value: Double)] = []
      for coordinate in Set((sides + other.sides).map(\.coordinate)).sorted() {
        let ranges = (sides + other.sides).filter { $0.coordinate == coordinate }.map(\.range)
        guard let value = ranges.count == 2 ? ranges[0].common(with: ranges[1]) : ranges.first?.middle
        else { return nil }
        found.append((coordinate, value))
      }
      return found
    }
  }

  public let name: String
  public let boxes: [Box]

  public init(name: String, boxes: [Box]) { (self.name, self.boxes) = (name, boxes) }

  /// Places of the coordinates that it depends on, ascending.
  public var coordinates: [Int] { Set(boxes.flatMap { $0.sides.map(\.coordinate) }).sorted() }

  /// Whether a sample lies in one of the boxes; `value` gives its coordinates by their places.
  public func contains(_ value: (Int) -> Double) -> Bool { boxes.contains { $0.contains(value) } }

  /// Whether a sample is a margin (rad; a tenth of it in nm) away from every border, on the side where it lies.
  func isDeep(_ value: (Int) -> Double, inside: Bool, margin: Double) -> Bool {
    func isBeyond(_ side: Side) -> Bool {
      side.range.depth(value(side.coordinate)) > side.range.margin(margin)
    }
    return inside
      ? boxes.contains { box in box.contains(value) && box.sides.allSatisfy(isBeyond) }
      : boxes.allSatisfy { box in
        box.sides.contains { !$0.range.contains(value($0.coordinate)) && isBeyond($0) }
      }
  }
}
