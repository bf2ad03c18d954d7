import Basics
import Foundation

/// Two-dimensional laws known by analysis, on which an energy model's failures can be seen.
/// Source: Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846, section 5.
public enum ToySystem: String, Codable, CaseIterable, Sendable {
  /// Eight equally likely Gaussians of standard deviation 0.1, centred on a circle of radius 1.
  case eightGaussians = "eight-gaussians"
  /// Uniform on every other square of side 0.4 within [-1, 1] x [-1, 1]; a corner of four squares lies at the origin, and the outermost are cut.
  case checkerboard
  static let modes = 8
  static let deviation = 0.1
  static let cell = 0.4

  /// Centre of mode 0 ..< 8 of the eight Gaussians.
  static func centre(_ mode: Int) -> (x: Double, y: Double) {
    let angle = 2 * Double.pi * Double(mode) / Double(modes)
    return (cos(angle), sin(angle))
  }

  /// `count` independent draws, [count, 2].
  public func samples(_ count: Int, seed: UInt64) throws -> NDArray<Double> {
    var random = RandomStream(seed: seed, "toy", rawValue)
    var values: [Double] = []
    values.reserveCapacity(2 * max(0, count))
    while values.count < 2 * count {
      switch self {
      case .eightGaussians:
        let centre = Self.centre(Int(random.uniform() * Double(Self.modes)))
        values += [centre.x + Self.deviation * random.normal(), centre.y + Self.deviation * random.normal()]
      case .checkerboard:
        let (x, y) = (2 * random.uniform() - 1, 2 * random.uniform() - 1)
        if Self.isFilled(x, y) { values += [x, y] }
      }
    }
    return try NDArray(values, shape: [values.count / 2, 2])
  }

  /// ln of the normalised density; -inf where there is none.
  public func logDensity(_ x: Double, _ y: Double) -> Double {
    switch self {
    case .eightGaussians:
      let variance = Self.deviation * Self.deviation
      let exponents = (0..<Self.modes).map { mode -> Double in
        let centre = Self.centre(mode)
        return -((x - centre.x) * (x - centre.x) + (y - centre.y) * (y - centre.y)) / (2 * variance)
      }
      return logSumExp(exponents) - log(2 * Double.pi * variance * Double(Self.modes))
    case .checkerboard:
      // of each axis one half of [-1, 1] belongs to even columns and one half to odd ones, so that two of the four units are filled
      return abs(x) < 1 && abs(y) < 1 && Self.isFilled(x, y) ? -log(2) : -.infinity
    }
  }

  private static func isFilled(_ x: Double, _ y: Double) -> Bool {
    Int((x / cell).rounded(.down) + (y / cell).rounded(.down)) & 1 == 0
  }
}

/// A square grid of points, on which densities are normalised and compared.
public struct DensityGrid: Equatable, Sendable {
  /// Places along either axis, ascending, both ends among them.
  public let places: [Double]

  /// `count` (at least 2) places from -`halfWidth` to `halfWidth`. The published figures have 100 from -2 to 2.
  public init(count: Int = 100, halfWidth: Double = 2) {
    places = (0..<count).map { -halfWidth + 2 * halfWidth * Double($0) / Double(max(1, count - 1)) }
  }

  /// All points [count * count, 2]: rows of equal y, x running fastest.
  public func points() throws -> NDArray<Double> {
    try NDArray(places.flatMap { y in places.flatMap { x in [x, y] } }, shape: [places.count * places.count, 2])
  }

  /// A log-density at every point of the grid, shifted so that density times the area of a cell sums to 1.
  public func normalized(_ logDensity: [Double]) -> [Double] {
    let spacing = places.count > 1 ? places[1] - places[0] : 1
    let constant = logSumExp(logDensity) + 2 * log(spacing)
    return logDensity.map { $0 - constant }
  }

  public func logDensity(of system: ToySystem) -> [Double] {
    normalized(places.flatMap { y in places.map { x in system.logDensity(x, y) } })
  }

  /// KL(p || q) in nats of two log-densities on the grid, both normalised there first; infinite where q is 0 and p is not.
  public static func divergence(_ p: [Double], _ q: [Double]) -> Double {
    let (sumP, sumQ) = (logSumExp(p), logSumExp(q))
    return zip(p, q).reduce(0) { sum, pair in
      let logP = pair.0 - sumP
      return logP == -.infinity ? sum : sum + exp(logP) * (logP - (pair.1 - sumQ))
    }
  }
}

func logSumExp(_ values: [Double]) -> Double {
  guard let top = values.max(), top.isFinite else { return values.max() ?? -.infinity }
  return top + log(values.reduce(0) { $0 + exp($1 - top) })
}
