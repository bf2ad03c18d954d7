import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// What a number rests on decides whether it is given.
@Suite struct StateSupportTests {
  /// `inState` samples of equal weight in the state, 1,000 in the rest.
  private func reweighting(
    inState: Int, mostOfOne: Double = 1, logWeights: ((Int) -> Double)? = nil
  ) throws -> Reweighting {
    let count = inState + 1000
    let angle = (0..<count).map { $0 < inState ? 1.0 : -1.0 }
    let u = (0..<count).map { n -> Double in n < inState ? -(logWeights?(n) ?? 0) : 0 }
    var options = Reweighting.Options()
    (options.bootstrapReplicates, options.profileBins, options.mostOfOneSample) = (50, 12, mostOfOne)
    return try Reweighting(
      reducedPotential: u, logDensities: [[Double](repeating: 0, count: count)], angle: angle, state: TorsionState(),
      options: options)
  }

  @Test func oneStraySampleGivesNoNumber() throws {
    for stray in [1, 2, 9] {
      let result = try reweighting(inState: stray)
      #expect(result.deltaF.isNaN && result.deltaFStandardError.isNaN)
      #expect(result.deltaFInterval.allSatisfy { $0.isNaN } && result.statePopulations.allSatisfy { $0.isNaN })
      #expect(result.stateIntervals.joined().allSatisfy { $0.isNaN })
      #expect(abs(result.support[0].effective - Double(stray)) < 1e-9 && result.support[1].doubt == nil)
      // what was drawn and what it weighs is kept
      #expect(abs(logSumExp(result.logWeights)) < 1e-9 && result.unweightedPopulations[0] > 0)
    }
    let doubt = try #require(try reweighting(inState: 1).support[0].doubt)
    #expect(
      doubt
        == "rests on one sample (1 with weight, the heaviest has 100 % of its weight); 10 are the least for a number")
  }

  @Test func moreGiveANumberAndSayHowFewTheyAre() throws {
    let few = try reweighting(inState: 12)
    #expect(abs(few.deltaF - log(1000.0 / 12)) < 1e-9 && few.deltaFInterval.allSatisfy { $0.isFinite })
    #expect(
      few.support[0].doubt
        == "rests on 12 effective samples (the heaviest has 8 % of its weight): the interval may be too narrow")
    let many = try reweighting(inState: 200)
    #expect(many.support.allSatisfy { $0.doubt == nil } && many.deltaFInterval.allSatisfy { $0.isFinite })
  }

  /// A hundred samples of which one weighs as much as all others a hundred times over are one sample.
  @Test func countsAreOfWeight() throws {
    let result = try reweighting(inState: 100) { $0 == 7 ? log(1e4) : 0 }
    #expect(result.support[0].samples == 100 && result.support[0].effective < 1.1 && result.deltaF.isNaN)
    #expect(result.support[0].largestShare > 0.98)
  }

  /// One sample of 100 that weighs as three has 2.9 %: where 2 % are the most there is no number, and where 3 % are, there is one.
  @Test func oneSampleMayBeTooHeavy() throws {
    let heavy = { (n: Int) in n == 7 ? log(3.0) : 0 }
    for (most, isGiven) in [(1, true), (0.03, true), (0.02, false)] {
      let result = try reweighting(inState: 100, mostOfOne: most, logWeights: heavy)
      #expect(abs(result.support[0].largestShare - 3.0 / 102) < 1e-12)
      #expect(result.deltaF.isFinite == isGiven && result.statePopulations[0].isFinite == isGiven)
      #expect(
        result.support[0].doubt
          == (isGiven
            ? nil : "rests too much on one sample, which has 2.9 % of its weight; 2 % are the most for a number here"))
    }
  }

  /// Weights without a mean: exp of an exponential variable of mean 2 has the Pareto shape 2.
  @Test func aTailWithoutMeanGivesNoInterval() throws {
    var random = RandomStream(seed: 5, "tail")
    // the same shape, its heaviest part cut so that enough samples carry the sum
    let draws = (0..<4000).map { _ in min(-2 * log(random.uniform()), 9) }
    let support = StateSupport(logWeights: draws, tailShape: 1.3)
    #expect(support.givesNumber && !support.givesInterval)
    #expect(support.doubt?.contains("no interval") == true)
    let uncut = StateSupport(logWeights: (0..<4000).map { _ in -2 * log(random.uniform()) })
    #expect(uncut.tailShape > 1)
  }

  @Test func nothingIsSaidToBeNothing() {
    let none = StateSupport(logWeights: [-.infinity, -.infinity])
    #expect(none.samples == 0 && none.effective == 0 && none.doubt == "holds no weight" && !none.givesNumber)
  }
}
