import Foundation
import Molecules
import Torch

/// A map that leads conformations of one potential to another: the same torsions, and narrow coordinates about the other potential's means,
/// in its widths, as the forces of each tell. It can be inverted, and its volume is known.
public struct PotentialMap {
  private let here, there: InternalChart
  /// Energies with forces that the map has taken.
  public let evaluations: Int

  /// `carried` must be what `Perturbation` made of `source`, at `points`; `forces` are the first potential's. Of its forces at those points its
  /// own affine map is made as the target's was: where the two potentials are one, nothing is moved.
  ///
  /// Throws `PerturbationError.cartesian`, `.noMap`, `.tooFewPoints`, and what the potential throws.
  public init(
    from source: Emulator, to carried: Emulator, at points: LabelledPoints, forces: BoltzmannForces
  ) throws {
    guard case .internal(let first) = source.chart, case .internal(let there) = carried.chart else {
      throw PerturbationError.cartesian
    }
    var own = points.ofEmulator().sound()
    let (values, count) = (own.values, own.count)
    (own.logDensities, own.gradients) = ([], [])
    try forces.logDensities(first.coordinates, values, frames: count) {
      own.logDensities += $0.logDensities
      own.gradients += $0.gradients
    }
    evaluations = count
    let here = try first.adapted(to: own.sound()).chart
    guard here.coordinates == there.coordinates, here.narrow == there.narrow, here.broad == there.broad,
      here.rotors == there.rotors, here.held == nil, there.held == nil
    else { throw PerturbationError.noMap }
    (self.here, self.there) = (here, there)
  }

  /// The way back.
  public var inverse: PotentialMap { PotentialMap(there, here, evaluations) }

  private init(_ here: InternalChart, _ there: InternalChart, _ evaluations: Int) {
    (self.here, self.there, self.evaluations) = (here, there, evaluations)
  }

  /// Where positions [frames, atoms, 3], nm, are led to, and ln |dx'/dx| of each frame.
  public func callAsFunction(_ positions: [Double], frames: Int) throws -> (positions: [Double], logVolumes: [Double]) {
    let coordinates = here.coordinates
    let (values, before) = try coordinates.internalCoordinates(positions, frames: frames)
    let led = try there.internalCoordinates(latents: here.latents(internal: values, frames: frames))
    let (placed, after) = try coordinates.cartesian(led, frames: frames)
    let change = here.logDeterminant - there.logDeterminant
    return (placed, zip(before, after).map { $1 - $0 + change })
  }
}
