import Basics

/// The windows that lie low enough, or as many more as it takes for them to hold together.
struct UmbrellaCeiling {
  /// Ascending.
  let windows: [Int]
  /// Up to where they were taken, kT above the lowest: what was wanted, or more.
  let height: Double

  /// `freeEnergies` of the windows and the links of `overlap` between them; those of at least `threshold` hold windows together.
  init(freeEnergies: [Double], overlap: NDArray<Double>, threshold: Double, wanted: Double) {
    let lowest = freeEnergies.min() ?? 0
    let order = freeEnergies.indices.sorted { freeEnergies[$0] < freeEnergies[$1] }
    // windows join from the lowest up; groups are known by the window that joined last
    var group = Array(freeEnergies.indices)
    var (groups, taken, top) = (0, 0, wanted)
    for (position, window) in order.enumerated() {
      let above = freeEnergies[window] - lowest
      if above > wanted, groups == 1, taken > 1 { break }
      groups += 1
      taken = position + 1
      top = max(wanted, above)
      for other in order[..<position]
      where group[other] != window && UmbrellaCoverageCheck.link(overlap, window, other) >= threshold {
        let its = group[other]
        for joined in order[..<position] where group[joined] == its { group[joined] = window }
        groups -= 1
      }
    }
    windows = order[..<taken].sorted()
    height = top
  }
}

extension UmbrellaData {
  /// Some of the windows, in their order.
  public func keeping(_ windows: [Int]) throws -> UmbrellaData {
    var rest = self
    rest.lengths = lengths.map { all in windows.map { all[$0] } }
    let all = windows.map { self.rows($0) }
    rest.centers = windows.map { centers[$0] }
    let place = Dictionary(uniqueKeysWithValues: windows.enumerated().map { ($1, $0) })
    rest.neighbours = neighbours.compactMap { pair in
      place[pair.0].flatMap { first in place[pair.1].map { (first, $0) } }
    }
    func part(_ array: NDArray<Double>) throws -> NDArray<Double> {
      let width = array.shape.dropFirst(lengths == nil ? 2 : 1).reduce(1, *)
      return try NDArray(
        all.flatMap { array.values[$0.lowerBound * width..<$0.upperBound * width] },
        shape: [lengths == nil ? windows.count : all.reduce(0) { $0 + $1.count }] + array.shape.dropFirst())
    }
    rest.walks = try walks.map { walk in
      Walk(
        name: walk.name, series: try part(walk.series), others: try part(walk.others),
        sharedBias: try walk.sharedBias.map(part), stateTorsions: try walk.stateTorsions.map(part))
    }
    return rest
  }
}

extension UmbrellaResult {
  /// The result of some `windows` in terms of all `count`: NaN, no overlap and no name where a window was left out.
  public func expanded(_ windows: [Int], of count: Int) throws -> UmbrellaResult {
    var all = self
    func spread<Element>(_ values: [Element], _ missing: Element) -> [Element] {
      var result = [Element](repeating: missing, count: count)
      for (value, window) in zip(values, windows) { result[window] = value }
      return result
    }
    all.windowFreeEnergies = spread(windowFreeEnergies, .nan)
    all.statisticalInefficiency = spread(statisticalInefficiency, .nan)
    all.correlationTimes = spread(correlationTimes, .nan)
    all.slowestTorsion = spread(slowestTorsion, "")
    all.windowVariances = spread(windowVariances, 0)
    all.shortWindows = shortWindows.map { windows[$0] }
    var matrix = [Double](repeating: 0, count: count * count)
    for (i, first) in windows.enumerated() {
      for (j, second) in windows.enumerated() { matrix[first * count + second] = overlap.values[i * windows.count + j] }
    }
    all.overlap = try NDArray(matrix, shape: [count, count])
    return all
  }
}
