import Basics
import Foundation

/// Finds an `AnnealingPath` with some of the samples: how long moves may be at each step, and where steps should end.
///
/// Two runs. The first has steps of one length; from its conditional effective sample sizes follows how far apart the bridge's densities
/// are, and from its last points how wide the target is along each coordinate. The second adapts the moves once more on the path that
/// was found. What is frozen then does not depend on what comes after, so weights stay exact.
public struct AnnealingPilot: Sendable {
  public var path: AnnealingPath
  /// Share of the second run's moves that were accepted, after each step but the last.
  public private(set) var acceptance: [Double] = []
  /// How often densities and forces were asked for, in all.
  public private(set) var evaluations = 0

  /// What a pilot aims at.
  public struct Options: Sendable {
    /// Steps of equal conditional effective sample size, and not of equal length.
    public var adaptsSpacing = true
    /// Share of the moves that should be accepted. 0.574 is best for Gaussians of many dimensions (Roberts, Rosenthal, J. R. Stat. Soc. B 60,
    /// 255, 1998); where the gradient is steep in places a larger share is safer.
    public var acceptance = 0.65

    public init() {}
  }

  private static let movesAtFirst = 8
  private static let movesLater = 3
  /// The widths that are taken for a coordinate's scale.
  private static let scales = 0.02...5.0
  /// Of the mean length of a step, added to each: what a few samples say of single steps is noisy.
  private static let floor = 0.1
  /// Median of the square of a standard normal number.
  private static let medianSquare = 0.4549

  /// How often a pilot of `points` points asks for densities.
  public static func evaluations(points: Int, steps: Int) -> Int {
    steps < 2 ? 0 : 2 * points * (1 + movesAtFirst + (steps - 2) * movesLater)
  }

  /// `points` [samples, dimension]; `path` with its number of steps and moves. Random numbers are of streams of (seed, "pilot").
  /// Throws what `evaluate` throws.
  public init(
    _ path: AnnealingPath, points: [Double], seed: UInt64, _ options: Options = Options(),
    _ evaluate: ([Double]) throws -> BridgeValues
  ) throws {
    self.path = path
    guard path.steps > 1 else { return }
    let first = try run(points, seed, 0, options, evaluate)
    if options.adaptsSpacing { self.path.lambdas = Self.spacing(path.lambdas, first.conditionalEffectiveFractions) }
    self.path.scales = Self.scales(first, path)
    _ = try run(points, seed, 1, options, evaluate)
  }

  private mutating func run(
    _ points: [Double], _ seed: UInt64, _ round: Int, _ options: Options, _ evaluate: ([Double]) throws -> BridgeValues
  ) throws -> AnnealedSamples {
    var samples = try AnnealedSamples(at: points, evaluate)
    evaluations += samples.count
    acceptance = []
    var size = path.stepSizes[0]
    for (k, lambda) in path.lambdas.enumerated() {
      samples.addWork(path, to: lambda)
      samples.accepted.append(0)
      guard k + 1 < path.steps else { break }
      let living = Double(max(1, samples.living(on: path).filter { $0 }.count))
      var share = 0.0
      for move in 0..<(k == 0 ? Self.movesAtFirst : Self.movesLater) {
        var random = RandomStream(seed: seed, "anneal", "pilot \(round)", "step \(k)", "move \(move)")
        let moved = try path.move(&samples.points, &samples.values, at: lambda, stepSize: size, &random, evaluate)
        evaluations += samples.count
        share = Double(moved.filter { $0 }.count) / living
        size *= exp(share - options.acceptance)
      }
      path.stepSizes[k] = size
      acceptance.append(share)
    }
    return samples
  }

  /// Ends of as many steps, equally far apart by what steps that end at `lambdas` made of the effective sample size. A step over which
  /// ln p_lambda changes by a spread s keeps about exp(-s^2), and s grows with the step's length.
  static func spacing(_ lambdas: [Double], _ effective: [Double]) -> [Double] {
    var lengths = effective.map { max(0, -log(min(max($0, 1e-6), 1))).squareRoot() }
    let mean = lengths.reduce(0, +) / Double(lengths.count)
    guard mean > 0 else { return lambdas }
    lengths = lengths.map { $0 + floor * mean }
    let whole = lengths.reduce(0, +)
    var (found, k, before) = ([Double](), 0, 0.0)
    for step in 1..<lambdas.count {
      let wanted = whole * Double(step) / Double(lambdas.count)
      while k < lengths.count - 1, before + lengths[k] < wanted {
        before += lengths[k]
        k += 1
      }
      let low = k == 0 ? 0 : lambdas[k - 1]
      found.append(low + (lambdas[k] - low) * min(1, (wanted - before) / lengths[k]))
    }
    return found + [1]
  }

  /// Of each coordinate, 1 over the root of the target's curvature, as the gradients at the last points show it; the median over them, since
  /// a few that are far off have any gradient.
  private static func scales(_ samples: AnnealedSamples, _ path: AnnealingPath) -> [Double] {
    let living = samples.living(on: path)
    let rows = living.indices.filter { living[$0] }
    guard !rows.isEmpty else { return path.scales }
    return (0..<path.dimension).map { i in
      let squares = rows.map { samples.values.targetGradient[$0 * path.dimension + i] }.map { $0 * $0 }.sorted()
      let curvature = squares[squares.count / 2] / medianSquare
      return min(max(1 / max(curvature, 1e-12).squareRoot(), scales.lowerBound), scales.upperBound)
    }
  }
}
