import Foundation
import Torch

/// Shape of a network over pairs of atoms: everything needed to rebuild it from its parameters.
public struct PairConfiguration: Codable, Equatable, Sendable {
  public var geometry: PairGeometry
  /// Units of a hidden layer, and residual blocks of the first and of the second stage.
  public var width, depth, secondDepth: Int

  /// nil: 256 units, two blocks in each stage.
  public init(geometry: PairGeometry, width: Int? = nil, depth: Int? = nil, secondDepth: Int? = nil) {
    (self.geometry, self.width) = (geometry, width ?? 256)
    (self.depth, self.secondDepth) = (depth ?? 2, secondDepth ?? depth ?? 2)
  }
}

/// A velocity for the positions of a few atoms, by all their distances and signed volumes.
///
/// Distances and volumes of a point, each standardised by its mean and width at that time, go through a perceptron; out comes one coefficient for
/// each, and the field is the sum of their gradients with these coefficients. A second stage sees besides the shape of the data point
/// which the first one expects, x + (1 - t) v, and corrects the velocity along that shape's gradients. The velocity is c(t) x + s(t) F, by which F
/// has targets of unit variance. Paths are linear. It commutes with rotations, and with nothing else: each atom is itself.
public struct PairNetwork: Network {
  public let configuration: PairConfiguration
  /// In the order of `parameterNames`.
  public let parameters: [Tensor]
  /// What is known of features before training.
  let statistics: PairStatisticsTables
  private let first, second: PairTrunk
  private let incidence: PairIncidence
  private let clock: PairClock

  public var parameterNames: [String] { Self.shapes(configuration).map(\.name) }
  public var constants: [(name: String, tensor: Tensor)] {
    incidence.constants + [("clock", clock.centres)] + statistics.constants
  }

  private init(
    _ configuration: PairConfiguration, _ parameters: [Tensor], _ incidence: PairIncidence, _ clock: PairClock,
    _ statistics: PairStatisticsTables
  ) {
    (self.configuration, self.parameters, self.statistics) = (configuration, parameters, statistics)
    (self.incidence, self.clock) = (incidence, clock)
    var next = ParameterReader(parameters)
    first = PairTrunk(Self.firstShape(configuration), &next)
    second = PairTrunk(Self.secondShape(configuration), &next)
  }

  /// Fresh parameters, for positions `data` [n, 3 atoms] of unit variance; nil where the statistics are to be replaced.
  public init(configuration: PairConfiguration, data: Tensor?, generator: Generator) throws {
    let statistics =
      try data.map { try PairStatisticsTables($0, configuration.geometry, generator) }
      ?? PairStatisticsTables(blank: configuration.geometry)
    self.init(
      configuration, try Self.shapes(configuration).map { try $0.fresh(generator) },
      try PairIncidence(configuration.geometry, .float32), try PairClock(.float32), statistics)
  }

  private static func firstShape(_ c: PairConfiguration) -> PairTrunk.Shape {
    PairTrunk.Shape(
      inputs: c.geometry.features, outputs: c.geometry.features, width: c.width, depth: c.depth,
      clock: PairClock.features)
  }

  private static func secondShape(_ c: PairConfiguration) -> PairTrunk.Shape {
    PairTrunk.Shape(
      inputs: 2 * c.geometry.features, outputs: c.geometry.features, width: c.width, depth: c.secondDepth,
      clock: PairClock.features)
  }

  private static func shapes(_ c: PairConfiguration) -> [ParameterShape] {
    firstShape(c).parameters("first") + secondShape(c).parameters("second")
  }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    guard constants.count == self.constants.count else {
      return Self(configuration, parameters, incidence, clock, statistics)
    }
    let matrices = incidence.constants.count
    return Self(
      configuration, parameters, PairIncidence(constants[..<matrices]), PairClock(centres: constants[matrices]),
      PairStatisticsTables(constants[(matrices + 1)...]))
  }

  /// What flows of other coordinates are told of finished positions.
  var standing: StandingShape {
    StandingShape(
      incidence: incidence, mean: statistics.dataMean, width: statistics.dataWidth, atoms: configuration.geometry.atoms)
  }

  // MARK: values

  /// Velocities of both stages, [n, 3 atoms], of positions [n, 3 atoms] at times [n]. The second does not teach the first where
  /// `detached`.
  func stages(_ x: Tensor, _ t: Tensor, detached: Bool) throws -> (first: Tensor, second: Tensor) {
    let time = try PairTime(t, clock, statistics)
    let positions = try columns(x)
    let shapes = try PairShapes(positions, softening: time.softening, incidence)
    let features = try time.standardised(shapes.values)
    let one = try positions * time.own + shapes.field(first(features, time.clock) * time.reach) * time.share
    let guess = try positions + (detached ? one.detached() : one) * time.left
    let seen = try PairShapes(guess, softening: time.guessSoftening, incidence)
    let inputs = try Tensor.concatenated([features, time.standardisedGuess(seen.values)], axis: -1)
    let correction = try seen.field(second(inputs, time.clock) * time.guessReach) * time.share
    return (try rows(one), try rows((detached ? one.detached() : one) + correction))
  }

  /// x [n, 3 atoms], t [n] -> [n, 3 atoms].
  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try stages(x, t, detached: false).second }

  /// The velocity [n, 3 atoms], and its derivatives along directions [m, n, 3 atoms], [m, n, 3 atoms].
  func withTangents(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (value: Tensor, tangents: Tensor) {
    let time = try PairTime(t, clock, statistics)
    let (positions, moving) = (try columns(x), try columns(directions))
    let shapes = try PairShapes(positions, softening: time.softening, incidence)
    let moves = try shapes.moves(moving)
    let features = try time.standardised(shapes.values)
    let changes = try moves.values * time.inverseWidth
    let (c, dc) = try first.withTangents(features, time.clock, changes: changes)
    let one = try positions * time.own + shapes.field(c * time.reach) * time.share
    let dOne = try moving * time.own + shapes.field(c * time.reach, dc * time.reach, moves) * time.share
    let seen = try PairShapes(positions + one * time.left, softening: time.guessSoftening, incidence)
    let seenMoves = try seen.moves(moving + dOne * time.left)
    let inputs = try Tensor.concatenated([features, time.standardisedGuess(seen.values)], axis: -1)
    let inputChanges = try Tensor.concatenated([changes, seenMoves.values * time.inverseGuessWidth], axis: -1)
    let (k, dk) = try second.withTangents(inputs, time.clock, changes: inputChanges)
    let value = try one + seen.field(k * time.guessReach) * time.share
    let tangents = try dOne + seen.field(k * time.guessReach, dk * time.guessReach, seenMoves) * time.share
    return (try rows(value), try rows(tangents))
  }

  /// [..., 3 atoms] -> [..., 3, atoms], and back.
  private func columns(_ x: Tensor) throws -> Tensor {
    let lead = x.shape.count - 1
    let apart = try x.reshaped(Array(x.shape.dropLast()) + [configuration.geometry.atoms, 3])
    return try lead == 1 ? apart.permuted(0, 2, 1) : apart.permuted(0, 1, 3, 2)
  }

  private func rows(_ x: Tensor) throws -> Tensor {
    let back = try x.shape.count == 3 ? x.permuted(0, 2, 1) : x.permuted(0, 1, 3, 2)
    return try back.reshaped(Array(x.shape.dropLast(2)) + [3 * configuration.geometry.atoms])
  }
}

/// Smooth features of ln sigma, sigma = (1 - t) / t the noise relative to the data, and t itself.
struct PairClock {
  static let features = 17
  static let range = -6.0...5.0
  let centres: Tensor
  private static let spacing = (range.upperBound - range.lowerBound) / Double(features - 2)

  init(centres: Tensor) { self.centres = centres }

  init(_ type: ScalarType) throws {
    centres = try Tensor.linspace(Self.range.lowerBound, Self.range.upperBound, Self.features - 1, type)
  }

  /// ln sigma [n, 1] of times [n], within `range`.
  static func logSigma(_ t: Tensor) throws -> Tensor {
    let time = try t.clamped(1e-4...(1 - 1e-6)).unsqueezed(-1)
    return try ((1 - time).log() - time.log()).clamped(range)
  }

  /// [n, features].
  func callAsFunction(_ t: Tensor, _ logSigma: Tensor) throws -> Tensor {
    let bells = try (((logSigma - centres) / Self.spacing).square() * -0.5).exp()
    return try Tensor.concatenated([bells, t.unsqueezed(-1)], axis: -1)
  }
}

/// Everything about times [n] of a batch that both stages use.
private struct PairTime {
  let clock: Tensor
  /// Means and 1 / widths of the features, and what coefficients are divided by, [n, features].
  let mean, inverseWidth, reach: Tensor
  /// The same of the guess's features.
  let guessMean, inverseGuessWidth, guessReach: Tensor
  /// c, s, 1 - t, and the softening of distances of point and guess, [n, 1, 1].
  let own, share, left, softening, guessSoftening: Tensor

  init(_ t: Tensor, _ clock: PairClock, _ statistics: PairStatisticsTables) throws {
    let logSigma = try PairClock.logSigma(t)
    self.clock = try clock(t, logSigma)
    let tables = try statistics.at(logSigma)
    (mean, inverseWidth, reach) = (tables.mean, try tables.width.reciprocal(), try tables.slope.reciprocal())
    // where the noise is large the guess is blurred: its features are measured by a part of that
    let blur = try logSigma.exp().clamped(0...1) * PairStatisticsTables.blur
    guessMean = statistics.dataMean
    let width = try (statistics.dataWidth.square() + (blur * statistics.dataSlope).square()).sqrt()
    inverseGuessWidth = try width.reciprocal()
    guessReach = try statistics.dataSlope.reciprocal()
    let (c, s) = try Interpolant.linear.velocityPreconditioning(t)
    func column(_ x: Tensor) throws -> Tensor { try x.reshaped(-1, 1, 1) }
    (own, share, left) = (try column(c), try column(s), try column(1 - t))
    softening = try left * PairStatisticsTables.softening
    guessSoftening = try Tensor.full([1, 1, 1], PairStatisticsTables.guessSoftening, t.scalarType ?? .float32)
  }

  func standardised(_ values: Tensor) throws -> Tensor { try (values - mean) * inverseWidth }
  func standardisedGuess(_ values: Tensor) throws -> Tensor { try (values - guessMean) * inverseGuessWidth }
}

/// Means and widths of distances and volumes along linear paths from noise to the data, by ln sigma, and those of the data.
struct PairStatisticsTables {
  /// Distances are softened by this much of the noise's standard deviation; those of a guess by this length.
  static let softening = 0.15
  static let guessSoftening = 0.02
  /// Of the noise relative to the data, in which a guess's features are measured.
  static let blur = 0.2
  private static let knots = 64
  private static let points = 2000

  /// [knots, features]: mean, standard deviation, and root mean square of the gradient's length.
  let mean, width, slope: Tensor
  /// [features].
  let dataMean, dataWidth, dataSlope: Tensor

  var constants: [(name: String, tensor: Tensor)] {
    [
      ("feature_mean", mean), ("feature_width", width), ("feature_slope", slope), ("data_mean", dataMean),
      ("data_width", dataWidth), ("data_slope", dataSlope),
    ]
  }

  /// From `constants`, in their order.
  init(_ constants: ArraySlice<Tensor>) {
    let own = Array(constants)
    self.init(
      mean: own[0], width: own[1], slope: own[2], dataMean: own[3], dataWidth: own[4], dataSlope: own[5])
  }

  private init(mean: Tensor, width: Tensor, slope: Tensor, dataMean: Tensor, dataWidth: Tensor, dataSlope: Tensor) {
    (self.mean, self.width, self.slope) = (mean, width, slope)
    (self.dataMean, self.dataWidth, self.dataSlope) = (dataMean, dataWidth, dataSlope)
  }

  /// Of the right shapes and nothing else.
  init(blank geometry: PairGeometry) throws {
    let (table, row) = ([Self.knots, geometry.features], [geometry.features])
    self.init(
      mean: try Tensor.zeros(table), width: try Tensor.ones(table), slope: try Tensor.ones(table),
      dataMean: try Tensor.zeros(row), dataWidth: try Tensor.ones(row), dataSlope: try Tensor.ones(row))
  }

  /// Of data [n, 3 atoms], by at most `points` of them.
  init(_ data: Tensor, _ geometry: PairGeometry, _ generator: Generator) throws {
    let count = min(Self.points, data.shape[0])
    let rows = (0..<count).map { Int64($0 * data.shape[0] / count) }
    let x = try data.detached().selected(Tensor(rows)).cast(.float64)
    let space = LatentSpace(atoms: geometry.atoms, meanFree: true)
    let incidence = try PairIncidence(geometry, .float64)
    func statistics(_ points: Tensor, _ softening: Double) throws -> [Tensor] {
      let shapes = try PairShapes(
        points.reshaped(count, geometry.atoms, 3).permuted(0, 2, 1),
        softening: Tensor.full([1, 1, 1], softening, .float64), incidence)
      let mean = try shapes.values.mean(0)
      let width = try (shapes.values - mean).square().mean(0).sqrt()
      return try [mean, width + 1e-6, shapes.meanSquareGradients().sqrt() + 1e-6].map { try $0.cast(.float32) }
    }
    let noise = try space.noise(count, generator, .float64)
    let tables = try (0..<Self.knots).map { knot in
      let sigma = exp(Self.logSigma(knot))
      let t = 1 / (1 + sigma)
      return try statistics(x * t + noise * (1 - t), Self.softening * (1 - t))
    }
    func table(_ part: Int) throws -> Tensor { try Tensor.stacked(tables.map { $0[part] }, axis: 0) }
    let own = try statistics(x, Self.guessSoftening)
    self.init(
      mean: try table(0), width: try table(1), slope: try table(2), dataMean: own[0], dataWidth: own[1],
      dataSlope: own[2])
  }

  private static func logSigma(_ knot: Int) -> Double {
    let range = PairClock.range
    return range.lowerBound + (range.upperBound - range.lowerBound) * Double(knot) / Double(knots - 1)
  }

  /// Between the knots, [n, features], at ln sigma [n, 1].
  func at(_ logSigma: Tensor) throws -> (mean: Tensor, width: Tensor, slope: Tensor) {
    let range = PairClock.range
    let place = try (logSigma - range.lowerBound) * (Double(Self.knots - 1) / (range.upperBound - range.lowerBound))
    let distance = try (place - Tensor.arange(Self.knots, logSigma.scalarType ?? .float32)).abs()
    let hats = try (1 - distance).clamped(0...1)
    return (try hats.matmul(mean), try hats.matmul(width), try hats.matmul(slope))
  }
}
