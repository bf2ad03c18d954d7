import Basics
import Foundation

/// What any audit tells of the log-density that weights stand on; see `LikelihoodAudit` and `WeightedLikelihoodAudit`.
public protocol LikelihoodAuditing: Sendable {
  /// To be added to the free-energy difference by the weights as they were used, kT.
  var correction: Double { get }
  /// kT.
  var correctionStandardError: Double { get }
  /// Of ln q as it was used against the exact one, after removing the mean; nats.
  var rootMeanSquare: Double { get }
  /// Mean of ln q as it was used minus exact, with its standard error; nats.
  var meanError: (value: Double, standardError: Double) { get }
  /// In the state and elsewhere: the mean error under the target distribution, from which `meanError` was removed; nats.
  var stateBias: [Double] { get }
  /// [state, elsewhere], nats.
  var stateBiasStandardError: [Double] { get }
  /// Kish's effective sample size over the number of samples, by the weights as they were used.
  var effectiveFraction: Double { get }
  /// The same by exact weights.
  var effectiveFractionExact: Double { get }
}

/// What a cheap log-density did to a free-energy difference, found on a random subset of the samples whose exact one is known.
///
/// The subset's difference between the free energy by exact weights and by those that were used is added to the free energy
/// of all samples: the correction's noise is that of the log-density's errors alone, not of the weights.
public struct LikelihoodAudit: LikelihoodAuditing {
  /// Of the bootstrap over the subset.
  public struct Options: Sendable {
    /// How many resamples.
    public var bootstrapReplicates = 500
    /// Of their random streams.
    public var seed: UInt64 = 0

    public init() {}
  }

  // standard errors but the mean's are by bootstrap; effective sample sizes are the subset's own
  public let correction, correctionStandardError, rootMeanSquare: Double
  public let meanError: (value: Double, standardError: Double)
  public let stateBias, stateBiasStandardError: [Double]
  public let effectiveFraction, effectiveFractionExact: Double
  /// Rank correlation of ln q as it was used with the exact one; see `spearmanCorrelation`.
  public let spearman: Double
  /// The subset's own -ln(P(state) / P(elsewhere)) by exact weights, and its standard error, kT.
  public let exactDeltaF, exactDeltaFStandardError: Double

  /// - Parameters:
  ///   - used: ln q as it was used, [subset].
  ///   - exact: the exact ln q, [subset].
  ///   - logWeights: the logarithms of the weights that were used, up to a constant, [subset].
  ///   - exactLogWeights: those by `exact`, up to a constant, [subset].
  ///   - inside: whether a sample lies in the state.
  ///
  /// Throws `FreeEnergiesError.shape`, and `.emptyState` where the subset has no weight in the state or elsewhere.
  public init(
    used: [Double], exact: [Double], logWeights: [Double], exactLogWeights: [Double], inside: [Bool],
    options: Options = Options()
  ) throws {
    let count = used.count
    guard count > 1, [exact.count, logWeights.count, exactLogWeights.count, inside.count].allSatisfy({ $0 == count })
    else {
      throw FreeEnergiesError.shape(
        "an audit needs as many exact log-densities (\(exact.count)) as used ones (\(count)), two at least, and as many weights "
          + "(\(logWeights.count), \(exactLogWeights.count)) and places (\(inside.count))")
    }
    let errors = LogDensityErrors(used, exact: exact)
    rootMeanSquare = errors.rootMeanSquare
    meanError = (errors.mean, errors.standardError)
    spearman = spearmanCorrelation(used, exact)

    let (usedWeights, exactWeights) = (
      normalisedWeights(logWeights: logWeights), normalisedWeights(logWeights: exactLogWeights)
    )
    func total(_ multiplicity: [Double]?) -> Total {
      var (result, counted) = (Total(), 0.0)
      for n in 0..<count {
        let times = multiplicity?[n] ?? 1
        guard times > 0 else { continue }
        let state = inside[n] ? 0 : 1
        result.used[state] += times * usedWeights[n]
        result.exact[state] += times * exactWeights[n]
        result.errors[state] += times * exactWeights[n] * errors.values[n]
        result.mean += times * errors.values[n]
        counted += times
      }
      result.mean /= counted
      return result
    }
    let (whole, samples) = (total(nil), inside.filter { $0 }.count)
    guard whole.used.allSatisfy({ $0 > 0 }), whole.exact.allSatisfy({ $0 > 0 }) else {
      throw FreeEnergiesError.emptyState(
        "of \(count) audited samples \(samples) lie in the state, and one side of it holds no weight: audit more samples"
      )
    }
    (stateBias, correction, exactDeltaF) = (whole.bias, whole.correction, whole.exactDeltaF)
    effectiveFraction = kishEffectiveSampleSize(logWeights: logWeights) / Double(count)
    effectiveFractionExact = kishEffectiveSampleSize(logWeights: exactLogWeights) / Double(count)

    let replicates = parallelMap(options.bootstrapReplicates) { replicate in
      var random = RandomStream(seed: options.seed, "audit bootstrap", "\(replicate)")
      return total(bootstrapMultiplicity(count, &random))
    }
    stateBiasStandardError = (0..<2).map { k in finiteStandardDeviation(replicates.map { $0.bias[k] }) }
    correctionStandardError = finiteStandardDeviation(replicates.map(\.correction))
    exactDeltaFStandardError = finiteStandardDeviation(replicates.map(\.exactDeltaF))
  }

  /// Rows of at most `count` of the samples that have weight, drawn uniformly, each once; ascending.
  public static func subset(of count: Int, logWeights: [Double], seed: UInt64) -> [Int] {
    var random = RandomStream(seed: seed, "audit subset")
    var left = logWeights.indices.filter { logWeights[$0] > -.infinity }
    for k in 0..<min(count, left.count) { left.swapAt(k, k + Int(random.next(upperBound: UInt64(left.count - k)))) }
    return left.prefix(count).sorted()
  }

  /// A free-energy difference by the audited log-density, its standard error independent of the subset's: corrected, kT.
  public func audited(deltaF: Double, standardError: Double) -> (value: Double, standardError: Double) {
    (
      deltaF + correction,
      (standardError * standardError + correctionStandardError * correctionStandardError).squareRoot()
    )
  }

  /// What a resample says. States are ordered: in the state, elsewhere.
  private struct Total: Sendable {
    var used = [0.0, 0.0], exact = [0.0, 0.0]
    /// Exact-weighted errors.
    var errors = [0.0, 0.0]
    var mean = 0.0

    var bias: [Double] { (0..<2).map { errors[$0] / exact[$0] - mean } }
    var exactDeltaF: Double { -log(exact[0] / exact[1]) }
    var correction: Double { exactDeltaF + log(used[0] / used[1]) }
  }
}
