import Foundation

/// Whether time series of a torsion tell how its basins are populated: which basins there are, and how often they were changed.
///
/// Basins are the hills of the smoothed histogram of all series together, parted where it falls below half of the lower of two
/// hills. A change counts when the torsion stands a margin deep in another basin, so that a look over the border is none. N
/// changes give a basin's population with a relative error near sqrt(2 / N): below a few dozen it is not known, whatever the number of frames.
public struct TorsionSampling: Sendable {
  // when a basin's population counts as known: changes in and out, share of the samples, samples in all
  private static let minimumChanges = 20
  private static let minimumPopulation = 0.005
  private static let minimumSamples = 200
  /// rad, how deep in another basin a change begins to count.
  private static let margin = 0.2
  /// Standard errors by which first and second halves of the series may differ.
  private static let agreement = 4.0

  /// A hill of the histogram.
  public struct Basin: Equatable, Sendable {
    /// Where the histogram is highest, rad in (-pi, pi], and the share of all samples.
    public var center, population: Double
    /// The shares in the first and the second halves of the series.
    public var halves: [Double]
    /// Times it was entered or left.
    public var changes: Int
  }

  /// Whether the populations of the basins are known.
  public enum Verdict: Equatable, Sendable {
    /// As far as the series tell.
    case sampled
    /// Too few samples to say anything.
    case tooShort
    /// A torsion that should have several places was seen in one only.
    case oneBasin
    /// The basin with that index is changed too seldom.
    case fewChanges(Int)
    /// Its population differs between the halves of the series.
    case halvesDiffer(Int)
  }

  /// 2 pi / fold is a full turn for the molecule; centres are of the first of the equal turns.
  public let fold: Int
  /// In ascending order of their centres.
  public private(set) var basins: [Basin] = []
  /// Changes of the basin, all series together.
  public private(set) var changes = 0
  /// Samples of all series.
  public let samples: Int
  private var borders: [Double] = []

  private static let bins = 72

  /// `series`: angles in rad, one list for each stretch of unbroken time. `fold`: see `RotatableTorsion`.
  public init(series: [[Double]], fold: Int = 1) {
    self.fold = max(1, fold)
    samples = series.reduce(0) { $0 + $1.count }
    guard samples > 0 else { return }
    let histogram = Self.smoothed(series, fold: self.fold)
    let (peaks, borders) = Self.divide(histogram)
    self.borders = borders
    basins = peaks.map { Basin(center: $0 / Double(self.fold), population: 0, halves: [0, 0], changes: 0) }
    var counts = [[Int]](repeating: [0, 0], count: peaks.count)
    for values in series {
      let places = track(values)
      for (index, basin) in places.enumerated() {
        counts[basin][2 * index < values.count ? 0 : 1] += 1
        guard index > 0, places[index - 1] != basin else { continue }
        changes += 1
        basins[basin].changes += 1
        basins[places[index - 1]].changes += 1
      }
    }
    let halves = [0, 1].map { half in counts.reduce(0) { $0 + $1[half] } }
    for b in basins.indices {
      basins[b].population = Double(counts[b][0] + counts[b][1]) / Double(samples)
      basins[b].halves = [0, 1].map { halves[$0] > 0 ? Double(counts[b][$0]) / Double(halves[$0]) : .nan }
    }
  }

  /// The arc of a basin, between the lowest places on its two sides, rad; nil where there is one basin, or the turn has equal places.
  public func arc(of basin: Int) -> TorsionState? {
    guard basins.count > 1, fold == 1 else { return nil }
    return TorsionState(from: borders[(basin + borders.count - 1) % borders.count], to: borders[basin])
  }

  /// Shares of the basins in one series.
  public func shares(_ values: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: basins.count)
    for basin in track(values) { result[basin] += 1 / Double(values.count) }
    return result
  }

  /// Weighted shares of the basins among samples that have nothing to do with each other. `weights` are as many as the samples, and not
  /// negative; 0 where they are all 0.
  public func shares(_ values: [Double], weights: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: basins.count)
    for (value, weight) in zip(values, weights) where value.isFinite {
      result[basins.count > 1 ? place(wrapped(value * Double(fold))).basin : 0] += weight
    }
    let total = result.reduce(0, +)
    return total > 0 ? result.map { $0 / total } : result
  }

  /// `expectsSeveral`: the torsion is known to have more than one place, such as a side chain's between tetrahedral atoms.
  public func verdict(expectsSeveral: Bool = false) -> Verdict {
    guard samples >= Self.minimumSamples else { return .tooShort }
    let judged = basins.indices.filter { basins[$0].population >= Self.minimumPopulation }
    if judged.count < 2 { return expectsSeveral && fold == 1 ? .oneBasin : .sampled }
    if let worst = judged.min(by: { basins[$0].changes < basins[$1].changes }),
      basins[worst].changes < Self.minimumChanges
    {
      return .fewChanges(worst)
    }
    for b in judged {
      let p = basins[b].population
      // each half holds a quarter as many independent stays as changes of both kinds
      let error = (2 * p * (1 - p) / max(1, Double(basins[b].changes) / 4)).squareRoot()
      if abs(basins[b].halves[0] - basins[b].halves[1]) > Self.agreement * error { return .halvesDiffer(b) }
    }
    return .sampled
  }

  // MARK: Basins

  /// The basin of every sample. A sample near a border belongs to the basin that the series was in.
  private func track(_ values: [Double]) -> [Int] {
    guard basins.count > 1 else { return [Int](repeating: 0, count: values.count) }
    var current: Int?
    return values.map { value in
      let (basin, depth) = place(wrapped(value * Double(fold)))
      if let last = current, basin != last, depth < Self.margin * Double(fold) { return last }
      current = basin
      return basin
    }
  }

  /// The basin of an angle and its distance to the nearer border. Basin b lies between border b - 1 and border b.
  private func place(_ angle: Double) -> (basin: Int, depth: Double) {
    let next = borders.firstIndex { angle < $0 } ?? 0
    let (before, after) = (borders[(next + borders.count - 1) % borders.count], borders[next])
    return (next, min(positiveTurn(angle - before), positiveTurn(after - angle)))
  }

  /// Density over bins of the circle, smoothed by a Gaussian of 0.15 rad.
  private static func smoothed(_ series: [[Double]], fold: Int) -> [Double] {
    var counts = [Double](repeating: 0, count: bins)
    for value in series.joined() { counts[FreeEnergyProfile.bin(of: value * Double(fold), bins: bins)] += 1 }
    let width = 2 * Double.pi / Double(bins)
    let kernel = (-7...7).map { exp(-0.5 * (Double($0) * width / 0.15) * (Double($0) * width / 0.15)) }
    return counts.indices.map { i in kernel.indices.reduce(0) { $0 + kernel[$1] * counts[(i + $1 - 7 + bins) % bins] } }
  }

  /// Centres of the hills, ascending, and the borders after each of them.
  private static func divide(_ density: [Double]) -> (peaks: [Double], borders: [Double]) {
    func angle(_ bin: Int) -> Double { 2 * .pi * (Double(bin) + 0.5) / Double(bins) - .pi }
    let top = density.max() ?? 0
    var peaks = density.indices.filter {
      density[$0] > 1e-4 * top && density[$0] >= density[($0 + 1) % bins]
        && density[$0] > density[($0 + bins - 1) % bins]
    }
    /// The lowest bin on the way up from one peak to the next; of a flat stretch, the middle.
    func valley(_ from: Int, _ to: Int) -> Int {
      let span = (to - from + bins) % bins
      let way = (0...(span == 0 ? bins : span)).map { (from + $0) % bins }
      let least = way.map { density[$0] }.min() ?? 0
      let flat = way.filter { density[$0] == least }
      return flat[flat.count / 2]
    }
    // the lower hill beside the shallowest valley is merged, until all valleys are deep
    while peaks.count > 1 {
      let ratios = peaks.indices.map { k -> Double in
        let next = peaks[(k + 1) % peaks.count]
        return density[valley(peaks[k], next)] / min(density[peaks[k]], density[next])
      }
      guard let k = ratios.indices.max(by: { ratios[$0] < ratios[$1] }), ratios[k] > 0.5 else { break }
      let next = (k + 1) % peaks.count
      peaks.remove(at: density[peaks[k]] < density[peaks[next]] ? k : next)
    }
    guard peaks.count > 1 else { return ([peaks.first.map(angle) ?? 0], []) }
    var borders = peaks.indices.map { angle(valley(peaks[$0], peaks[($0 + 1) % peaks.count])) }
    // ascending borders: where the last one lies beyond -pi, its basin comes first
    if let last = borders.last, last < angle(peaks[0]) {
      borders.insert(borders.removeLast(), at: 0)
      peaks.insert(peaks.removeLast(), at: 0)
    }
    return (peaks.map(angle), borders)
  }
}
