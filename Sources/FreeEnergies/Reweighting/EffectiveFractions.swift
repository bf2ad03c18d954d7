/// Kish's effective sample size over the number of samples, by four yardsticks.
///
/// One number hides three causes: how the emulator shares its samples among the states (a mixture of other shares than Boltzmann's cannot be
/// worth all of its samples), how well it draws within a state, and single heavy samples.
public struct EffectiveFractions: Sendable, Equatable {
  /// Of all samples, to the Boltzmann distribution.
  public let all: Double
  /// What a perfect sampler of the states in the shares of these samples would reach: 1 / sum p^2 / s, with p the shares by weight.
  public let best: Double
  /// `all` over `best`: the worth of a sample but for the shares of the states.
  public var ofMixture: Double { all / best }
  /// Within each state, of its own samples; nan where none has weight.
  public let states: [Double]
  /// Of all samples but the heaviest 1, and 10.
  public let withoutHeaviest: [Double]
  public static let leftOut = [1, 10]

  /// `logWeights` [samples], -infinity without weight; `place` the state of each sample, of `count` states.
  public init(logWeights: [Double], place: [Int], count: Int) {
    let samples = Double(max(1, logWeights.count))
    all = kishEffectiveSampleSize(logWeights: logWeights) / samples
    let weights = normalisedWeights(logWeights: logWeights)
    var (shares, counts, own) = (
      [Double](repeating: 0, count: count), [Double](repeating: 0, count: count),
      [[Double]](repeating: [], count: count)
    )
    for (n, state) in place.enumerated() {
      shares[state] += weights[n]
      counts[state] += 1
      own[state].append(logWeights[n])
    }
    best = 1 / zip(shares, counts).reduce(0) { $0 + ($1.1 > 0 ? $1.0 * $1.0 * samples / $1.1 : 0) }
    states = zip(own, shares).map { weights, share in
      share > 0 ? kishEffectiveSampleSize(logWeights: weights) / Double(weights.count) : .nan
    }
    let sorted = logWeights.sorted(by: >)
    withoutHeaviest = Self.leftOut.map { left in
      let rest = Array(sorted.dropFirst(left))
      return rest.contains { $0 > -.infinity } ? kishEffectiveSampleSize(logWeights: rest) / Double(rest.count) : .nan
    }
  }
}
