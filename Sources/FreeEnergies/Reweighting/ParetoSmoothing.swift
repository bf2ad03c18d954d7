import Foundation

/// Pareto-smoothed importance weights: the largest of them are replaced by what a generalised Pareto distribution fitted to them
/// expects in their places, so that one accident of sampling does not carry a sum; and the shape of that distribution tells whether the sum
/// can be trusted at all.
///
/// Source: Vehtari, Simpson, Gelman, Yao, Gabry, "Pareto smoothed importance sampling", J. Mach. Learn. Res. 25, 72 (2024); the fit
/// is that of Zhang and Stephens, Technometrics 51, 316 (2009), with the former's weak prior on the shape.
public struct ParetoSmoothing: Sendable {
  /// Shape k of the tail. Above 1/2 the weights have no finite variance, above 1 no finite mean; above 0.7 sums over any number of
  /// samples that can be had are not to be believed. nan where there are too few weights to tell.
  public let shape: Double
  /// ln w, in the order given, -infinity where it was.
  public let logWeights: [Double]

  /// Above this sums are not to be believed.
  public static let largestShape = 0.7
  private static let fewest = 5

  /// `logWeights` up to a constant; -infinity for samples without weight.
  public init(logWeights: [Double]) {
    let finite = logWeights.indices.filter { logWeights[$0] > -.infinity }
    let count = Double(finite.count)
    let size = Int(min(0.2 * count, 3 * count.squareRoot()).rounded(.up))
    guard size >= Self.fewest, finite.count > size else {
      (shape, self.logWeights) = (.nan, logWeights)
      return
    }
    let descending = finite.sorted { (logWeights[$0], $1) > (logWeights[$1], $0) }
    let top = logWeights[descending[0]]
    let cutoff = exp(logWeights[descending[size]] - top)
    let tail = Array(descending.prefix(size).reversed())  // ascending
    let excess = tail.map { exp(logWeights[$0] - top) - cutoff }
    // weights that are all alike have no tail to smooth
    guard let fitted = Self.fit(excess.filter { $0 > 0 }) else {
      (shape, self.logWeights) = (excess.contains { $0 > 0 } ? .nan : 0, logWeights)
      return
    }
    var smoothed = logWeights
    for (place, row) in tail.enumerated() {
      let p = (Double(place) + 0.5) / Double(size)
      let expected = cutoff + Self.quantile(p, shape: fitted.shape, scale: fitted.scale)
      smoothed[row] = top + log(min(1, expected))
    }
    (shape, self.logWeights) = (fitted.shape, smoothed)
  }

  /// Of the generalised Pareto distribution.
  static func quantile(_ p: Double, shape: Double, scale: Double) -> Double {
    let logSurvival = log1p(-p)
    return abs(shape) < 1e-12 ? -scale * logSurvival : scale * expm1(-shape * logSurvival) / shape
  }

  /// Shape and scale of excesses over a threshold, ascending, all positive; nil where they do not tell.
  static func fit(_ x: [Double]) -> (shape: Double, scale: Double)? {
    guard x.count >= fewest, let largest = x.last, largest > 0 else { return nil }
    let count = Double(x.count)
    let quartile = x[min(x.count - 1, Int(count / 4 + 0.5) - 1)]
    guard quartile > 0 else { return nil }
    let candidates = 30 + Int(count.squareRoot())
    func meanLog(_ theta: Double) -> Double { x.reduce(0) { $0 + log1p(-theta * $1) } / count }
    // theta = -shape / scale: a posterior mean over a grid, weighted by the profile likelihood
    let thetas = (1...candidates).map { j -> Double in
      let root = (Double(candidates) / (Double(j) - 0.5)).squareRoot()
      return 1 / largest + (1 - root) / (3 * quartile)
    }
    let likelihoods = thetas.map { theta -> Double in
      let k = meanLog(theta)
      return abs(theta) < 1e-300 ? -.infinity : count * (log(-theta / k) - k - 1)
    }
    let finite = thetas.indices.filter { likelihoods[$0].isFinite }
    guard let best = finite.map({ likelihoods[$0] }).max() else { return nil }
    var (sum, norm) = (0.0, 0.0)
    for j in finite {
      let weight = exp(likelihoods[j] - best)
      sum += weight * thetas[j]
      norm += weight
    }
    let theta = sum / norm
    let k = meanLog(theta)
    let scale = -k / theta
    guard k.isFinite, scale.isFinite, scale > 0 else { return nil }
    // as much prior knowledge as ten further excesses from a shape of 1/2
    return ((count * k + 5) / (count + 10), scale)
  }
}
