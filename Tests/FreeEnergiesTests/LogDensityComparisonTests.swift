import Basics
import Foundation
import Testing

@testable import FreeEnergies

@Suite struct LogDensityComparisonTests {
  @Test func errorsAreThoseOfTheDefinition() {
    let errors = LogDensityErrors([1, 4, 2, 9], exact: [0, 2, 2, 5])
    #expect(errors.values == [1, 2, 0, 4] && errors.mean == 1.75)
    #expect(abs(errors.rootMeanSquare - (8.75 / 4).squareRoot()) < 1e-12)
    #expect(abs(errors.standardError - (8.75 / 16).squareRoot()) < 1e-12)
    #expect(meanEstimate([[1, 2], [3, 6]]) == [2, 4] && meanEstimate([]).isEmpty)
  }

  /// Samples of exp(exact), with a target that is twice as likely in the state.
  struct Samples {
    var angle: [Double] = []
    var exact: [Double] = []
    var inside: [Bool] { angle.map(TorsionState().contains) }
    var reduced: [Double] { zip(exact, inside).map { -$0 - ($1 ? log(2) : 0) } }

    init(_ count: Int) {
      var random = RandomStream(seed: 3, "comparison")
      for _ in 0..<count {
        angle.append((2 * random.uniform() - 1) * .pi)
        exact.append(random.normal())
      }
    }

    /// Exact ones with noise, and `bias` in the state.
    func estimates(_ count: Int, noise: Double, bias: Double) -> [[Double]] {
      (0..<count).map { k in
        var random = RandomStream(seed: 4, "noise \(k)")
        return zip(exact, inside).map { $0 + 3 + noise * random.normal() + ($1 ? bias : 0) }
      }
    }
  }

  @Test func aMethodIsJudgedByItsErrorsAndItsFreeEnergy() throws {
    let samples = Samples(4000)
    var options = Reweighting.Options()
    options.bootstrapReplicates = 50
    func compare(_ estimates: [[Double]]) throws -> LogDensityComparison {
      try LogDensityComparison(
        estimates: estimates, exact: samples.exact, reducedPotential: samples.reduced,
        states: StateAssignment(angle: samples.angle, state: TorsionState()), options: options)
    }
    let share = Double(samples.inside.filter { $0 }.count) / 4000
    let exact = try compare([samples.exact])
    #expect(exact.errors.rootMeanSquare == 0 && exact.errors.mean == 0 && abs(exact.spearman - 1) < 1e-12)
    #expect(abs(exact.reweighting.deltaF + log(2 * share / (1 - share))) < 1e-9)
    let biased = try compare(samples.estimates(1, noise: 0, bias: 0.4))
    #expect(abs(biased.errors.mean - 3 - 0.4 * share) < 1e-9)
    #expect(abs(biased.errors.rootMeanSquare - 0.4 * (share * (1 - share)).squareRoot()) < 1e-9)
    #expect(abs(biased.reweighting.deltaF - exact.reweighting.deltaF - 0.4) < 1e-9)
    // two noisy estimates: the mean of both is what is judged, and their noise is corrected for
    let noisy = try compare(samples.estimates(2, noise: 0.5, bias: 0))
    #expect(abs(noisy.errors.rootMeanSquare - 0.5 / 2.0.squareRoot()) < 0.02 && noisy.reweighting.noise != nil)
    #expect(throws: FreeEnergiesError.self) {
      try LogDensityComparison(
        estimates: [samples.exact], exact: [0], reducedPotential: samples.reduced,
        states: StateAssignment(angle: samples.angle, state: TorsionState()), options: options)
    }
  }

  /// The difference from noisy estimates is that from what they estimate: their noise is taken out.
  @Test func theNoiseOfTheOtherIsTakenOut() throws {
    let samples = Samples(20_000)
    let inside = samples.inside
    let share = Double(inside.filter { $0 }.count) / 20_000
    let biased = zip(samples.exact, inside).map { $0 - 5 + ($1 ? 0.3 : 0) }
    let weights = inside.map { _ in -log(20_000.0) }
    let found = try #require(
      LogDensityDifference(
        of: biased, from: samples.estimates(3, noise: 0.6, bias: 0), inside: inside, logWeights: weights))
    #expect(abs(found.stateBias - 0.3) < 0.03)
    #expect(abs(found.rootMeanSquare - 0.3 * (share * (1 - share)).squareRoot()) < 0.03)
    // one estimate tells nothing of its noise
    let one = try #require(
      LogDensityDifference(
        of: biased, from: samples.estimates(1, noise: 0.6, bias: 0), inside: inside, logWeights: weights))
    #expect(abs(one.rootMeanSquare - (0.36 + 0.09 * share * (1 - share)).squareRoot()) < 0.02)
    // samples without a finite value are left out, and of one sample nothing follows
    let some = try #require(
      LogDensityDifference(
        of: [1, .nan, 3, 5], from: [[0, 0, .infinity, 1]], inside: [true, true, false, false], logWeights: [0, 0, 0, 0])
    )
    #expect(some == LogDensityDifference(of: [1, 5], from: [[0, 1]], inside: [true, false], logWeights: [0, 0]))
    #expect(some.stateBias == -3 && some.rootMeanSquare == 1.5)
    #expect(LogDensityDifference(of: [1, .nan], from: [[0, 0]], inside: [true, false], logWeights: [0, 0]) == nil)
    #expect(LogDensityDifference(of: [1, 2], from: [], inside: [true, false], logWeights: [0, 0]) == nil)
  }
}
