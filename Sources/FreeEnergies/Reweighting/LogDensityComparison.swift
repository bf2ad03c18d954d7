import Foundation

/// The mean over independent estimates of ln q, [estimates][samples] -> [samples]; empty without any.
public func meanEstimate(_ estimates: [[Double]]) -> [Double] {
  guard let first = estimates.first else { return [] }
  return first.indices.map { n in estimates.reduce(0) { $0 + $1[n] } / Double(estimates.count) }
}

/// Errors of log-densities against exact ones of the same samples, nats.
public struct LogDensityErrors: Sendable, Equatable {
  /// Of every sample.
  public let values: [Double]
  /// Their mean, and its standard error for independent samples.
  public let mean, standardError: Double
  /// After removing the mean: a constant in ln q changes no weights.
  public let rootMeanSquare: Double

  /// From the errors themselves, [samples].
  public init(_ values: [Double]) {
    let (count, mean) = (Double(values.count), values.reduce(0, +) / Double(values.count))
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    (self.values, self.mean) = (values, mean)
    standardError = (variance / count).squareRoot()
    rootMeanSquare = variance.squareRoot()
  }

  /// Of `logDensity` against `exact`, both [samples].
  ///
  /// - Precondition: as many of the one as of the other.
  public init(_ logDensity: [Double], exact: [Double]) { self.init(zip(logDensity, exact).map { $0 - $1 }) }
}

/// What log-densities by one method do to a free energy, beside exact ones of the same samples.
public struct LogDensityComparison: Sendable {
  /// Of ln q (the mean of its estimates) against the exact one.
  public let errors: LogDensityErrors
  /// Rank correlation of the two; see `spearmanCorrelation`.
  public let spearman: Double
  /// The reweighting by this method alone, corrected for noise where there are several estimates.
  public let reweighting: Reweighting

  /// - Parameters:
  ///   - estimates: ln q, one or more independent estimates, [estimates][samples].
  ///   - exact: the exact ln q, [samples].
  ///   - reducedPotential, states, noiseAngles, options: see `Reweighting`.
  ///
  /// Throws `FreeEnergiesError.shape` or `.emptyState`.
  public init(
    estimates: [[Double]], exact: [Double], reducedPotential: [Double], states: StateAssignment,
    noiseAngles: [[Double]] = [], options: Reweighting.Options = Reweighting.Options()
  ) throws {
    reweighting = try Reweighting(
      reducedPotential: reducedPotential, logDensities: estimates, states: states, angle: nil,
      noiseAngles: noiseAngles, options: options)
    guard exact.count == reducedPotential.count
    else { throw FreeEnergiesError.shape("\(exact.count) exact log-densities for \(reducedPotential.count) samples") }
    let mean = meanEstimate(estimates)
    errors = LogDensityErrors(mean, exact: exact)
    spearman = spearmanCorrelation(mean, exact)
  }
}

/// How one log-density differs from another of the same samples that is itself estimated, with noise.
public struct LogDensityDifference: Sendable, Equatable {
  /// After removing the mean difference and the noise of the estimates, nats.
  public let rootMeanSquare: Double
  /// Mean difference in the state minus that elsewhere, nats, under the weights.
  public let stateBias: Double

  /// - Parameters:
  ///   - logDensity: ln q, [samples].
  ///   - estimates: independent estimates of the other, [estimates][samples].
  ///   - inside: whether a sample lies in the state.
  ///   - logWeights: of the target distribution, [samples].
  ///
  /// nil where fewer than two samples have finite values of both. Samples without are left out.
  public init?(of logDensity: [Double], from estimates: [[Double]], inside: [Bool], logWeights: [Double]) {
    guard !estimates.isEmpty else { return nil }
    let m = Double(estimates.count)
    var (sum, squares, noise, used) = (0.0, 0.0, 0.0, 0.0)
    var byState = [(sum: 0.0, weight: 0.0), (sum: 0.0, weight: 0.0)]
    for n in logDensity.indices where logDensity[n].isFinite && estimates.allSatisfy({ $0[n].isFinite }) {
      let average = estimates.reduce(0) { $0 + $1[n] } / m
      let difference = logDensity[n] - average
      sum += difference
      squares += difference * difference
      if estimates.count > 1 {
        noise += estimates.reduce(0) { $0 + ($1[n] - average) * ($1[n] - average) } / (m * (m - 1))
      }
      used += 1
      let weight = exp(logWeights[n])
      byState[inside[n] ? 0 : 1].sum += weight * difference
      byState[inside[n] ? 0 : 1].weight += weight
    }
    guard used > 1 else { return nil }
    let variance = squares / used - sum / used * (sum / used) - noise / used
    rootMeanSquare = max(0, variance).squareRoot()
    stateBias = byState[0].sum / byState[0].weight - byState[1].sum / byState[1].weight
  }
}
