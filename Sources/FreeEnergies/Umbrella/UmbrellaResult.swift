import Basics

/// What umbrella sampling says, and how far it is to be believed.
public struct UmbrellaResult: Sendable {
  /// An estimate from a part of the data.
  public struct Part: Sendable, Equatable {
    /// "first half", "forward".
    public var name: String
    /// kT.
    public var deltaF: Double
  }

  /// -ln(P(state) / P(elsewhere)), kT.
  public var deltaF: Double
  /// What to quote, kT: the largest of the estimates below, widened where halves, directions or correlation times ask for it.
  public var standardError: Double
  /// From block bootstrap over windows; from MBAR's linear response with each window's own correlation; MBAR's asymptotic error,
  /// as if on samples thinned by the torsions' statistical inefficiency. kT.
  public var bootstrapStandardError, correlatedStandardError, mbarStandardError: Double
  /// Along the torsion of the state.
  public var profile: FreeEnergyProfile
  /// f_k of the windows, kT, the first 0.
  public var windowFreeEnergies: [Double]
  /// O_ij, [windows, windows], rows sum to 1.
  public var overlap: NDArray<Double>
  /// Of the slowest torsion in each window: in samples, its time in ps, and which it is.
  public var statisticalInefficiency, correlationTimes: [Double]
  public var slowestTorsion: [String]
  /// By the halves of every window, and by the walks; the latter are empty with a single walk.
  public var halves, directions: [Part]
  /// How the windows cover the grid.
  public var coverage: UmbrellaCoverage
  /// Windows shorter than the wanted number of correlation times.
  public var shortWindows: [Int]
  /// Whole sentences.
  public var warnings: [String]
  /// Largest relative gradient of MBAR at its solution, and the Newton step left, kT.
  public var mbarGradient, mbarStep: Double
}
