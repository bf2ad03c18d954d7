import Basics
import Foundation

/// Self-normalised importance reweighting of independent samples: populations, free energies, effective sample sizes, and
/// how sure of them one may be.
public struct Reweighting: Sendable {
  /// How errors and profile are estimated, and whether weights are smoothed.
  public struct Options: Sendable {
    /// Share of the largest weights left out of the truncated effective sample size (never of anything else).
    public var truncation = 0.002
    /// Replicates of the bootstrap over samples.
    public var bootstrapReplicates = 500
    /// Bins of the profile over the full turn.
    public var profileBins = 60
    /// Replace the largest weights, of the state and elsewhere by themselves, by `ParetoSmoothing`'s.
    public var smoothing = false
    /// False where something else than the weights says that no number can be made of them: then all that `support` can withhold is nan.
    public var givesNumbers = true
    /// Of the bootstrap.
    public var seed: UInt64 = 0

    public init() {}
  }

  /// Correction for noise in the log-density, where it was estimated more than once.
  public struct NoiseCorrection: Sendable, Equatable {
    /// Mean noise variance of ln q, in the state and elsewhere, nat^2, under the target distribution.
    public var variance: [Double]
    /// What the correction did to `deltaF`, and the standard error of that, kT.
    public var effect, effectStandardError: Double
  }

  /// ln w, normalised to sum of w = 1; -infinity for samples without weight.
  public let logWeights: [Double]
  /// Samples whose energy or log-density is no finite number; they have no weight.
  public let nonFinite: Int
  /// What the weights of the state, and of the rest, rest on: it decides whether the numbers below are given.
  public let support: [StateSupport]
  /// -ln(P(state) / P(elsewhere)) and, by bootstrap, its standard error, kT. nan where `support` does not carry a number; the error
  /// also where it carries no interval.
  public let deltaF, deltaFStandardError: Double
  /// 95 %, by bootstrap, kT; nan where `support` carries no interval.
  public let deltaFInterval: [Double]
  /// Kish, of all samples, divided by their number; the same without the `dropped` largest weights.
  public let effectiveFraction, effectiveFractionTruncated: Double
  public let dropped: Int
  /// Share of all weight that the heaviest sample has.
  public let largestWeight: Double
  /// kT, by weights that were not smoothed.
  public let unsmoothedDeltaF: Double
  /// Shares of the weight and of the samples, in the state and elsewhere. Those of the weight are nan where `support` carries no number.
  public let statePopulations, unweightedPopulations: [Double]
  /// 95 %, [states][2]; nan where `support` carries no interval.
  public let stateIntervals: [[Double]]
  /// Along the torsion of the state.
  public let profile: FreeEnergyProfile
  /// nil where ln q was estimated once.
  public let noise: NoiseCorrection?

  /// - Parameters:
  ///   - reducedPotential: u(x), kT, [samples].
  ///   - logDensities: ln q(x), one or more independent estimates, [estimates][samples]. Their mean is used; two or more
  ///     are corrected for their noise.
  ///   - angle: the torsion of state and profile, rad, [samples].
  ///   - noiseAngles: torsions the noise may depend on, rad, [torsions][samples].
  ///   - excluded: samples to give no weight whatever their energy (such as those of the wrong hand).
  ///
  /// Throws `FreeEnergiesError.shape`, or `.emptyState` when the state or its complement holds no weight.
  public init(
    reducedPotential: [Double], logDensities: [[Double]], angle: [Double], state: TorsionState,
    noiseAngles: [[Double]] = [], excluded: [Bool]? = nil, options: Options = Options()
  ) throws {
    let count = reducedPotential.count
    guard count > 0, !logDensities.isEmpty, angle.count == count,
      (logDensities + noiseAngles).allSatisfy({ $0.count == count }), (excluded?.count ?? count) == count
    else {
      throw FreeEnergiesError.shape(
        "reweighting needs as many energies (\(count)) as log-densities (\(logDensities.map(\.count))) and angles "
          + "(\(angle.count), \(noiseAngles.map(\.count)))")
    }
    let inside = angle.map { state.contains($0) }
    let usable = (0..<count).map { n in
      reducedPotential[n].isFinite && angle[n].isFinite && logDensities.allSatisfy { $0[n].isFinite }
    }
    nonFinite = usable.filter { !$0 }.count
    let kept = (0..<count).map { usable[$0] && !(excluded?[$0] ?? false) }
    let mean = meanEstimate(logDensities)
    let raw = (0..<count).map { kept[$0] ? -reducedPotential[$0] - mean[$0] : -.infinity }
    let rawWeights = normalisedWeights(logWeights: raw)
    let rawDifference = try Self.difference(rawWeights, inside)

    var model: LogDensityNoise?
    var variance: [Double]?
    var fitWeights: [Double] = []
    var corrected = raw
    if logDensities.count > 1 {
      // A handful of extreme weights must not decide the fit.
      let cap = quantile(rawWeights, 0.998)
      fitWeights = rawWeights.map { min($0, cap) }
      let fitted = LogDensityNoise(
        estimates: logDensities, features: Self.features(inside, noiseAngles), weights: fitWeights)
      let smooth = fitted.smoothed(fitted.coefficients)
      corrected = (0..<count).map { kept[$0] ? raw[$0] - smooth[$0] / 2 : -.infinity }
      (model, variance) = (fitted, smooth)
    }
    let unsmoothed = try Self.difference(normalisedWeights(logWeights: corrected), inside)
    var shift = [Double](repeating: 0, count: count)
    let support = [true, false].map { side -> StateSupport in
      let rows = inside.indices.filter { inside[$0] == side }
      let own = rows.map { corrected[$0] }
      let smoothed = ParetoSmoothing(logWeights: own)
      for (row, value) in zip(rows, smoothed.logWeights) where options.smoothing && value > -.infinity {
        shift[row] = value - corrected[row]
        corrected[row] = value
      }
      return StateSupport(logWeights: options.smoothing ? smoothed.logWeights : own, tailShape: smoothed.shape)
    }
    self.support = support
    let hasNumber = options.givesNumbers && support.allSatisfy(\.givesNumber)
    let hasInterval = options.givesNumbers && support.allSatisfy(\.givesInterval)
    unsmoothedDeltaF = hasNumber ? unsmoothed : .nan
    let (weights, norm) = (normalisedWeights(logWeights: corrected), logSumExp(corrected))
    logWeights = corrected.map { $0 - norm }
    let difference = try Self.difference(weights, inside)
    deltaF = hasNumber ? difference : .nan
    effectiveFraction = kishEffectiveSampleSize(logWeights: corrected) / Double(count)
    dropped = Int((options.truncation * Double(count)).rounded(.up))
    let sorted = corrected.sorted(by: >)
    effectiveFractionTruncated =
      kishEffectiveSampleSize(logWeights: Array(sorted.dropFirst(dropped))) / Double(max(1, count - dropped))
    largestWeight = weights.max() ?? 0
    statePopulations = hasNumber ? Self.populations(weights, inside) : [.nan, .nan]
    unweightedPopulations = Self.populations([Double](repeating: 1 / Double(count), count: count), inside)

    let bins = angle.map { FreeEnergyProfile.bin(of: $0, bins: options.profileBins) }
    let resampled = Self.bootstrap(
      raw: zip(raw, shift).map { $0 + $1 }, inside: inside, bins: bins, model: model, fitWeights: fitWeights,
      options: options)
    let none = [Double.nan, .nan]
    deltaFInterval = hasInterval ? centralInterval(resampled.map(\.deltaF)) : none
    deltaFStandardError = hasInterval ? finiteStandardDeviation(resampled.map(\.deltaF)) : .nan
    stateIntervals =
      hasInterval
      ? [centralInterval(resampled.map(\.inside)), centralInterval(resampled.map { 1 - $0.inside })] : [none, none]
    var histogram = [Double](repeating: 0, count: options.profileBins)
    for n in 0..<count { histogram[bins[n]] += weights[n] }
    profile = FreeEnergyProfile(
      probabilities: histogram,
      standardError: histogram.indices.map { bin in finiteStandardDeviation(resampled.map { -log($0.histogram[bin]) }) }
    )
    guard let variance else {
      noise = nil
      return
    }
    let means = [true, false].map { side in
      var (sum, norm) = (0.0, 0.0)
      for n in 0..<count where inside[n] == side && weights[n] > 0 {
        sum += weights[n] * variance[n]
        norm += weights[n]
      }
      return sum / norm
    }
    noise = NoiseCorrection(
      variance: means, effect: unsmoothed - rawDifference,
      effectStandardError: finiteStandardDeviation(resampled.map(\.effect)))
  }

  /// One resample of the samples.
  private struct Replicate {
    var deltaF, effect, inside: Double
    var histogram: [Double]
  }

  /// Resamples samples with replacement; the noise model is fitted anew in every replicate.
  private static func bootstrap(
    raw: [Double], inside: [Bool], bins: [Int], model: LogDensityNoise?, fitWeights: [Double], options: Options
  ) -> [Replicate] {
    let (count, top) = (raw.count, raw.max() ?? 0)
    let weights = raw.map { exp($0 - top) }
    return parallelMap(options.bootstrapReplicates) { replicate in
      var random = RandomStream(seed: options.seed, "reweighting bootstrap", "\(replicate)")
      let multiplicity = bootstrapMultiplicity(count, &random)
      var correction: [Double]?
      if let model {
        let counted = (0..<count).map { multiplicity[$0] * fitWeights[$0] }
        correction = model.smoothed(model.refit(weights: counted))
      }
      var sums = (p: 0.0, q: 0.0, rawP: 0.0, rawQ: 0.0)
      var histogram = [Double](repeating: 0, count: options.profileBins)
      for n in 0..<count where multiplicity[n] > 0 && weights[n] > 0 {
        let w = multiplicity[n] * weights[n]
        let corrected = correction.map { w * exp(-$0[n] / 2) } ?? w
        histogram[bins[n]] += corrected
        if inside[n] {
          sums.p += corrected
          sums.rawP += w
        } else {
          sums.q += corrected
          sums.rawQ += w
        }
      }
      let (deltaF, total) = (-log(sums.p / sums.q), sums.p + sums.q)
      return Replicate(
        deltaF: deltaF, effect: deltaF + log(sums.rawP / sums.rawQ), inside: sums.p / total,
        histogram: histogram.map { $0 / total })
    }
  }

  /// The state and the first two harmonics of every angle.
  private static func features(_ inside: [Bool], _ angles: [[Double]]) -> [[Double]] {
    [inside.map { $0 ? 1 : 0 }]
      + angles.flatMap { a in
        [cos, sin].flatMap { (f: (Double) -> Double) in
          [1.0, 2].map { k in a.map { $0.isFinite ? f(k * $0) : 0 } }
        }
      }
  }

  private static func populations(_ weights: [Double], _ inside: [Bool]) -> [Double] {
    let (p, q) = stateSums(weights, inside)
    return [p / (p + q), q / (p + q)]
  }

  private static func difference(_ weights: [Double], _ inside: [Bool]) throws -> Double {
    let populations = populations(weights, inside)
    guard populations[0] > 0, populations[1] > 0 else {
      throw FreeEnergiesError.emptyState(
        populations.contains { $0.isNaN }
          ? "no sample has a finite weight: check that energies and log-densities belong to the same molecule and units"
          : "\(populations[0] > 0 ? "no weight lies outside" : "no weight lies in") the state, so its free energy is not "
            + "defined by these samples; draw more, or train on data that hold both states")
    }
    return -log(populations[0] / populations[1])
  }
}
