import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// A log-density that is off between states, and samples that carry unbiased estimates of it: errors of free energies know it.
@Suite struct ModelErrorsTests {
  /// Uniform angles on the circle, u = 2 within (0, 2) and 0 outside; a learnt ln q that is too large by `bias` in there.
  private struct Samples {
    var angle: [Double] = [], u: [Double] = [], learnt: [Double] = []
    var own: [[Double]] = [[], []]

    init(_ count: Int, bias: Double, spread: Double = 0.1, seed: UInt64) {
      var random = RandomStream(seed: seed, "samples")
      for _ in 0..<count {
        let a = (2 * random.uniform() - 1) * .pi
        let inside = a > 0 && a < 2
        angle.append(a)
        u.append(inside ? 2 : 0)
        learnt.append((inside ? spread : 0.1) * random.normal() + (inside ? bias : 0) + 5)
        for k in 0..<2 { own[k].append(0.2 * random.normal()) }
      }
    }

    func weighed(_ judges: [[Double]], smoothing: Bool = false) throws -> Reweighting {
      var options = Reweighting.Options()
      (options.bootstrapReplicates, options.smoothing, options.profileBins) = (60, smoothing, 12)
      return try Reweighting(
        reducedPotential: u, logDensities: [learnt], states: StateAssignment(angle: angle, state: TorsionState()),
        angle: angle, judges: judges, options: options)
    }
  }

  /// -ln of (2 / 2 pi) exp(-2) over the rest's share.
  private let truth = -log(2 * exp(-2.0) / (2 * Double.pi - 2))

  /// What the learnt density has wrong is found, is in the error in squares, and moves interval, populations and profile; the value and the
  /// bootstrap's own error stay.
  @Test func theBiasIsInTheErrors() throws {
    let samples = Samples(20_000, bias: 0.2, seed: 3)
    let (without, with) = (try samples.weighed([]), try samples.weighed(samples.own))
    let off = try #require(with.modelErrors)
    #expect(without.modelErrors == nil)
    #expect(abs(off[0] - off[1] - 0.2) < 0.02, "\(off)")
    #expect(with.deltaF == without.deltaF && with.logWeights == without.logWeights)
    #expect(with.samplingError == without.deltaFStandardError && without.samplingError == without.deltaFStandardError)
    #expect(abs(with.deltaFStandardError - hypot(without.deltaFStandardError, off[0] - off[1])) < 1e-12)
    #expect(!(without.deltaFInterval[0] < truth && truth < without.deltaFInterval[1]), "the bootstrap does not know")
    #expect(with.deltaFInterval[0] < truth && truth < with.deltaFInterval[1])
    for (state, (before, after)) in zip(without.states.populations, with.states.populations).enumerated() {
      #expect(before.share == after.share)
      let error = before.share * (1 - before.share) * abs(off[state] - off[1 - state])
      #expect(abs(after.standardError - hypot(before.standardError, error)) < 1e-12)
      #expect(after.interval[0] < before.interval[0] && after.interval[1] > before.interval[1])
    }
    #expect(zip(without.profile.standardError, with.profile.standardError).allSatisfy { $0 <= $1 })
    #expect(zip(without.profile.standardError, with.profile.standardError).contains { $1 > 1.5 * $0 })
  }

  /// A density that is right in the mean and uncertain by 0.6 nat in the state makes it too heavy by half of that variance; one judge cannot
  /// tell the variance from its own noise, and gives the mean alone. Other temperatures know of it as well.
  @Test func whatScattersCountsToo() throws {
    let samples = Samples(40_000, bias: 0, spread: 0.6, seed: 6)
    let two = try #require(try samples.weighed(samples.own).modelErrors)
    // by weights exp(-d) the mean of d is minus its variance
    #expect(abs(two[0] - two[1] + (0.36 - 0.01) / 2) < 0.03, "\(two)")
    let one = try #require(try samples.weighed([samples.own[0]]).modelErrors)
    #expect(abs(one[0] - one[1] + (0.36 - 0.01)) < 0.03, "\(one)")
    #expect(try samples.weighed(samples.own).deltaF < truth - 0.1, "too heavy")
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    func rows(_ judges: [[Double]]) throws -> TemperatureDependence {
      try TemperatureDependence(
        temperatures: [300], energies: samples.u.map { $0 * thermal }, logDensities: [samples.learnt],
        states: StateAssignment(angle: samples.angle, state: TorsionState()), judges: judges)
    }
    let (plain, judged) = (try rows([]).rows[0], try rows(samples.own).rows[0])
    let off = thermal * abs(two[0] - two[1])
    for (before, after) in [
      (plain.freeEnergies[0], judged.freeEnergies[0]), (plain.entropies[0], judged.entropies[0]),
    ] {
      #expect(before.value == after.value)
      #expect(abs(after.standardError - hypot(before.standardError, off)) < 1e-9)
      #expect(after.interval[0] < before.interval[0] && after.interval[1] > before.interval[1])
    }
    #expect(plain.enthalpies == judged.enthalpies && plain.heatCapacity == judged.heatCapacity)
    let silent = try rows([samples.angle.map { $0 > 0 && $0 < 2 ? .nan : 0 }]).rows[0]
    #expect(silent.freeEnergies == plain.freeEnergies)
  }

  /// 60 runs, each with a bias of its own as large as the sampling error or thrice that: intervals hold the truth as often as they say.
  @Test(arguments: [false, true]) func intervalsHoldTheTruth(smoothing: Bool) throws {
    var (plain, judged) = (0, 0)
    var random = RandomStream(seed: 5, "biases")
    for seed in 0..<60 {
      let samples = Samples(3000, bias: 0.1 * random.normal(), seed: UInt64(seed))
      func holds(_ found: Reweighting) -> Int {
        found.deltaFInterval[0] < truth && truth < found.deltaFInterval[1] ? 1 : 0
      }
      plain += holds(try samples.weighed([], smoothing: smoothing))
      judged += holds(try samples.weighed(samples.own, smoothing: smoothing))
    }
    #expect(plain < 48, "without the bias in them, \(plain) of 60")
    #expect(judged >= 54, "\(judged) of 60")
  }

  /// A judge that says nothing of a state changes nothing there.
  @Test func whatNobodyToldIsLeftOut() throws {
    let samples = Samples(2000, bias: 0.2, seed: 4)
    let silent = samples.own.map { own in zip(own, samples.angle).map { $1 > 0 && $1 < 2 ? .nan : $0 } }
    let (without, with) = (try samples.weighed([]), try samples.weighed(silent))
    #expect(with.modelErrors?[0].isNaN == true && with.modelErrors?[1].isFinite == true)
    #expect(with.states == without.states)
  }
}
