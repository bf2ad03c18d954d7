import Basics
import Foundation
import Molecules
import Torch

public enum ChartError: Error, CustomStringConvertible, Equatable {
  case tooFewFrames(frames: Int, narrow: Int)
  case constantCoordinate(index: Int)
  case malformed(String)
  /// A held bond of these atoms that closes a ring in which it is no coordinate.
  case heldBond(Int, Int)

  public var description: String {
    switch self {
    case .tooFewFrames(let frames, let narrow):
      "\(frames) frames cannot give the covariance of \(narrow) internal coordinates; give at least \(2 * narrow)"
    case .constantCoordinate(let index):
      "internal coordinate \(index) does not vary over the frames (a constraint?); remove the constraint in the simulation"
    case .heldBond(let first, let second):
      "the bond between atoms \(first) and \(second) (from 0) was held, and it closes a ring in which it is no coordinate: it cannot be kept "
        + "at its length"
    case .malformed(let reason): "a saved chart cannot be read: \(reason)"
    }
  }
}

/// The map between a molecule's internal coordinates and the latent space that generative models work on.
///
/// Narrow coordinates (bonds, angles, narrow torsions relative to the centre of their arc) are standardised and whitened together by
/// PCA: y = (n - mean) W, of unit covariance over the training frames. Broad torsions are angles on the torus, untouched. Lengths of held
/// bonds are constants: they have no latent, and densities are per volume of all other coordinates.
public struct InternalChart: Codable, Equatable, Sendable {
  public let coordinates: InternalCoordinates
  /// Internal coordinates that are whitened, and those that stay angles.
  public let narrow, broad: [Int]
  /// Coordinates that are constant, and their values, nm; nil without.
  public let held: [HeldLength]?
  /// Centre of each narrow coordinate's arc, rad; 0 for bonds. [narrow]
  public let centres: [Double]
  /// nm or rad, relative to `centres`. [narrow]
  public let mean: [Double]
  /// W and its inverse, [narrow, narrow], row-major.
  public let whitening, unwhitening: [Double]
  /// ln |det dy/dn|, a constant: log-densities over internal coordinates are those of the latents plus this.
  public let logDeterminant: Double
  public var space: LatentSpace { LatentSpace(euclidean: narrow.count, angles: broad.count) }

  public struct HeldLength: Codable, Equatable, Sendable {
    public let coordinate: Int
    /// nm.
    public let length: Double
  }

  /// From training frames: `values` [frames, dimension] as `InternalCoordinates.internalCoordinates` gives them. Bonds in `rigid` keep
  /// their lengths. Throws `ChartError`.
  public init(coordinates: InternalCoordinates, values: [Double], frames: Int, rigid: RigidBonds? = nil) throws {
    let dimension = coordinates.dimension
    let (broad, arcs) = coordinates.broadTorsions(values, frames: frames)
    let held = try rigid.map { rigid in
      try zip(rigid.bonds, rigid.lengths).map { bond, length in
        guard let index = coordinates.coordinate(ofBond: bond) else {
          throw ChartError.heldBond(bond.first, bond.second)
        }
        return HeldLength(coordinate: index, length: length)
      }
    }
    let constants = Set((held ?? []).map(\.coordinate))
    let narrow = (0..<dimension).filter { !broad.contains($0) && !constants.contains($0) }
    guard frames >= 2 * narrow.count else { throw ChartError.tooFewFrames(frames: frames, narrow: narrow.count) }
    (self.coordinates, self.narrow, self.broad, self.held) = (coordinates, narrow, broad, held)
    centres = narrow.map { arcs[$0] }
    let (narrowValues, _) = Self.split(values, frames, coordinates, narrow, broad, centres)
    let n = try Tensor(narrowValues, shape: [frames, narrow.count])
    let mean = try n.mean(0)
    let centred = try n - mean
    let scale = try centred.square().mean(0).sqrt()
    if let flat = try scale.values(as: Double.self).firstIndex(where: { !($0 > 1e-9) }) {
      throw ChartError.constantCoordinate(index: narrow[flat])
    }
    let z = try centred / scale
    let (eigenvalues, vectors) = try (z.transposed().matmul(z) / Double(frames)).symmetricEigenDecomposition()
    let root = try eigenvalues.clamped(1e-12...Double.greatestFiniteMagnitude).sqrt()
    // y = ((n - mean) / scale) V / sqrt(eigenvalues)
    let forward = try (vectors / root) / scale.reshaped(-1, 1)
    let backward = try (vectors * root).transposed() * scale
    self.mean = try mean.values()
    whitening = try forward.values()
    unwhitening = try backward.values()
    logDeterminant = try -(scale.log().sum() + root.log().sum()).item()
  }

  /// Latents [frames, d] in Float64.
  public func latents(internal values: [Double], frames: Int) throws -> Tensor {
    let (n, theta) = Self.split(values, frames, coordinates, narrow, broad, centres)
    let count = narrow.count
    let y = try (Tensor(n, shape: [frames, count]) - Tensor(mean)).matmul(Tensor(whitening, shape: [count, count]))
    return try space.joined(y, Tensor(theta, shape: [frames, broad.count]))
  }

  /// Internal coordinates [n, dimension] of latents [n, d].
  public func internalCoordinates(latents: Tensor) throws -> [Double] {
    let frames = latents.shape[0]
    let (y, theta) = try space.split(latents.cast(.float64))
    let count = narrow.count
    let n = try (y.matmul(Tensor(unwhitening, shape: [count, count])) + Tensor(mean) + Tensor(centres))
      .values(as: Double.self)
    let angles = try theta.values(as: Double.self)
    let dimension = coordinates.dimension
    var values = [Double](repeating: 0, count: frames * dimension)
    for frame in 0..<frames {
      for (column, index) in narrow.enumerated() {
        let value = n[frame * count + column]
        values[frame * dimension + index] = coordinates.kinds[index].isTorsion ? wrappedAngle(value) : value
      }
      for (k, index) in broad.enumerated() { values[frame * dimension + index] = angles[frame * broad.count + k] }
      for constant in held ?? [] { values[frame * dimension + constant.coordinate] = constant.length }
    }
    return values
  }

  private static func split(
    _ values: [Double], _ frames: Int, _ coordinates: InternalCoordinates, _ narrow: [Int], _ broad: [Int],
    _ centres: [Double]
  ) -> (narrow: [Double], broad: [Double]) {
    let dimension = coordinates.dimension
    var n = [Double](repeating: 0, count: frames * narrow.count)
    var theta = [Double](repeating: 0, count: frames * broad.count)
    for frame in 0..<frames {
      for (column, index) in narrow.enumerated() {
        let shifted = values[frame * dimension + index] - centres[column]
        n[frame * narrow.count + column] = coordinates.kinds[index].isTorsion ? wrappedAngle(shifted) : shifted
      }
      for (k, index) in broad.enumerated() { theta[frame * broad.count + k] = values[frame * dimension + index] }
    }
    return (n, theta)
  }
}

extension InternalCoordinates.Kind {
  var isTorsion: Bool { self == .torsion || self == .relativeTorsion }
}
