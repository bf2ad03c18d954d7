import Basics
import Foundation

/// The estimate from windows of any lengths, and its errors.
struct WindowEstimate {
  let pool: WindowPool
  let mbar: MBAR
  let correlation: WindowCorrelation
  let options: WindowsAnalysis.Options
  let bins: CoordinateBins
  /// Of the pairs of states, and of the populations; nil where no state is asked for.
  let differences: WindowDifferences?
  private let binOf: [Int]

  init(pool: WindowPool, mbar: MBAR, correlation: WindowCorrelation, options: WindowsAnalysis.Options) throws {
    (self.pool, self.mbar, self.correlation, self.options) = (pool, mbar, correlation, options)
    let along = pool.coordinate(options.axis)
    let bins = CoordinateBins(
      along, isTorsion: pool.data.coordinates[options.axis].isTorsion, count: options.profileBins)
    (self.bins, binOf) = (bins, along.map(bins.bin))
    guard let states = options.states else {
      differences = nil
      return
    }
    let weights = mbar.logWeights(reducedPotential: pool.reducedEnergy).map { exp($0) }
    differences = try WindowDifferences(
      pool.assignment(states), weights: weights, mbar: mbar, window: pool.window, windows: pool.rows,
      segments: pool.rows)
  }

  /// Standard errors of each difference, kT. `correlated`: influences with their own correlation. `slow`: with the inefficiency of each window's slowest
  /// coordinate, where that is larger. `mbar`: the asymptotic error of as many independent samples as the coordinates' inefficiencies
  /// leave.
  func linearErrors() throws -> [(correlated: Double, slow: Double, mbar: Double)] {
    try (differences?.all ?? []).map { $0.hasValue ? try linearErrors(of: $0) : (.nan, .nan, .nan) }
  }

  private func linearErrors(of difference: WindowDifference) throws -> (
    correlated: Double, slow: Double, mbar: Double
  ) {
    let (influence, influenceInefficiency) = (difference.influence, difference.inefficiency)
    var sums = (independent: 0.0, correlated: 0.0, slow: 0.0, thinned: 0.0)
    for (k, rows) in pool.rows.enumerated() {
      let squares = influence[rows].reduce(0) { $0 + $1 * $1 }
      let variance = squares * Double(rows.count) / Double(rows.count - 1)
      let own = max(1, correlation.inefficiency[k] / Double(pool.stride))
      sums.independent += variance
      sums.correlated += variance * influenceInefficiency
      sums.slow += variance * max(own, influenceInefficiency)
      sums.thinned += variance * own
    }
    let asymptotic = try mbar.asymptoticVariances(of: [difference.direct])[0]
    let thinning = sums.independent > 0 ? sums.thinned / sums.independent : 1
    return (sums.correlated.squareRoot(), sums.slow.squareRoot(), (asymptotic * thinning).squareRoot())
  }

  /// Estimates of each difference from the first and the second half of every window, MBAR solved anew for each. [differences][halves]
  func halves() throws -> [[UmbrellaResult.Part]] {
    guard let differences else { return [] }
    let names = ["first half", "second half"]
    let values = try names.indices.map { half in
      var multiplicity = [Double](repeating: 0, count: pool.count)
      for rows in pool.rows {
        for n in rows where ((n - rows.lowerBound) * 2 < rows.count) == (half == 0) { multiplicity[n] = 1 }
      }
      let f = try solve(multiplicity: multiplicity)
      return differenceValues(multiplicity, mbar.matrix.logDenominators(f))
    }
    return differences.all.indices.map { difference in
      zip(names, values).map { UmbrellaResult.Part(name: $0, deltaF: $1[difference]) }
    }
  }

  /// Block bootstrap within every window: standard errors of the differences and of -ln P per bin of the profile. Blocks are drawn with wrapping
  /// starts and last three statistical inefficiencies of the window's slowest coordinate, at most a quarter of it.
  func bootstrap(progress: Basics.ProgressReporting) throws -> (differences: [Double], profile: [Double]) {
    var replicates: [[Double]] = []
    var profiles: [[Double]] = []
    progress.begin("bootstrap", total: options.bootstrapReplicates, unit: "replicates")
    for replicate in 0..<options.bootstrapReplicates {
      var random = RandomStream(seed: options.seed, "windows bootstrap", "\(replicate)")
      var multiplicity = [Double](repeating: 0, count: pool.count)
      for (k, rows) in pool.rows.enumerated() {
        let inefficiency = max(differences?.inefficiency ?? 1, correlation.inefficiency[k] / Double(pool.stride))
        let length = min(max(1, Int((3 * inefficiency).rounded(.up))), max(1, rows.count / 4))
        var drawn = 0
        while drawn < rows.count {
          let first = Int(random.next() % UInt64(rows.count))
          for i in 0..<min(length, rows.count - drawn) { multiplicity[rows.lowerBound + (first + i) % rows.count] += 1 }
          drawn += length
        }
      }
      let denominators = mbar.matrix.logDenominators(try solve(multiplicity: multiplicity))
      replicates.append(differenceValues(multiplicity, denominators))
      let histogram = self.histogram(multiplicity: multiplicity, logDenominators: denominators)
      let total = histogram.reduce(0, +)
      profiles.append(histogram.map { -log($0 / total) })
      progress.update(completed: replicate + 1)
    }
    progress.end()
    let errors = (0..<options.profileBins).map { bin in finiteStandardDeviation(profiles.map { $0[bin] }) }
    let spreads = (differences?.all.indices ?? 0..<0).map { index -> Double in
      let spread = finiteStandardDeviation(replicates.map { $0[index] })
      return spread.isFinite ? spread : 0
    }
    return (spreads, errors)
  }

  /// Probability per bin of the profile, unnormalised.
  func histogram(multiplicity: [Double]?, logDenominators: [Double]) -> [Double] {
    let weights = relativeWeights(logDenominators)
    var result = [Double](repeating: 0, count: options.profileBins)
    for n in 0..<pool.count { result[binOf[n]] += (multiplicity?[n] ?? 1) * weights[n] }
    return result
  }

  /// Weights without any bias, the largest 1.
  private func relativeWeights(_ logDenominators: [Double]) -> [Double] {
    FreeEnergies.relativeWeights(logWeights: zip(pool.reducedEnergy, logDenominators).map { -$0 - $1 })
  }

  private func differenceValues(_ multiplicity: [Double], _ logDenominators: [Double]) -> [Double] {
    differences?.values(zip(multiplicity, relativeWeights(logDenominators)).map { $0 * $1 }) ?? []
  }

  /// MBAR on resampled data, from the full solution and with its Hessian.
  private func solve(multiplicity: [Double]) throws -> [Double] {
    let counts = pool.rows.map { rows in multiplicity[rows].reduce(0, +) }
    let solver = MBARSolver(
      matrix: mbar.matrix, counts: counts, tolerance: 1e-4, multiplicity: multiplicity,
      logCountShift: zip(counts, pool.rows).map { log($0 / Double($1.count)) })
    let scale = counts.reduce(0, +) / Double(pool.count)
    return try solver.solve(from: mbar.solution.freeEnergies, factor: mbar.solution.factor, factorScale: scale)
      .freeEnergies
  }
}
