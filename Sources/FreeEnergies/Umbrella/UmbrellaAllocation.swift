import Foundation

/// Which windows should be sampled further, so that the error of a difference falls fastest.
///
/// A window of n samples that adds c to the variance would add c n / n' with n' of them: by Neyman's rule the sum is
/// least for a given
/// number of samples where n' is proportional to sqrt(c n). Source: Neyman, J. R. Stat. Soc. 97, 558 (1934).
public struct UmbrellaAllocation: Sendable {
  private let samples: [Int]
  /// sqrt(c n) of each window, in units of the error; 0 for windows that are left out.
  private let spreads: [Double]
  private let error: Double

  /// - Parameters:
  ///   - variances: what each window adds to the variance, kT^2, [windows]; only their ratios count.
  ///   - samples: that each has, [windows].
  ///   - error: the standard error, kT.
  public init(variances: [Double], samples: [Int], error: Double) {
    self.samples = samples
    self.error = error
    let sum = variances.reduce(0, +)
    spreads = zip(variances, samples).map { variance, count in
      sum > 0 ? error * (variance / sum * Double(count)).squareRoot() : 0
    }
  }

  /// As many samples as it would take, at least, for the error to fall to `target`, kT, those that are there among
  /// them.
  public func needed(for target: Double) -> Int {
    let sum = spreads.reduce(0, +)
    let all = sum * sum / (target * target)
    return all < 1e15 ? Int(all.rounded(.up)) : Int(1e15)
  }

  /// `total` samples more, [windows]: each window gets what it lacks of its share, and none loses any. 0 everywhere
  /// where no window adds anything to
  /// the error.
  public func further(_ total: Int) -> [Int] {
    guard total > 0, spreads.contains(where: { $0 > 0 }) else { return samples.map { _ in 0 } }
    func missing(_ scale: Double) -> [Double] { zip(spreads, samples).map { max(0, scale * $0 - Double($1)) } }
    var (low, high) = (0.0, 1.0)
    while missing(high).reduce(0, +) < Double(total), high < 1e30 { high *= 2 }
    for _ in 0..<100 {
      let middle = (low + high) / 2
      if missing(middle).reduce(0, +) < Double(total) { low = middle } else { high = middle }
    }
    return missing(low).map { Int($0.rounded(.down)) }
  }
}
