import Basics
import Foundation
import TestSupport
import Testing

@testable import FreeEnergies

/// Values of pymbar 4, written by Tests/Fixtures/freeenergies/make_mbar.py.
struct PymbarFixture: Decodable {
  struct System: Decodable {
    let name: String
    let centres: [Double]
    let stiffness: [Double]
    let offsets: [Double]
    let counts: [Int]
    let x: [Double]
    let differences: [[Double]]
    let errors: [[Double]]
    let overlap: [[Double]]
    let means: [Double]
    let meanErrors: [Double]
    let inside: [Double]
    let insideErrors: [Double]

    func potential(_ k: Int) -> [Double] {
      x.map { 0.5 * stiffness[k] * ($0 - centres[k]) * ($0 - centres[k]) + offsets[k] }
    }

    func matrix() throws -> NDArray<Double> {
      try NDArray(centres.indices.flatMap(potential), shape: [centres.count, x.count])
    }
  }

  let systems: [System]
  let series: [Double]
  let inefficiency: Double

  static func load() throws -> PymbarFixture {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      PymbarFixture.self, from: Data(contentsOf: Package.fixture("freeenergies/mbar.json")))
  }
}

@Suite struct MBARTests {
  @Test func equalsPymbar() throws {
    for system in try PymbarFixture.load().systems {
      let mbar = try MBAR(reducedPotentials: system.matrix(), sampleCounts: system.counts)
      let (differences, errors) = try mbar.differences()
      let overlap = try mbar.overlapMatrix()
      let states = system.centres.count
      for i in 0..<states {
        for j in 0..<states {
          let k = i * states + j
          #expect(abs(differences.values[k] - system.differences[i][j]) < 1e-6, "\(system.name) f \(i) \(j)")
          #expect(abs(errors.values[k] - system.errors[i][j]) < 1e-6, "\(system.name) error \(i) \(j)")
          #expect(abs(overlap.values[k] - system.overlap[i][j]) < 1e-6, "\(system.name) overlap \(i) \(j)")
        }
        let mean = try mbar.expectation(of: system.x, reducedPotential: system.potential(i))
        #expect(abs(mean.mean - system.means[i]) < 1e-6 && abs(mean.standardError - system.meanErrors[i]) < 1e-6)
        let inside = try mbar.expectation(of: system.x.map { $0 > 0.3 ? 1 : 0 }, reducedPotential: system.potential(i))
        #expect(abs(inside.mean - system.inside[i]) < 1e-6)
        #expect(abs(inside.standardError - system.insideErrors[i]) < 1e-6)
        // d(-ln(p / (1 - p))) = dp / (p (1 - p))
        let subset = try mbar.freeEnergyDifference(
          ofSubset: system.x.map { $0 > 0.3 }, reducedPotential: system.potential(i))
        #expect(abs(subset.value + log(inside.mean / (1 - inside.mean))) < 1e-6)
        let expected = inside.standardError / (inside.mean * (1 - inside.mean))
        #expect(abs(subset.standardError - expected) < 1e-6 * expected + 1e-9)
      }
    }
  }

  @Test func statisticalInefficiencyEqualsPymbar() throws {
    let fixture = try PymbarFixture.load()
    #expect(abs(statisticalInefficiency(segments: [fixture.series]) - fixture.inefficiency) < 1e-9)
    #expect(statisticalInefficiency(segments: [[Double](repeating: 2, count: 50)]) == 1)
    #expect(statisticalInefficiency(segments: [[1, 2]]) == 1)
    // an autoregressive series of coefficient a has g = (1 + a) / (1 - a)
    var random = RandomStream(seed: 5, "series")
    var x = 0.0
    let long = (0..<200_000).map { _ -> Double in
      x = 0.8 * x + random.normal()
      return x
    }
    #expect(abs(statisticalInefficiency(segments: [long]) / 9 - 1) < 0.1)
    // a jump over the cut at pi is no jump
    let still = (0..<1000).map { _ in Double.pi * (random.uniform() < 0.5 ? 1 : -1) + 0.1 * random.normal() }
    #expect(statisticalInefficiency(angles: still) < 1.5)
    // two series that sit still at different places are one long correlation
    let apart = [0.0, 2.0].map { centre in (0..<200).map { _ in centre + 0.1 * random.normal() } }
    #expect(statisticalInefficiency(segments: apart) > 100)
  }

  /// Reported errors against true ones: over seeds (f - exact) / error has mean 0 and standard deviation 1.
  @Test func errorsAreCalibrated() throws {
    let centres = [0.0, 1.0, 2.0, 3.0]
    let stiffness = [1.0, 2.0, 4.0, 2.0]
    let counts = [200, 0, 300, 250]
    var scores: [Double] = []
    var subsetScores: [Double] = []
    for seed in 0..<300 {
      var random = RandomStream(seed: UInt64(seed), "oscillators")
      let x = counts.indices.flatMap { k in
        (0..<counts[k]).map { _ in centres[k] + random.normal() / stiffness[k].squareRoot() }
      }
      let u = counts.indices.flatMap { k in x.map { 0.5 * stiffness[k] * ($0 - centres[k]) * ($0 - centres[k]) } }
      let mbar = try MBAR(reducedPotentials: NDArray(u, shape: [4, x.count]), sampleCounts: counts)
      let (f, error) = try mbar.differences()
      scores.append((f.values[3] - 0.5 * log(2)) / error.values[3])
      // P(x > 0.5) in the first state
      let p = 0.5 * erfc(0.5 / 2.0.squareRoot())
      let subset = try mbar.freeEnergyDifference(ofSubset: x.map { $0 > 0.5 }, reducedPotential: Array(u[0..<x.count]))
      subsetScores.append((subset.value + log(p / (1 - p))) / subset.standardError)
    }
    for z in [scores, subsetScores] {
      let mean = z.reduce(0, +) / Double(z.count)
      let deviation = (z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(z.count - 1)).squareRoot()
      print("z-scores over \(z.count) seeds: mean \(mean), standard deviation \(deviation)")
      // standard errors of these over 300 seeds: 0.058 and 0.041
      #expect(abs(mean) < 0.2)
      #expect(abs(deviation - 1) < 0.14)
    }
  }

  @Test func fullInfluenceHasTheAsymptoticVariance() throws {
    let system = try PymbarFixture.load().systems[0]
    let mbar = try MBAR(reducedPotentials: system.matrix(), sampleCounts: system.counts)
    let u = system.potential(1)
    let weights = mbar.logWeights(reducedPotential: u).map { exp($0) }
    let inside = system.x.map { $0 > 0.3 }
    let state = system.counts.indices.flatMap { k in [Int](repeating: k, count: system.counts[k]) }
    let direct = try mbar.splitInfluence(weights: weights, SampleSplit(inside: inside)).influence
    let psi = try mbar.fullInfluence(of: direct, state: state)
    // against re-solved estimates with one sample counted slightly more
    let base = try mbar.freeEnergyDifference(ofSubset: inside, reducedPotential: u).value
    for n in [3, 70, 150, 220, 290] {
      let h = 1e-4
      var multiplicity = [Double](repeating: 1, count: system.x.count)
      multiplicity[n] += h
      var counts = system.counts.map(Double.init)
      counts[state[n]] += h
      let shift = zip(counts, system.counts).map { log($0 / Double($1)) }
      let solver = MBARSolver(
        matrix: mbar.matrix, counts: counts, tolerance: 1e-12, multiplicity: multiplicity, logCountShift: shift)
      let f = try solver.solve(from: mbar.solution.freeEnergies).freeEnergies
      var p = 0.0
      var q = 0.0
      for i in system.x.indices {
        let d = logSumExp(system.counts.indices.map { log(counts[$0]) + f[$0] - system.potential($0)[i] })
        let w = multiplicity[i] * exp(-u[i] - d)
        if inside[i] { p += w } else { q += w }
      }
      let measured = (-log(p / q) - base) / h
      #expect(abs(measured - psi[n]) < 1e-3 * abs(psi[n]) + 1e-6, "sample \(n): \(measured) against \(psi[n])")
    }
  }

  @Test func infiniteEnergiesOffsetsAndBadInput() throws {
    // a constant added to a state's potential shifts its free energy by it, however large
    let system = try PymbarFixture.load().systems[0]
    let plain = try MBAR(reducedPotentials: system.matrix(), sampleCounts: system.counts)
    var shifted = try system.matrix()
    for n in system.x.indices { shifted.values[2 * system.x.count + n] += 5000 }
    let mbar = try MBAR(reducedPotentials: shifted, sampleCounts: system.counts)
    #expect(abs(mbar.reducedFreeEnergies[2] - plain.reducedFreeEnergies[2] - 5000) < 1e-6)
    var walls = try system.matrix()
    for n in 0..<60 { walls.values[4 * system.x.count + n] = .infinity }
    #expect(try MBAR(reducedPotentials: walls, sampleCounts: system.counts).reducedFreeEnergies[4].isFinite)
    walls.values[7] = .nan
    #expect(throws: FreeEnergiesError.self) { try MBAR(reducedPotentials: walls, sampleCounts: system.counts) }
    #expect(throws: FreeEnergiesError.self) {
      try MBAR(reducedPotentials: system.matrix(), sampleCounts: [1, 2, 3, 4, 5])
    }
    #expect(throws: FreeEnergiesError.self) { try MBAR(reducedPotentials: system.matrix(), sampleCounts: [300]) }
  }

  @Test func statesWithoutOverlapAreAnError() throws {
    let x: [Double] = (0..<100).map { (i: Int) -> Double in (i < 50 ? 0 : 200) + 0.01 * Double(i) }
    let u: [Double] = [0.0, 200.0].flatMap { (c: Double) -> [Double] in x.map { 5 * ($0 - c) * ($0 - c) } }
    #expect(throws: FreeEnergiesError.self) {
      let mbar = try MBAR(reducedPotentials: NDArray(u, shape: [2, 100]), sampleCounts: [50, 50])
      _ = try mbar.differences()
    }
  }

  /// 900 windows on a torus with a barrier of 20 kT, 100,000 samples.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["BOLTZMILL_BENCHMARKS"] != nil, "a benchmark"))
  func nineHundredStates() throws {
    let grid = 30
    let stiffness = 60.0
    var x: [Double] = []
    var y: [Double] = []
    let perWindow = 111
    var counts: [Int] = []
    var random = RandomStream(seed: 1, "grid")
    let place = { (i: Int) -> Double in 2 * Double.pi * Double(i) / Double(grid) - Double.pi }
    let width = 1 / stiffness.squareRoot()
    for i in 0..<grid {
      for j in 0..<grid {
        for _ in 0..<perWindow {
          x.append(place(i) + width * random.normal())
          y.append(place(j) + width * random.normal())
        }
        counts.append(perWindow)
      }
    }
    let (xs, ys, centre) = (x, y, (0..<grid).map(place))
    let clock = ContinuousClock()
    for stiffness in [60.0, 0.5] {
      var mbar: MBAR?
      let solve = try clock.measure {
        mbar = try MBAR(sampleCounts: counts, sampleTotal: xs.count) { range, out in
          var e = 0
          for n in range {
            for i in 0..<grid {
              let a = (xs[n] - centre[i]).remainder(dividingBy: 2 * .pi)
              for j in 0..<grid {
                let b = (ys[n] - centre[j]).remainder(dividingBy: 2 * .pi)
                out[e] = 0.5 * stiffness * (a * a + b * b) + (i % 2 == 0 ? 20 : 0)
                e += 1
              }
            }
          }
        }
      }
      let errors = try clock.measure { _ = try mbar!.differences() }
      print(
        "900 states, \(xs.count) samples, stiffness \(stiffness): solved in \(solve), \(mbar!.iterations) iterations; "
          + "covariance in \(errors); f range \(mbar!.reducedFreeEnergies.max()!)")
    }
  }
}
