import Basics
import Foundation
import Testing

@testable import FreeEnergies

@Suite struct ReweightingTests {
  /// Samples of a wrong density on the circle, with the true energies: proposal half and half, target in the ratio exp(-dF).
  private struct Sample {
    var u: [Double] = []
    var logQ: [Double] = []
    var angle: [Double] = []
  }

  /// Target: two uniform arcs, (0, 2) with probability p and the rest with 1 - p; proposal: equal halves.
  private func sample(_ count: Int, deltaF: Double, seed: UInt64) -> Sample {
    var random = RandomStream(seed: seed, "reweighting")
    var result = Sample()
    let p = 1 / (1 + exp(deltaF))
    for _ in 0..<count {
      let inside = random.uniform() < 0.5
      let x = inside ? 2 * random.uniform() : 2 + (2 * .pi - 2) * random.uniform()
      result.angle.append(x.remainder(dividingBy: 2 * .pi))
      result.logQ.append(log(inside ? 0.5 / 2 : 0.5 / (2 * .pi - 2)) + 7)
      result.u.append(-log(inside ? p / 2 : (1 - p) / (2 * .pi - 2)) - 3)
    }
    return result
  }

  private func options(_ replicates: Int = 100) -> Reweighting.Options {
    var options = Reweighting.Options()
    options.bootstrapReplicates = replicates
    options.profileBins = 20
    return options
  }

  @Test func weightsUtilities() {
    #expect(logSumExp([-.infinity, -.infinity]) == -.infinity)
    #expect(abs(logSumExp([1000, 1000]) - 1000 - log(2)) < 1e-12)
    #expect(abs(kishEffectiveSampleSize(logWeights: [3, 3, 3, -.infinity]) - 3) < 1e-12)
    #expect(kishEffectiveSampleSize(logWeights: [-.infinity]) == 0)
    #expect(abs(kishEffectiveSampleSize(logWeights: [log(1), log(2), log(3)]) - 36.0 / 14) < 1e-12)
    #expect(normalisedWeights(logWeights: [.nan, 0, 0]) == [0, 0.5, 0.5])
  }

  @Test func correctsWrongPopulations() throws {
    let data = sample(20_000, deltaF: 4, seed: 1)
    let result = try Reweighting(
      reducedPotential: data.u, logDensities: [data.logQ], angle: data.angle, state: TorsionState(), options: options())
    #expect(abs(result.deltaF - 4) < 4 * result.deltaFStandardError + 1e-9)
    #expect(result.deltaFStandardError > 0.01 && result.deltaFStandardError < 0.02)
    #expect(result.deltaFInterval[0] < 4 && result.deltaFInterval[1] > result.deltaF)
    // Kish for weights p / 0.5 and (1 - p) / 0.5 in equal numbers
    let p = 1 / (1 + exp(4.0))
    #expect(abs(result.effectiveFraction - 0.5 / (p * p + (1 - p) * (1 - p))) < 0.01)
    #expect(abs(result.unweightedPopulations[0] - 0.5) < 0.02 && abs(result.statePopulations[0] - p) < 0.003)
    #expect(result.stateIntervals[0][0] < p && result.stateIntervals[0][1] > p)
    #expect(result.dropped == 40 && result.noise == nil && result.nonFinite == 0)
    #expect(abs(logSumExp(result.logWeights)) < 1e-9)
    // flat within each arc
    let inside = result.profile.angles.indices.filter { (0.4..<1.8).contains(result.profile.angles[$0]) }
    for k in inside { #expect(abs(result.profile.freeEnergy[k] - 4 - log(2 / (2 * .pi - 2))) < 0.25) }
  }

  /// (estimate - exact) / error over seeds: mean 0, standard deviation 1; the interval holds the truth 95 times in 100.
  @Test func errorsAreCalibrated() throws {
    var z: [Double] = []
    var covered = 0
    for seed in 0..<200 {
      let data = sample(400, deltaF: 2, seed: UInt64(seed))
      let result = try Reweighting(
        reducedPotential: data.u, logDensities: [data.logQ], angle: data.angle, state: TorsionState(),
        options: options())
      z.append((result.deltaF - 2) / result.deltaFStandardError)
      if result.deltaFInterval[0] < 2, result.deltaFInterval[1] > 2 { covered += 1 }
    }
    let mean = z.reduce(0, +) / 200
    let deviation = (z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 199).squareRoot()
    print("reweighting z-scores over 200 seeds: mean \(mean), standard deviation \(deviation), covered \(covered)")
    #expect(abs(mean) < 0.25 && abs(deviation - 1) < 0.17)
    #expect(covered > 178)
  }

  /// Noise of variance 0.3 and 1.1 in the two states would shift dF by 0.4 kT; two estimates per sample take that back.
  @Test func noiseInTheLogDensityIsCorrected() throws {
    var shifts: [Double] = []
    var z: [Double] = []
    for seed in 0..<20 {
      let data = sample(10_000, deltaF: 3, seed: UInt64(1000 + seed))
      var random = RandomStream(seed: UInt64(seed), "noise")
      let estimates = (0..<2).map { _ in
        zip(data.logQ, data.angle).map { logQ, angle -> Double in
          // twice the wanted variance each, since their mean is used
          let variance = 2 * (TorsionState().contains(angle) ? 1.1 : 0.3 + 0.2 * cos(angle))
          return logQ + variance.squareRoot() * random.normal()
        }
      }
      let result = try Reweighting(
        reducedPotential: data.u, logDensities: estimates, angle: data.angle, state: TorsionState(),
        noiseAngles: [data.angle], options: options(60))
      let noise = try #require(result.noise)
      shifts.append(noise.effect)
      z.append((result.deltaF - 3) / result.deltaFStandardError)
      #expect(abs(noise.variance[0] - 1.1) < 0.15)
      // the mean of 0.3 + 0.2 cos over the rest of the circle
      let rest = 0.3 + 0.2 * (-sin(2.0)) / (2 * .pi - 2)
      #expect(abs(noise.variance[1] - rest) < 0.05)
      #expect(noise.effectStandardError > 0.005 && noise.effectStandardError < 0.1)
    }
    let mean = z.reduce(0, +) / 20
    let deviation = (z.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 19).squareRoot()
    print(
      "noise correction: effect \(shifts.reduce(0, +) / 20), z-scores mean \(mean), standard deviation \(deviation)")
    #expect(shifts.allSatisfy { $0 > 0.25 && $0 < 0.6 })
    #expect(abs(mean) < 0.8 && deviation < 1.6)
  }

  /// One trajectory whose two estimates differ by 39 nat does not change what is taken for the noise of all others.
  @Test func oneWildEstimateSpeaksForItselfAlone() throws {
    let data = sample(10_000, deltaF: 3, seed: 77)
    var random = RandomStream(seed: 3, "noise")
    var estimates = (0..<2).map { _ in data.logQ.map { $0 + 0.3 * random.normal() } }
    func result() throws -> Reweighting {
      try Reweighting(
        reducedPotential: data.u, logDensities: estimates, angle: data.angle, state: TorsionState(),
        noiseAngles: [data.angle], options: options(60))
    }
    let before = try result()
    let wild = try #require(data.angle.firstIndex { TorsionState().contains($0) })
    estimates[0][wild] -= 19.5
    estimates[1][wild] += 19.5
    let after = try result()
    #expect(abs(after.deltaF - before.deltaF) < 0.02)
    let (noise, plain) = (try #require(after.noise), try #require(before.noise))
    #expect(abs(noise.variance[0] - plain.variance[0]) < 0.02)
    // it has lost its weight
    #expect(after.logWeights[wild] < before.logWeights[wild] - 100)
  }

  @Test func badSamplesAreCountedAndWeighNothing() throws {
    var data = sample(1000, deltaF: 1, seed: 9)
    let clean = try Reweighting(
      reducedPotential: data.u, logDensities: [data.logQ], angle: data.angle, state: TorsionState(), options: options())
    for (k, bad) in [Double.infinity, .nan, -.infinity].enumerated() {
      data.u.append(bad)
      data.logQ.append(0)
      data.angle.append(Double(k))
    }
    data.u.append(-500)
    data.logQ.append(0)
    data.angle.append(1)
    let excluded = (0..<1004).map { $0 == 1003 }
    let result = try Reweighting(
      reducedPotential: data.u, logDensities: [data.logQ], angle: data.angle, state: TorsionState(), excluded: excluded,
      options: options())
    #expect(result.nonFinite == 3)
    #expect(abs(result.deltaF - clean.deltaF) < 1e-12)
    #expect(result.logWeights[1000...].allSatisfy { $0 == -.infinity })
    #expect(throws: FreeEnergiesError.self) {
      try Reweighting(
        reducedPotential: [0, 0], logDensities: [[0, 0]], angle: [-1, -2], state: TorsionState(), options: options())
    }
    #expect(throws: FreeEnergiesError.self) {
      try Reweighting(reducedPotential: [0, 0], logDensities: [[0]], angle: [-1, 1], state: TorsionState())
    }
  }
}
