import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// Windows of different lengths, and rounds that give each window what it adds to the error, on a surface with a
/// known answer.
@Suite struct UmbrellaLengthsTests {
  /// The beginnings of windows: so many samples of each, in either walk.
  private func beginnings(_ data: UmbrellaData, _ lengths: [Int]) throws -> UmbrellaData {
    var part = data
    part.lengths = lengths
    func rows(_ array: NDArray<Double>) throws -> NDArray<Double> {
      let width = array.shape.dropFirst(2).reduce(1, *)
      let n = array.shape[1]
      let values = lengths.enumerated().flatMap { k, length in
        array.values[k * n * width..<(k * n + length) * width]
      }
      return try NDArray(values, shape: [lengths.reduce(0, +)] + array.shape.dropFirst(2))
    }
    for w in data.walks.indices {
      part.walks[w].series = try rows(data.walks[w].series)
      part.walks[w].others = try rows(data.walks[w].others)
      part.walks[w].sharedBias = try data.walks[w].sharedBias.map(rows)
    }
    return part
  }

  private func options(_ replicates: Int) -> UmbrellaAnalysis.Options {
    var options = UmbrellaAnalysis.Options()
    options.bootstrapReplicates = replicates
    return options
  }

  /// Lengths that are given and all the same change nothing but the weight of lags, which then is the same too.
  @Test func equalLengthsAreNothingNew() throws {
    let data = try ModelSurface().umbrella(
      windows: [24], forceConstants: [80], samples: 60, stepsPerSample: 10, seed: 3
    ) { phi, _ in 0.2 * cos(phi) }
    let part = try beginnings(data, [Int](repeating: 60, count: 24))
    #expect(part.samplesPerWalk == 60 && part.rows(3) == data.rows(3))
    let (all, given) = (
      try UmbrellaAnalysis(data: data, options: options(10)).run(),
      try UmbrellaAnalysis(data: part, options: options(10)).run()
    )
    #expect(all.deltaF == given.deltaF && all.bootstrapStandardError == given.bootstrapStandardError)
    #expect(all.halves == given.halves && all.directions == given.directions)
    #expect(abs(all.correlatedStandardError - given.correlatedStandardError) < 1e-9)
    #expect(all.windowVariances == given.windowVariances && all.windowVariances.allSatisfy { $0 > 0 })
    let kept = [1, 2, 5]
    let (short, long) = (try part.keeping(kept), try data.keeping(kept))
    #expect(short.lengths == [60, 60, 60] && short.walks[1].series.values == long.walks[1].series.values)
    #expect(short.angles(window: 2, torsion: 1) == data.angles(window: 5, torsion: 1))
  }

  /// MBAR with the windows' own numbers of samples: an answer within its error, halves and walks beside it.
  @Test func windowsOfDifferentLengthsGiveTheKnownAnswer() throws {
    var surface = ModelSurface()
    surface.psiBarrier = 0.5
    let data = try surface.umbrella(
      windows: [24], forceConstants: [80], samples: 300, stepsPerSample: 10, seed: 8)
    let lengths = (0..<24).map { 60 + 80 * ($0 % 4) }
    let result = try UmbrellaAnalysis(data: beginnings(data, lengths), options: options(20)).run()
    #expect(abs(result.deltaF - surface.exactDeltaF) < 3.5 * result.standardError)
    #expect(result.standardError < 0.5)
    for part in result.halves + result.directions {
      #expect(abs(part.deltaF - surface.exactDeltaF) < 6 * result.standardError)
    }
    #expect(result.correlationTimes.count == 24 && result.windowVariances.count == 24)
    var bad = try beginnings(data, lengths)
    bad.walks[1].series.values[lengths[0] + lengths[1] + 7] = .nan
    #expect {
      try UmbrellaAnalysis(data: bad).run()
    } throws: { "\($0)".contains("walk backward, window 2, sample 7") }
    bad.lengths = [4] + lengths.dropFirst()
    #expect(throws: FreeEnergiesError.self) { try UmbrellaAnalysis(data: bad).run() }
  }

  /// Neyman's rule, by hand: of two windows that add 4 and 1 to the variance with 100 samples each, the first wants
  /// twice as many.
  @Test func samplesGoWhereTheErrorIs() {
    let plan = UmbrellaAllocation(variances: [4, 1, 0], samples: [100, 100, 50], error: 1)
    // error^2 shared as 0.8 and 0.2: (sqrt(80) + sqrt(20))^2 = 180 samples for the same error, four times as many for
    // half of it
    #expect(abs(plan.needed(for: 1) - 180) <= 1 && abs(plan.needed(for: 0.5) - 720) <= 1)
    let further = plan.further(100)
    #expect(further[2] == 0 && abs(further[0] - 100) <= 1 && further[1] <= 1)
    let more = plan.further(700)
    #expect(abs(more[0] - 500) <= 1 && abs(more[1] - 200) <= 1)
    #expect(plan.further(0) == [0, 0, 0])
    #expect(UmbrellaAllocation(variances: [0, 0], samples: [5, 5], error: 1).further(10) == [0, 0])
  }

  /// Rounds as the stage makes them: z-scores of the estimate over seeds. Returns (z, error / target, samples) of each.
  private func rounds(_ surface: ModelSurface, target: Double, seeds: Range<Int>, longest: Int = 1500) throws -> [(
    z: Double, error: Double, share: Double, parts: [Double]
  )] {
    let exact = surface.exactDeltaF
    return try seeds.map { seed in
      let data = try surface.umbrella(
        windows: [24], forceConstants: [80], samples: longest, stepsPerSample: 10, seed: UInt64(1000 + seed))
      var lengths = [Int](repeating: 60, count: 24)
      while true {
        let part = try beginnings(data, lengths)
        var result = try UmbrellaAnalysis(data: part, options: options(0)).run()
        let isEnough = result.standardError <= target
        if isEnough { result = try UmbrellaAnalysis(data: part, options: options(30)).run() }
        let plan = UmbrellaAllocation(variances: result.windowVariances, samples: lengths, error: result.standardError)
        let used = lengths.reduce(0, +)
        let wanted = Int(1.1 * Double(plan.needed(for: target))) - used
        let further = plan.further(max(used / 8, min(used, wanted)))
        let next = zip(lengths, further).map { min(longest, $0 + $1) }
        if result.standardError <= target || next == lengths {
          return (
            (result.deltaF - exact) / result.standardError, result.standardError,
            Double(used) / Double(24 * longest),
            [result.bootstrapStandardError, result.correlatedStandardError, result.mbarStandardError]
          )
        }
        lengths = next
      }
    }
  }

  /// Stopping where the error is small enough must not make errors too small.
  @Test func errorsOfRoundsAreCalibrated() throws {
    var surface = ModelSurface()
    surface.psiBarrier = 0.5
    let found = try rounds(surface, target: 0.18, seeds: 0..<8, longest: 600)
    let z = found.map(\.z)
    let deviation = (z.reduce(0) { $0 + $1 * $1 } / Double(z.count)).squareRoot()
    print("rounds: z \(z), error \(found.map(\.error).reduce(0, +) / 8), share \(found.map(\.share).reduce(0, +) / 8)")
    #expect(found.allSatisfy { $0.error < 0.25 && $0.share < 1 })
    #expect(deviation > 0.4 && deviation < 1.6, "\(deviation)")
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment["BOLTZMILL_BENCHMARKS"] != nil, "a benchmark"))
  func coverageOfRounds() throws {
    for barrier in [0.5, 3.0] {
      var surface = ModelSurface()
      surface.psiBarrier = barrier
      let found = try rounds(surface, target: 0.15, seeds: 0..<100, longest: 800)
      report("rounds, psi barrier \(barrier) kT", found.map { ($0.z, $0.error) })
    }
  }

  /// Of windows all of one length.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["BOLTZMILL_BENCHMARKS"] != nil, "a benchmark"))
  func coverageOfOneLength() throws {
    let samples = 200
    for barrier in [0.5, 3.0] {
      var surface = ModelSurface()
      surface.psiBarrier = barrier
      let exact = surface.exactDeltaF
      var (found, kinds) = ([(z: Double, error: Double)](), [[Double]](repeating: [], count: 6))
      for seed in 0..<100 {
        let data = try surface.umbrella(
          windows: [24], forceConstants: [80], samples: samples, stepsPerSample: 10, seed: UInt64(5000 + seed))
        let result = try UmbrellaAnalysis(data: data, options: options(30)).run()
        found.append(((result.deltaF - exact) / result.standardError, result.standardError))
        for (k, value) in [
          result.bootstrapStandardError, result.correlatedStandardError, result.mbarStandardError,
          result.directions[0].deltaF - exact, result.directions[1].deltaF - exact,
          Double(result.shortWindows.count),
        ].enumerated() { kinds[k].append(value) }
      }
      report("\(samples) samples, psi barrier \(barrier) kT", found)
      let means = kinds.map { $0.reduce(0, +) / Double($0.count) }
      print("  means: bootstrap, correlated, MBAR, forward, backward, short windows: \(means)")
    }
  }

  private func report(_ name: String, _ found: [(z: Double, error: Double)]) {
    let (z, count) = (found.map(\.z), Double(found.count))
    let spread = (found.reduce(0) { $0 + $1.z * $1.error * $1.z * $1.error } / count).squareRoot()
    print(
      "\(name): covered \(100 * Double(z.filter { abs($0) < 1.96 }.count) / count) % of \(found.count); mean z "
        + "\(z.reduce(0, +) / count), mean error \(found.map(\.error).reduce(0, +) / count), spread of runs \(spread)")
  }
}
