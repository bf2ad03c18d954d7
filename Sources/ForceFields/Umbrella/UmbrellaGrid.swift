/// The windows of umbrella sampling: a regular periodic grid on one torsion or several.
///
/// Windows are numbered row-major: the last axis runs fastest.
public struct UmbrellaGrid: Equatable, Sendable {
  /// Windows along each torsion.
  public let counts: [Int]

  /// Throws `UmbrellaSamplerError.grid` without an axis or with fewer than one window on one.
  public init(counts: [Int]) throws {
    guard !counts.isEmpty, counts.allSatisfy({ $0 >= 1 })
    else { throw UmbrellaSamplerError.grid("windows \(counts): every torsion needs at least one window") }
    self.counts = counts
  }

  public var windowCount: Int { counts.reduce(1, *) }

  /// Index along each axis.
  public func indices(of window: Int) -> [Int] {
    var rest = window
    return counts.reversed().map { count in
      defer { rest /= count }
      return rest % count
    }.reversed()
  }

  /// The window at indices that may lie any number of turns outside.
  public func window(at indices: [Int]) -> Int {
    zip(indices, counts).reduce(0) { $0 * $1.1 + ($1.0 % $1.1 + $1.1) % $1.1 }
  }

  /// rad in (-pi, pi), one per axis: cell i of n is centred at -pi + 2 pi (i + 1/2)/n.
  public func center(of window: Int) -> [Double] {
    zip(indices(of: window), counts).map { index, count -> Double in
      let width: Double = 2 * Double.pi / Double(count)
      return width * (Double(index) + 0.5) - Double.pi
    }
  }

  /// The window whose cell holds these torsions (rad).
  public func nearestWindow(to torsions: [Double]) -> Int {
    let turns = torsions.map { ($0 + .pi) / (2 * .pi) }
    return window(at: zip(turns, counts).map { Int(($0 * Double($1)).rounded(.down)) })
  }

  /// Pairs of windows side by side along one axis, around the period too; `axis` tells which.
  public func neighbourPairs(axis: Int) -> [(Int, Int)] {
    let count = counts[axis]
    return (0..<windowCount).compactMap { window in
      var next = indices(of: window)
      if count < 2 || (count == 2 && next[axis] == 1) { return nil }
      next[axis] += 1
      return (window, self.window(at: next))
    }
  }

  public var neighbours: [(Int, Int)] { counts.indices.flatMap(neighbourPairs(axis:)) }
}

/// What umbrella sampling was asked for that cannot be.
public enum UmbrellaSamplerError: Error, Equatable, CustomStringConvertible {
  case grid(String)
  case settings(String)
  /// A checkpoint of another set-up.
  case state(String)
  /// The forces that the dynamics saw are not OpenMM's.
  case forces(provider: String, deviation: Double)

  public var description: String {
    switch self {
    case .grid(let reason), .settings(let reason): "umbrella sampling: \(reason)"
    case .forces(let provider, let deviation):
      "umbrella sampling: forces by \(provider) differ from OpenMM's by \(deviation) (relative) on the end frames of the "
        + "windows"
    case .state(let reason): "umbrella sampling: the saved state does not fit: \(reason)"
    }
  }
}
