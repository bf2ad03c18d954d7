import Foundation
import Molecules
import Torch

/// The map between positions in nm and the latent space of Cartesian models: centred, in the models' unit of length.
///
/// Latents are rows [3 atoms]: positions times `scale`. Models see angstrom (scale 10 per nm) unless told otherwise. Where the space is
/// mean-free, densities are per volume of the 3 (atoms - 1)-dimensional subspace of centred positions; they include the orientation.
public struct CartesianChart: Codable, Equatable, Sendable {
  public let atoms: Int
  /// Latent units per nm.
  public let scale: Double
  /// Whether prior, velocities and samples have no centre of mass of their own.
  public let meanFree: Bool
  /// Class of each atom: atoms of one class can be exchanged. [atoms]
  public let atomClasses: [Int]
  /// Pairs of atoms, for the frame of divergence estimates; may be empty.
  public let bonds: [[Int]]

  public init(atomClasses: [Int], bonds: [[Int]] = [], scale: Double = 10, meanFree: Bool = true) {
    self.bonds = bonds
    atoms = atomClasses.count
    (self.scale, self.meanFree, self.atomClasses) = (scale, meanFree, atomClasses)
  }

  /// With the topology's bonds. Throws `EmulatorError.atomClasses` where there is not one class per atom.
  public init(topology: Topology, atomClasses: [Int], scale: Double = 10, meanFree: Bool = true) throws {
    guard atomClasses.count == topology.atoms.count else {
      throw EmulatorError.atomClasses(count: atomClasses.count, atoms: topology.atoms.count)
    }
    self.init(
      atomClasses: atomClasses, bonds: topology.bonds.map { [$0.first, $0.second] }, scale: scale, meanFree: meanFree)
  }

  public var space: LatentSpace { LatentSpace(atoms: atoms, meanFree: meanFree) }

  /// Classes are 0 ..< this, whether all of them occur or not.
  public var classCount: Int { (atomClasses.max() ?? -1) + 1 }

  /// ln |det d latent / d position|: log-densities over positions in nm are those over latents plus this.
  public var logDeterminant: Double { Double(space.degreesOfFreedom) * log(scale) }

  /// Centred latents [frames, 3 atoms] in Float64 of positions [frames, atoms, 3] in nm.
  public func latents(_ coordinates: [Double], frames: Int) throws -> Tensor {
    let positions = try Tensor(coordinates, shape: [frames, atoms, 3])
    let centred = try positions - positions.mean(1, keepingDimensions: true)
    return try (centred * scale).reshaped(frames, 3 * atoms)
  }

  /// Positions [frames, atoms, 3] in nm.
  public func coordinates(latents: Tensor) throws -> [Double] {
    try (latents.cast(.float64) / scale).values(as: Double.self)
  }
}
