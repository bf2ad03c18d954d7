import Basics
import Foundation

/// The estimate from windows of any lengths, and its errors.
struct WindowEstimate {
  let pool: WindowPool
  let mbar: MBAR
  let correlation: WindowCorrelation
  let options: WindowsAnalysis.Options
  let bins: CoordinateBins
  /// NaN where no state is asked for.
  let deltaF: Double
  /// Of each sample; empty where no state is asked for.
  private let inside: [Bool]
  private let binOf: [Int]
  private let directInfluence: [Double]
  /// What each sample adds to the error, about its window's mean.
  private let influence: [Double]
  /// Statistical inefficiency of that, over all windows together, in samples.
  private let influenceInefficiency: Double

  init(pool: WindowPool, mbar: MBAR, correlation: WindowCorrelation, options: WindowsAnalysis.Options) throws {
    (self.pool, self.mbar, self.correlation, self.options) = (pool, mbar, correlation, options)
    let along = pool.coordinate(options.axis)
    let bins = CoordinateBins(
      along, isTorsion: pool.data.coordinates[options.axis].isTorsion, count: options.profileBins)
    (self.bins, binOf) = (bins, along.map(bins.bin))
    guard let state = options.state else {
      (deltaF, inside, directInfluence, influence, influenceInefficiency) = (.nan, [], [], [], 1)
      return
    }
    let inside = pool.coordinate(state.coordinate).map(state.contains)
    let weights = mbar.logWeights(reducedPotential: pool.reducedEnergy).map { exp($0) }
    let (value, direct) = try mbar.subsetInfluence(weights: weights, inside: inside)
    var influence = try mbar.fullInfluence(of: direct, state: pool.window)
    for rows in pool.rows {
      let mean = influence[rows].reduce(0, +) / Double(rows.count)
      for n in rows { influence[n] -= mean }
    }
    influenceInefficiency = statisticalInefficiency(segments: pool.rows.map { Array(influence[$0]) })
    (deltaF, self.inside, directInfluence, self.influence) = (value, inside, direct, influence)
  }

  /// Standard errors, kT. `correlated`: influences with their own correlation. `slow`: with the inefficiency of each window's slowest
  /// coordinate, where that is larger. `mbar`: the asymptotic error of as many independent samples as the coordinates' inefficiencies
  /// leave.
  func linearErrors() throws -> (correlated: Double, slow: Double, mbar: Double) {
    guard options.state != nil else { return (.nan, .nan, .nan) }
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
    let asymptotic = try mbar.asymptoticVariances(of: [directInfluence])[0]
    let thinning = sums.independent > 0 ? sums.thinned / sums.independent : 1
    return (sums.correlated.squareRoot(), sums.slow.squareRoot(), (asymptotic * thinning).squareRoot())
  }

  /// Estimates from the first and the second half of every window, MBAR solved anew for each; none where no state is asked for.
  func halves() throws -> [UmbrellaResult.Part] {
    guard options.state != nil else { return [] }
    return try ["first half", "second half"].enumerated().map { half, name in
      var multiplicity = [Double](repeating: 0, count: pool.count)
      for rows in pool.rows {
        for n in rows where ((n - rows.lowerBound) * 2 < rows.count) == (half == 0) { multiplicity[n] = 1 }
      }
      let f = try solve(multiplicity: multiplicity)
      return UmbrellaResult.Part(name: name, deltaF: difference(multiplicity, mbar.matrix.logDenominators(f)))
    }
  }

  /// Block bootstrap within every window: standard errors of deltaF and of -ln P per bin of the profile. Blocks are drawn with wrapping
  /// starts and last three statistical inefficiencies of the window's slowest coordinate, at most a quarter of it.
  func bootstrap(progress: Basics.ProgressReporting) throws -> (deltaF: Double, profile: [Double]) {
    var differences: [Double] = []
    var profiles: [[Double]] = []
    progress.begin("bootstrap", total: options.bootstrapReplicates, unit: "replicates")
    for replicate in 0..<options.bootstrapReplicates {
      var random = RandomStream(seed: options.seed, "windows bootstrap", "\(replicate)")
      var multiplicity = [Double](repeating: 0, count: pool.count)
      for (k, rows) in pool.rows.enumerated() {
        let inefficiency = max(influenceInefficiency, correlation.inefficiency[k] / Double(pool.stride))
        let length = min(max(1, Int((3 * inefficiency).rounded(.up))), max(1, rows.count / 4))
        var drawn = 0
        while drawn < rows.count {
          let first = Int(random.next() % UInt64(rows.count))
          for i in 0..<min(length, rows.count - drawn) { multiplicity[rows.lowerBound + (first + i) % rows.count] += 1 }
          drawn += length
        }
      }
      let denominators = mbar.matrix.logDenominators(try solve(multiplicity: multiplicity))
      if options.state != nil { differences.append(difference(multiplicity, denominators)) }
      let histogram = self.histogram(multiplicity: multiplicity, logDenominators: denominators)
      let total = histogram.reduce(0, +)
      profiles.append(histogram.map { -log($0 / total) })
      progress.update(completed: replicate + 1)
    }
    progress.end()
    let errors = (0..<options.profileBins).map { bin in finiteStandardDeviation(profiles.map { $0[bin] }) }
    guard options.state != nil else { return (.nan, errors) }
    let spread = finiteStandardDeviation(differences)
    return (spread.isFinite ? spread : 0, errors)
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

  private func difference(_ multiplicity: [Double], _ logDenominators: [Double]) -> Double {
    stateDifference(zip(multiplicity, relativeWeights(logDenominators)).map { $0 * $1 }, inside)
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
