import Foundation
import Molecules

/// Whether frames are what a force field makes of a molecule at its temperature, by Stein's identity.
///
/// For a density p that vanishes at its ends, E[(d ln p / dq) (q - mean)] = -1, coordinate by coordinate; and so it is for any mixture of
/// pieces of p, whatever their shares. Its negative is T' / T for frames of another temperature T', and far from 1 for a coordinate whose
/// terms of the force field are others. For a torsion that goes all the way round, E[(d ln p / dq) f + f'] = 0 of any
/// periodic f. Source: C. Stein, Proc. Sixth Berkeley Symp. Math. Statist. Prob. 2, 583, 1972.
public struct SteinCheck: Equatable, Sendable {
  public struct Coordinate: Equatable, Sendable {
    /// Internal coordinate.
    public let index: Int
    /// 1 where all is well.
    public let value: Double
    /// Standard error.
    public let error: Double
    var deviation: Double { abs(value - 1) }
    /// Neither small nor within the errors, or not known at all.
    var isOff: Bool {
      deviation > max(SteinCheck.coordinateTolerance, 5 * error) || !(error <= SteinCheck.largestCoordinateError)
    }
  }

  /// A broad torsion: the largest of E[g f + f'] for f = sin and cos of the angle and of twice it; 0 where all is well.
  public struct Torsion: Equatable, Sendable {
    /// Internal coordinate.
    public let index: Int
    public let value: Double
    /// Standard error.
    public let error: Double
    var isOff: Bool {
      abs(value) > max(SteinCheck.torsionTolerance, 5 * error) || !(error <= SteinCheck.largestCoordinateError)
    }
  }

  /// Broad torsions, the one that is furthest off first.
  public let torsions: [Torsion]
  /// Mean over all narrow coordinates, and its standard error.
  public let mean, error: Double
  /// Narrow coordinates, the one that is furthest off first.
  public let coordinates: [Coordinate]
  /// The mean may be this far from 1, and a single coordinate that far.
  public static let tolerance = 0.02
  public static let coordinateTolerance = 0.15
  public static let torsionTolerance = 0.1
  /// What is known no better than this is not known.
  static let largestError = 0.05
  static let largestCoordinateError = 0.3

  /// Whether forces may be used.
  public var isSound: Bool {
    abs(mean - 1) <= max(Self.tolerance, 3 * error) && error <= Self.largestError
      && !coordinates.contains(where: \.isOff) && !torsions.contains(where: \.isOff)
  }
  /// Narrow coordinates that are not as the force field has them.
  public var off: [Coordinate] { coordinates.filter(\.isOff) }

  /// `values` and `gradients` [frames, dimension]; `narrow` and `broad` those coordinates that are looked at, `centres` the centres of
  /// the narrow ones' arcs. Errors by blocks of frames that follow each other.
  init(
    values: [Double], gradients: [Double], frames: Int, _ kinds: [InternalCoordinates.Kind], narrow: [Int],
    centres: [Double], broad: [Int]
  ) {
    let dimension = kinds.count
    let blocks = max(2, min(50, frames / 4))
    var sums = [Double](repeating: 0, count: blocks)
    var counts = [Double](repeating: 0, count: blocks)
    var found: [Coordinate] = []
    for frame in 0..<frames { counts[frame * blocks / max(1, frames)] += 1 }
    func error(_ parts: [Double], _ mean: Double) -> Double {
      let means = zip(parts, counts).map { $0 / max(1, $1) }
      let variance = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(blocks - 1)
      return (variance / Double(blocks)).squareRoot()
    }
    for (column, index) in narrow.enumerated() {
      func shifted(_ frame: Int) -> Double {
        let value = values[frame * dimension + index] - centres[column]
        return kinds[index].isTorsion ? wrappedAngle(value) : value
      }
      let mean = (0..<frames).reduce(0) { $0 + shifted($1) } / Double(max(1, frames))
      var parts = [Double](repeating: 0, count: blocks)
      for frame in 0..<frames {
        parts[frame * blocks / frames] -= gradients[frame * dimension + index] * (shifted(frame) - mean)
      }
      let value = parts.reduce(0, +) / Double(max(1, frames))
      found.append(Coordinate(index: index, value: value, error: error(parts, value)))
      for block in 0..<blocks { sums[block] += parts[block] / Double(narrow.count) }
    }
    torsions = broad.map { index -> Torsion in
      let found = [(1.0, 0.0), (1, 0.5), (2, 0), (2, 0.5)].map { order, phase -> (value: Double, error: Double) in
        var parts = [Double](repeating: 0, count: blocks)
        for frame in 0..<frames {
          let angle = order * values[frame * dimension + index] + phase * .pi
          parts[frame * blocks / frames] += gradients[frame * dimension + index] * sin(angle) + order * cos(angle)
        }
        let value = parts.reduce(0, +) / Double(max(1, frames))
        return (value, error(parts, value))
      }
      let worst = found.max { abs($0.value) < abs($1.value) } ?? (.nan, .nan)
      return Torsion(index: index, value: worst.value, error: worst.error)
    }.sorted { abs($0.value) > abs($1.value) }
    mean = sums.reduce(0, +) / Double(max(1, frames))
    self.error = error(sums, mean)
    coordinates = found.sorted { $0.deviation > $1.deviation }
  }
}

extension SteinCheck {
  /// "thermometer 0.9996 +- 0.0012, worst ..."
  func summary(_ coordinates: InternalCoordinates, _ topology: Topology) -> String {
    String(format: "thermometer %.4f ± %.4f (1 where frames are the force field's)", mean, error)
      + (worst(coordinates, topology).map { "; furthest off: \($0)" } ?? "")
  }

  private func worst(_ coordinates: InternalCoordinates, _ topology: Topology) -> String? {
    coordinates.dimension == 0 || self.coordinates.isEmpty
      ? nil
      : self.coordinates.prefix(3).map { found in
        coordinates.title(of: found.index, in: topology)
          + String(format: " %.3f ± %.3f", found.value, found.error)
      }.joined(separator: ", ")
  }

  /// Why forces cannot be used, with the likely cause.
  func verdict(_ coordinates: InternalCoordinates, _ topology: Topology, temperature: Double) -> String {
    let values = self.coordinates.map(\.value)
    let spread = values.filter { abs($0 - mean) < 0.1 * abs(mean) }.count
    var text = "frames are not what the force field makes of the molecule at " + String(format: "%g K: ", temperature)
    text += summary(coordinates, topology)
    if abs(mean - 1) > Self.tolerance, mean > 0, abs(mean - 1) < 1, Double(spread) > 0.9 * Double(values.count) {
      return text + String(format: ". All coordinates agree on another temperature, %.0f K", temperature * mean)
    }
    // no spring pushes away from its own middle
    if off.contains(where: { $0.value < -5 * $0.error }) {
      return text
        + ". The force field pushes some away from where they are: another order of the atoms, or another molecule"
    }
    let errors = self.coordinates.map(\.error) + torsions.map(\.error)
    if error > Self.largestError || errors.contains(where: { !($0 <= Self.largestCoordinateError) }) {
      return text + ". The frames are too few, or some forces too large, to tell"
    }
    let wrong = off.map { coordinates.kinds[$0.index] }
    if Double(wrong.count) > 0.5 * Double(values.count) {
      return text + ". Most coordinates are off: another force field"
    }
    if let torsion = torsions.first, torsion.isOff {
      return text + ". " + coordinates.title(of: torsion.index, in: topology)
        + String(format: " lacks %.2f ± %.2f of its force: ", torsion.value, torsion.error)
        + "another solvent, a restraint, or other torsion terms"
    }
    if wrong.isEmpty { return text + ". None by itself: another solvent, or another force field" }
    if wrong.allSatisfy({ $0 == .torsion || $0 == .relativeTorsion }) {
      return text + ". Torsions alone are off: a restraint, another solvent, or other torsion terms"
    }
    if wrong.allSatisfy({ $0.isLength }) {
      return text + ". Bonds alone are off: constraints in the simulation, or other bond terms"
    }
    return text + ". The terms of these coordinates are others in the force field than in the simulation"
  }
}
