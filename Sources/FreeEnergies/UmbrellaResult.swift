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
  /// From block bootstrap over windows, kT.
  public var bootstrapStandardError: Double
  /// From MBAR's linear response with each window's own correlation, kT.
  public var correlatedStandardError: Double
  /// MBAR's asymptotic error, as if on samples thinned by the torsions' statistical inefficiency, kT.
  public var mbarStandardError: Double
  public var profile: FreeEnergyProfile
  /// f_k of the windows, kT, the first 0.
  public var windowFreeEnergies: [Double]
  /// O_ij, [windows, windows], rows sum to 1.
  public var overlap: NDArray<Double>
  /// Of the slowest torsion in each window, in samples.
  public var statisticalInefficiency: [Double]
  /// Of the slowest torsion in each window, ps.
  public var correlationTimes: [Double]
  /// Which torsion that is.
  public var slowestTorsion: [String]
  public var halves: [Part]
  /// One per walk; empty with a single walk.
  public var directions: [Part]
  public var coverage: UmbrellaCoverage
  /// Windows shorter than the wanted number of correlation times.
  public var shortWindows: [Int]
  /// Whole sentences.
  public var warnings: [String]
  /// Largest relative gradient of MBAR at its solution, and the Newton step left, kT.
  public var mbarGradient: Double
  public var mbarStep: Double
}

/// How the windows cover the grid.
public struct UmbrellaCoverage: Sendable, Equatable {
  /// Fewest samples in any half cell between neighbouring grid lines, per torsion.
  public var fewestSamplesBetweenLines: [Int]
  /// Windows whose mean is further from the centre than the spacing and two thermal widths.
  public var slidWindows: [Int]
  /// Largest distance of a window's mean from its centre, rad, per torsion.
  public var largestShift: [Double]
  /// The weakest link without which the overlap graph would fall apart: O_ij / sqrt(O_ii O_jj).
  public var weakestLink: Double
}
