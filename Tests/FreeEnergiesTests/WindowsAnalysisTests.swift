import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// Windows that someone has run, drawn exactly from potentials whose free energies are known by quadrature.
@Suite struct WindowsAnalysisTests {
  private static let kT = PhysicalConstants.thermalEnergy(temperature: 300)

  /// Values drawn from exp(-energy) on equal places of a range, by the inverse of the sum.
  private func draw(
    _ count: Int, _ range: ClosedRange<Double>, _ stream: inout RandomStream, energy: (Double) -> Double
  ) -> [Double] {
    let places = 4000
    let step = (range.upperBound - range.lowerBound) / Double(places)
    var sum = 0.0
    let sums = (0..<places).map { place -> Double in
      sum += exp(-energy(range.lowerBound + (Double(place) + 0.5) * step))
      return sum
    }
    return (0..<count).map { _ in
      let wanted = stream.uniform() * sum
      var (low, high) = (0, places - 1)
      while low < high {
        let middle = (low + high) / 2
        if sums[middle] < wanted { low = middle + 1 } else { high = middle }
      }
      return range.lowerBound + (Double(low) + stream.uniform()) * step
    }
  }

  /// -ln of the ratio of integrals of exp(-energy) inside and outside.
  private func exact(
    _ range: ClosedRange<Double>, inside: (Double) -> Bool, energy: (Double) -> Double
  ) -> Double {
    var (p, q) = (0.0, 0.0)
    for place in 0..<40_000 {
      let x = range.lowerBound + (Double(place) + 0.5) / 40_000 * (range.upperBound - range.lowerBound)
      if inside(x) { p += exp(-energy(x)) } else { q += exp(-energy(x)) }
    }
    return -log(p / q)
  }

  /// kT, of a torsion.
  private func torsionEnergy(_ phi: Double) -> Double { 3 * cos(phi - 1) + 2 * cos(2 * phi) + cos(3 * phi) }

  /// Windows of other force constants and lengths, centres uneven.
  private func torsionWindows(seed: UInt64) -> BiasedWindows {
    var stream = RandomStream(seed: seed, "torsion windows")
    let windows = (0..<20).map { k -> BiasedWindows.Window in
      let center = 2 * Double.pi * (Double(k) + 0.2 * Double(k % 3)) / 20 - .pi
      let constant = (k % 2 == 0 ? 30.0 : 60) * Self.kT
      let values = draw(200 + 40 * (k % 4), -.pi ... .pi, &stream) { phi in
        let d = (phi - center).remainder(dividingBy: 2 * .pi)
        return torsionEnergy(phi) + 0.5 * constant / Self.kT * d * d
      }
      return .init(
        name: "w\(k)", centers: [center], forceConstants: [constant], temperature: 300,
        // an angle may come from any turn
        values: values.map { $0 + (k % 5 == 0 ? 2 * Double.pi : 0) })
    }
    return BiasedWindows(
      coordinates: [.init(name: "phi", isTorsion: true)], windows: windows, temperature: 300, sampleInterval: 0.5)
  }

  private func options(_ states: StateSet?) -> WindowsAnalysis.Options {
    var options = WindowsAnalysis.Options()
    (options.states, options.bootstrapReplicates, options.profileBins) = (states, 30, 40)
    return options
  }

  private func checkScores(_ z: [Double]) {
    let mean = z.reduce(0, +) / Double(z.count)
    #expect(z.allSatisfy { abs($0) < 3.5 } && abs(mean) < 1.5, "\(z)")
  }

  @Test func aTorsionOfKnownFreeEnergy() throws {
    let truth = exact(-.pi ... .pi, inside: TorsionState().contains, energy: torsionEnergy)
    var z: [Double] = []
    for seed in 1...5 {
      let outcome = try WindowsAnalysis(
        data: torsionWindows(seed: UInt64(seed)), options: options(StateSet(torsion: "phi", TorsionState()))
      ).run()
      let result = outcome.result
      #expect(result.warnings.isEmpty, "\(result.warnings)")
      #expect(result.standardError > 0.01 && result.standardError < 0.3)
      #expect(abs(result.correlationTimes[3]) < 0.5)
      z.append((result.deltaF - truth) / result.standardError)
      for part in result.halves { #expect(abs(part.deltaF - truth) < 5 * result.standardError) }
      let lowest = (0..<40).map { torsionEnergy(FreeEnergyProfile.centres(bins: 40)[$0]) }.min() ?? 0
      for (angle, f) in zip(result.profile.angles, result.profile.freeEnergy) {
        #expect(abs(f - torsionEnergy(angle) + lowest) < 1.2)
      }
      let weights = outcome.logWeights.map { exp($0) }
      #expect(abs(weights.reduce(0, +) - 1) < 1e-9 && weights.count == outcome.window.count)
      let mean = zip(weights, outcome.values).reduce(0) { $0 + $1.0 * cos($1.1 - 1) }
      #expect(mean < -0.4)
    }
    checkScores(z)
  }

  /// A double well in nm, twice as long as a turn in rad: the bias must not wrap.
  @Test func aDistanceOfKnownFreeEnergy() throws {
    func energy(_ r: Double) -> Double {
      let x = (r - 4.5) / 2
      return 3 * (x * x - 1) * (x * x - 1) + x
    }
    let truth = exact(0.5...8.5, inside: { $0 > 5 && $0 < 8.5 }, energy: energy)
    var z: [Double] = []
    for seed in 1...5 {
      var stream = RandomStream(seed: UInt64(seed), "distance windows")
      let windows = (0..<17).map { k -> BiasedWindows.Window in
        let center = 1 + 0.45 * Double(k)
        let constant = 12 * Self.kT
        let values = draw(300, 0.5...8.5, &stream) {
          energy($0) + 0.5 * constant / Self.kT * ($0 - center) * ($0 - center)
        }
        return .init(
          name: "w\(k)", centers: [center], forceConstants: [constant], temperature: 300, values: values)
      }
      let data = BiasedWindows(
        coordinates: [.init(name: "r", isTorsion: false)], windows: windows, temperature: 300)
      let result = try WindowsAnalysis(
        data: data, options: options(StateSet(.init("r", isTorsion: false), .interval(5...8.5)))
      ).run().result
      #expect(result.warnings.isEmpty, "\(result.warnings)")
      z.append((result.deltaF - truth) / result.standardError)
      let free = try WindowsAnalysis(data: data, options: options(nil)).run().result
      #expect(free.deltaF.isNaN && free.halves.isEmpty)
      // errors are of other resamples; a bin without samples is no number in both
      #expect(free.profile.angles == result.profile.angles)
      let pairs = zip(free.profile.freeEnergy, result.profile.freeEnergy)
      #expect(pairs.allSatisfy { abs($0 - $1) < 1e-6 || (!$0.isFinite && !$1.isFinite) })
      let (low, high) = (result.profile.angles.first ?? 0, result.profile.angles.last ?? 0)
      #expect(low < 1.5 && high > 7.5)
    }
    checkScores(z)
  }

  /// A torsion and a distance that feel each other.
  @Test func twoCoordinatesOfKnownFreeEnergy() throws {
    func energy(_ phi: Double, _ r: Double) -> Double {
      2 * cos(phi - 1) + cos(2 * phi) + 40 * (r - 1 - 0.2 * cos(phi)) * (r - 1 - 0.2 * cos(phi))
    }
    let places = (0..<120).map { 0.4 + (Double($0) + 0.5) / 100 }
    func marginal(_ phi: Double) -> Double { -log(places.reduce(0) { $0 + exp(-energy(phi, $1)) }) }
    let truth = exact(-.pi ... .pi, inside: TorsionState().contains, energy: marginal)
    var z: [Double] = []
    for seed in 1...3 {
      var stream = RandomStream(seed: UInt64(seed), "two coordinates")
      var windows: [BiasedWindows.Window] = []
      for k in 0..<12 {
        for centerOfR in [0.85, 1.15] {
          let center = 2 * Double.pi * Double(k) / 12 - .pi
          func angleBias(_ phi: Double) -> Double {
            let d = (phi - center).remainder(dividingBy: 2 * .pi)
            return 6 * d * d
          }
          func distanceBias(_ r: Double) -> Double { 15 * (r - centerOfR) * (r - centerOfR) }
          let angles = draw(80, -.pi ... .pi, &stream) { phi in
            angleBias(phi) - log(places.reduce(0) { $0 + exp(-energy(phi, $1) - distanceBias($1)) })
          }
          var values: [Double] = []
          for phi in angles {
            values += [phi, draw(1, 0.4...1.6, &stream) { energy(phi, $0) + distanceBias($0) }[0]]
          }
          windows.append(
            .init(
              name: "w\(windows.count)", centers: [center, centerOfR],
              forceConstants: [12 * Self.kT, 30 * Self.kT], temperature: 300, values: values))
        }
      }
      let data = BiasedWindows(
        coordinates: [.init(name: "phi", isTorsion: true), .init(name: "r", isTorsion: false)], windows: windows,
        temperature: 300)
      let result = try WindowsAnalysis(data: data, options: options(StateSet(torsion: "phi", TorsionState()))).run()
        .result
      z.append((result.deltaF - truth) / result.standardError)
    }
    checkScores(z)
  }

  /// Windows at 400 K, asked for 300 K: with energies it is the answer of 300 K, without them an error.
  @Test func windowsOfAnotherTemperature() throws {
    let hot = PhysicalConstants.thermalEnergy(temperature: 400)
    func energy(_ phi: Double) -> Double { torsionEnergy(phi) * Self.kT }
    let truth = exact(-.pi ... .pi, inside: TorsionState().contains, energy: torsionEnergy)
    let wrong = exact(-.pi ... .pi, inside: TorsionState().contains) { energy($0) / hot }
    #expect(abs(truth - wrong) > 0.3)
    var z: [Double] = []
    var last: BiasedWindows?
    for seed in 1...4 {
      var stream = RandomStream(seed: UInt64(seed), "hot windows")
      let windows = (0..<20).map { k -> BiasedWindows.Window in
        let center = 2 * Double.pi * Double(k) / 20 - .pi
        // every fourth window is one of 300 K
        let kT = k % 4 == 0 ? Self.kT : hot
        let values = draw(300, -.pi ... .pi, &stream) { phi in
          let d = (phi - center).remainder(dividingBy: 2 * .pi)
          return (energy(phi) + 50 * d * d) / kT
        }
        return .init(
          name: "w\(k)", centers: [center], forceConstants: [100], temperature: k % 4 == 0 ? 300 : 400,
          values: values, energies: values.map { energy($0) - 1e5 })
      }
      let data = BiasedWindows(
        coordinates: [.init(name: "phi", isTorsion: true)], windows: windows, temperature: 300)
      last = data
      let result = try WindowsAnalysis(data: data, options: options(StateSet(torsion: "phi", TorsionState()))).run()
        .result
      z.append((result.deltaF - truth) / result.standardError)
    }
    checkScores(z)
    var bare = try #require(last)
    bare.windows[7].energies = nil
    #expect(throws: WindowsError.temperature(window: "w1", found: 400, wanted: 300, withoutEnergies: "w7")) {
      try WindowsAnalysis(data: bare).run()
    }
  }

  @Test func whatDoesNotFitIsAnError() throws {
    let good = torsionWindows(seed: 9)
    func error(_ change: (inout BiasedWindows) -> Void) -> String {
      var data = good
      change(&data)
      do {
        let outcome = try WindowsAnalysis(data: data, options: options(StateSet(torsion: "phi", TorsionState()))).run()
        return "none; \(outcome.result.warnings)"
      } catch { return "\(error)" }
    }
    // force constants of degrees: 3283 times too small
    let degrees = error { data in
      for k in data.windows.indices { data.windows[k].forceConstants[0] *= 3283 }
    }
    #expect(degrees.contains("times as much as the force constants allow"), "\(degrees)")
    let half = error { data in
      for k in data.windows.indices { data.windows[k].forceConstants[0] *= 2 }
    }
    #expect(half.hasPrefix("none") && half.contains("k/2 d^2 or k d^2"), "\(half)")
    let order = error { data in
      let centers = data.windows.map(\.centers)
      for k in data.windows.indices { data.windows[k].centers = centers[19 - k] }
    }
    #expect(order.contains("of 20 windows have their samples elsewhere than their bias holds them (w"), "\(order)")
    let gap = error { $0.windows.removeSubrange(8...11) }
    #expect(gap.contains("leave a gap") || gap.contains("No window covers phi from"), "\(gap)")
    let two = error { data in
      data.windows.removeSubrange(14...16)
      data.windows.removeSubrange(3...5)
    }
    #expect(two.contains("leave a gap"), "\(two)")
    #expect(error { $0.windows[4].values[7] = .nan }.contains("w4: phi of sample 7"))
    #expect(error { $0.windows[4].values = [1, 2] }.contains("w4: 2 samples are too few"))
    #expect(error { $0.windows[2].forceConstants = [-1] }.contains("w2: a bias"))
    #expect(error { $0.windows = [] }.contains("two windows or more"))
    #expect(error { $0.windows[2].centers = [0, 1] }.contains("w2: "))
  }
}
