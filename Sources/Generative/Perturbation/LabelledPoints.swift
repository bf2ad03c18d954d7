import Basics
import Molecules
import Torch

/// Points of a molecule's internal coordinates, with the log-density and its gradient that a potential gives them.
public struct LabelledPoints: Equatable, Sendable {
  /// Where points came from.
  public enum Source: Int, Sendable {
    /// Drawn from the emulator of the other potential.
    case emulator
    /// Torsions everywhere, whatever the emulators visit.
    case exploration
    /// Drawn from emulators of the target, made on the way.
    case fresh
  }

  /// Of internal coordinates.
  public let dimension: Int
  /// [points, dimension], nm and rad.
  public var values: [Double] = []
  /// -u + ln |dx/dq| under the target, kT, [points]; -infinity where there is no energy.
  public var logDensities: [Double] = []
  /// Its gradient, [points, dimension].
  public var gradients: [Double] = []
  /// ln q over internal coordinates of the emulator that drew them, [points]; NaN where nobody asked.
  public var drawnDensities: [Double] = []
  /// State of each, [points].
  public var states: [Int] = []
  /// `Source` of each, as a number, [points].
  public var sources: [Int] = []
  /// Which round they are of, from 0, [points].
  public var rounds: [Int] = []

  public init(dimension: Int) { self.dimension = dimension }
  public var count: Int { logDensities.count }

  mutating func append(_ other: LabelledPoints) {
    values += other.values
    logDensities += other.logDensities
    gradients += other.gradients
    drawnDensities += other.drawnDensities
    states += other.states
    sources += other.sources
    rounds += other.rounds
  }

  /// Those that have a finite density and gradient.
  func sound() -> LabelledPoints {
    picked(
      (0..<count).filter { row in
        logDensities[row].isFinite
          && gradients[row * dimension..<(row + 1) * dimension].allSatisfy { $0.isFinite && abs($0) < 1e6 }
      })
  }

  func picked(_ rows: [Int]) -> LabelledPoints {
    var result = LabelledPoints(dimension: dimension)
    result.values = rows.flatMap { values[$0 * dimension..<($0 + 1) * dimension] }
    result.gradients = rows.flatMap { gradients[$0 * dimension..<($0 + 1) * dimension] }
    result.logDensities = rows.map { logDensities[$0] }
    result.drawnDensities = rows.map { drawnDensities[$0] }
    result.states = rows.map { states[$0] }
    result.sources = rows.map { sources[$0] }
    result.rounds = rows.map { rounds[$0] }
    return result
  }

  /// On a chart: latents [points, d], ln p over latents up to a constant [points], and its gradient [points, d]; all in Float64.
  func onChart(_ chart: InternalChart) throws -> (latents: Tensor, logDensities: Tensor, gradients: Tensor) {
    let (latents, slopes) = try chart.latents(internal: values, gradient: gradients, frames: count)
    return (latents, try Tensor(logDensities), slopes)
  }
}
