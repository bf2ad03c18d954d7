import Foundation
import Testing

@testable import FreeEnergies

@Suite struct EffectiveFractionsTests {
  /// A perfect sampler of two states in other shares than theirs: the mixture's cap is reached, and each state is worth all of its samples.
  @Test func aPerfectMixtureReachesItsCap() {
    // 25 % of the samples in a state of 2 %: weights 0.02 / 0.25 and 0.98 / 0.75
    let place = (0..<4000).map { $0 % 4 == 0 ? 0 : 1 }
    let logWeights = place.map { $0 == 0 ? log(0.02 / 0.25) : log(0.98 / 0.75) }
    let found = EffectiveFractions(logWeights: logWeights, place: place, count: 2)
    let cap = 1 / (0.02 * 0.02 / 0.25 + 0.98 * 0.98 / 0.75)
    #expect(abs(found.best - cap) < 1e-12 && abs(found.all - cap) < 1e-12 && abs(found.ofMixture - 1) < 1e-12)
    #expect(found.states.allSatisfy { abs($0 - 1) < 1e-12 })
  }

  /// One heavy sample hides what all others are worth; a state without weight has no number.
  @Test func heavySamplesAreLeftOut() {
    var logWeights = [Double](repeating: 0, count: 1001)
    logWeights[7] = log(1000)
    let found = EffectiveFractions(logWeights: logWeights, place: [Int](repeating: 0, count: 1001), count: 2)
    #expect(abs(found.all - 2000.0 * 2000 / (1_001_000 * 1001)) < 1e-12)
    #expect(abs(found.withoutHeaviest[0] - 1) < 1e-12 && abs(found.withoutHeaviest[1] - 1) < 1e-12)
    #expect(found.states[1].isNaN && abs(found.states[0] - found.all) < 1e-12)
    let none = EffectiveFractions(logWeights: [0, 0], place: [0, 0], count: 1)
    #expect(none.withoutHeaviest[1].isNaN && none.withoutHeaviest[0] == 1)
  }
}
