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
///
/// Where asked for, groups of three equal ends are folded (`Rotor`) before anything else, and the mean of the narrow coordinates depends on the
/// broad torsions (`ConditionalMean`): y = (n - mean(theta)) W, a shear, which changes no volume.
public struct InternalChart: Codable, Equatable, Sendable {
  public let coordinates: InternalCoordinates
  /// Internal coordinates that are whitened, and those that stay angles.
  public let narrow, broad: [Int]
  /// Coordinates that are constant, and their values, nm; nil without.
  public let held: [HeldLength]?
  /// Groups of three ends whose names do not matter; nil where none are folded.
  public let rotors: [Rotor]?
  /// How the mean of the narrow coordinates depends on the broad torsions, beside `mean`; nil where it does not.
  public let conditionalMean: ConditionalMean?
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

  /// What a chart may have beside whitening.
  public struct Options: Sendable {
    /// Bonds that keep their lengths.
    public var rigid: RigidBonds?
    /// Groups of three ends that are folded.
    public var rotors: [Rotor] = []
    /// The mean of the narrow coordinates depends on the broad torsions.
    public var hasConditionalMean = false
    /// The internal coordinates that have latents, where it is not all: the others are left out of everything.
    public var only: Set<Int>?
    /// How much a frame counts for means and covariance; all the same where empty. [frames]
    public var weights: [Double] = []

    public init(rigid: RigidBonds? = nil) { self.rigid = rigid }
  }

  /// From training frames: `values` [frames, dimension] as `InternalCoordinates.internalCoordinates` gives them. Bonds in `rigid` keep
  /// their lengths. Throws `ChartError`.
  public init(coordinates: InternalCoordinates, values: [Double], frames: Int, rigid: RigidBonds? = nil) throws {
    try self.init(coordinates: coordinates, values: values, frames: frames, Options(rigid: rigid))
  }

  /// Throws as above.
  public init(coordinates: InternalCoordinates, values: [Double], frames: Int, _ options: Options) throws {
    let dimension = coordinates.dimension
    var (values, none) = (values, [Double]())
    options.rotors.fold(&values, gradient: &none, frames: frames)
    var (broad, arcs) = coordinates.broadTorsions(values, frames: frames)
    let held = try Self.held(options.rigid, coordinates)
    let constants = Set((held ?? []).map(\.coordinate))
    // on a circle that all three namings share there is no arc to be narrow in
    let turning = Set(options.rotors.map(\.torsion))
    let looked = (0..<dimension).filter { options.only?.contains($0) ?? true }
    broad = looked.filter { turning.contains($0) || broad.contains($0) }
    let narrow = looked.filter { !broad.contains($0) && !constants.contains($0) }
    let squares = options.weights.reduce(0) { $0 + $1 * $1 }
    let sum = options.weights.reduce(0, +)
    let effective = options.weights.isEmpty ? frames : Int((sum * sum / max(squares, .leastNormalMagnitude)).rounded())
    guard effective >= 2 * narrow.count else { throw ChartError.tooFewFrames(frames: effective, narrow: narrow.count) }
    (self.coordinates, self.narrow, self.broad, self.held) = (coordinates, narrow, broad, held)
    rotors = options.rotors.isEmpty ? nil : options.rotors
    centres = narrow.map { arcs[$0] }
    let (narrowValues, angles) = Self.split(values, frames, coordinates, narrow, broad, centres)
    let n = try Tensor(narrowValues, shape: [frames, narrow.count])
    // shares of all, which add up to 1
    let weights = try Tensor(options.weights.isEmpty ? [Double](repeating: 1, count: frames) : options.weights)
    let share = try (weights / weights.sum().item()).unsqueezed(-1)
    let mean = try (n * share).sum(0)
    var centred = try n - mean
    let theta = try Tensor(angles, shape: [frames, broad.count])
    if options.hasConditionalMean, !broad.isEmpty,
      let found = try ConditionalMean(of: centred, given: theta, share: share)
    {
      centred = try centred - found.values(theta)
      conditionalMean = found
    } else {
      conditionalMean = nil
    }
    let scale = try (centred.square() * share).sum(0).sqrt()
    if let flat = try scale.values(as: Double.self).firstIndex(where: { !($0 > 1e-9) }) {
      throw ChartError.constantCoordinate(index: narrow[flat])
    }
    let z = try centred / scale
    let (eigenvalues, vectors) = try z.transposed().matmul(z * share).symmetricEigenDecomposition()
    let root = try eigenvalues.clamped(1e-12...Double.greatestFiniteMagnitude).sqrt()
    // y = ((n - mean) / scale) V / sqrt(eigenvalues)
    let forward = try (vectors / root) / scale.reshaped(-1, 1)
    let backward = try (vectors * root).transposed() * scale
    self.mean = try mean.values()
    whitening = try forward.values()
    unwhitening = try backward.values()
    logDeterminant = try -(scale.log().sum() + root.log().sum()).item() + options.rotors.logDeterminant
  }

  /// The same coordinates, whitened otherwise: y = (n - mean - given(theta)) W. W and its inverse [narrow, narrow]; `logDeterminant` changes by
  /// that of the step from the old latents to the new.
  init(
    _ chart: InternalChart, whitening: Tensor, unwhitening: Tensor, given conditionalMean: ConditionalMean?,
    addingLogDeterminant change: Double
  ) throws {
    (coordinates, narrow, broad, held) = (chart.coordinates, chart.narrow, chart.broad, chart.held)
    (rotors, centres, mean, self.conditionalMean) = (chart.rotors, chart.centres, chart.mean, conditionalMean)
    self.whitening = try whitening.values()
    self.unwhitening = try unwhitening.values()
    logDeterminant = chart.logDeterminant + change
  }

  /// Of these parts, whatever frames say: `whitening` and its inverse [narrow, narrow], row-major; `logDeterminant` is that of the whitening.
  init(
    _ coordinates: InternalCoordinates, narrow: [Int], broad: [Int], rotors: [Rotor], centres: [Double],
    mean: [Double], whitening: [Double], unwhitening: [Double], logDeterminant: Double
  ) {
    (self.coordinates, self.narrow, self.broad, held) = (coordinates, narrow, broad, nil)
    (self.rotors, conditionalMean) = (rotors.isEmpty ? nil : rotors, nil)
    (self.centres, self.mean, self.whitening, self.unwhitening) = (centres, mean, whitening, unwhitening)
    self.logDeterminant = logDeterminant + rotors.logDeterminant
  }

  private static func held(_ rigid: RigidBonds?, _ coordinates: InternalCoordinates) throws -> [HeldLength]? {
    try rigid.map { rigid in
      try zip(rigid.bonds, rigid.lengths).map { bond, length in
        guard let index = coordinates.coordinate(ofBond: bond) else {
          throw ChartError.heldBond(bond.first, bond.second)
        }
        return HeldLength(coordinate: index, length: length)
      }
    }
  }

  /// Latents [frames, d] in Float64.
  public func latents(internal values: [Double], frames: Int) throws -> Tensor {
    var (values, none) = (values, [Double]())
    rotors?.fold(&values, gradient: &none, frames: frames)
    return try latents(folded: values, frames: frames)
  }

  private func latents(folded values: [Double], frames: Int) throws -> Tensor {
    let (n, theta) = Self.split(values, frames, coordinates, narrow, broad, centres)
    let count = narrow.count
    var centred = try Tensor(n, shape: [frames, count]) - Tensor(mean)
    let angles = try Tensor(theta, shape: [frames, broad.count])
    if let conditionalMean { centred = try centred - conditionalMean.values(angles) }
    return try space.joined(centred.matmul(Tensor(whitening, shape: [count, count])), angles)
  }

  /// Latents [frames, d] in Float64, and the gradient over them, [frames, d], of a scalar whose `gradient` over internal coordinates
  /// [frames, dimension] is given.
  public func latents(
    internal values: [Double], gradient: [Double], frames: Int
  ) throws -> (latents: Tensor, gradient: Tensor) {
    var (folded, slopes) = (values, gradient)
    rotors?.fold(&folded, gradient: &slopes, frames: frames)
    let latents = try latents(folded: folded, frames: frames)
    let dimension = coordinates.dimension
    func columns(_ indices: [Int]) throws -> Tensor {
      try Tensor(
        (0..<frames).flatMap { frame in indices.map { slopes[frame * dimension + $0] } },
        shape: [frames, indices.count])
    }
    let (g, count) = (try columns(narrow), narrow.count)
    var turning = try columns(broad)
    if let conditionalMean {
      turning = try turning + conditionalMean.pulled(g, at: space.split(latents).angles)
    }
    let pulled = try g.matmul(Tensor(unwhitening, shape: [count, count]).transposed())
    return (latents, try space.joined(pulled, turning))
  }

  /// The gradient over internal coordinates, [frames, dimension], of a scalar whose `gradient` over latents [frames, d] is given, at the
  /// internal coordinates `values`; zero for those that are no latents. What `latents(internal:gradient:frames:)` does to gradients,
  /// backwards.
  func slopes(of gradient: Tensor, internal values: [Double], frames: Int) throws -> [Double] {
    var (folded, none) = (values, [Double]())
    rotors?.fold(&folded, gradient: &none, frames: frames)
    let (over, turns) = try space.split(gradient.cast(.float64))
    let (count, dimension) = (narrow.count, coordinates.dimension)
    let straight = try over.matmul(Tensor(whitening, shape: [count, count]).transposed())
    var turning = turns
    if let conditionalMean {
      let theta = Self.split(folded, frames, coordinates, narrow, broad, centres).broad
      turning = try turns - conditionalMean.pulled(straight, at: Tensor(theta, shape: [frames, broad.count]))
    }
    var result = [Double](repeating: 0, count: frames * dimension)
    func fill(_ columns: [Int], _ slopes: Tensor) throws {
      let slopes = try slopes.values(as: Double.self)
      for frame in 0..<frames {
        for (k, index) in columns.enumerated() {
          result[frame * dimension + index] = slopes[frame * columns.count + k]
        }
      }
    }
    try fill(narrow, straight)
    try fill(broad, turning)
    rotors?.unfold(gradient: &result, at: values, frames: frames)
    return result
  }

  /// Internal coordinates [n, dimension] of latents [n, d].
  public func internalCoordinates(latents: Tensor) throws -> [Double] {
    let frames = latents.shape[0]
    let (y, theta) = try space.split(latents.cast(.float64))
    let count = narrow.count
    var centred = try y.matmul(Tensor(unwhitening, shape: [count, count])) + Tensor(mean)
    if let conditionalMean { centred = try centred + conditionalMean.values(theta) }
    let n = try (centred + Tensor(centres)).values(as: Double.self)
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
    if let rotors { rotors.unfold(&values, turns: turns(values, rotors, frames: frames), frames: frames) }
    return values
  }

  /// Which of the three equal ends is called the first, for every frame and rotor: as good as at random, and the same for the same
  /// latents. Read off the last digits of the folded torsion.
  private func turns(_ folded: [Double], _ rotors: [Rotor], frames: Int) -> [Int] {
    (0..<frames).flatMap { frame in
      rotors.map { rotor in
        let digits = Float(folded[frame * coordinates.dimension + rotor.torsion]).bitPattern
        return Int((UInt64(digits) &* 0x9E37_79B9_7F4A_7C15) >> 33) % 3
      }
    }
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
