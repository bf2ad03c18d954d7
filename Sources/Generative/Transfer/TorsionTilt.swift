import Foundation
import Molecules
import Torch

/// By how much the density over a molecule's torsions has to change, from weighted samples of an emulator: the mean of ln w as a smooth
/// function of the torsions.
///
/// Frames of short dynamics stand where it was started, and an emulator that learns them draws side chains and backbones in these proportions.
/// Its samples' weights know better. What they say of torsions is fitted by waves of each torsion and products of two, with a ridge that
/// cross-validation chooses; what is left of them, which belongs to other coordinates and to chance, plays no part. (A density over the torsions
/// would want the mean of w: it differs where ln w varies more about some torsions than about others, and few heavy samples decide it.)
public struct TorsionTilt {
  /// Share of the variance of ln w that the torsions explain, of samples that were not fitted.
  public let explained: Double
  private let basis: ConditionalMean.Basis
  private let coefficients: Tensor
  private let coordinates: InternalCoordinates
  private let torsions: [Int]

  /// Samples whose ln w is further below the median are left out: an overlap of atoms says nothing of torsions' populations.
  private static let lowest = 8.0
  private static let folds = 5
  private static let ridges = [1e-3, 1e-2, 0.1, 1, 10, 100]
  /// Samples that a feature asks for, at least.
  private static let samplesPerFeature = 4
  /// Features of pairs are left out where there were more, for the memory that their products take.
  private static let mostFeatures = 1500

  /// `positions` [samples, atoms, 3], nm, and ln w of each, of the molecule `topology`. `isInside` [samples] parts them in two, whose weights
  /// may be far from each other's (a rare state and the rest); empty: one. Throws `TransferError.tooFewSamples`, `PeptideError`,
  /// `MoleculesError`, and what `checkInterruption` does.
  public init(
    topology: Topology, positions: [Double], logWeights: [Double], isInside: [Bool] = [],
    checkInterruption: () throws -> Void = {}
  ) throws {
    let molecule = try PeptideCoordinates(topology: topology)
    coordinates = molecule.coordinates
    // turns of equal ends are no places
    let rotors = Set(molecule.rotors.map(\.torsion))
    torsions = molecule.broad.filter { !rotors.contains($0) }
    let sides = isInside.isEmpty ? [Bool](repeating: false, count: logWeights.count) : isInside
    let medians = [false, true].map { side in
      Self.median(logWeights.indices.filter { sides[$0] == side && logWeights[$0].isFinite }.map { logWeights[$0] })
    }
    func median(_ sample: Int) -> Double { medians[sides[sample] ? 1 : 0] }
    let kept = logWeights.indices.filter {
      logWeights[$0].isFinite && logWeights[$0] > median($0) - Self.lowest
    }
    let angles = torsions.count
    let pairs = (0..<angles).flatMap { first in (first + 1..<max(first + 1, angles)).map { [first, $0] } }
    let bases = [ConditionalMean.Basis(harmonics: 3, pairs: pairs), .init(harmonics: 3, pairs: [])]
    let found = bases.first { basis in
      let features = basis.count(angles: angles)
      return kept.count >= Self.samplesPerFeature * features && (features <= Self.mostFeatures || basis.pairs.isEmpty)
    }
    guard let basis = found else {
      throw TransferError.tooFewSamples(
        kept.count, needed: Self.samplesPerFeature * bases[1].count(angles: angles))
    }
    self.basis = basis
    let size = 3 * coordinates.atomCount
    let rows = kept.flatMap { positions[$0 * size..<($0 + 1) * size] }
    let all = try coordinates.internalCoordinates(rows, frames: kept.count).values
    let h = try basis.features(Self.angles(all, coordinates.dimension, torsions))
    let y = try Tensor(kept.map { logWeights[$0] - medians[0] }, shape: [kept.count, 1])
    let stiffness = try Tensor(
      ConditionalMean.stiffness(angles: angles, harmonics: 3, pairs: basis.pairs.count), shape: [h.shape[1], 1])
    /// Sums over some samples, of which every fit is made.
    struct Sums {
      let normal, right: Tensor
      let count: Int

      init(_ h: Tensor, _ y: Tensor) throws {
        (normal, right, count) = (try h.transposed().matmul(h), try h.transposed().matmul(y), h.shape[0])
      }

      init(_ whole: Sums, without part: Sums) throws {
        (normal, right) = (try whole.normal - part.normal, try whole.right - part.right)
        count = whole.count - part.count
      }

      func fit(_ ridge: Tensor) throws -> Tensor {
        let identity = try Tensor.identity(normal.shape[0], .float64)
        return try (normal / Double(count) + identity * ridge).solved(right / Double(count))
      }
    }
    let whole = try Sums(h, y)
    var errors = [Double](repeating: 0, count: Self.ridges.count)
    // samples are independent: every fifth is a fold
    for fold in 0..<Self.folds {
      let index = try Tensor(kept.indices.filter { $0 % Self.folds == fold }.map(Int64.init))
      let (out, wanted) = (try h.selected(index), try y.selected(index))
      let rest = try Sums(whole, without: Sums(out, wanted))
      for (place, ridge) in Self.ridges.enumerated() {
        errors[place] += try (wanted - out.matmul(rest.fit(stiffness * ridge + 1e-9))).square().sum().item()
      }
      try checkInterruption()
    }
    let best = errors.indices.min { errors[$0] < errors[$1] } ?? 0
    let total = try (y - y.mean(0)).square().sum().item()
    explained = total > 0 ? 1 - errors[best] / total : 0
    coefficients = try whole.fit(stiffness * Self.ridges[best] + 1e-9)
  }

  private static func angles(_ values: [Double], _ dimension: Int, _ torsions: [Int]) throws -> Tensor {
    let frames = values.count / dimension
    return try Tensor(
      (0..<frames).flatMap { frame in torsions.map { values[frame * dimension + $0] } },
      shape: [frames, torsions.count])
  }

  static func median(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.sorted()[values.count / 2] }

  /// The change of ln p at frames [frames, atoms, 3], nm, up to a constant; 0 where torsions explain nothing. [frames]
  public func callAsFunction(_ positions: [Double]) throws -> [Double] {
    let frames = positions.count / (3 * coordinates.atomCount)
    guard explained > 0 else { return [Double](repeating: 0, count: frames) }
    let values = try coordinates.internalCoordinates(positions, frames: frames).values
    return try basis.features(Self.angles(values, coordinates.dimension, torsions)).matmul(coefficients)
      .values(as: Double.self)
  }

  /// It changes a frame's weight by no more than this, either way, from the middle of its side's.
  private static let largest = 3.0

  /// What frames count by the change of ln p, relative to each other: its exponential within a factor of e^3 of the middle, of each of two
  /// sides for itself; `share` of the draws is on the inside, where there is one. [frames]
  public static func weights(_ change: [Double], isInside: [Bool], share: Double?) -> [Double] {
    let sides = isInside.isEmpty ? [Bool](repeating: false, count: change.count) : isInside
    var weights = [Double](repeating: 0, count: change.count)
    let places = [false, true].map { side in change.indices.filter { sides[$0] == side } }
    let isParted = !places[0].isEmpty && !places[1].isEmpty && share != nil
    for (side, frames) in (isParted ? places : [Array(change.indices), []]).enumerated() {
      let middle = median(frames.map { change[$0] })
      for frame in frames { weights[frame] = exp(max(-largest, min(largest, change[frame] - middle))) }
      guard let share, isParted else { continue }
      let sum = frames.reduce(0) { $0 + weights[$1] }
      for frame in frames { weights[frame] *= (side == 1 ? share : 1 - share) / sum }
    }
    return weights
  }
}
