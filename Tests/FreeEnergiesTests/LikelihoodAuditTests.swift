import Basics
import Foundation
import Testing

@testable import FreeEnergies

@Suite struct LikelihoodAuditTests {
  /// Uniform q on the circle; u = 3 kT in the state (0, 2), 0.4 cos elsewhere; ln q as it was used errs by noise and, in the
  /// state, by a bias.
  struct Toy {
    var angle: [Double] = []
    var reduced: [Double] = []
    var exact: [Double] = []
    var used: [Double] = []
    let state = TorsionState()

    init(count: Int, bias: Double, noise: Double, seed: UInt64) {
      var random = RandomStream(seed: seed, "audit toy")
      for _ in 0..<count {
        let a = (2 * random.uniform() - 1) * .pi
        angle.append(a)
        reduced.append(state.contains(a) ? 3 : 0.4 * cos(a))
        exact.append(-log(2 * .pi))
        used.append(-log(2 * .pi) + 7 + noise * random.normal() + (state.contains(a) ? bias : 0))
      }
    }

    var inside: [Bool] { angle.map { state.contains($0) } }
    func logWeights(_ density: [Double]) -> [Double] { zip(reduced, density).map { -$0 - $1 } }

    func audit(rows: Range<Int>, replicates: Int = 200) throws -> LikelihoodAudit {
      var options = LikelihoodAudit.Options()
      options.bootstrapReplicates = replicates
      return try LikelihoodAudit(
        used: Array(used[rows]), exact: Array(exact[rows]), logWeights: Array(logWeights(used)[rows]),
        exactLogWeights: Array(logWeights(exact)[rows]), inside: Array(inside[rows]), options: options)
    }

    func deltaF() throws -> (value: Double, error: Double) {
      let result = try Reweighting(
        reducedPotential: reduced, logDensities: [used], angle: angle, state: state,
        options: {
          var options = Reweighting.Options()
          options.bootstrapReplicates = 100
          return options
        }())
      return (result.deltaF, result.deltaFStandardError)
    }

    /// -ln of the ratio of the two integrals, by the midpoint rule.
    static var truth: Double {
      let n = 200_000
      let outside = (0..<n).reduce(0.0) { sum, k in
        let a = -Double.pi + 2 * .pi * (Double(k) + 0.5) / Double(n)
        return sum + (TorsionState().contains(a) ? 0 : exp(-0.4 * cos(a)) * 2 * .pi / Double(n))
      }
      return -log(2 * exp(-3) / outside)
    }
  }

  @Test func plantedBiasIsFoundAndTakenOut() throws {
    let toy = Toy(count: 60_000, bias: 0.35, noise: 0.3, seed: 5)
    let audit = try toy.audit(rows: 0..<2000)
    let deltaF = try toy.deltaF()
    #expect(abs(deltaF.value - (Toy.truth + 0.35)) < 4 * deltaF.error, "the toy must be biased")
    #expect(abs(audit.correction + 0.35) < 4 * audit.correctionStandardError)
    #expect(audit.correctionStandardError < 0.03 && audit.correctionStandardError > 0.003)
    let audited = audit.audited(deltaF: deltaF.value, standardError: deltaF.error)
    #expect(abs(audited.value - Toy.truth) < 4 * audited.standardError)
    // the subset alone is far less sure than the corrected whole
    #expect(audit.exactDeltaFStandardError > 1.5 * audited.standardError)
    // of the errors: noise 0.3 and a step of 0.35 over a third of the circle
    let fraction = 1 / Double.pi
    let expected = (0.09 + 0.35 * 0.35 * fraction * (1 - fraction)).squareRoot()
    #expect(abs(audit.rootMeanSquare - expected) < 0.03)
    #expect(abs(audit.meanError.value - (7 + 0.35 * fraction)) < 5 * audit.meanError.standardError)
    #expect(abs(audit.stateBias[0] - audit.stateBias[1] - 0.35) < 0.06)
    #expect(audit.effectiveFractionExact > audit.effectiveFraction)
  }

  /// Statistical: z-scores of the audited free energy over independent toys have unit spread.
  @Test func auditedErrorsAreCalibrated() throws {
    let z = try (0..<40).map { seed -> Double in
      let toy = Toy(count: 3000, bias: -0.2, noise: 0.3, seed: 100 + UInt64(seed))
      let deltaF = try toy.deltaF()
      let audited = try toy.audit(rows: 0..<400, replicates: 60)
        .audited(deltaF: deltaF.value, standardError: deltaF.error)
      return (audited.value - Toy.truth) / audited.standardError
    }
    let mean = z.reduce(0, +) / 40
    let spread = (z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 39).squareRoot()
    #expect(abs(mean) < 0.5)
    #expect(spread > 0.65 && spread < 1.35)
  }

  @Test func aPerfectDensityIsLeftAlone() throws {
    let toy = Toy(count: 1000, bias: 0, noise: 0, seed: 1)
    let audit = try toy.audit(rows: 0..<1000)
    #expect(abs(audit.correction) < 1e-12 && audit.rootMeanSquare < 1e-12)
    #expect(abs(audit.effectiveFraction - audit.effectiveFractionExact) < 1e-12)
  }

  /// Each sample with weight is as likely as any other to be in the subset, once, and the rows ascend.
  @Test func subsetsAreUniform() {
    let logWeights: [Double] = (0..<50).map { (i: Int) -> Double in i % 5 == 0 ? -.infinity : Double(i) }
    var hits = [Int](repeating: 0, count: 50)
    for seed in 0..<2000 {
      let rows = LikelihoodAudit.subset(of: 10, logWeights: logWeights, seed: UInt64(seed))
      #expect(rows.count == 10 && rows == Set(rows).sorted())
      for row in rows { hits[row] += 1 }
    }
    // 2000 x 10 / 40, with a standard deviation of 19.4
    for row in 0..<50 { #expect(row % 5 == 0 ? hits[row] == 0 : abs(hits[row] - 500) < 90) }
    let all = LikelihoodAudit.subset(of: 100, logWeights: logWeights, seed: 1)
    #expect(all == (0..<50).filter { $0 % 5 != 0 })
  }

  @Test func whatCannotBeAuditedIsATypedError() throws {
    let toy = Toy(count: 10, bias: 0, noise: 0, seed: 1)
    #expect(throws: FreeEnergiesError.self) {
      try LikelihoodAudit(
        used: toy.used, exact: toy.exact, logWeights: toy.logWeights(toy.used),
        exactLogWeights: toy.logWeights(toy.exact), inside: [Bool](repeating: false, count: 10))
    }
    #expect(throws: FreeEnergiesError.self) {
      try LikelihoodAudit(used: [0, 1], exact: [0], logWeights: [0], exactLogWeights: [0], inside: [true])
    }
  }
}
