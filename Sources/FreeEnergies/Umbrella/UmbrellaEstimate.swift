import Basics
import Foundation

/// The estimate from pooled windows and its errors.
struct UmbrellaEstimate {
  let pool: UmbrellaPool
  let mbar: MBAR
  let correlation: UmbrellaCorrelation
  let options: UmbrellaAnalysis.Options
  /// Of the pairs, and of the populations.
  let differences: WindowDifferences
  private let weights: [Double]

  init(pool: UmbrellaPool, mbar: MBAR, correlation: UmbrellaCorrelation, options: UmbrellaAnalysis.Options) throws {
    (self.pool, self.mbar, self.correlation, self.options) = (pool, mbar, correlation, options)
    let states = options.states ?? StateSet(torsion: pool.data.torsionNames[options.torsion], TorsionState())
    // u_k of the windows is that of the dynamics without its well; the force field's is less than that by the shared bias
    weights = mbar.logWeights(reducedPotential: pool.sharedBias.map { -$0 }).map { exp($0) }
    differences = try WindowDifferences(
      pool.assignment(states), weights: weights, mbar: mbar, window: pool.window,
      windows: pool.windowRows, segments: pool.segments, haveOneLength: pool.data.lengths == nil)
  }

  /// Standard errors of each difference, kT. `correlated`: influences with their own correlation. `slow`: in the windows of `short`, the part of
  /// the variance that goes with the slowest torsion counted by that torsion's inefficiency instead. `mbar`: the asymptotic error on samples thinned by the torsions' inefficiency.
  func linearErrors(short: [Int]) throws -> [(correlated: Double, slow: Double, mbar: Double)] {
    try differences.all.map { $0.hasValue ? try linearErrors(of: $0, short: short) : (.nan, .nan, .nan) }
  }

  /// What each window adds to the variance of the first difference that has a value, kT^2; its statistical
  /// inefficiency is the geometric mean of
  /// its own, which is noisy, and that of all. [windows]
  var windowVariances: [Double] {
    guard let difference = differences.all.first(where: \.hasValue) else { return pool.windowRows.map { _ in 0 } }
    let (rows, segments, walks) = (pool.windowRows, pool.segments, pool.data.walks.count)
    return rows.indices.map { k in
      let parts = segments[k * walks..<(k + 1) * walks].map { Array(difference.influence[$0]) }
      let squares = difference.influence[rows[k]].reduce(0) { $0 + $1 * $1 }
      return squares * (statisticalInefficiency(segments: parts) * difference.inefficiency).squareRoot()
    }
  }

  private func linearErrors(of difference: WindowDifference, short: [Int]) throws -> (
    correlated: Double, slow: Double, mbar: Double
  ) {
    let (isShort, own) = (Set(short), difference.inefficiency)
    let influence = difference.influence
    var sums = (independent: 0.0, correlated: 0.0, slow: 0.0, thinned: 0.0)
    for (k, rows) in pool.windowRows.enumerated() {
      let squares = influence[rows].reduce(0) { $0 + $1 * $1 }
      let variance = squares * Double(rows.count) / Double(rows.count - 1)
      let torsion = max(1, correlation.inefficiency[k] / Double(pool.stride))
      sums.independent += variance
      sums.correlated += variance * own
      let shared = isShort.contains(k) && torsion > own ? slowShare(of: influence, window: k, rows: rows) : 0
      sums.slow += variance * ((1 - shared) * own + shared * torsion)
      sums.thinned += variance * torsion
    }
    let asymptotic = try mbar.asymptoticVariances(of: [difference.direct])[0]
    let thinning = sums.independent > 0 ? sums.thinned / sums.independent : 1
    return (sums.correlated.squareRoot(), sums.slow.squareRoot(), (asymptotic * thinning).squareRoot())
  }

  /// Share of a window's influence variance that its slowest torsion explains: R^2 of a regression on its cosine and sine.
  private func slowShare(of influence: [Double], window k: Int, rows: Range<Int>) -> Double {
    let size = rows.count
    let angles = correlation.slowestAngles(window: k, data: pool.data, stride: pool.stride)
    let y = Array(influence[rows])
    var columns = [angles.map { cos($0) }, angles.map { sin($0) }]
    for c in columns.indices {
      let mean = columns[c].reduce(0, +) / Double(size)
      for i in 0..<size { columns[c][i] -= mean }
    }
    let dot = { (a: [Double], b: [Double]) in zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let (aa, ab, bb) = (dot(columns[0], columns[0]), dot(columns[0], columns[1]), dot(columns[1], columns[1]))
    let (ay, by, yy) = (dot(columns[0], y), dot(columns[1], y), dot(y, y))
    let determinant = aa * bb - ab * ab
    guard yy > 0, determinant > 1e-12 * aa * bb else { return 0 }
    let explained = (ay * ay * bb - 2 * ay * by * ab + by * by * aa) / determinant
    return min(1, max(0, explained / yy))
  }

  /// Estimates of each difference from parts of the samples, MBAR solved anew for each; `part` names the part of a sample.
  /// [differences][parts]
  func parts(_ names: [String], _ part: (UmbrellaPool, Int) -> Int) throws -> [[UmbrellaResult.Part]] {
    let assigned = (0..<pool.count).map { part(pool, $0) }
    let values = try names.indices.map { index in
      let multiplicity = assigned.map { $0 == index ? 1.0 : 0.0 }
      let f = try solve(multiplicity: multiplicity)
      return differenceValues(multiplicity, mbar.matrix.logDenominators(f))
    }
    return differences.all.indices.map { difference in
      zip(names, values).map { UmbrellaResult.Part(name: $0, deltaF: $1[difference]) }
    }
  }

  /// Block bootstrap within every window and walk: standard errors of the differences and of -ln P per profile bin. Blocks are drawn
  /// with wrapping starts and last three statistical inefficiencies of the window's slowest torsion, at most a quarter of it.
  func bootstrap(progress: Basics.ProgressReporting) throws -> (differences: [Double], profile: [Double]) {
    let segments = pool.segments
    var replicates: [[Double]] = []
    var profiles: [[Double]] = []
    guard options.bootstrapReplicates > 0 else {
      return (differences.all.map { _ in 0 }, [Double](repeating: 0, count: options.profileBins))
    }
    progress.begin("bootstrap", total: options.bootstrapReplicates, unit: "replicates")
    for replicate in 0..<options.bootstrapReplicates {
      var random = RandomStream(seed: options.seed, "umbrella bootstrap", "\(replicate)")
      var multiplicity = [Double](repeating: 0, count: pool.count)
      for segment in segments {
        let (start, n, k) = (segment.lowerBound, segment.count, pool.window[segment.lowerBound])
        let inefficiency = max(differences.inefficiency, correlation.inefficiency[k] / Double(pool.stride))
        let length = min(max(1, Int((3 * inefficiency).rounded(.up))), max(1, n / 4))
        var drawn = 0
        while drawn < n {
          let first = Int(random.next() % UInt64(n))
          for i in 0..<min(length, n - drawn) { multiplicity[start + (first + i) % n] += 1 }
          drawn += length
        }
      }
      let f = try solve(multiplicity: multiplicity)
      let denominators = mbar.matrix.logDenominators(f)
      replicates.append(differenceValues(multiplicity, denominators))
      let histogram = self.histogram(multiplicity: multiplicity, logDenominators: denominators)
      let total = histogram.reduce(0, +)
      profiles.append(histogram.map { -log($0 / total) })
      progress.update(completed: replicate + 1)
    }
    progress.end()
    let bins = (0..<options.profileBins).map { bin in finiteStandardDeviation(profiles.map { $0[bin] }) }
    let spreads = differences.all.indices.map { index -> Double in
      let spread = finiteStandardDeviation(replicates.map { $0[index] })
      return spread.isFinite ? spread : 0
    }
    return (spreads, bins)
  }

  /// Probability per bin of the profile, unnormalised.
  func histogram(multiplicity: [Double]?, logDenominators: [Double]) -> [Double] {
    let weights = relativeWeights(logDenominators)
    var result = [Double](repeating: 0, count: options.profileBins)
    for i in 0..<pool.count {
      let m = multiplicity?[i] ?? 1
      if m > 0 { result[FreeEnergyProfile.bin(of: pool.angle[i], bins: options.profileBins)] += m * weights[i] }
    }
    return result
  }

  /// Weights without any bias, the largest 1.
  private func relativeWeights(_ logDenominators: [Double]) -> [Double] {
    FreeEnergies.relativeWeights(logWeights: zip(pool.sharedBias, logDenominators).map { $0 - $1 })
  }

  private func differenceValues(_ multiplicity: [Double], _ logDenominators: [Double]) -> [Double] {
    differences.values(zip(multiplicity, relativeWeights(logDenominators)).map { $0 * $1 })
  }

  /// MBAR on resampled data, from the full solution and with its Hessian.
  private func solve(multiplicity: [Double]) throws -> [Double] {
    var counts = [Double](repeating: 0, count: pool.data.windowCount)
    for i in multiplicity.indices { counts[pool.window[i]] += multiplicity[i] }
    let solver = MBARSolver(
      matrix: mbar.matrix, counts: counts, tolerance: 1e-4, multiplicity: multiplicity,
      logCountShift: zip(counts, pool.samplesPerWindow).map { log($0 / Double($1)) })
    let scale = counts.reduce(0, +) / Double(pool.count)
    return try solver.solve(from: mbar.solution.freeEnergies, factor: mbar.solution.factor, factorScale: scale)
      .freeEnergies
  }
}
