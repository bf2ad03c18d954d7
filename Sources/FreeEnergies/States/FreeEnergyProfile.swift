import Foundation

/// A free energy along a torsion on equal bins of (-pi, pi], kT, lowest bin 0.
public struct FreeEnergyProfile: Equatable, Sendable {
  /// Bin centres: of a torsion, rad; of a distance, nm.
  public var angles: [Double]
  /// kT; +infinity where nothing was sampled.
  public var freeEnergy: [Double]
  /// Standard errors of -ln P(bin), kT; NaN where unknown.
  public var standardError: [Double]

  /// Bin of an angle in rad; angles outside (-pi, pi] are wrapped; 0 for what is no number.
  public static func bin(of angle: Double, bins: Int) -> Int {
    guard angle.isFinite else { return 0 }
    return min(bins - 1, max(0, Int((wrapped(angle) + Double.pi) / (2 * Double.pi) * Double(bins))))
  }

  /// The middles of `bins` equal bins of (-pi, pi], rad, ascending.
  public static func centres(bins: Int) -> [Double] {
    (0..<bins).map { (bin) -> Double in (Double(bin) + 0.5) / Double(bins) * 2 * Double.pi - Double.pi }
  }

  /// From probabilities per bin (any norm) and standard errors of their logarithms. `centres` are the bins' own; those of a full turn
  /// where left out.
  init(probabilities: [Double], standardError: [Double], centres: [Double]? = nil) {
    angles = centres ?? Self.centres(bins: probabilities.count)
    let top = probabilities.max() ?? 0
    freeEnergy = probabilities.map { $0 > 0 ? -log($0 / top) : .infinity }
    self.standardError = standardError
  }
}
