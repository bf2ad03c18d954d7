import Foundation
import Molecules
import Torch

/// The map between a molecule and latents that are positions of its heavy atoms, and whitened internal coordinates of its hydrogens given these.
///
/// A point is a row [positions of heavy atoms | narrow coordinates of hydrogens | broad torsions of hydrogens]. Positions are centred and times
/// `scale`, one number for all, by which they have unit variance over the training frames. Densities include the heavy atoms'
/// orientation. Works for any molecule whose heavy atoms hang together, with rings and cages.
public struct HeavyChart: Codable, Equatable, Sendable {
  public let carried: CarriedHydrogens
  /// Latent units per nm.
  public let scale: Double
  /// Of the hydrogens' coordinates alone; nil for a molecule without hydrogens.
  public let hydrogens: InternalChart?
  /// Bonds between heavy atoms, by their places in `carried.heavy`.
  public let bonds: [[Int]]

  /// From training frames: positions [frames, atoms, 3], nm, and their internal coordinates `values` [frames, dimension]. Throws `ChartError`.
  public init(
    _ carried: CarriedHydrogens, _ topology: Topology, positions: [Double], values: [Double], frames: Int,
    _ options: InternalChart.Options
  ) throws {
    self.carried = carried
    let place = Dictionary(uniqueKeysWithValues: carried.heavy.enumerated().map { ($0.element, $0.offset) })
    bonds = topology.bonds.compactMap { bond in
      guard let first = place[bond.first], let second = place[bond.second] else { return nil }
      return [first, second]
    }
    var own = options
    own.only = Set(carried.own)
    hydrogens =
      carried.own.isEmpty
      ? nil : try InternalChart(coordinates: carried.coordinates, values: values, frames: frames, own)
    let centred = try Self.centred(carried, positions, frames)
    let weights = try Tensor(options.weights.isEmpty ? [Double](repeating: 1, count: frames) : options.weights)
    let squares = try centred.square().sum(-1) * weights
    // per dimension of the subspace of centred positions, over which noise of unit variance spreads
    let freedom = Double(3 * (carried.heavy.count - 1))
    scale = try (freedom * weights.sum().item() / squares.sum().item()).squareRoot()
  }

  /// Distances and volumes of the heavy atoms.
  public var geometry: PairGeometry { PairGeometry(atoms: carried.heavy.count, bonds: bonds) }
  /// Columns of the heavy atoms' positions.
  public var positionColumns: Int { 3 * carried.heavy.count }
  public var space: LatentSpace {
    LatentSpace(
      euclidean: positionColumns + (hydrogens?.space.euclidean ?? 0), angles: hydrogens?.space.angles ?? 0,
      centred: positionColumns)
  }
  /// ln |det d latent / d (heavy position, internal coordinate)|, a constant.
  public var logDeterminant: Double {
    Double(positionColumns - 3) * log(scale) + (hydrogens?.logDeterminant ?? 0)
  }

  /// Latents [frames, d] in Float64 of positions [frames, atoms, 3], nm, with their internal coordinates.
  func latents(_ positions: [Double], internal values: [Double], frames: Int) throws -> Tensor {
    let heavy = try Self.centred(carried, positions, frames) * scale
    guard let hydrogens else { return heavy }
    return try Tensor.concatenated([heavy, hydrogens.latents(internal: values, frames: frames)], axis: 1)
  }

  /// Latents, and gradients over them, of frames and of the gradient `forces` of a scalar over their positions, both [frames, atoms, 3]; to the
  /// scalar comes ln |dx/dq| of the hydrogens. Float64, [frames, d] each.
  func latents(
    _ positions: [Double], internal values: [Double], forces: [Double], frames: Int
  ) throws -> (latents: Tensor, gradient: Tensor) {
    let pulls = carried.gradients(of: forces, at: positions, values: values, frames: frames, jacobian: 1)
    let heavy = try Self.centred(carried, positions, frames) * scale
    // a force field's own rounding may leave a net force, which no centred position feels
    let slopes = try space.projected(
      Tensor.concatenated(
        [
          Tensor(pulls.heavy, shape: [frames, positionColumns]) / scale,
          Tensor.zeros([frames, space.euclidean - positionColumns], .float64),
        ], axis: 1)
    ).slice(0..<positionColumns, axis: 1)
    guard let hydrogens else { return (heavy, slopes) }
    let own = try hydrogens.latents(internal: values, gradient: pulls.internal, frames: frames)
    return (
      try Tensor.concatenated([heavy, own.latents], axis: 1), try Tensor.concatenated([slopes, own.gradient], axis: 1)
    )
  }

  /// The gradient over all internal coordinates, [frames, dimension], of a log-density over them whose `gradient` over latents [frames, d] is
  /// given, at positions [frames, atoms, 3], nm, and internal coordinates `values`.
  ///
  /// Hydrogens have the same internal coordinates in both, so that their gradients are taken as they are. Heavy atoms' are pulled through their
  /// placement, and the slope of their ln |dx/dq| is added.
  func internalSlopes(
    of gradient: Tensor, at positions: [Double], internal values: [Double], frames: Int
  ) throws -> [Double] {
    let all = try gradient.cast(.float64)
    let onPositions = try (all.slice(0..<positionColumns, axis: 1) * scale).values(as: Double.self)
    let atoms = carried.atomCount
    var forces = [Double](repeating: 0, count: 3 * atoms * frames)
    for frame in 0..<frames {
      for (place, atom) in carried.heavy.enumerated() {
        for axis in 0..<3 {
          forces[3 * (frame * atoms + atom) + axis] = onPositions[frame * positionColumns + 3 * place + axis]
        }
      }
    }
    var result = try carried.coordinates.gradients(
      of: forces, at: positions, values: values, frames: frames, jacobian: 1)
    guard let hydrogens else { return result }
    let own = try hydrogens.slopes(
      of: all.slice(positionColumns..<space.dimension, axis: 1), internal: values, frames: frames)
    let dimension = carried.coordinates.dimension
    for frame in 0..<frames { for k in carried.own { result[frame * dimension + k] = own[frame * dimension + k] } }
    return result
  }

  /// Positions [n, atoms, 3], nm, of latents [n, d], and ln |dx/dq| of the hydrogens, [n].
  func cartesian(latents: Tensor) throws -> (coordinates: [Double], logJacobian: [Double]) {
    let n = latents.shape[0]
    let all = try latents.cast(.float64)
    let heavy = try (all.slice(0..<positionColumns, axis: 1) / scale).values(as: Double.self)
    let values =
      try hydrogens?.internalCoordinates(latents: all.slice(positionColumns..<space.dimension, axis: 1))
      ?? [Double](repeating: 0, count: n * carried.coordinates.dimension)
    return carried.cartesian(heavy: heavy, values: values, frames: n)
  }

  private static func centred(_ carried: CarriedHydrogens, _ positions: [Double], _ frames: Int) throws -> Tensor {
    let count = carried.heavy.count
    let heavy = try Tensor(carried.heavyPositions(positions, frames: frames), shape: [frames, count, 3])
    return try (heavy - heavy.mean(1, keepingDimensions: true)).reshaped(frames, 3 * count)
  }
}
