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
    /// Replace the largest weights, of each state by themselves, by `ParetoSmoothing`'s.
    public var smoothing = false
    /// The largest share of a state's weight that one sample may have, after smoothing, for a number to be made of the state.
    public var mostOfOneSample = 1.0
    /// False where something else than the weights says that no number can be made of them: then all that `support` can withhold is nan.
    public var givesNumbers = true
    /// Of the bootstrap.
    public var seed: UInt64 = 0

    public init() {}
  }

  /// Correction for noise in the log-density, where it was estimated more than once.
  public struct NoiseCorrection: Sendable, Equatable {
    /// Mean noise variance of ln q, in each state, nat^2, under the target distribution.
    public var variance: [Double]
    /// What the correction did to the free energy of the first pair, and the standard error of that, kT.
    public var effect, effectStandardError: Double
  }

  /// ln w, normalised to sum of w = 1; -infinity for samples without weight.
  public let logWeights: [Double]
  /// Samples whose energy or log-density is no finite number; they have no weight.
  public let nonFinite: Int
  /// What the weights of each state rest on: it decides whether the numbers below are given.
  public let support: [StateSupport]
  /// Populations, and the free energies of the pairs, with errors and intervals by bootstrap. A population is nan where `support` of the
  /// state, or of all others together, does not carry a number; a difference where that of one of its states does not. Errors are also nan
  /// where it carries no interval.
  public let states: StateEstimates
  /// -ln(P(from) / P(to)) of the first pair and, by bootstrap, its standard error, kT: -ln(P(state) / P(elsewhere)) where there is one state.
  public var deltaF: Double { states.differences[0].value }
  public var deltaFStandardError: Double { states.differences[0].standardError }
  /// 95 %, by bootstrap, kT; nan where `support` carries no interval.
  public var deltaFInterval: [Double] { states.differences[0].interval }
  /// Kish, of all samples, divided by their number; the same without the `dropped` largest weights.
  public var effectiveFraction: Double { effective.all }
  public let effectiveFractionTruncated: Double
  /// The same by other yardsticks.
  public let effective: EffectiveFractions
  public let dropped: Int
  /// Share of all weight that the heaviest sample has.
  public let largestWeight: Double
  /// kT, of the first pair, by weights that were not smoothed.
  public let unsmoothedDeltaF: Double
  /// Shares of the weight, and of the samples, in each state.
  public var statePopulations: [Double] { states.populations.map(\.share) }
  public let unweightedPopulations: [Double]
  /// 95 %, [states][2]; nan where `support` carries no interval.
  public var stateIntervals: [[Double]] { states.populations.map(\.interval) }
  /// Along the torsion that was given for it; without bins where none was.
  public let profile: FreeEnergyProfile
  /// nil where ln q was estimated once.
  public let noise: NoiseCorrection?
  /// How far ln q is off in each state, under the weights, up to what is common to all, nat: by the samples' own estimates. Nil without them.
  public let modelErrors: [Double]?
  /// The standard error of `deltaF` by bootstrap alone, without what `modelErrors` adds; kT.
  public let samplingError: Double

  /// - Parameters:
  ///   - reducedPotential: u(x), kT, [samples].
  ///   - logDensities: ln q(x), one or more independent estimates, [estimates][samples]. Their mean is used; two or more
  ///     are corrected for their noise.
  ///   - states: which state each sample is in.
  ///   - angle: the torsion of the profile, rad, [samples]; nil: there is none.
  ///   - noiseAngles: torsions the noise may depend on, rad, [torsions][samples].
  ///   - excluded: samples to give no weight whatever their energy (such as those of the wrong hand).
  ///   - judges: unbiased estimates of ln q beside those that are used, [estimates][samples]; none: empty. What `logDensities` have wrong
  ///     between states by these goes into the errors, in squares, and moves the ends of intervals: resamples of the same samples cannot know it.
  ///
  /// Throws `FreeEnergiesError.shape`, or `.emptyState` when no pair of states holds weight on both sides.
  public init(
    reducedPotential: [Double], logDensities: [[Double]], states: StateAssignment, angle: [Double]?,
    noiseAngles: [[Double]] = [], excluded: [Bool]? = nil, judges: [[Double]] = [], options: Options = Options()
  ) throws {
    let count = reducedPotential.count
    guard count > 0, !logDensities.isEmpty, states.place.count == count, (angle?.count ?? count) == count,
      (logDensities + noiseAngles + judges).allSatisfy({ $0.count == count }), (excluded?.count ?? count) == count
    else {
      throw FreeEnergiesError.shape(
        "reweighting needs as many energies (\(count)) as log-densities (\(logDensities.map(\.count))) and angles "
          + "(\(states.place.count), \(noiseAngles.map(\.count)))")
    }
    let usable = (0..<count).map { n in
      reducedPotential[n].isFinite && states.isDefined[n] && logDensities.allSatisfy { $0[n].isFinite }
    }
    nonFinite = usable.filter { !$0 }.count
    let kept = (0..<count).map { usable[$0] && !(excluded?[$0] ?? false) }
    let mean = meanEstimate(logDensities)
    let raw = (0..<count).map { kept[$0] ? -reducedPotential[$0] - mean[$0] : -.infinity }
    let rawWeights = normalisedWeights(logWeights: raw)
    try Self.checkWeight(rawWeights, states)
    let rawDifference = Self.difference(rawWeights, states, states.first)

    var model: LogDensityNoise?
    var variance: [Double]?
    var fitWeights: [Double] = []
    var corrected = raw
    if logDensities.count > 1 {
      // A handful of extreme weights must not decide the fit.
      let cap = quantile(rawWeights, 0.998)
      fitWeights = rawWeights.map { min($0, cap) }
      let fitted = LogDensityNoise(
        estimates: logDensities, features: Self.features(states, noiseAngles), weights: fitWeights)
      let smooth = fitted.corrections(fitted.coefficients)
      corrected = (0..<count).map { kept[$0] ? raw[$0] - smooth[$0] / 2 : -.infinity }
      (model, variance) = (fitted, smooth)
    }
    let unsmoothed = Self.difference(normalisedWeights(logWeights: corrected), states, states.first)
    var shift = [Double](repeating: 0, count: count)
    let plain = corrected
    let support = states.names.indices.map { state -> StateSupport in
      let rows = states.place.indices.filter { states.place[$0] == state }
      let own = rows.map { corrected[$0] }
      let smoothed = ParetoSmoothing(logWeights: own)
      for (row, value) in zip(rows, smoothed.logWeights) where options.smoothing && value > -.infinity {
        shift[row] = value - corrected[row]
        corrected[row] = value
      }
      return StateSupport(
        logWeights: options.smoothing ? smoothed.logWeights : own, tailShape: smoothed.shape,
        mostOfOneSample: options.mostOfOneSample)
    }
    self.support = support
    // what a state's share is a share of: all other states together
    let others = states.names.indices.map { state -> StateSupport in
      if support.count == 2 { return support[1 - state] }
      let rows = states.place.indices.filter { states.place[$0] != state }
      return StateSupport(
        logWeights: rows.map { corrected[$0] }, tailShape: ParetoSmoothing(logWeights: rows.map { plain[$0] }).shape,
        mostOfOneSample: options.mostOfOneSample)
    }
    func hasNumber(_ pair: StateSet.Pair) -> Bool {
      options.givesNumbers && support[pair.from].givesNumber && support[pair.to].givesNumber
    }
    func hasInterval(_ pair: StateSet.Pair) -> Bool {
      options.givesNumbers && support[pair.from].givesInterval && support[pair.to].givesInterval
    }
    unsmoothedDeltaF = hasNumber(states.first) ? unsmoothed : .nan
    let (weights, norm) = (normalisedWeights(logWeights: corrected), logSumExp(corrected))
    logWeights = corrected.map { $0 - norm }
    effective = EffectiveFractions(logWeights: corrected, place: states.place, count: states.names.count)
    dropped = Int((options.truncation * Double(count)).rounded(.up))
    let sorted = corrected.sorted(by: >)
    effectiveFractionTruncated =
      kishEffectiveSampleSize(logWeights: Array(sorted.dropFirst(dropped))) / Double(max(1, count - dropped))
    largestWeight = weights.max() ?? 0
    unweightedPopulations = states.shares([Double](repeating: 1 / Double(count), count: count))

    let bins = angle?.map { FreeEnergyProfile.bin(of: $0, bins: options.profileBins) } ?? []
    let resampled = Self.bootstrap(
      raw: zip(raw, shift).map { $0 + $1 }, states: states, bins: bins, model: model, fitWeights: fitWeights,
      options: options)
    let shares = states.shares(weights)
    let off = judges.isEmpty ? nil : ModelErrors(of: mean, by: judges, weights: weights, states: states)
    modelErrors = off?.states
    let populations = states.names.indices.map { state -> StateEstimates.Population in
      var found = StateEstimates.Population()
      found.effectiveSamples = support[state].effective
      let parts = [support[state], others[state]]
      guard states.isTold[state], options.givesNumbers, parts.allSatisfy(\.givesNumber) else { return found }
      found.share = shares[state]
      guard parts.allSatisfy(\.givesInterval) else { return found }
      let values = resampled.map { $0.shares[state] }
      (found.standardError, found.interval) = (finiteStandardDeviation(values), centralInterval(values))
      return off?.widened(found, state, shares) ?? found
    }
    var sampling = Double.nan
    let differences = states.pairs.enumerated().map { index, pair -> StateEstimates.Difference in
      var found = StateEstimates.Difference()
      guard states.isTold[pair.from], states.isTold[pair.to], hasNumber(pair) else { return found }
      found.value = Self.difference(weights, states, pair)
      guard hasInterval(pair) else { return found }
      let values = resampled.map { $0.differences[index] }
      (found.standardError, found.interval) = (finiteStandardDeviation(values), centralInterval(values))
      if index == 0 { sampling = found.standardError }
      return off?.widened(found, pair) ?? found
    }
    samplingError = sampling
    self.states = StateEstimates(
      names: states.names, populations: populations, pairs: states.pairs, differences: differences)
    var histogram = [Double](repeating: 0, count: bins.isEmpty ? 0 : options.profileBins)
    for n in bins.indices { histogram[bins[n]] += weights[n] }
    let binErrors = off?.bins(bins, count: histogram.count, weights)
    profile = FreeEnergyProfile(
      probabilities: histogram,
      standardError: histogram.indices.map { bin in
        hypot(finiteStandardDeviation(resampled.map { -log($0.histogram[bin]) }), binErrors?[bin] ?? 0)
      })
    guard let variance else {
      noise = nil
      return
    }
    let means = states.names.indices.map { state in
      var (sum, norm) = (0.0, 0.0)
      for n in 0..<count where states.place[n] == state && weights[n] > 0 {
        sum += weights[n] * variance[n]
        norm += weights[n]
      }
      return sum / norm
    }
    noise = NoiseCorrection(
      variance: means, effect: unsmoothed - rawDifference,
      effectStandardError: finiteStandardDeviation(resampled.map(\.effect)))
  }

  /// Of an arc of one torsion against the rest: `angle`, rad, is the torsion of state and profile. All else as above.
  public init(
    reducedPotential: [Double], logDensities: [[Double]], angle: [Double], state: TorsionState,
    noiseAngles: [[Double]] = [], excluded: [Bool]? = nil, options: Options = Options()
  ) throws {
    try self.init(
      reducedPotential: reducedPotential, logDensities: logDensities,
      states: StateAssignment(angle: angle, state: state), angle: angle, noiseAngles: noiseAngles,
      excluded: excluded, options: options)
  }

  /// One resample of the samples.
  private struct Replicate {
    var effect: Double
    var differences: [Double]  // [pairs]
    var shares: [Double]  // [states]
    var histogram: [Double]
  }

  /// Resamples samples with replacement; the noise model is fitted anew in every replicate.
  private static func bootstrap(
    raw: [Double], states: StateAssignment, bins: [Int], model: LogDensityNoise?, fitWeights: [Double],
    options: Options
  ) -> [Replicate] {
    let (count, top) = (raw.count, raw.max() ?? 0)
    let weights = raw.map { exp($0 - top) }
    return parallelMap(options.bootstrapReplicates) { replicate in
      var random = RandomStream(seed: options.seed, "reweighting bootstrap", "\(replicate)")
      let multiplicity = bootstrapMultiplicity(count, &random)
      var correction: [Double]?
      if let model {
        let counted = (0..<count).map { multiplicity[$0] * fitWeights[$0] }
        correction = model.corrections(model.refit(weights: counted))
      }
      var sums = [Double](repeating: 0, count: states.names.count)
      var rawSums = sums
      var histogram = [Double](repeating: 0, count: bins.isEmpty ? 0 : options.profileBins)
      for n in 0..<count where multiplicity[n] > 0 && weights[n] > 0 {
        let w = multiplicity[n] * weights[n]
        let corrected = correction.map { w * exp(-$0[n] / 2) } ?? w
        if !bins.isEmpty { histogram[bins[n]] += corrected }
        sums[states.place[n]] += corrected
        rawSums[states.place[n]] += w
      }
      let total = sums.reduce(0, +)
      let differences = states.pairs.map { -log(sums[$0.from] / sums[$0.to]) }
      let shares = sums.dropLast().map { $0 / total }
      return Replicate(
        effect: differences[0] + log(rawSums[states.first.from] / rawSums[states.first.to]), differences: differences,
        shares: shares + [1 - shares.reduce(0, +)], histogram: histogram.map { $0 / total })
    }
  }

  /// The states but the rest, and the first two harmonics of every angle.
  private static func features(_ states: StateAssignment, _ angles: [[Double]]) -> [[Double]] {
    (0..<states.names.count - 1).map { state in states.place.map { $0 == state ? 1 : 0 } }
      + angles.flatMap { a in
        [cos, sin].flatMap { (f: (Double) -> Double) in
          [1.0, 2].map { k in a.map { $0.isFinite ? f(k * $0) : 0 } }
        }
      }
  }

  private static func difference(_ weights: [Double], _ states: StateAssignment, _ pair: StateSet.Pair) -> Double {
    let populations = states.shares(weights)
    return -log(populations[pair.from] / populations[pair.to])
  }

  private static func checkWeight(_ weights: [Double], _ states: StateAssignment) throws {
    let populations = states.shares(weights)
    let hasOne = states.pairs.contains { populations[$0.from] > 0 && populations[$0.to] > 0 }
    guard !hasOne else { return }
    let held = states.names.indices.filter { populations[$0] > 0 }.map { states.names[$0] }
    throw FreeEnergiesError.emptyState(
      populations.contains { $0.isNaN }
        ? "no sample has a finite weight: check that energies and log-densities belong to the same molecule and units"
        : states.isTwoSided
          ? "\(populations[0] > 0 ? "no weight lies outside" : "no weight lies in") the state, so its free energy is not "
            + "defined by these samples; draw more, or train on data that hold both states"
          : "all weight lies in \(held.joined(separator: ", ")): no free energy is defined by these samples; draw more, or "
            + "train on data that hold the states that are compared")
  }
}
