import Basics
import Foundation

/// What umbrella sampling says, and how far it is to be believed.
public struct UmbrellaResult: Sendable {
  /// An estimate from a part of the data.
  public struct Part: Sendable, Equatable {
    /// "first half", "forward".
    public var name: String
    /// kT.
    public var deltaF: Double
  }

  /// -ln(P(from) / P(to)) of the first pair of states, kT; NaN where no state was asked for, or one of the two holds nothing.
  public var deltaF: Double
  /// What to quote, kT: the largest of the estimates below, widened where halves, directions or correlation times ask for it.
  public var standardError: Double
  /// From block bootstrap over windows; from MBAR's linear response with each window's own correlation; MBAR's asymptotic error,
  /// as if on samples thinned by the torsions' statistical inefficiency. kT.
  public var bootstrapStandardError, correlatedStandardError, mbarStandardError: Double
  /// Along the coordinate of the state.
  public var profile: FreeEnergyProfile
  /// f_k of the windows, kT, the first 0.
  public var windowFreeEnergies: [Double]
  /// O_ij, [windows, windows], rows sum to 1.
  public var overlap: NDArray<Double>
  /// Of the slowest torsion in each window: in samples, its time in ps, and which it is.
  public var statisticalInefficiency, correlationTimes: [Double]
  public var slowestTorsion: [String]
  /// By the halves of every window, and by the walks; the latter are empty with a single walk, both where no state was asked for.
  public var halves, directions: [Part]
  /// How the windows cover the grid.
  public var coverage: UmbrellaCoverage
  /// What each window adds to the variance of the first difference that has a value, kT^2; 0 where it is left out.
  public var windowVariances: [Double] = []
  /// Windows shorter than the wanted number of correlation times.
  public var shortWindows: [Int]
  /// Whole sentences.
  public var warnings: [String]
  /// Largest relative gradient of MBAR at its solution, and the Newton step left, kT.
  public var mbarGradient, mbarStep: Double
  /// Populations, and the differences of all pairs, their errors made as `standardError` is; nil where no state was asked for.
  public var states: StateEstimates?
}

extension UmbrellaResult {
  /// Standard errors by which estimates from parts of the data may differ.
  private static let agreement = 2.5

  /// How far estimates from parts may differ, and half of what they differ by, kT; nil where they agree.
  static func disagreement(_ parts: [Part], statistical: Double) -> (allowed: Double, spread: Double)? {
    let values = parts.map(\.deltaF)
    guard parts.count > 1, let low = values.min(), let high = values.max() else { return nil }
    // each part has about sqrt(parts) times the error of the whole
    let allowed = agreement * statistical * (2 * Double(parts.count)).squareRoot()
    // a part that lacks a state altogether does not agree with one that has it
    if statistical.isFinite, values.contains(where: { $0.isNaN }) { return (allowed, .infinity) }
    return high - low > allowed ? (allowed, (high - low) / 2) : nil
  }

  /// A warning and a wider error where estimates from parts, of which `what` says what they are, do not agree. `statistical`: error of
  /// the whole, kT.
  mutating func widen(by parts: [Part], _ what: String, statistical: Double) {
    guard let (allowed, spread) = Self.disagreement(parts, statistical: statistical) else { return }
    let format = { (x: Double) in String(format: "%.2f", x) }
    standardError = max(standardError, spread)
    let listed = parts.map { "\($0.name) \(format($0.deltaF))" }.joined(separator: ", ")
    warnings.append(
      "The \(what) disagree: \(listed) kT, where \(format(allowed)) kT would be within errors. The windows are not in "
        + "equilibrium; the standard error is widened to half the difference, \(format(spread)) kT.")
  }
}
