import Basics
import Foundation

/// Samples of umbrella windows, thinned, with the weights that make them samples of the distribution without bias.
///
/// Windows without a free energy (not a finite number) are left out. ln w = -ln sum_k exp(f_k - u_k), with as many samples in every
/// window. Source: Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008), eq. 9.
public struct UmbrellaSamples: Sendable {
  /// Sum 1, [samples].
  public let weights: [Double]
  private let records: NDArray<Double>
  /// Of `records` as [directions * windows * samples, torsions].
  private let rows: [Int]

  /// - Parameters:
  ///   - records: torsions in rad, [directions, windows, samples, torsions], the biased ones first.
  ///   - centers: [windows, biased torsions], rad.
  ///   - forceConstants: kT/rad^2, [biased torsions].
  ///   - freeEnergies: f_k of the windows, kT.
  ///   - sharedBias: an energy that the dynamics had in all windows beside their wells, kT, [directions * windows * samples]: a sample
  ///     counts exp(of it) times.
  ///   - maximumSamples: more than about so many are thinned.
  ///
  /// Throws `FreeEnergiesError.shape`.
  public init(
    records: NDArray<Double>, centers: NDArray<Double>, forceConstants: [Double], freeEnergies: [Double],
    sharedBias: [Double]? = nil, maximumSamples: Int = 40_000
  ) throws {
    let biased = forceConstants.count
    let used = freeEnergies.indices.filter { freeEnergies[$0].isFinite }
    guard records.shape.count == 4, centers.shape == [freeEnergies.count, biased], biased <= records.shape[3],
      records.shape[1] == freeEnergies.count,
      (sharedBias?.count ?? 0) == (sharedBias == nil ? 0 : records.shape[..<3].reduce(1, *))
    else {
      throw FreeEnergiesError.shape(
        "torsions \(records.shape), centers \(centers.shape), \(biased) force constants, \(freeEnergies.count) free energies"
          + (sharedBias.map { " and \($0.count) energies of a shared bias" } ?? "") + " are not of the same windows")
    }
    guard !used.isEmpty else { throw FreeEnergiesError.invalidValue("no window has a free energy") }
    let (directions, windows, samples, width) = (records.shape[0], records.shape[1], records.shape[2], records.shape[3])
    let stride = max(1, directions * used.count * samples / max(1, maximumSamples))
    var rows: [Int] = []
    for walk in 0..<directions * windows where freeEnergies[walk % windows].isFinite {
      // the places of the samples that are taken go on from window to window
      for sample in 0..<samples where (walk * samples + sample) % stride == 0 { rows.append(walk * samples + sample) }
    }
    let taken = rows
    var logWeights = parallelMap(taken.count) { n in
      -logSumExp(
        used.map { k in
          var bias = 0.0
          for t in 0..<biased {
            let d = wrapped(records.values[taken[n] * width + t] - centers.values[k * biased + t])
            bias += 0.5 * forceConstants[t] * d * d
          }
          return freeEnergies[k] - bias
        })
    }
    if let sharedBias { for (n, row) in rows.enumerated() { logWeights[n] += sharedBias[row] } }
    weights = normalisedWeights(logWeights: logWeights)
    (self.records, self.rows) = (records, rows)
  }

  /// One of the torsions, rad, [samples].
  public func angles(_ torsion: Int) -> [Double] { rows.map { records.values[$0 * records.shape[3] + torsion] } }

  /// Some of the torsions, with the weights.
  public func torsions(_ indices: [Int]) -> WeightedTorsions {
    WeightedTorsions(columns: indices.map(angles), weights: weights)
  }

  /// 0 or 1: by the direction of the walk, or where there is one walk, by its first and second half in every window.
  public func half(of sample: Int) -> Int {
    let (windows, samples) = (records.shape[1], records.shape[2])
    return records.shape[0] > 1 ? rows[sample] / samples / windows % 2 : 2 * (rows[sample] % samples) / samples
  }
}
