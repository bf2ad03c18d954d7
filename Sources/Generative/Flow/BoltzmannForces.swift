import Basics
import Foundation
import Molecules
import Torch

/// Energies and forces of the force field whose Boltzmann distribution frames come from.
public struct BoltzmannForces {
  /// K.
  public let temperature: Double
  /// Frames worth handing over in one call.
  let framesPerCall: Int
  /// A frame takes milliseconds and not microseconds: many frames are not looked at unless they are asked for.
  let areDear: Bool
  /// kJ/mol [frames] and kJ/mol/nm [frames, atoms, 3] of positions in nm, [frames, atoms, 3].
  let evaluate: ([Double]) throws -> (energies: [Double], forces: [Double])

  /// `framesPerCall`: how many frames are worth handing over at once; few where each is dear.
  public init(
    temperature: Double, framesPerCall: Int, areDear: Bool = false,
    evaluate: @escaping ([Double]) throws -> (energies: [Double], forces: [Double])
  ) {
    (self.temperature, self.framesPerCall, self.areDear) = (temperature, framesPerCall, areDear)
    self.evaluate = evaluate
  }

  /// Gradients of ln p = -u + ln |dx/dq| over the internal coordinates `values` of frames, [frames, dimension].
  func gradients(
    _ coordinates: InternalCoordinates, _ values: [Double], frames: Int, _ host: any TrainingHost
  ) throws -> [Double] {
    let thermal = PhysicalConstants.thermalEnergy(temperature: temperature)
    let dimension = coordinates.dimension
    var gradients: [Double] = []
    gradients.reserveCapacity(values.count)
    host.progress.begin("forces", total: frames, unit: "frames")
    defer { host.progress.end() }
    for first in stride(from: 0, to: frames, by: framesPerCall) {
      let rows = first..<min(first + framesPerCall, frames)
      let part = Array(values[rows.lowerBound * dimension..<rows.upperBound * dimension])
      let positions = try coordinates.cartesian(part, frames: rows.count).coordinates
      let forces = try evaluate(positions).forces.map { $0 / thermal }
      gradients += try coordinates.gradients(
        of: forces, at: positions, values: part, frames: rows.count, jacobian: 1)
      host.progress.update(completed: rows.upperBound)
      try host.checkInterruption()
    }
    return gradients
  }

  /// The largest difference of energies, in kT, that naming a rotor's ends otherwise makes in some of the frames.
  func difference(
    turning rotor: Rotor, _ coordinates: InternalCoordinates, _ values: [Double], frames: Int
  ) throws -> Double {
    let dimension = coordinates.dimension
    let some = (0..<min(frames, 20)).map { $0 * frames / min(frames, 20) }
    let chosen = some.flatMap { values[$0 * dimension..<($0 + 1) * dimension] }
    let positions = try coordinates.cartesian(chosen, frames: some.count).coordinates
    var turned = positions
    let atoms = coordinates.atomCount
    for frame in some.indices {
      for (from, to) in zip(rotor.ends, rotor.ends[1...] + rotor.ends[..<1]) {
        for axis in 0..<3 {
          turned[3 * (frame * atoms + to) + axis] = positions[3 * (frame * atoms + from) + axis]
        }
      }
    }
    let (before, after) = (try evaluate(positions).energies, try evaluate(turned).energies)
    let thermal = PhysicalConstants.thermalEnergy(temperature: temperature)
    return zip(before, after).map { abs($0 - $1) / thermal }.max() ?? .infinity
  }
}

/// Whether frames are what a force field makes of a molecule at its temperature, by Stein's identity.
///
/// For a density p that vanishes at its ends, E[(d ln p / dq) (q - mean)] = -1, coordinate by coordinate; and so it is for any mixture of
/// pieces of p, whatever their shares. Its negative is T' / T for frames of another temperature T', and far from 1 for a coordinate whose
/// terms of the force field are others. For a torsion that goes all the way round, E[(d ln p / dq) f + f'] = 0 of any periodic f. Source: C. Stein, Proc. Sixth Berkeley Symp. Math. Statist. Prob. 2, 583, 1972.
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
  static let coordinateTolerance = 0.15
  static let torsionTolerance = 0.1
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
