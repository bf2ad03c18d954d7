import Basics
import Foundation

/// What any audit tells of the log-density that weights stand on; see `LikelihoodAudit` and `WeightedLikelihoodAudit`.
public protocol LikelihoodAuditing: Sendable {
  var correction: Double { get }
  var correctionStandardError: Double { get }
  var rootMeanSquare: Double { get }
  var meanError: (value: Double, standardError: Double) { get }
  var stateBias: [Double] { get }
  var stateBiasStandardError: [Double] { get }
  var effectiveFraction: Double { get }
  var effectiveFractionExact: Double { get }
}

/// What a cheap log-density did to a free-energy difference, found on a random subset of the samples whose exact one is known.
///
/// The subset's difference between the free energy by exact weights and by those that were used is added to the free energy
/// of all samples: the correction's noise is that of the log-density's errors alone, not of the weights.
public struct LikelihoodAudit: LikelihoodAuditing {
  public struct Options: Sendable {
    public var bootstrapReplicates = 500
    public var seed: UInt64 = 0

    public init() {}
  }

  /// Of ln q as it was used against the exact one, after removing the mean; nats.
  public let rootMeanSquare: Double
  public let spearman: Double
  /// Mean of ln q as it was used minus exact, with its standard error; nats.
  public let meanError: (value: Double, standardError: Double)
  /// In the state and elsewhere: the mean error under the target distribution, from which `meanError` was removed; nats.
  public let stateBias: [Double]
  /// By bootstrap, [state, elsewhere].
  public let stateBiasStandardError: [Double]
  /// To be added to a free-energy difference that used this log-density, kT.
  public let correction: Double
  public let correctionStandardError: Double
  /// Kish, of the subset, by the weights that were used and by exact ones.
  public let effectiveFraction: Double
  public let effectiveFractionExact: Double
  /// The subset's own -ln(P(state) / P(elsewhere)) by exact weights, kT.
  public let exactDeltaF: Double
  public let exactDeltaFStandardError: Double

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
    let errors = zip(used, exact).map { $0 - $1 }
    let mean = errors.reduce(0, +) / Double(count)
    let variance = errors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    rootMeanSquare = variance.squareRoot()
    meanError = (mean, (variance / Double(count)).squareRoot())
    spearman = spearmanCorrelation(used, exact)

    let all = Sums(
      errors: errors, used: normalisedWeights(logWeights: logWeights),
      exact: normalisedWeights(logWeights: exactLogWeights), inside: inside)
    let (whole, samples) = (all.total(nil), inside.filter { $0 }.count)
    guard whole.used.allSatisfy({ $0 > 0 }), whole.exact.allSatisfy({ $0 > 0 }) else {
      throw FreeEnergiesError.emptyState(
        "of \(count) audited samples \(samples) lie in the state, and one side of it holds no weight: audit more samples"
      )
    }
    stateBias = whole.bias
    correction = whole.correction
    exactDeltaF = whole.exactDeltaF
    effectiveFraction = kishEffectiveSampleSize(logWeights: logWeights) / Double(count)
    effectiveFractionExact = kishEffectiveSampleSize(logWeights: exactLogWeights) / Double(count)

    let replicates = parallelMap(options.bootstrapReplicates) { replicate in
      var random = RandomStream(seed: options.seed, "audit bootstrap", "\(replicate)")
      var multiplicity = [Double](repeating: 0, count: count)
      for _ in 0..<count { multiplicity[Int(random.next(upperBound: UInt64(count)))] += 1 }
      return all.total(multiplicity)
    }
    stateBiasStandardError = (0..<2).map { k in finiteStandardDeviation(replicates.map { $0.bias[k] }) }
    correctionStandardError = finiteStandardDeviation(replicates.map(\.correction))
    exactDeltaFStandardError = finiteStandardDeviation(replicates.map(\.exactDeltaF))
  }

  /// A free-energy difference by the audited log-density, its standard error independent of the subset's: corrected, with its 95 %
  /// interval.
  public func audited(deltaF: Double, standardError: Double) -> (
    value: Double, interval: [Double], standardError: Double
  ) {
    let error = (standardError * standardError + correctionStandardError * correctionStandardError).squareRoot()
    let value = deltaF + correction
    return (value, [value - 1.96 * error, value + 1.96 * error], error)
  }

  /// What a resample says. States are ordered: in the state, elsewhere.
  private struct Total: Sendable {
    var used = [0.0, 0.0]
    var exact = [0.0, 0.0]
    /// Exact-weighted errors.
    var errors = [0.0, 0.0]
    var mean = 0.0

    var bias: [Double] { (0..<2).map { errors[$0] / exact[$0] - mean } }
    var exactDeltaF: Double { -log(exact[0] / exact[1]) }
    var correction: Double { exactDeltaF + log(used[0] / used[1]) }
  }

  private struct Sums: Sendable {
    let errors: [Double]
    let used: [Double]
    let exact: [Double]
    let inside: [Bool]

    func total(_ multiplicity: [Double]?) -> Total {
      var result = Total()
      var count = 0.0
      for n in errors.indices {
        let times = multiplicity?[n] ?? 1
        guard times > 0 else { continue }
        let state = inside[n] ? 0 : 1
        result.used[state] += times * used[n]
        result.exact[state] += times * exact[n]
        result.errors[state] += times * exact[n] * errors[n]
        result.mean += times * errors[n]
        count += times
      }
      result.mean /= count
      return result
    }
  }
}
