import Foundation

/// The variance of noise in estimated log-densities, as a smooth function of features, from repeated estimates per sample.
///
/// The mean of M independent unbiased estimates of ln q has a noise variance of which sum (a_m - mean)^2 / (M (M - 1)) is an
/// unbiased estimate, but one with M - 1 degrees of freedom: useless sample by sample. Here ln s^2 is linear in the features,
/// fitted by the gamma likelihood (whose score equations make the fitted variances match the observed ones on average over
/// every feature, such as over each state). Noise of variance s^2 inflates a weight 1/q by exp(s^2 / 2) on average, so ln w is
/// corrected by -s^2 / 2.
///
/// A few trajectories pass where a network is wild, and their estimates differ by far more than those around them. One of these must not
/// speak for a whole state: in the fit a sample's variance counts as `largestRatio` times the fitted one at most, and what is beyond that
/// is corrected by its own.
struct LogDensityNoise: Sendable {
  let mean: [Double]
  /// Estimated variance of each sample's `mean`.
  let variance: [Double]
  private let features: [[Double]]
  private let sampleCount: Int
  private(set) var coefficients: [Double] = []
  private let fisher: Cholesky?
  /// Of Gaussian noise and two estimates one sample in twenty million is beyond.
  static let largestRatio = 30.0

  /// `estimates`: [estimates][samples]; `features`: [features][samples], without the constant; `weights`: how much each
  /// sample counts in the fit.
  init(estimates: [[Double]], features: [[Double]], weights: [Double]) {
    let m = Double(estimates.count)
    sampleCount = estimates.first?.count ?? 0
    let mean = meanEstimate(estimates)
    self.mean = mean
    variance = (0..<sampleCount).map { n -> Double in
      let squares: Double = estimates.reduce(0) { $0 + ($1[n] - mean[n]) * ($1[n] - mean[n]) }
      return squares / (m * (m - 1))
    }
    self.features = [[Double](repeating: 1, count: mean.count)] + features
    fisher = Self.fisher(self.features, weights)
    let total = weights.reduce(0, +)
    let average = zip(weights, variance).reduce(0) { $0 + ($1.0 > 0 ? $1.0 * $1.1 : 0) } / max(total, 1e-300)
    var start = [Double](repeating: 0, count: self.features.count)
    start[0] = average > 0 ? log(average) : -.infinity
    coefficients = average > 0 ? fit(weights: weights, from: start, steps: 50) : start
  }

  /// The fit for other weights, from this one: for resamples.
  func refit(weights: [Double]) -> [Double] {
    coefficients[0] > -.infinity ? fit(weights: weights, from: coefficients, steps: 3) : coefficients
  }

  /// s^2 of every sample, by the fit; its own where that is far beyond.
  func corrections(_ coefficients: [Double]) -> [Double] {
    zip(smoothed(coefficients), variance).map { $1 > Self.largestRatio * $0 ? $1 : $0 }
  }

  /// s^2 of every sample, by the fit.
  func smoothed(_ coefficients: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: sampleCount)
    for (c, column) in zip(coefficients, features) where c != 0 {
      for n in result.indices { result[n] += c * column[n] }
    }
    return result.map { exp(min(50, $0)) }
  }

  /// Fisher scoring: beta += (X^T C X)^-1 X^T C (y / mu - 1), with the information of the first fit throughout.
  private func fit(weights: [Double], from start: [Double], steps: Int) -> [Double] {
    guard let fisher else { return start }
    let p = features.count
    var beta = start
    for _ in 0..<steps {
      let mu = smoothed(beta)
      let pull = (0..<sampleCount).map { n in
        weights[n] > 0 ? weights[n] * (min(variance[n] / mu[n], Self.largestRatio) - 1) : 0
      }
      let score = features.map { column in zip(pull, column).reduce(0) { $0 + $1.0 * $1.1 } }
      let move = fisher.solve(score)
      let size = move.map { abs($0) }.max() ?? 0
      for i in 0..<p { beta[i] += move[i] * min(1, 1 / max(size, 1e-300)) }
      if size < 1e-8 { break }
    }
    return beta
  }

  /// X^T C X with a whiff of ridge for features that say the same.
  private static func fisher(_ features: [[Double]], _ weights: [Double]) -> Cholesky? {
    let (p, total) = (features.count, weights.reduce(0, +))
    var matrix = [Double](repeating: 0, count: p * p)
    for i in 0..<p {
      for j in 0...i {
        let sum = weights.indices.reduce(0) { $0 + weights[$1] * features[i][$1] * features[j][$1] }
        (matrix[i * p + j], matrix[j * p + i]) = (sum, sum)
      }
      matrix[i * p + i] += 1e-6 * total
    }
    return Cholesky(matrix, size: p)
  }
}
