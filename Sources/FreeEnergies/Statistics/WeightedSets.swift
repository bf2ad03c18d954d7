import Basics
import OptimalTransport

/// Points of one or more torsions, with weights.
public struct WeightedTorsions: Sendable {
  /// rad, [torsions][points].
  public var columns: [[Double]]
  /// Of any sum, [points].
  public var weights: [Double]

  /// - Precondition: as many weights as points in every column.
  public init(columns: [[Double]], weights: [Double]) { (self.columns, self.weights) = (columns, weights) }
  /// The same points, all of one weight.
  public var unweighted: WeightedTorsions { WeightedTorsions(columns: columns, weights: weights.map { _ in 1 }) }

  /// Some of the points.
  public func points(where wanted: (Int) -> Bool) -> WeightedTorsions {
    let rows = weights.indices.filter(wanted)
    return WeightedTorsions(columns: columns.map { c in rows.map { c[$0] } }, weights: rows.map { weights[$0] })
  }

  /// Points drawn by weight, with replacement, [count, torsions] row by row; see `resampledIndices`.
  public func drawn(_ count: Int, offset: Double) throws -> [Double] {
    try resampledIndices(weights: weights, count: count, offset: offset).flatMap { row in columns.map { $0[row] } }
  }
}

/// Numbers with weights, such as energies.
public struct WeightedValues: Sendable {
  /// [points].
  public var values: [Double]
  /// Of any sum, [points].
  public var weights: [Double]

  /// - Precondition: as many weights as values.
  public init(values: [Double], weights: [Double]) { (self.values, self.weights) = (values, weights) }
  /// The same values, all of one weight.
  public var unweighted: WeightedValues { WeightedValues(values: values, weights: values.map { _ in 1 }) }

  /// In another unit.
  public func scaled(_ factor: Double) -> WeightedValues {
    WeightedValues(values: values.map { $0 * factor }, weights: weights)
  }

  /// 2-Wasserstein distance of the finite values that have weight. Throws `FreeEnergiesError.invalidValue` where there are none.
  public func distance(to other: WeightedValues) throws -> Double {
    let (a, b) = (sound, other.sound)
    return try wassersteinDistance(a.values, b.values, weightsOfA: a.weights, weightsOfB: b.weights)
  }

  private var sound: WeightedValues {
    let rows = values.indices.filter { values[$0].isFinite && weights[$0] > 0 }
    return WeightedValues(values: rows.map { values[$0] }, weights: rows.map { weights[$0] })
  }
}

/// 2-Wasserstein distances on the torus (T-W2) of weighted samples from a reference, rad, between points drawn from each by weight.
public struct TorsionDistances: Sendable, Equatable {
  /// Of the samples by their weights, and as they are.
  public let weighted, unweighted: Double
  /// Of the reference's halves from each other: what no samples come below but by chance.
  public let floor: Double
  /// As `weighted` and `floor`, by `TorsionMetric.published`.
  public let published, publishedFloor: Double

  /// `points` are drawn from each set, in streams of `seed`; memory and time grow as their square. Throws
  /// `FreeEnergiesError.invalidValue` for sets without weight, `TransportError` for torsions that are not finite.
  public init(
    of samples: WeightedTorsions, from reference: WeightedTorsions, halves: (WeightedTorsions, WeightedTorsions),
    points: Int, seed: UInt64
  ) throws {
    func drawn(_ set: WeightedTorsions, _ label: String) throws -> [Double] {
      var random = RandomStream(seed: seed, "compare", label)
      return try set.drawn(points, offset: random.uniform())
    }
    let (ours, raw) = (try drawn(samples, "samples"), try drawn(samples.unweighted, "raw"))
    let theirs = try drawn(reference, "reference")
    let parts = (try drawn(halves.0, "half 0"), try drawn(halves.1, "half 1"))
    let width = reference.columns.count
    weighted = try torsionWasserstein(ours, theirs, torsions: width)
    floor = try torsionWasserstein(parts.0, parts.1, torsions: width)
    unweighted = try torsionWasserstein(raw, theirs, torsions: width)
    published = try torsionWasserstein(ours, theirs, torsions: width, metric: .published)
    publishedFloor = try torsionWasserstein(parts.0, parts.1, torsions: width, metric: .published)
  }
}
