import Basics
import Foundation

/// Samples of umbrella windows, thinned, with the weights that make them samples of the distribution without bias.
///
/// Windows without a free energy (not a finite number) are left out. ln w = -ln sum_k exp(f_k - u_k), with as many samples in every
/// window; where they differ in length, -ln sum_k N_k exp(f_k - u_k). Source: Shirts and Chodera, J. Chem. Phys. 129,
/// 124105 (2008), eq. 9.
public struct UmbrellaSamples: Sendable {
  /// Sum 1, [samples].
  public let weights: [Double]
  private let records: NDArray<Double>
  /// Of `records` as [directions * windows * samples, torsions].
  private let rows: [Int]
  /// Of each sample: its direction, and where in its visit of the window it stands, from 0 to below 1.
  private let directions: Int
  private let places: [(direction: Int, share: Double)]

  /// - Parameters:
  ///   - records: torsions in rad, [directions, windows, samples, torsions], the biased ones first.
  ///   - centers: [windows, biased torsions], rad.
  ///   - forceConstants: kT/rad^2, [biased torsions].
  ///   - freeEnergies: f_k of the windows, kT.
  ///   - sharedBias: an energy that the dynamics had in all windows beside their wells, kT, [directions * windows * samples]: a sample
  ///     counts exp(of it) times.
  ///   - lengths: samples of each window in each direction where they differ; `records` is then [directions * all
  /// samples, torsions].
  ///   - maximumSamples: more than about so many are thinned.
  ///
  /// Throws `FreeEnergiesError.shape`.
  public init(
    records: NDArray<Double>, centers: NDArray<Double>, forceConstants: [Double], freeEnergies: [Double],
    sharedBias: [Double]? = nil, lengths: [Int]? = nil, maximumSamples: Int = 40_000
  ) throws {
    let biased = forceConstants.count
    let used = freeEnergies.indices.filter { freeEnergies[$0].isFinite }
    let all = records.shape.dropLast().reduce(1, *)
    let perDirection = lengths?.reduce(0, +) ?? (records.shape.count == 4 ? records.shape[1] * records.shape[2] : 0)
    guard records.shape.count == (lengths == nil ? 4 : 2), centers.shape == [freeEnergies.count, biased],
      biased <= (records.shape.last ?? 0), (lengths?.count ?? records.shape[1]) == freeEnergies.count,
      lengths == nil || (perDirection > 0 && all % perDirection == 0), sharedBias.map({ $0.count == all }) ?? true
    else {
      throw FreeEnergiesError.shape(
        "torsions \(records.shape), centers \(centers.shape), \(biased) force constants, \(freeEnergies.count) free energies"
          + (sharedBias.map { " and \($0.count) energies of a shared bias" } ?? "") + " are not of the same windows")
    }
    guard !used.isEmpty else { throw FreeEnergiesError.invalidValue("no window has a free energy") }
    let (windows, width) = (freeEnergies.count, records.shape.last ?? 0)
    let counts = lengths ?? [Int](repeating: records.shape[2], count: windows)
    let directions = perDirection > 0 ? all / perDirection : 0
    let stride = max(1, directions * used.reduce(0) { $0 + counts[$1] } / max(1, maximumSamples))
    // as many as the first that is used: with windows of one length nothing is added
    let shift = counts.map { $0 == counts[used[0]] ? 0 : log(Double($0) / Double(counts[used[0]])) }
    var (rows, places, first) = ([Int](), [(direction: Int, share: Double)](), 0)
    for walk in 0..<directions * windows {
      let count = counts[walk % windows]
      // the places of the samples that are taken go on from window to window
      for sample in 0..<count where freeEnergies[walk % windows].isFinite && (first + sample) % stride == 0 {
        rows.append(first + sample)
        places.append((walk / windows, Double(sample) / Double(count)))
      }
      first += count
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
          return freeEnergies[k] + shift[k] - bias
        })
    }
    if let sharedBias { for (n, row) in rows.enumerated() { logWeights[n] += sharedBias[row] } }
    weights = normalisedWeights(logWeights: logWeights)
    (self.records, self.rows, self.places) = (records, rows, places)
    self.directions = directions
  }

  /// One of the torsions, rad, [samples].
  public func angles(_ torsion: Int) -> [Double] {
    let width = records.shape.last ?? 1
    return rows.map { records.values[$0 * width + torsion] }
  }

  /// Some of the torsions, with the weights.
  public func torsions(_ indices: [Int]) -> WeightedTorsions {
    WeightedTorsions(columns: indices.map(angles), weights: weights)
  }

  /// 0 or 1: by the direction of the walk, or where there is one walk, by its first and second half in every window.
  public func half(of sample: Int) -> Int {
    directions > 1 ? places[sample].direction % 2 : places[sample].share < 0.5 ? 0 : 1
  }
}
