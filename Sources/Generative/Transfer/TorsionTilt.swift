import Foundation
import Molecules
import Torch

/// By how much the density over a molecule's torsions has to change, from weighted samples of an emulator: ln of the weight as a smooth
/// function of the torsions.
///
/// Frames of short dynamics stand where it was started, and an emulator that learns them draws side chains and backbones in these proportions.
/// Its samples' weights know better. What they say of torsions is fitted by waves of each torsion and products of two, with a ridge that
/// cross-validation chooses; what is left of them, which belongs to other coordinates and to chance, plays no part.
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
  /// ln w changes a frame's weight by no more than this, either way.
  private static let largest = 3.0
  /// Samples that a feature asks for, at least.
  private static let samplesPerFeature = 4

  /// `positions` [samples, atoms, 3], nm, and ln w of each, of the molecule `topology`. Throws `TransferError.tooFewSamples`, `PeptideError`,
  /// `MoleculesError`.
  public init(topology: Topology, positions: [Double], logWeights: [Double]) throws {
    let molecule = try PeptideCoordinates(topology: topology)
    coordinates = molecule.coordinates
    // turns of equal ends are no places
    let rotors = Set(molecule.rotors.map(\.torsion))
    torsions = molecule.broad.filter { !rotors.contains($0) }
    let finite = logWeights.filter(\.isFinite).sorted()
    let median = finite.isEmpty ? 0 : finite[finite.count / 2]
    let kept = logWeights.indices.filter { logWeights[$0].isFinite && logWeights[$0] > median - Self.lowest }
    let angles = torsions.count
    let pairs = (0..<angles).flatMap { first in (first + 1..<max(first + 1, angles)).map { [first, $0] } }
    let bases = [ConditionalMean.Basis(harmonics: 3, pairs: pairs), .init(harmonics: 3, pairs: [])]
    guard let basis = bases.first(where: { kept.count >= Self.samplesPerFeature * $0.count(angles: angles) }) else {
      throw TransferError.tooFewSamples(
        kept.count, needed: Self.samplesPerFeature * bases[1].count(angles: angles))
    }
    self.basis = basis
    let size = 3 * coordinates.atomCount
    let rows = kept.flatMap { positions[$0 * size..<($0 + 1) * size] }
    let all = try coordinates.internalCoordinates(rows, frames: kept.count).values
    let h = try basis.features(Self.angles(all, coordinates.dimension, torsions))
    let y = try Tensor(kept.map { logWeights[$0] - median }, shape: [kept.count, 1])
    let stiffness = try Tensor(
      ConditionalMean.stiffness(angles: angles, harmonics: 3, pairs: basis.pairs.count), shape: [h.shape[1], 1])
    func fit(_ rows: [Int], _ ridge: Double) throws -> Tensor {
      let index = try Tensor(rows.map(Int64.init))
      let (h, y) = (try h.selected(index), try y.selected(index))
      let normal =
        try h.transposed().matmul(h) / Double(rows.count)
        + Tensor.identity(h.shape[1], .float64) * (stiffness * ridge + 1e-9)
      return try normal.solved(h.transposed().matmul(y) / Double(rows.count))
    }
    // samples are independent: every fifth is a fold
    let folds = (0..<Self.folds).map { fold in
      let (out, rest) = (
        kept.indices.filter { $0 % Self.folds == fold }, kept.indices.filter { $0 % Self.folds != fold }
      )
      return (out, rest)
    }
    let errors = try Self.ridges.map { ridge in
      try folds.reduce(0.0) { sum, fold in
        let index = try Tensor(fold.0.map(Int64.init))
        return try sum
          + (y.selected(index) - h.selected(index).matmul(fit(fold.1, ridge))).square().sum().item()
      }
    }
    let best = errors.indices.min { errors[$0] < errors[$1] } ?? 0
    let total = try (y - y.mean(0)).square().sum().item()
    explained = total > 0 ? 1 - errors[best] / total : 0
    coefficients = try fit(Array(kept.indices), Self.ridges[best])
  }

  private static func angles(_ values: [Double], _ dimension: Int, _ torsions: [Int]) throws -> Tensor {
    let frames = values.count / dimension
    return try Tensor(
      (0..<frames).flatMap { frame in torsions.map { values[frame * dimension + $0] } },
      shape: [frames, torsions.count])
  }

  /// What frames [frames, atoms, 3], nm, count by it, relative to each other; 1 on average. None where torsions explain nothing.
  public func weights(_ positions: [Double]) throws -> [Double] {
    let frames = positions.count / (3 * coordinates.atomCount)
    guard explained > 0 else { return [Double](repeating: 1, count: frames) }
    let values = try coordinates.internalCoordinates(positions, frames: frames).values
    let g = try basis.features(Self.angles(values, coordinates.dimension, torsions)).matmul(coefficients)
      .values(as: Double.self)
    let sorted = g.sorted()
    let middle = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    let weights = g.map { exp(max(-Self.largest, min(Self.largest, $0 - middle))) }
    let mean = weights.reduce(0, +) / Double(max(1, frames))
    return weights.map { $0 / mean }
  }
}
