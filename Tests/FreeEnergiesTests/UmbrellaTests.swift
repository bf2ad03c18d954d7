import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// The ways in which umbrella sampling of alanine dipeptide went wrong, on a surface with a known answer.
@Suite struct UmbrellaTests {
  private func options(_ replicates: Int = 20) -> UmbrellaAnalysis.Options {
    var options = UmbrellaAnalysis.Options()
    options.bootstrapReplicates = replicates
    return options
  }

  private func describe(_ name: String, _ result: UmbrellaResult, exact: Double) {
    let f = { (x: Double) in String(format: "%.3f", x) }
    print(
      "\(name): \(f(result.deltaF)) +- \(f(result.standardError)), exact \(f(exact)); bootstrap "
        + "\(f(result.bootstrapStandardError)), correlated \(f(result.correlatedStandardError)), MBAR "
        + "\(f(result.mbarStandardError)), \((result.halves + result.directions).map { "\($0.name) \(f($0.deltaF))" }), "
        + "short \(result.shortWindows.count), slid \(result.coverage.slidWindows.count), link "
        + "\(f(result.coverage.weakestLink)), \(result.warnings)")
  }

  @Test func stiffGridGivesTheKnownAnswerWithoutWarnings() throws {
    let surface = ModelSurface()
    let data = try surface.umbrella(
      windows: [30, 16], forceConstants: [80, 20], samples: 60, stepsPerSample: 12, seed: 1)
    let result = try UmbrellaAnalysis(data: data, options: options()).run()
    describe("stiff grid", result, exact: surface.exactDeltaF)
    #expect(abs(result.deltaF - surface.exactDeltaF) < 3 * result.standardError)
    #expect(result.standardError < 0.15)
    #expect(result.warnings.isEmpty)
    // the profile against quadrature, where it is low enough to matter
    var worst = 0.0
    var exact: [Double] = []
    for angle in result.profile.angles {
      var p = 0.0
      for i in -5...5 {
        for j in 0..<200 { p += exp(-surface.energy(angle + Double(i) / 110 * .pi / 3, Double(j) / 100 * .pi)) }
      }
      exact.append(-log(p))
    }
    let low = exact.min()!
    for (k, f) in result.profile.freeEnergy.enumerated() where exact[k] - low < 12 {
      worst = max(worst, abs(f - (exact[k] - low)) / max(result.profile.standardError[k], 0.05))
    }
    #expect(worst < 4.5, "largest deviation of the profile: \(worst) standard errors")
  }

  /// Two widths of a window are the spacing of the centres at 4 kT / spacing^2: soft windows are sent there, others to stiffer and closer ones.
  @Test func softWindowsAreToldWhichForceConstantToTry() throws {
    let spacing = 2 * Double.pi / 12
    func stiffness(_ constant: Double) -> WindowStiffness {
      WindowStiffness(coordinate: "phi", unit: "rad", constant: constant, spacing: spacing, kT: 2.494, windows: 12)
    }
    #expect(abs(2 * (2.494 / stiffness(1).matching).squareRoot() - spacing) < 1e-12)
    #expect(stiffness(10).cure.contains("phi try 36.4 kJ/mol/rad2 (now 10)"), "\(stiffness(10).cure)")
    #expect(stiffness(40).cure.contains("phi try 80 kJ/mol/rad2 (now 40) with 17 windows in the place of 12"))
    // through the analysis: windows too soft for the barriers of phi
    let soft = try ModelSurface().umbrella(
      windows: [24, 12], forceConstants: [40, 8], samples: 120, stepsPerSample: 12, seed: 4)
    let check = UmbrellaCoverageCheck(data: soft)
    let coverage = try check.run()
    #expect(coverage.slidAlong.count == 2 && coverage.slidAlong[0] > 0, "\(coverage)")
    #expect(
      check.cures(coverage).first?.hasPrefix("For phi try 58.4 kT/rad2 (now 40)") == true, "\(check.cures(coverage))")
  }

  /// Over seeds (estimate - exact) / error has mean 0 and standard deviation about 1.
  /// A part without any sample of a state has no difference, and does not agree with one that has.
  @Test func aPartThatLacksAStateDoesNotAgree() throws {
    func parts(_ values: [Double]) -> [UmbrellaResult.Part] { values.map { .init(name: "part", deltaF: $0) } }
    for values in [[.nan, 1.2], [1.2, .nan]] {
      #expect(UmbrellaResult.disagreement(parts(values), statistical: 0.1)?.spread == .infinity)
      #expect(UmbrellaResult.disagreement(parts(values), statistical: .nan) == nil)
    }
    #expect(UmbrellaResult.disagreement(parts([1.2, 1.3]), statistical: 0.1) == nil)
    #expect(UmbrellaResult.disagreement(parts([1, 3]), statistical: 0.1)?.spread == 1)
  }

  @Test func errorsAreCalibrated() throws {
    var surface = ModelSurface()
    surface.psiBarrier = 0.5
    let exact = surface.exactDeltaF
    var sums = [0.0, 0, 0, 0, 0]
    let count = 24
    let z = try (0..<count).map { seed -> Double in
      let data = try surface.umbrella(
        windows: [24], forceConstants: [80], samples: 200, stepsPerSample: 10, seed: UInt64(100 + seed))
      let result = try UmbrellaAnalysis(data: data, options: options(20)).run()
      let errors = [
        result.standardError, result.bootstrapStandardError, result.correlatedStandardError, result.mbarStandardError,
        Double(result.shortWindows.count),
      ]
      for k in errors.indices { sums[k] += errors[k] / Double(count) }
      return (result.deltaF - exact) / result.standardError
    }
    print("mean errors: quoted, bootstrap, correlated, MBAR; short windows: \(sums)")
    let mean = z.reduce(0, +) / Double(z.count)
    let deviation = (z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(z.count - 1)).squareRoot()
    print("umbrella z-scores over \(z.count) seeds: mean \(mean), standard deviation \(deviation)")
    #expect(abs(mean) < 0.4)
    #expect(deviation > 0.7 && deviation < 1.3)
  }

  @Test func slowHiddenTorsionWarnsAndWidens() throws {
    var surface = ModelSurface()
    surface.psiBarrier = 7
    surface.coupling = 2.5
    let exact = surface.exactDeltaF
    for seed in [2, 3] {
      let data = try surface.umbrella(
        windows: [24], forceConstants: [80], samples: 400, stepsPerSample: 10, seed: UInt64(seed))
      let result = try UmbrellaAnalysis(data: data, options: options()).run()
      describe("phi alone", result, exact: exact)
      #expect(result.shortWindows.count > 3)
      #expect(result.warnings.contains { $0.contains("correlation times") && $0.contains("psi") })
      #expect(result.standardError > 1.3 * max(result.bootstrapStandardError, result.correlatedStandardError))
      #expect(abs(result.deltaF - exact) < 3 * result.standardError)
    }
  }

  /// The barrier that made those windows slow, taken away in all of them: the same free energy, now with a small error and no
  /// warning. Without the weights that undo it the answer is another one.
  @Test func aSharedBiasIsUndone() throws {
    var surface = ModelSurface()
    surface.psiBarrier = 7
    surface.coupling = 2.5
    let exact = surface.exactDeltaF
    var z: [Double] = []
    for seed in [2, 3, 4, 5] {
      var data = try surface.umbrella(
        windows: [24], forceConstants: [80], samples: 400, stepsPerSample: 10, seed: UInt64(seed)
      ) { phi, psi in -3 * (1 - cos(2 * psi)) + 1.5 * cos(phi - 1) }
      let result = try UmbrellaAnalysis(data: data, options: options()).run()
      describe("barrier taken away", result, exact: exact)
      #expect(result.warnings.isEmpty, "\(result.warnings)")
      #expect(result.standardError < 0.3)
      z.append((result.deltaF - exact) / result.standardError)
      // halves and the profile are of the surface itself too
      for part in result.halves + result.directions { #expect(abs(part.deltaF - exact) < 6 * result.standardError) }
      let inside = zip(result.profile.angles, result.profile.freeEnergy).reduce(into: (state: 0.0, rest: 0.0)) {
        sum, bin in
        if bin.0 > 0, bin.0 < 2 { sum.state += exp(-bin.1) } else { sum.rest += exp(-bin.1) }
      }
      #expect(abs(-log(inside.state / inside.rest) - result.deltaF) < 0.1)

      for walk in data.walks.indices { data.walks[walk].sharedBias = nil }
      let biased = try UmbrellaAnalysis(data: data, options: options()).run()
      #expect(abs(biased.deltaF - exact) > 4 * biased.standardError)
    }
    let mean = z.reduce(0, +) / Double(z.count)
    #expect(z.allSatisfy({ abs($0) < 3.5 }) && abs(mean) < 1.5, "\(z)")
  }

  @Test func weakWindowsOnAHighBarrierAreAnError() throws {
    let surface = ModelSurface()
    for windows in [[16, 16], [16]] {
      let data = try surface.umbrella(
        windows: windows, forceConstants: Array([10, 10].prefix(windows.count)), samples: 60, stepsPerSample: 10,
        seed: 5)
      let error = #expect(throws: FreeEnergiesError.self) {
        let result = try UmbrellaAnalysis(data: data, options: options()).run()
        describe("weak \(windows)", result, exact: surface.exactDeltaF)
      }
      let text = error.map { "\($0)" } ?? ""
      #expect(
        text.contains("leave a gap") && text.contains("rad, where at least") && text.contains("larger force constant"),
        "\(text)")
    }
  }

  @Test func bistableWindowsDisagreeAndWiden() throws {
    var surface = ModelSurface()
    surface.psiBarrier = 2
    surface.psiBarrierOnTop = 14
    surface.coupling = 3
    let exact = surface.exactDeltaF
    var warned = 0
    for seed in 7..<10 {
      let data = try surface.umbrella(
        windows: [30, 6], forceConstants: [80, 4], samples: 100, stepsPerSample: 10, seed: UInt64(seed))
      let result = try UmbrellaAnalysis(data: data, options: options(10)).run()
      describe("bistable", result, exact: exact)
      #expect(!result.warnings.isEmpty)
      if result.warnings.contains(where: { $0.contains("disagree") }) { warned += 1 }
      #expect(abs(result.deltaF - exact) < 3.5 * result.standardError)
    }
    #expect(warned > 0)
  }

  /// Windows on the higher of two barriers that see it tilted, as walks do that drag their history over it: the loop of windows does not
  /// close, and MBAR spreads what is left over the lower barrier too. The low windows alone give the answer.
  @Test func aCeilingLeavesOutWhatDoesNotClose() throws {
    let surface = ModelSurface()
    let (windows, samples, stiffness) = (36, 300, 40.0)
    func energy(_ phi: Double) -> Double { surface.energy(phi, .pi / 2) }
    let centers = (0..<windows).map { (window) -> Double in 2 * .pi * (Double(window) + 0.5) / Double(windows) - .pi }
    let walks = try ["up", "down"].map { name -> UmbrellaData.Walk in
      var stream = RandomStream(seed: 8, name)
      var series: [Double] = []
      for center in centers {
        let isHigh = abs(center - 2.4) < 0.6
        // the window's law on a fine grid, drawn from by its inverse
        let places = (0..<4000).map { center + (Double($0) / 4000 - 0.5) * 2 }
        var sum = 0.0
        let cumulated = places.map { phi -> Double in
          let tilt = isHigh ? 4 * (phi - 2.4) : 0
          sum += exp(-(energy(phi) + tilt - energy(center)) - 0.5 * stiffness * (phi - center) * (phi - center))
          return sum
        }
        for _ in 0..<samples {
          let draw = stream.uniform() * sum
          series.append(wrap(places[cumulated.firstIndex { $0 >= draw } ?? places.count - 1]))
        }
      }
      return UmbrellaData.Walk(
        name: name, series: try NDArray(series, shape: [windows, samples, 1]),
        others: try NDArray([], shape: [windows, samples, 0]))
    }
    let data = UmbrellaData(
      torsionNames: ["phi"], centers: centers.map { [$0] }, forceConstants: [stiffness],
      neighbours: (0..<windows).map { ($0, ($0 + 1) % windows) }, walks: walks, sampleInterval: 1)
    var (inside, outside) = (0.0, 0.0)
    for k in 0..<20_000 {
      let phi = 2 * Double.pi * (Double(k) + 0.5) / 20_000 - .pi
      if phi > 0, phi < 2 { inside += exp(-energy(phi)) } else { outside += exp(-energy(phi)) }
    }
    let exact = -log(inside / outside)
    func run(_ ceiling: Double?) throws -> UmbrellaResult {
      var options = options()
      options.ceiling = ceiling
      return try UmbrellaAnalysis(data: data, options: options).run()
    }
    let (all, low, tooLow) = (try run(nil), try run(13), try run(4))
    describe("all", all, exact: exact)
    describe("below 13 kT", low, exact: exact)
    #expect(abs(all.deltaF - exact) > 5 * all.standardError)
    #expect(abs(low.deltaF - exact) < 3 * low.standardError)
    #expect(low.warnings.isEmpty)
    let left = low.windowFreeEnergies.indices.filter { low.windowFreeEnergies[$0].isNaN }
    #expect(!left.isEmpty && left.allSatisfy { abs(centers[$0] - 2.4) < 1 }, "\(left)")
    #expect(low.overlap.shape == [windows, windows] && low.correlationTimes.count == windows)
    // the low barrier is needed to hold the states together
    #expect(tooLow.warnings.contains { $0.hasPrefix("The windows below 4.0 kT do not hold together; those up to ") })
    #expect(abs(tooLow.deltaF - exact) < 3 * tooLow.standardError)
    let height = try UmbrellaCeiling(
      freeEnergies: [0, 2, 9, 3, 20],
      overlap: NDArray(
        [
          0.8, 0.2, 0, 0, 0, 0.2, 0.6, 0.2, 0, 0, 0, 0.2, 0.6, 0.2, 0, 0, 0, 0.2, 0.6, 0.2, 0.2, 0, 0, 0.2, 0.6,
        ], shape: [5, 5]), threshold: 0.03, wanted: 5)
    #expect(height.windows == [0, 1, 2, 3] && height.height == 9)
  }

  /// Windows that drift: in their first half they see the free energy A(phi) = a cos(phi - 1), in the second A(phi) = -a cos(phi - 1),
  /// each drawn exactly. Either half alone looks perfect; only their disagreement tells.
  @Test func driftingWindowsMakeTheHalvesDisagreeAndWiden() throws {
    let (windows, samples, stiffness, tilt) = (24, 200, 60.0, 0.6)
    let centers = (0..<windows).map { 2 * Double.pi * Double($0) / Double(windows) - .pi }
    func data(drifting: Bool) throws -> UmbrellaData {
      let walks = try ["up", "down"].map { name -> UmbrellaData.Walk in
        var stream = RandomStream(seed: 5, name)
        var series: [Double] = []
        for center in centers {
          for n in 0..<samples {
            let a = !drifting || n < samples / 2 ? tilt : -tilt
            var angle = center
            // the biased law by rejection from the bias alone
            repeat {
              angle = center + stream.normal() / stiffness.squareRoot()
            } while stream.uniform() > exp(-a * cos(angle - 1) - tilt)
            series.append(wrap(angle))
          }
        }
        return UmbrellaData.Walk(
          name: name, series: try NDArray(series, shape: [windows, samples, 1]),
          others: try NDArray([], shape: [windows, samples, 0]))
      }
      return UmbrellaData(
        torsionNames: ["phi"], centers: centers.map { [$0] }, forceConstants: [stiffness],
        neighbours: (0..<windows).map { ($0, ($0 + 1) % windows) }, walks: walks, sampleInterval: 1)
    }
    func exact(_ a: Double) -> Double {
      let bins = 20_000
      var (inside, outside) = (0.0, 0.0)
      for k in 0..<bins {
        let phi = 2 * Double.pi * (Double(k) + 0.5) / Double(bins) - .pi
        if phi > 0, phi < 2 { inside += exp(-a * cos(phi - 1)) } else { outside += exp(-a * cos(phi - 1)) }
      }
      return -log(inside / outside)
    }

    let steady = try UmbrellaAnalysis(data: data(drifting: false), options: options()).run()
    #expect(steady.warnings.isEmpty, "\(steady.warnings)")
    #expect(abs(steady.deltaF - exact(tilt)) < 4 * steady.standardError)

    let drifting = try UmbrellaAnalysis(data: data(drifting: true), options: options()).run()
    describe("drifting", drifting, exact: .nan)
    #expect(drifting.warnings.contains { $0.contains("The halves disagree") })
    // a half has sqrt(2) times the statistical error of the whole
    let error = 2.0.squareRoot() * drifting.bootstrapStandardError
    #expect(abs(drifting.halves[0].deltaF - exact(tilt)) < 4 * error)
    #expect(abs(drifting.halves[1].deltaF - exact(-tilt)) < 4 * error)
    #expect(drifting.standardError > 0.4 * abs(exact(tilt) - exact(-tilt)))
  }

  private func wrap(_ angle: Double) -> Double { angle.remainder(dividingBy: 2 * .pi) }

  @Test(.enabled(if: ProcessInfo.processInfo.environment["BOLTZMILL_BENCHMARKS"] != nil, "a benchmark"))
  func fullGridBenchmark() throws {
    let surface = ModelSurface()
    let data = try surface.umbrella(
      windows: [36, 24], forceConstants: [80, 32], samples: 100, stepsPerSample: 10, seed: 77)
    let clock = ContinuousClock()
    var result: UmbrellaResult?
    let time = try clock.measure { result = try UmbrellaAnalysis(data: data, options: options(100)).run() }
    describe(
      "36 x 24 windows, 172,800 samples, 100 replicates, \(time)", try #require(result), exact: surface.exactDeltaF)
  }

  @Test func badInputIsATypedError() throws {
    var data = try ModelSurface().umbrella(windows: [12], forceConstants: [10], samples: 10, stepsPerSample: 1, seed: 1)
    data.walks[1].series.values[37] = .nan
    let error = #expect(throws: FreeEnergiesError.self) { try UmbrellaAnalysis(data: data).run() }
    #expect("\(error!)".contains("walk backward, window 3, sample 7"))
    data = try ModelSurface().umbrella(
      windows: [12], forceConstants: [10], samples: 10, stepsPerSample: 1, seed: 1, shared: { _, _ in 0 })
    data.walks[0].sharedBias?.values[37] = .infinity
    #expect {
      try UmbrellaAnalysis(data: data).run()
    } throws: { "\($0)".contains("walk forward, window 3, sample 7: the shared bias") }
    data.forceConstants = [-1]
    #expect(throws: FreeEnergiesError.self) { try UmbrellaAnalysis(data: data).run() }
    data.walks = []
    #expect(throws: FreeEnergiesError.self) { try UmbrellaAnalysis(data: data).run() }
  }

  @Test func stateWrapsAroundTheCircle() {
    let state = TorsionState(from: 2.5, to: -2.5)
    #expect(state.contains(3.1) && state.contains(-3.1) && !state.contains(0) && !state.contains(2.4))
    #expect(TorsionState().contains(1) && !TorsionState().contains(-1) && TorsionState().contains(1 - 2 * .pi))
  }
}
