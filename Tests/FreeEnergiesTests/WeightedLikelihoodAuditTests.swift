import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// Draws by weight against sums over all samples, which a toy can afford.
@Suite struct WeightedLikelihoodAuditTests {
  /// Weights of few: ln of the exact ones has a standard deviation of 2.2, the error of ln q one of 1, and a bias in the state.
  struct Toy {
    var exact: [Double] = []
    var used: [Double] = []
    var reduced: [Double] = []
    var inside: [Bool] = []

    init(count: Int = 20_000, bias: Double = 0.4, noise: Double = 1, seed: UInt64) {
      var random = RandomStream(seed: seed, "weighted audit toy")
      for n in 0..<count {
        let state = n % 3 == 0
        inside.append(state)
        exact.append(-4 + random.normal())
        used.append(exact[n] + 11 + noise * random.normal() + (state ? bias : 0))
        reduced.append((state ? 2.5 : 0) + 2 * random.normal())
      }
    }

    func logWeights(_ density: [Double]) -> [Double] { zip(reduced, density).map { -$0 - $1 } }

    func sums(_ density: [Double]) -> (deltaF: Double, effective: Double) {
      let weights = normalisedWeights(logWeights: logWeights(density))
      let share = weights.indices.reduce(0) { $0 + (inside[$1] ? weights[$1] : 0) }
      return (-log(share / (1 - share)), kishEffectiveSampleSize(logWeights: logWeights(density)))
    }

    func audit(count: Int, seed: UInt64) throws -> WeightedLikelihoodAudit {
      let weights = logWeights(used)
      let draws = try WeightedLikelihoodAudit.Draws(count: count, logWeights: weights, inside: inside, seed: seed)
      return try WeightedLikelihoodAudit(
        used: used, logWeights: weights, inside: inside, draws: draws, exact: draws.distinct.map { exact[$0] },
        exactLogWeights: draws.distinct.map { -reduced[$0] - exact[$0] })
    }
  }

  /// Over many draws from the same samples the free energy by all exact weights is hit within the errors that are claimed.
  @Test func findsTheSumOverAllExactWeights() throws {
    let toy = Toy(seed: 3)
    let (exact, used) = (toy.sums(toy.exact), toy.sums(toy.used))
    #expect(abs(used.deltaF - exact.deltaF) > 0.2, "the toy must be biased")
    var z: [Double] = []
    var errors = 0.0
    var effective = 0.0
    for seed in 0..<40 {
      let audit = try toy.audit(count: 1000, seed: UInt64(seed))
      #expect(abs(audit.deltaF - used.deltaF - audit.correction) < 1e-9)
      z.append((audit.deltaF - exact.deltaF) / audit.correctionStandardError)
      errors += audit.correctionStandardError / 40
      effective += audit.effectiveFractionExact * Double(toy.used.count) / 40
      #expect(audit.standardError > audit.correctionStandardError)
    }
    let mean = z.reduce(0, +) / 40
    let deviation = (z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 39).squareRoot()
    print("z over 40 draws: mean \(mean), standard deviation \(deviation); error of a correction \(errors)")
    #expect(abs(mean) < 0.6 && deviation > 0.7 && deviation < 1.4)
    #expect(errors < 0.12)
    #expect(abs(effective / exact.effective - 1) < 0.15, "\(effective) for \(exact.effective)")
  }

  /// Over samples, too: the standard error is that of the free energy itself.
  @Test func errorsCountTheSamples() throws {
    // -ln of (share in the state x exp(-2.5)) / (share elsewhere); all else is alike in both
    let truth = -log(0.5 * exp(-2.5))
    let z = try (0..<30).map { seed -> Double in
      let audit = try Toy(count: 6000, seed: UInt64(100 + seed)).audit(count: 2000, seed: UInt64(seed))
      return (audit.deltaF - truth) / audit.standardError
    }
    let mean = z.reduce(0, +) / 30
    let square = (z.reduce(0) { $0 + $1 * $1 } / 30).squareRoot()
    print("z over 30 sets of samples: mean \(mean), root mean square \(square)")
    #expect(abs(mean) < 0.7 && square > 0.6 && square < 1.6)
  }

  @Test func anExactLogDensityNeedsNoCorrection() throws {
    var toy = Toy(seed: 5)
    toy.used = toy.exact.map { $0 + 3 }
    let audit = try toy.audit(count: 200, seed: 1)
    #expect(abs(audit.correction) < 1e-12 && audit.correctionStandardError < 1e-12)
    #expect(audit.rootMeanSquare < 1e-12 && abs(audit.meanError.value - 3) < 1e-12)
    #expect(audit.stateBias.allSatisfy { abs($0) < 1e-12 })
  }

  @Test func badInputIsATypedError() throws {
    let toy = Toy(count: 100, seed: 1)
    let weights = toy.logWeights(toy.used)
    #expect(throws: FreeEnergiesError.self) {
      try WeightedLikelihoodAudit.Draws(count: 10, logWeights: weights, inside: weights.map { _ in true }, seed: 1)
    }
    #expect(throws: FreeEnergiesError.self) {
      try WeightedLikelihoodAudit.Draws(
        count: 10, logWeights: weights.indices.map { toy.inside[$0] ? -.infinity : 0 }, inside: toy.inside, seed: 1)
    }
    let draws = try WeightedLikelihoodAudit.Draws(count: 10, logWeights: weights, inside: toy.inside, seed: 1)
    #expect(throws: FreeEnergiesError.self) {
      try WeightedLikelihoodAudit(
        used: toy.used, logWeights: weights, inside: toy.inside, draws: draws, exact: [1], exactLogWeights: [1])
    }
    var exact = draws.distinct.map { toy.exact[$0] }
    exact[2] = .nan
    #expect {
      try WeightedLikelihoodAudit(
        used: toy.used, logWeights: weights, inside: toy.inside, draws: draws, exact: exact,
        exactLogWeights: exact)
    } throws: { "\($0)".contains("sample \(draws.distinct[2])") }
  }
}
