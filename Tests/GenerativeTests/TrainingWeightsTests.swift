import Basics
import Foundation
import Testing
import Torch

@testable import Generative

/// How often weighted samples are drawn in training.
@Suite struct TrainingWeightsTests {
  /// Two states, two rounds: states have their shares, rounds what they count for, and the largest weight is cut to the next one.
  @Test func statesHaveTheirSharesAndTheLargestAreCut() {
    let logs = [log(1.0), log(2.0), log(50.0), log(1.0), 0, 0, 0, 0, -Double.infinity, .nan]
    let states = [0, 0, 0, 0, 1, 1, 1, 1, 0, 1]
    let rounds = [0, 0, 0, 1, 0, 0, 1, 1, 0, 1]
    let found = TrainingWeights.clipped(logs, states: states, rounds: rounds, shares: [0.25, 0.75], clipped: 0.002)
    let first = found.indices.filter { states[$0] == 0 }.map { found[$0] }.reduce(0, +)
    #expect(abs(first - 0.25) < 1e-12 && abs(found.reduce(0, +) - 1) < 1e-12)
    // 50 counts as 2 does
    #expect(abs(found[2] - found[1]) < 1e-12 && abs(found[1] / found[0] - 2) < 1e-12)
    // of weights 1, 2, 2 25/9 count; of the other round one does
    #expect(abs((found[0] + found[1] + found[2]) / found[3] - 25.0 / 9) < 1e-12)
    #expect(found[8] == 0 && found[9] == 0)
    #expect(found[4..<8].allSatisfy { abs($0 - 0.1875) < 1e-12 })
  }

  /// A state keeps its share where one sample alone has a weight, and whatever is asked to be cut.
  @Test(arguments: [0, 0.002, 0.5]) func aStateOfOneSampleIsNotLost(_ clipped: Double) {
    let found = TrainingWeights.clipped(
      [0, -.infinity, -2000, 0, 0, 0], states: [0, 0, 0, 1, 1, 1], rounds: [0, 0, 0, 0, 0, 0], shares: [0.2, 0.8],
      clipped: clipped)
    #expect(abs(found[0] - 0.2) < 1e-12 && found[1] == 0 && found[2] == 0, "\(found)")
    #expect(abs(found[3...].reduce(0, +) - 0.8) < 1e-12)
  }

  /// Normal numbers of width 2, weighed to width 1: by weights their temperature is 1, without it is 4; the error says how far off it may be.
  @Test func weightsSetTheThermometerRight() throws {
    let count = 20_000
    let y = try Generator(seed: 3).normal([count, 2]).cast(.float64) * 2
    let squares = try y.square().sum(1).values(as: Double.self)
    let weights = squares.map { exp(-0.5 * $0 * (1 - 0.25)) }
    let (value, error) = try TrainingWeights.thermometer(y, -y, weights)
    #expect(abs(value - 1) < 4 * error && error < 0.05, "\(value) ± \(error)")
    let plain = try TrainingWeights.thermometer(y, -y, [Double](repeating: 1, count: count))
    #expect(abs(plain.value - 4) < 4 * plain.error, "\(plain)")
  }
}
