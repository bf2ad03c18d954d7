import Basics
import Foundation

/// The estimate from pooled windows and its errors.
struct UmbrellaEstimate {
  let pool: UmbrellaPool
  let mbar: MBAR
  let correlation: UmbrellaCorrelation
  let options: UmbrellaAnalysis.Options
  let inside: [Bool]
  let deltaF: Double
  private let weights, directInfluence: [Double]
  /// What each sample adds to the error, about its window's mean.
  private let influence: [Double]
  /// Statistical inefficiency of that, over all windows together, in samples.
  private let influenceInefficiency: Double

  init(pool: UmbrellaPool, mbar: MBAR, correlation: UmbrellaCorrelation, options: UmbrellaAnalysis.Options) throws {
    (self.pool, self.mbar, self.correlation, self.options) = (pool, mbar, correlation, options)
    inside = pool.angle.map { options.state.contains($0) }
    // u_k of the windows is that of the dynamics without its well; the force field's is less than that by the shared bias
    weights = mbar.logWeights(reducedPotential: pool.sharedBias.map { -$0 }).map { exp($0) }
    (deltaF, directInfluence) = try mbar.subsetInfluence(weights: weights, inside: inside)
    var influence = try mbar.fullInfluence(of: directInfluence, state: pool.window)
    let size = pool.samplesPerWindow
    for start in stride(from: 0, to: influence.count, by: size) {
      let mean = influence[start..<(start + size)].reduce(0, +) / Double(size)
      for i in start..<(start + size) { influence[i] -= mean }
    }
    self.influence = influence
    // Variance and covariances are summed over windows before they are divided: a window counts by what it contributes,
    // and the noise of single short windows averages out.
    let n = pool.samplesPerWalk
    influenceInefficiency = statisticalInefficiency(
      segments: (0..<(influence.count / n)).map { Array(influence[($0 * n)..<(($0 + 1) * n)]) })
  }

  /// Standard errors, kT. `correlated`: influences with their own correlation. `slow`: in the windows of `short`, the part of
  /// the variance that goes with the slowest torsion counted by that torsion's inefficiency instead. `mbar`: the asymptotic error on samples thinned by the torsions' inefficiency.
  func linearErrors(short: [Int]) throws -> (correlated: Double, slow: Double, mbar: Double) {
    let (size, isShort, own) = (pool.samplesPerWindow, Set(short), influenceInefficiency)
    var sums = (independent: 0.0, correlated: 0.0, slow: 0.0, thinned: 0.0)
    for k in 0..<pool.data.windowCount {
      let squares = influence[(k * size)..<((k + 1) * size)].reduce(0) { $0 + $1 * $1 }
      let variance = squares * Double(size) / Double(size - 1)
      let torsion = max(1, correlation.inefficiency[k] / Double(pool.stride))
      sums.independent += variance
      sums.correlated += variance * own
      let shared = isShort.contains(k) && torsion > own ? slowShare(window: k) : 0
      sums.slow += variance * ((1 - shared) * own + shared * torsion)
      sums.thinned += variance * torsion
    }
    let asymptotic = try mbar.asymptoticVariances(of: [directInfluence])[0]
    let thinning = sums.independent > 0 ? sums.thinned / sums.independent : 1
    return (sums.correlated.squareRoot(), sums.slow.squareRoot(), (asymptotic * thinning).squareRoot())
  }

  /// Share of a window's influence variance that its slowest torsion explains: R^2 of a regression on its cosine and sine.
  private func slowShare(window k: Int) -> Double {
    let size = pool.samplesPerWindow
    let angles = correlation.slowestAngles(window: k, data: pool.data, stride: pool.stride)
    let y = Array(influence[(k * size)..<((k + 1) * size)])
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

  /// Estimates from parts of the samples, MBAR solved anew for each; `part` names the part of a sample.
  func parts(_ names: [String], _ part: (UmbrellaPool, Int) -> Int) throws -> [UmbrellaResult.Part] {
    let assigned = (0..<pool.count).map { part(pool, $0) }
    return try names.enumerated().map { index, name in
      let multiplicity = assigned.map { $0 == index ? 1.0 : 0.0 }
      let f = try solve(multiplicity: multiplicity)
      return UmbrellaResult.Part(name: name, deltaF: difference(multiplicity, mbar.matrix.logDenominators(f)))
    }
  }

  /// Block bootstrap within every window and walk: standard errors of deltaF and of -ln P per profile bin. Blocks are drawn
  /// with wrapping starts and last three statistical inefficiencies of the window's slowest torsion, at most a quarter of it.
  func bootstrap(progress: Basics.ProgressReporting) throws -> (deltaF: Double, profile: [Double]) {
    let n = pool.samplesPerWalk
    var differences: [Double] = []
    var profiles: [[Double]] = []
    progress.begin("bootstrap", total: options.bootstrapReplicates, unit: "replicates")
    for replicate in 0..<options.bootstrapReplicates {
      var random = RandomStream(seed: options.seed, "umbrella bootstrap", "\(replicate)")
      var multiplicity = [Double](repeating: 0, count: pool.count)
      for start in stride(from: 0, to: pool.count, by: n) {
        let k = pool.window[start]
        let inefficiency = max(influenceInefficiency, correlation.inefficiency[k] / Double(pool.stride))
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
      differences.append(difference(multiplicity, denominators))
      let histogram = self.histogram(multiplicity: multiplicity, logDenominators: denominators)
      let total = histogram.reduce(0, +)
      profiles.append(histogram.map { -log($0 / total) })
      progress.update(completed: replicate + 1)
    }
    progress.end()
    let bins = (0..<options.profileBins).map { bin in finiteStandardDeviation(profiles.map { $0[bin] }) }
    let spread = finiteStandardDeviation(differences)
    return (spread.isFinite ? spread : 0, bins)
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

  private func difference(_ multiplicity: [Double], _ logDenominators: [Double]) -> Double {
    stateDifference(zip(multiplicity, relativeWeights(logDenominators)).map { $0 * $1 }, inside)
  }

  /// MBAR on resampled data, from the full solution and with its Hessian.
  private func solve(multiplicity: [Double]) throws -> [Double] {
    var counts = [Double](repeating: 0, count: pool.data.windowCount)
    for i in multiplicity.indices { counts[pool.window[i]] += multiplicity[i] }
    let solver = MBARSolver(
      matrix: mbar.matrix, counts: counts, tolerance: 1e-4, multiplicity: multiplicity,
      logCountShift: counts.map { log($0 / Double(pool.samplesPerWindow)) })
    let scale = counts.reduce(0, +) / Double(pool.count)
    return try solver.solve(from: mbar.solution.freeEnergies, factor: mbar.solution.factor, factorScale: scale)
      .freeEnergies
  }
}
