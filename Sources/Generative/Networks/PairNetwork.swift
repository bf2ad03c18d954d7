import Foundation
import Torch

/// Shape of a network over pairs of atoms: everything needed to rebuild it from its parameters.
public struct PairConfiguration: Codable, Equatable, Sendable {
  public var geometry: PairGeometry
  /// Of perceptrons: units of a hidden layer, and residual blocks of the first and of the second stage.
  public var width, depth, secondDepth: Int
  /// Messages between atoms in place of perceptrons; nil: perceptrons.
  public var messages: PairMessages?

  /// nil: perceptrons, 256 units, two blocks in each stage.
  public init(
    geometry: PairGeometry, width: Int? = nil, depth: Int? = nil, secondDepth: Int? = nil, messages: PairMessages? = nil
  ) {
    (self.geometry, self.width, self.messages) = (geometry, width ?? 256, messages)
    (self.depth, self.secondDepth) = (depth ?? 2, secondDepth ?? depth ?? 2)
  }

  /// About how many numbers one point has in the network's largest tensor.
  var largestRow: Int {
    let pairs = geometry.pairs.count
    return max(3 * pairs, messages.map { pairs * max($0.scalars, $0.kind == .gvp ? 3 * $0.vectors : 0) } ?? width)
  }

  /// The stages' names, and their parts of the network.
  fileprivate var parameters: [ParameterShape] {
    (0..<2).flatMap { stage in
      let name = Self.names[stage]
      return messages.map { messageShape($0, stage).parameters(name) } ?? trunkShape(stage).parameters(name)
    }
  }
  private static let names = ["first", "second"]

  /// Coefficients by stage 0 or 1; the second sees the features of the guess too.
  fileprivate func coefficients(
    _ stage: Int, _ incidence: PairIncidence, _ next: inout ParameterReader
  ) -> any PairCoefficients {
    messages.map { PairMessageTrunk(messageShape($0, stage), incidence, &next) } ?? PairTrunk(trunkShape(stage), &next)
  }

  private func trunkShape(_ stage: Int) -> PairTrunk.Shape {
    PairTrunk.Shape(
      inputs: (stage + 1) * geometry.features, outputs: geometry.features, width: width,
      depth: stage == 0 ? depth : secondDepth, clock: PairClock.features)
  }

  private func messageShape(_ messages: PairMessages, _ stage: Int) -> PairMessageTrunk.Shape {
    PairMessageTrunk.Shape(
      geometry: geometry, messages: messages, rounds: (messages.layers + 1 - stage) / 2, clock: PairClock.features,
      sets: stage + 1)
  }
}

/// A velocity for the positions of a few atoms, by all their distances and signed volumes.
///
/// Distances and volumes of a point, each standardised by its mean and width at that time, go through a perceptron, or into messages between the
/// atoms; out comes one coefficient for each, and the field is the sum of their gradients with these coefficients. A second stage sees
/// besides the shape of the data point which the first one expects, x + (1 - t) v, and corrects the velocity along that shape's gradients. The velocity is c(t) x + s(t) F, by which F
/// has targets of unit variance. Paths are linear. It commutes with rotations, and with nothing else: each atom is itself.
public struct PairNetwork: Network {
  public let configuration: PairConfiguration
  /// In the order of `parameterNames`.
  public let parameters: [Tensor]
  /// What is known of features before training.
  let statistics: PairStatisticsTables
  private let first, second: any PairCoefficients
  private let incidence: PairIncidence
  private let clock: PairClock

  public var parameterNames: [String] { configuration.parameters.map(\.name) }
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
    first = configuration.coefficients(0, incidence, &next)
    second = configuration.coefficients(1, incidence, &next)
  }

  /// Fresh parameters, for positions `data` [n, 3 atoms] of unit variance; nil where the statistics are to be replaced.
  public init(configuration: PairConfiguration, data: Tensor?, generator: Generator) throws {
    let statistics =
      try data.map { try PairStatisticsTables($0, configuration.geometry, generator) }
      ?? PairStatisticsTables(blank: configuration.geometry)
    self.init(
      configuration, try configuration.parameters.map { try $0.fresh(generator) },
      try PairIncidence(configuration.geometry, .float32), try PairClock(.float32), statistics)
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
  func stages(_ x: Dual, _ t: Tensor, detached: Bool) throws -> (first: Dual, second: Dual) {
    let time = try PairTime(t, clock, statistics)
    let positions = try x.map(columns)
    let shapes = try PairShapes(positions, softening: time.softening, incidence)
    let features = try time.standardised(shapes.values)
    let pull = try first(features, time.clock, along: shapes.along) * time.reach
    let one = try positions * time.own + shapes.field(pull) * time.share
    let base = try detached ? one.detached() : one
    let seen = try PairShapes(positions + base * time.left, softening: time.guessSoftening, incidence)
    let inputs = try Dual.concatenated([features, time.standardisedGuess(seen.values)])
    let correction = try second(inputs, time.clock, along: seen.along) * time.guessReach
    let two = try base + seen.field(correction) * time.share
    return (try one.map(rows), try two.map(rows))
  }

  /// x [n, 3 atoms], t [n] -> [n, 3 atoms].
  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    try stages(Dual(x), t, detached: false).second.value
  }

  /// The velocity [n, 3 atoms], and its derivatives along directions [m, n, 3 atoms], [m, n, 3 atoms].
  func withTangents(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (value: Tensor, tangents: Tensor) {
    let velocity = try stages(Dual(x, directions), t, detached: false).second
    return (velocity.value, try velocity.tangent ?? Tensor.zeros(directions.shape, x.scalarType ?? .float32))
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

  func standardised(_ values: Dual) throws -> Dual { try (values - mean) * inverseWidth }
  func standardisedGuess(_ values: Dual) throws -> Dual { try (values - guessMean) * inverseGuessWidth }
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
        Dual(points.reshaped(count, geometry.atoms, 3).permuted(0, 2, 1)),
        softening: Tensor.full([1, 1, 1], softening, .float64), incidence)
      let mean = try shapes.values.value.mean(0)
      let width = try (shapes.values.value - mean).square().mean(0).sqrt()
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
