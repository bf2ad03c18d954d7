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
  public let evaluate: ([Double]) throws -> (energies: [Double], forces: [Double])

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
    var gradients: [Double] = []
    gradients.reserveCapacity(values.count)
    host.progress.begin("forces", total: frames, unit: "frames")
    defer { host.progress.end() }
    try logDensities(coordinates, values, frames: frames) {
      gradients += $0.gradients
      host.progress.update(completed: gradients.count / coordinates.dimension)
      try host.checkInterruption()
    }
    return gradients
  }

  /// Gradients of -u over positions in nm, both [frames, atoms, 3]: forces in kT/nm.
  func logGradients(_ positions: [Double], frames: Int, _ host: any TrainingHost) throws -> [Double] {
    let thermal = PhysicalConstants.thermalEnergy(temperature: temperature)
    let size = positions.count / max(1, frames)
    var gradients: [Double] = []
    gradients.reserveCapacity(positions.count)
    host.progress.begin("forces", total: frames, unit: "frames")
    defer { host.progress.end() }
    for first in stride(from: 0, to: frames, by: framesPerCall) {
      let rows = first..<min(first + framesPerCall, frames)
      gradients += try evaluate(Array(positions[rows.lowerBound * size..<rows.upperBound * size])).forces.map {
        $0 / thermal
      }
      host.progress.update(completed: rows.upperBound)
      try host.checkInterruption()
    }
    return gradients
  }

  /// ln p = -u + ln |dx/dq| and its gradients over the internal coordinates `values` of frames, handed to `found` piece by piece: kT [rows] and
  /// [rows, dimension]. -infinity and NaN where there is no finite energy.
  func logDensities(
    _ coordinates: InternalCoordinates, _ values: [Double], frames: Int,
    found: ((logDensities: [Double], gradients: [Double])) throws -> Void
  ) throws {
    let thermal = PhysicalConstants.thermalEnergy(temperature: temperature)
    let dimension = coordinates.dimension
    for first in stride(from: 0, to: frames, by: framesPerCall) {
      let rows = first..<min(first + framesPerCall, frames)
      let part = Array(values[rows.lowerBound * dimension..<rows.upperBound * dimension])
      let (positions, volumes) = try coordinates.cartesian(part, frames: rows.count)
      let (energies, forces) = try evaluate(positions)
      let gradients = try coordinates.gradients(
        of: forces.map { $0 / thermal }, at: positions, values: part, frames: rows.count, jacobian: 1)
      try found((zip(energies, volumes).map { $1 - $0 / thermal }, gradients))
    }
  }

  /// The first rotor that a chart folds and whose ends are not equal by these energies, with the difference in kT; frames as below.
  func unequalEnds(
    of chart: InternalChart, _ positions: [Double], frames: Int
  ) throws -> (rotor: Rotor, difference: Double)? {
    for rotor in chart.rotors ?? [] {
      let difference = try difference(turning: rotor, positions, frames: frames)
      guard difference < FrameForces.equalEnergies else { return (rotor, difference) }
    }
    return nil
  }

  /// The largest difference of energies, in kT, that naming a rotor's ends otherwise makes in frames, `positions` [frames, atoms, 3], nm.
  func difference(turning rotor: Rotor, _ positions: [Double], frames: Int) throws -> Double {
    var turned = positions
    let atoms = positions.count / max(1, 3 * frames)
    for frame in 0..<frames {
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
