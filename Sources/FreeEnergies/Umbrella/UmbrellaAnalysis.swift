import Basics
import Foundation

/// From umbrella windows to a free-energy difference, a profile, and the reasons to believe or doubt them.
///
/// A gap in coverage or in the overlap graph is an error. Halves or walking directions that disagree, and windows shorter
/// than 20 correlation times of any torsion, are warnings that widen the standard error.
public struct UmbrellaAnalysis: Sendable {
  /// How the windows are analysed, and what is asked of them.
  public struct Options: Sendable {
    /// Index of the biased torsion that the profile is along.
    public var torsion = 0
    /// Whose populations and free energies are asked for; nil: the default arc of that torsion against the rest.
    public var states: StateSet?
    /// Bins of the profile over the full turn.
    public var profileBins = 60
    /// Replicates of the block bootstrap.
    public var bootstrapReplicates = 100
    /// Least link between windows in the overlap graph, O_ij / sqrt(O_ii O_jj).
    public var overlapThreshold = 0.03
    /// Windows this far above the lowest, by their free energies, are left out of the estimate where the others hold together without
    /// them; kT. nil: none. Walks drag their history over a high barrier, and where windows close a loop over it MBAR spreads what
    /// does not fit over the low barriers too.
    public var ceiling: Double?
    /// Of the bootstrap.
    public var seed: UInt64 = 0

    public init() {}
  }

  private let data: UmbrellaData
  private let options: Options
  /// What the windows are called in messages: their numbers on the whole grid.
  private let numbers: [Int]

  /// Correlation times a window must last.
  static let minimumCorrelationTimes = 20.0

  /// Nothing is computed before `run`. `numbers`: of the windows on a grid of which they are a part; nil: they are
  /// all of it.
  public init(data: UmbrellaData, options: Options = Options(), numbers: [Int]? = nil) {
    (self.data, self.options) = (data, options)
    self.numbers = numbers ?? Array(0..<data.windowCount)
  }

  /// The windows that lie within `height` kT of the lowest by a first and short sampling, and those more that it
  /// takes for them to hold
  /// together; all where so few samples give no free energies.
  ///
  /// Throws `FreeEnergiesError.shape`.
  public func windows(below height: Double) throws -> [Int] {
    do {
      let mbar = try UmbrellaPool(data: data, torsion: options.torsion).solve()
      return UmbrellaCeiling(
        freeEnergies: mbar.reducedFreeEnergies, overlap: try mbar.overlapMatrix(), threshold: options.overlapThreshold,
        wanted: height
      ).windows
    } catch FreeEnergiesError.disconnected, FreeEnergiesError.notConverged {
      return Array(0..<data.windowCount)
    }
  }

  /// The estimate, reporting the bootstrap's progress.
  ///
  /// Throws `FreeEnergiesError.coverageGap` (no number is given then), `.emptyState`, `.notConverged`, `.shape`,
  /// `.invalidValue`.
  public func run(progress: Basics.ProgressReporting = SilentProgress()) throws -> UmbrellaResult {
    try data.validate()
    guard (0..<data.torsionCount).contains(options.torsion) else {
      throw FreeEnergiesError.shape(
        "the state's torsion \(options.torsion) is none of the \(data.torsionCount) biased ones")
    }
    let coverage = try UmbrellaCoverageCheck(data: data).run()
    let pool = UmbrellaPool(data: data, torsion: options.torsion)
    let mbar = try pool.solve()
    let overlap = try mbar.overlapMatrix()
    _ = try UmbrellaCoverageCheck.checkOverlap(overlap, threshold: options.overlapThreshold)
    let lower = UmbrellaCeiling(
      freeEnergies: mbar.reducedFreeEnergies, overlap: overlap, threshold: options.overlapThreshold,
      wanted: options.ceiling ?? .infinity)
    guard let ceiling = options.ceiling, lower.windows.count < data.windowCount
    else { return try analyse(pool, mbar, overlap, coverage, progress) }
    let rest = UmbrellaAnalysis(
      data: try data.keeping(lower.windows), options: options, numbers: lower.windows.map { numbers[$0] })
    let restPool = UmbrellaPool(data: rest.data, torsion: options.torsion)
    let restMBAR = try restPool.solve()
    var restCoverage = coverage
    restCoverage.slidWindows = coverage.slidWindows.filter(Set(lower.windows).contains)
    var result = try rest.analyse(restPool, restMBAR, restMBAR.overlapMatrix(), restCoverage, progress)
      .expanded(lower.windows, of: data.windowCount)
    if lower.height > ceiling {
      result.warnings.append(
        String(
          format: "The windows below %.1f kT do not hold together; those up to %.1f kT were taken.", ceiling,
          lower.height))
    }
    return result
  }

  private func analyse(
    _ pool: UmbrellaPool, _ mbar: MBAR, _ overlap: NDArray<Double>, _ covered: UmbrellaCoverage,
    _ progress: Basics.ProgressReporting
  ) throws -> UmbrellaResult {
    var coverage = covered
    coverage.weakestLink = try UmbrellaCoverageCheck.checkOverlap(overlap, threshold: options.overlapThreshold)
    let correlation = UmbrellaCorrelation(data: data)
    let estimate = try UmbrellaEstimate(pool: pool, mbar: mbar, correlation: correlation, options: options)
    let short = shortWindows(correlation)
    let errors = try estimate.linearErrors(short: short)
    let resampled = try estimate.bootstrap(progress: progress)
    let halves = try estimate.parts(["first half", "second half"]) { pool, n in
      pool.time[n] * 2 < pool.samplesPerWalk[pool.window[n]] ? 0 : 1
    }
    let directions =
      data.walks.count > 1
      ? try estimate.parts(data.walks.map(\.name)) { pool, n in pool.walk[n] }
      : estimate.differences.all.map { _ in [] }

    let statistical = errors.indices.map { max(errors[$0].correlated, resampled.differences[$0]) }
    var result = UmbrellaResult(
      deltaF: estimate.differences.all[0].value, standardError: statistical[0],
      bootstrapStandardError: resampled.differences[0],
      correlatedStandardError: errors[0].correlated, mbarStandardError: errors[0].mbar,
      profile: FreeEnergyProfile(
        probabilities: estimate.histogram(multiplicity: nil, logDenominators: mbar.logDenominators),
        standardError: resampled.profile),
      windowFreeEnergies: mbar.reducedFreeEnergies, overlap: overlap,
      statisticalInefficiency: correlation.inefficiency,
      correlationTimes: correlation.inefficiency.map { ($0 - 1) / 2 * data.sampleInterval },
      slowestTorsion: correlation.slowest, halves: halves[0], directions: directions[0], coverage: coverage,
      shortWindows: short, warnings: [], mbarGradient: mbar.largestGradient, mbarStep: mbar.remainingStep)
    result.windowVariances = estimate.windowVariances
    widen(&result, statistical: statistical[0], slowError: errors[0].slow)
    result.warnings += estimate.differences.warnings
    result.states = estimate.differences.estimates(
      errors: errors.indices.map { index in
        let error = short.isEmpty ? statistical[index] : max(statistical[index], errors[index].slow)
        return [halves[index], directions[index]].reduce(error) {
          max($0, UmbrellaResult.disagreement($1, statistical: statistical[index])?.spread ?? 0)
        }
      })
    return result
  }

  /// Windows that last fewer correlation times of their slowest torsion than asked for.
  private func shortWindows(_ correlation: UmbrellaCorrelation) -> [Int] {
    correlation.inefficiency.indices.filter {
      let time = (correlation.inefficiency[$0] - 1) / 2
      return time > 0 && Double(data.rows($0).count * data.walks.count) / time < Self.minimumCorrelationTimes
    }
  }

  private func widen(_ result: inout UmbrellaResult, statistical: Double, slowError: Double) {
    let format = { (x: Double) in String(format: "%.2f", x) }
    if let worst = result.shortWindows.max(by: { result.correlationTimes[$0] < result.correlationTimes[$1] }) {
      let length = Double(data.rows(worst).count * data.walks.count) * data.sampleInterval
      result.standardError = max(result.standardError, slowError)
      result.warnings.append(
        "\(result.shortWindows.count) of \(data.windowCount) windows last fewer than "
          + "\(Int(Self.minimumCorrelationTimes)) correlation times: window \(numbers[worst]) is \(format(length)) ps long and "
          + "\(result.slowestTorsion[worst]) there has a correlation time of \(format(result.correlationTimes[worst])) ps. "
          + "The standard error counts what goes with that torsion by that time (\(format(slowError)) kT); longer windows, or a second "
          + "biased torsion, would cure it.")
    }
    result.widen(by: result.halves, "halves", statistical: statistical)
    result.widen(by: result.directions, "walking directions", statistical: statistical)
    if result.coverage.slidWindows.count * 4 > data.windowCount {
      result.warnings.append(
        "\(result.coverage.slidWindows.count) of \(data.windowCount) windows have their mean far from their centre: the force "
          + "constant is small for this surface. "
          + UmbrellaCoverageCheck(data: data).cures(result.coverage).joined(separator: " "))
    }
  }
}

/// Statistical inefficiency of every window over all torsions, walks about their common mean.
struct UmbrellaCorrelation {
  /// Of the slowest torsion, in samples.
  let inefficiency: [Double]
  let slowest: [String]
  /// Its index among the biased torsions and then the others.
  private let slowestIndex: [Int]

  init(data: UmbrellaData) {
    let names = data.torsionNames + data.otherNames
    let found = parallelMap(data.windowCount) { k -> (g: Double, torsion: Int) in
      var best = (g: 1.0, torsion: 0)
      for t in names.indices {
        let g = statisticalInefficiency(angleSegments: data.angles(window: k, torsion: t))
        if g > best.g { best = (g, t) }
      }
      return best
    }
    inefficiency = found.map(\.g)
    slowestIndex = found.map(\.torsion)
    slowest = found.map { names[$0.torsion] }
  }

  /// The slowest torsion of a window, every `stride`-th sample, walk after walk.
  func slowestAngles(window: Int, data: UmbrellaData, stride: Int) -> [Double] {
    data.angles(window: window, torsion: slowestIndex[window]).flatMap { walk in
      Swift.stride(from: 0, to: walk.count, by: stride).map { walk[$0] }
    }
  }
}

/// All samples in one list, window by window, walk by walk, in time order; thinned to at most a given number.
struct UmbrellaPool: Sendable {
  let data: UmbrellaData
  let stride: Int
  /// Of each window after thinning.
  let samplesPerWalk: [Int]
  let window, walk: [Int]
  /// Position in its walk's window.
  let time: [Int]
  /// The torsion of the profile.
  let angle: [Double]
  /// kT.
  let sharedBias: [Double]
  private let coordinates: [Double]

  /// `maximum`: nil for a number that knows whether windows have one length: where they have their own, the long ones
  /// were paid for, and thinning
  /// them takes back what they are long for.
  init(data: UmbrellaData, torsion: Int, maximum: Int? = nil) {
    self.data = data
    let maximum = maximum ?? (data.lengths == nil ? 200_000 : 600_000)
    let rows = (0..<data.windowCount).map(data.rows)
    let all = data.walks.count * rows.reduce(0) { $0 + $1.count }
    let step = max(1, min((all + maximum - 1) / max(1, maximum), data.samplesPerWalk / 8))
    stride = step
    samplesPerWalk = rows.map { ($0.count + step - 1) / step }
    var (window, walk, time) = ([Int](), [Int](), [Int]())
    var (angle, coordinates, shared) = ([Double](), [Double](), [Double]())
    let d = data.torsionCount
    for k in 0..<data.windowCount {
      for (w, pass) in data.walks.enumerated() {
        for i in 0..<samplesPerWalk[k] {
          let row = rows[k].lowerBound + i * step
          let source = row * d
          shared.append(pass.sharedBias?.values[row] ?? 0)
          window.append(k)
          walk.append(w)
          time.append(i)
          for t in 0..<d { coordinates.append(wrapped(pass.series.values[source + t])) }
          angle.append(coordinates[coordinates.count - d + torsion])
        }
      }
    }
    (self.window, self.walk, self.time, self.angle, self.coordinates) = (window, walk, time, angle, coordinates)
    sharedBias = shared
  }

  var count: Int { window.count }
  var samplesPerWindow: [Int] { samplesPerWalk.map { $0 * data.walks.count } }
  /// Rows of each window, and of each walk in each window.
  var windowRows: [Range<Int>] { Self.ranges(samplesPerWindow) }
  var segments: [Range<Int>] { Self.ranges(samplesPerWalk.flatMap { Array(repeating: $0, count: data.walks.count) }) }

  private static func ranges(_ counts: [Int]) -> [Range<Int>] {
    var end = 0
    return counts.map { count in
      defer { end += count }
      return end..<end + count
    }
  }

  /// Which state each sample is in; states whose coordinates were not recorded are not told.
  func assignment(_ states: StateSet) -> StateAssignment {
    states.assignment(
      states.coordinates.map { $0.isTorsion ? data.stateColumn($0.name, step: stride) : nil }, count: count)
  }

  func solve() throws -> MBAR {
    let counts = samplesPerWindow
    let (d, centres) = (data.torsionCount, data.centers.flatMap { $0.map(wrapped) })
    let half = data.forceConstants.map { 0.5 * $0 }
    let (x, states) = (coordinates, data.windowCount)
    return try MBAR(sampleCounts: counts, sampleTotal: count) { range, out in
      x.withUnsafeBufferPointer { x in
        centres.withUnsafeBufferPointer { centres in
          var e = 0
          for n in range {
            for k in 0..<states {
              var u = 0.0
              for t in 0..<d {
                var delta = x[n * d + t] - centres[k * d + t]
                if delta > .pi { delta -= 2 * .pi } else if delta < -.pi { delta += 2 * .pi }
                u += half[t] * delta * delta
              }
              out[e] = u
              e += 1
            }
          }
        }
      }
    }
  }
}
