import Basics
import Foundation

/// From windows that someone has run to a free-energy difference, a profile, and the reasons to believe or doubt them.
///
/// Free energies are MBAR's, of reduced potentials: windows of other temperatures count with their energies. A gap in coverage or in the
/// overlap of windows is an error. Halves that disagree, and windows shorter than 20 correlation times, are warnings.
public struct WindowsAnalysis: Sendable {
  public struct Options: Sendable {
    /// Whose populations and free energies are asked for; nil: a profile only. Of states with a coordinate that is not biased nothing is told.
    public var states: StateSet?
    /// Coordinate of the profile.
    public var axis = 0
    /// Bins of the profile: of the full turn of a torsion, of the sampled range of a distance.
    public var profileBins = 60
    /// Replicates of the block bootstrap.
    public var bootstrapReplicates = 100
    /// Least link between windows in the overlap graph, O_ij / sqrt(O_ii O_jj).
    public var overlapThreshold = 0.03
    /// Of the bootstrap.
    public var seed: UInt64 = 0

    public init() {}
  }

  /// What was found, and the samples with their weights.
  public struct Outcome: Sendable {
    public var result: UmbrellaResult
    /// Normalised ln w of every sample that was taken, without any bias and at the temperature asked for.
    public var logWeights: [Double]
    /// Of the samples that were taken: window, and values [samples, coordinates] row by row, rad (in [-pi, pi]) or nm.
    public var window: [Int]
    public var values: [Double]
    /// Place of each sample in its window, from 0.
    public var place: [Int]
  }

  private let data: BiasedWindows
  private let options: Options

  /// Nothing is computed before `run`.
  public init(data: BiasedWindows, options: Options = Options()) { (self.data, self.options) = (data, options) }

  /// What needs no estimate: whether the windows are sound, lie where their biases hold them, and cover their path.
  ///
  /// Throws `WindowsError`, `FreeEnergiesError.coverageGap`.
  public func check() throws { _ = try checked() }

  private func checked() throws -> WindowCoverage.Found {
    try data.validate()
    guard data.coordinates.indices.contains(options.axis) else {
      throw FreeEnergiesError.shape("the profile's coordinate is none of the \(data.coordinates.count) biased ones")
    }
    return try WindowCoverage(data: data).run()
  }

  /// Throws `WindowsError`; `FreeEnergiesError.coverageGap` (no number is given then), `.emptyState`, `.notConverged`, `.disconnected`.
  public func run(progress: Basics.ProgressReporting = SilentProgress()) throws -> Outcome {
    let found = try checked()
    let pool = WindowPool(data: data)
    let mbar = try pool.solve()
    let overlap = try mbar.overlapMatrix()
    var coverage = found.coverage
    coverage.weakestLink = try UmbrellaCoverageCheck.checkOverlap(overlap, threshold: options.overlapThreshold)
    let correlation = WindowCorrelation(data: data)
    let estimate = try WindowEstimate(pool: pool, mbar: mbar, correlation: correlation, options: options)
    let errors = try estimate.linearErrors()
    let resampled = try estimate.bootstrap(progress: progress)
    let halves = try estimate.halves()
    let statistical = errors.indices.map { max(errors[$0].correlated, resampled.differences[$0]) }
    let short = shortWindows(correlation)
    var result = UmbrellaResult(
      deltaF: estimate.differences?.all[0].value ?? .nan, standardError: statistical.first ?? .nan,
      bootstrapStandardError: resampled.differences.first ?? .nan,
      correlatedStandardError: errors.first?.correlated ?? .nan, mbarStandardError: errors.first?.mbar ?? .nan,
      profile: FreeEnergyProfile(
        probabilities: estimate.histogram(multiplicity: nil, logDenominators: mbar.logDenominators),
        standardError: resampled.profile, centres: estimate.bins.centres),
      windowFreeEnergies: mbar.reducedFreeEnergies, overlap: overlap,
      statisticalInefficiency: correlation.inefficiency,
      correlationTimes: correlation.inefficiency.map { ($0 - 1) / 2 * (data.sampleInterval ?? .nan) },
      slowestTorsion: correlation.slowest.map { data.coordinates[$0].name }, halves: halves.first ?? [], directions: [],
      coverage: coverage, shortWindows: short, warnings: found.warnings, mbarGradient: mbar.largestGradient,
      mbarStep: mbar.remainingStep)
    if let worst = short.max(by: { correlation.inefficiency[$0] < correlation.inefficiency[$1] }) {
      result.warnings.append(
        String(
          format:
            "%d of %d windows last fewer than %d correlation times: %@ has %d samples, and %@ there a statistical inefficiency of "
            + "%.1f samples. Longer windows would cure it.", short.count, data.windows.count,
          Int(UmbrellaAnalysis.minimumCorrelationTimes), data.windows[worst].name, data.count(worst),
          data.coordinates[correlation.slowest[worst]].name, correlation.inefficiency[worst]))
      if let statistical = statistical.first { result.standardError = max(statistical, errors[0].slow) }
    }
    result.warnings += estimate.differences?.warnings ?? []
    if let halves = halves.first { result.widen(by: halves, "halves", statistical: statistical[0]) }
    result.states = estimate.differences?.estimates(
      errors: errors.indices.map { index in
        max(
          short.isEmpty ? statistical[index] : max(statistical[index], errors[index].slow),
          UmbrellaResult.disagreement(halves[index], statistical: statistical[index])?.spread ?? 0)
      })
    return Outcome(
      result: result, logWeights: mbar.logWeights(reducedPotential: pool.reducedEnergy), window: pool.window,
      values: pool.values, place: pool.rows.flatMap { rows in rows.map { ($0 - rows.lowerBound) * pool.stride } })
  }

  /// Windows that last fewer correlation times of their slowest coordinate than asked for.
  private func shortWindows(_ correlation: WindowCorrelation) -> [Int] {
    data.windows.indices.filter {
      let time = (correlation.inefficiency[$0] - 1) / 2
      return time > 0 && Double(data.count($0)) / time < UmbrellaAnalysis.minimumCorrelationTimes
    }
  }
}

/// Statistical inefficiency of every window, of its slowest coordinate.
struct WindowCorrelation {
  /// In samples.
  let inefficiency: [Double]
  /// Which coordinate it is.
  let slowest: [Int]

  init(data: BiasedWindows) {
    let found = parallelMap(data.windows.count) { k -> (g: Double, t: Int) in
      var best = (g: 1.0, t: 0)
      for (t, coordinate) in data.coordinates.enumerated() {
        let series = data.series(k, t)
        let g =
          coordinate.isTorsion ? statisticalInefficiency(angles: series) : statisticalInefficiency(segments: [series])
        if g > best.g { best = (g, t) }
      }
      return best
    }
    (inefficiency, slowest) = (found.map(\.g), found.map(\.t))
  }
}

/// Equal bins of one coordinate: the full turn of a torsion, or the sampled range of a distance.
struct CoordinateBins: Sendable {
  let isTorsion: Bool
  let count: Int
  private let low, width: Double

  init(_ values: [Double], isTorsion: Bool, count: Int) {
    (self.isTorsion, self.count) = (isTorsion, count)
    let (first, last) = isTorsion ? (-Double.pi, Double.pi) : (values.min() ?? 0, values.max() ?? 1)
    low = first
    width = max(last - first, 1e-12) / Double(count)
  }

  func bin(_ value: Double) -> Int {
    if isTorsion { return FreeEnergyProfile.bin(of: value, bins: count) }
    return min(count - 1, max(0, Int((value - low) / width)))
  }

  var centres: [Double] {
    if isTorsion { return FreeEnergyProfile.centres(bins: count) }
    return (0..<count).map { low + (Double($0) + 0.5) * width }
  }
}
