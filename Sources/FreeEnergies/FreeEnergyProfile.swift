#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A free energy along a torsion on equal bins of (-pi, pi], kT, lowest bin 0.
public struct FreeEnergyProfile: Equatable, Sendable {
  /// Bin centres, rad.
  public var angles: [Double]
  /// kT; +infinity where nothing was sampled.
  public var freeEnergy: [Double]
  /// Standard errors of -ln P(bin), kT; NaN where unknown.
  public var standardError: [Double]

  /// Bin of an angle in rad; angles outside (-pi, pi] are wrapped; 0 for what is no number.
  public static func bin(of angle: Double, bins: Int) -> Int {
    guard angle.isFinite else { return 0 }
    let wrapped = angle.remainder(dividingBy: 2 * .pi)
    return min(bins - 1, max(0, Int((wrapped + .pi) / (2 * .pi) * Double(bins))))
  }

  public static func centres(bins: Int) -> [Double] {
    (0..<bins).map { (Double($0) + 0.5) / Double(bins) * 2 * .pi - .pi }
  }

  /// From probabilities per bin (any norm) and standard errors of their logarithms.
  init(probabilities: [Double], standardError: [Double]) {
    angles = Self.centres(bins: probabilities.count)
    let top = probabilities.max() ?? 0
    freeEnergy = probabilities.map { $0 > 0 ? -log($0 / top) : .infinity }
    self.standardError = standardError
  }
}

/// Mean and spread of values that may hold infinities (empty bins of a resample), which are left out.
func finiteStandardDeviation(_ values: [Double]) -> Double {
  let finite = values.filter(\.isFinite)
  guard finite.count > 1 else { return .nan }
  let mean = finite.reduce(0, +) / Double(finite.count)
  return (finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(finite.count - 1)).squareRoot()
}
