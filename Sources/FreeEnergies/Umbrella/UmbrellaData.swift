import Basics

/// What umbrella sampling on one torsion or a grid of two has recorded.
///
/// The bias of window k is sum over torsions of forceConstant / 2 x wrap(angle - centre)^2, in kT; beside it all windows may
/// share another, which lowers barriers that would keep the samples of a window from mixing.
public struct UmbrellaData: Sendable {
  /// One independent pass over all windows, in one walking direction. Where windows differ in length (`lengths`),
  /// [windows, samples, ...] below
  /// is [all samples, ...], window by window.
  public struct Walk: Sendable {
    /// "forward", "backward".
    public var name: String
    /// Biased torsions, rad, [windows, samples, torsions], in time order.
    public var series: NDArray<Double>
    /// Further torsions that may be slow, rad, [windows, samples, others]; others may be 0. One whose turn
    /// has equal places belongs here times their number: three for a methyl rotor, two for a phenyl ring.
    public var others: NDArray<Double>
    /// Energy that the dynamics had beside the force field and the windows' wells, the same function in every window, kT,
    /// [windows, samples]: a sample counts exp(of it) times. nil: none.
    public var sharedBias: NDArray<Double>?
    /// Torsions without a bias that states depend on, rad, [windows, samples, `stateNames`]. nil: none.
    public var stateTorsions: NDArray<Double>?
  }

  public var torsionNames: [String]
  public var otherNames: [String] = []
  /// Of each walk's `stateTorsions`.
  public var stateNames: [String] = []
  /// [windows][torsions], rad.
  public var centers: [[Double]]
  /// Per torsion, kT/rad^2.
  public var forceConstants: [Double]
  /// Pairs of windows adjacent on the grid, periodic neighbours included.
  public var neighbours: [(Int, Int)]
  public var walks: [Walk]
  /// Time between samples, ps.
  public var sampleInterval: Double
  /// Samples per walk of each window, where they differ: [windows], the same in all walks; nil: they are the same in
  /// all windows.
  public var lengths: [Int]?
  /// kT in kJ/mol, for messages that name force constants; nil where nobody said: they are in kT then.
  public var thermalEnergy: Double?

  public var windowCount: Int { centers.count }
  public var torsionCount: Int { forceConstants.count }
  /// Samples per window and walk; of the shortest window where they differ.
  public var samplesPerWalk: Int { lengths.map { $0.min() ?? 0 } ?? walks.first?.series.shape[1] ?? 0 }

  /// A window's samples among those of a walk.
  func rows(_ window: Int) -> Range<Int> {
    guard let lengths else { return window * samplesPerWalk..<(window + 1) * samplesPerWalk }
    let first = lengths[..<window].reduce(0, +)
    return first..<first + lengths[window]
  }

  /// How the arrays of walks begin: [windows, samples], or [all samples].
  private var leading: [Int] { lengths.map { [$0.reduce(0, +)] } ?? [windowCount, samplesPerWalk] }

  /// One torsion in a window, rad, [walks][samples]. Biased torsions come first, then the others.
  func angles(window k: Int, torsion t: Int) -> [[Double]] {
    let (rows, d, m) = (rows(k), torsionCount, otherNames.count)
    return walks.map { walk in
      rows.map { i in t < d ? walk.series.values[i * d + t] : walk.others.values[i * m + t - d] }
    }
  }

  /// A biased torsion in all windows, walk after walk, rad.
  func angles(torsion t: Int) -> [Double] {
    walks.flatMap { walk in
      stride(from: t, to: walk.series.values.count, by: torsionCount).map { walk.series.values[$0] }
    }
  }

  /// Of every `step`-th sample, window by window, walk by walk: the values of a torsion that states depend on, rad in [-pi, pi]; nil for one
  /// that was not recorded.
  func stateColumn(_ name: String, step: Int) -> [Double]? {
    let biased = torsionNames.firstIndex(of: name)
    guard let place = biased ?? stateNames.firstIndex(of: name) else { return nil }
    let width = biased == nil ? stateNames.count : torsionCount
    return (0..<windowCount).flatMap { k in
      let rows = rows(k)
      return walks.flatMap { walk -> [Double] in
        let values = biased == nil ? walk.stateTorsions?.values ?? [] : walk.series.values
        return stride(from: rows.lowerBound, to: rows.upperBound, by: step).map { wrapped(values[$0 * width + place]) }
      }
    }
  }

  /// Throws `FreeEnergiesError.shape` or `.invalidValue`.
  func validate() throws {
    let (k, t) = (windowCount, torsionCount)
    guard k >= 2, t == 1 || t == 2, torsionNames.count == t, centers.allSatisfy({ $0.count == t }) else {
      throw FreeEnergiesError.shape(
        "umbrella analysis needs two windows or more on one or two torsions; got \(k) windows, \(t) force constants, "
          + "\(torsionNames.count) names")
    }
    guard forceConstants.allSatisfy({ $0 > 0 && $0.isFinite }), sampleInterval > 0 else {
      throw FreeEnergiesError.invalidValue(
        "force constants \(forceConstants) and interval \(sampleInterval) must be positive")
    }
    guard neighbours.allSatisfy({ (0..<k).contains($0.0) && (0..<k).contains($0.1) }), !neighbours.isEmpty
    else { throw FreeEnergiesError.shape("a pair of neighbours names a window that is not there (there are \(k))") }
    guard let first = walks.first, lengths.map({ $0.count == k }) ?? (first.series.shape.count == 3),
      samplesPerWalk >= 8
    else { throw FreeEnergiesError.shape("umbrella analysis needs at least 8 samples in every window") }
    func place(_ row: Int) -> String {
      let window = lengths == nil ? row / samplesPerWalk : (0..<k).first { rows($0).contains(row) } ?? 0
      return "window \(window), sample \(row - rows(window).lowerBound)"
    }
    for walk in walks {
      guard walk.series.shape == leading + [t], walk.others.shape == leading + [otherNames.count] else {
        throw FreeEnergiesError.shape(
          "walk \(walk.name): series \(walk.series.shape) and others \(walk.others.shape) must be "
            + "\(leading + [t]) and \(leading + [otherNames.count])")
      }
      guard stateNames.isEmpty ? walk.stateTorsions == nil : walk.stateTorsions?.shape == leading + [stateNames.count]
      else {
        throw FreeEnergiesError.shape(
          "walk \(walk.name): torsions of states \(walk.stateTorsions?.shape ?? []) must be \(leading + [stateNames.count])"
        )
      }
      if let bias = walk.sharedBias {
        guard bias.shape == leading
        else { throw FreeEnergiesError.shape("walk \(walk.name): the shared bias \(bias.shape) must be \(leading)") }
        if let bad = bias.values.firstIndex(where: { !$0.isFinite }) {
          throw FreeEnergiesError.invalidValue(
            "walk \(walk.name), \(place(bad)): the shared bias is not a finite number")
        }
      }
      if let bad = walk.series.values.firstIndex(where: { !$0.isFinite }) {
        throw FreeEnergiesError.invalidValue(
          "walk \(walk.name), \(place(bad / t)): the torsion is not a finite number")
      }
    }
  }
}

extension UmbrellaData {
  /// From the records of a sampler, rad, [walks, windows, samples, torsions], the biased torsions first.
  ///
  /// - stateColumns: names of torsions without a bias that states depend on, and their places among those recorded.
  /// - unwatched: places of recorded torsions that are there for the states alone.
  /// - walkNames: [walks]; torsionNames, folds: [torsions], folds being the equal places of a full turn: between them there is no
  ///   barrier worth a warning.
  /// - centers: rad, [windows][biased torsions]; forceConstants: kJ/mol/rad^2, [biased torsions].
  /// - sharedBias: kJ/mol, [walks, windows, samples], of a bias that all windows have; nil: none.
  /// - temperature: K; sampleInterval: ps.
  /// - lengths: samples of each window in every walk, where they differ; records then are [walks, all samples,
  ///   torsions].
  ///
  /// Throws `NDArrayError` where the numbers of values do not fit.
  public init(
    records: [Double], walkNames: [String], torsionNames: [String], folds: [Int], centers: [[Double]],
    forceConstants: [Double], neighbours: [(Int, Int)], sampleInterval: Double, sharedBias: [Double]? = nil,
    stateColumns: [(name: String, place: Int)] = [], unwatched: Set<Int> = [], temperature: Double,
    lengths: [Int]? = nil
  ) throws {
    let (windows, biased, all) = (centers.count, forceConstants.count, torsionNames.count)
    let rows = records.count / max(1, all * walkNames.count)
    let leading = lengths.map { [$0.reduce(0, +)] } ?? [windows, rows / max(1, windows)]
    let kT = PhysicalConstants.thermalEnergy(temperature: temperature)
    let others = (biased..<all).filter { !unwatched.contains($0) }
    let walks = try walkNames.enumerated().map { walk, name in
      let first = walk * rows
      func columns(_ places: [Int], _ folds: [Int]) throws -> NDArray<Double> {
        var values: [Double] = []
        values.reserveCapacity(rows * places.count)
        for row in first..<first + rows {
          for column in places { values.append(Double(folds[column]) * records[row * all + column]) }
        }
        return try NDArray(values, shape: leading + [places.count])
      }
      return Walk(
        name: name, series: try columns(Array(0..<biased), folds), others: try columns(others, folds),
        sharedBias: try sharedBias.map {
          try NDArray($0[first..<first + rows].map { $0 / kT }, shape: leading)
        },
        stateTorsions: stateColumns.isEmpty
          ? nil : try columns(stateColumns.map(\.place), [Int](repeating: 1, count: all)))
    }
    self.init(
      torsionNames: Array(torsionNames.prefix(biased)), otherNames: others.map { torsionNames[$0] },
      stateNames: stateColumns.map(\.name), centers: centers, forceConstants: forceConstants.map { $0 / kT },
      neighbours: neighbours, walks: walks,
      sampleInterval: sampleInterval, lengths: lengths, thermalEnergy: kT)
  }
}
