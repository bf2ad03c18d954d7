import Basics
import Foundation

/// Tests whether windows that someone has run lie where their biases hold them, and cover their path.
struct WindowCoverage {
  let data: BiasedWindows

  /// Samples between neighbouring centres that are asked for at least.
  private static let fewest = 3
  /// Of variance times k / kT, over which factor units cannot be right.
  private static let impossible = 100.0

  struct Found {
    var coverage: UmbrellaCoverage
    /// Whole sentences.
    var warnings: [String] = []
  }

  /// Throws `WindowsError.spread`, `.misplaced`, `FreeEnergiesError.coverageGap`.
  func run() throws -> Found {
    var found = Found(
      coverage: UmbrellaCoverage(fewestSamplesBetweenLines: [], slidWindows: [], largestShift: [], weakestLink: 0))
    try checkSpread(&found)
    try checkPlaces(&found)
    for t in data.coordinates.indices { try checkLines(t, &found) }
    return found
  }

  /// Mean of a coordinate in a window: of an angle about the centre, so that the cut at pi plays no part.
  private func mean(_ window: Int, _ t: Int) -> Double {
    let (center, coordinate) = (data.windows[window].centers[t], data.coordinates[t])
    let shifts = data.series(window, t).map { coordinate.displacement($0, from: center) }
    if !coordinate.isTorsion { return center + shifts.reduce(0, +) / Double(shifts.count) }
    let (x, y) = shifts.reduce(into: (0.0, 0.0)) { sum, shift in
      sum.0 += cos(shift)
      sum.1 += sin(shift)
    }
    return center + atan2(y, x)
  }

  /// A harmonic bias spreads samples by kT / k, more on a barrier and less in a well: over all windows the median of the ratio is near
  /// one, and tells wrong units and a forgotten half.
  private func checkSpread(_ found: inout Found) throws {
    var ratios: [Double] = []
    for (k, window) in data.windows.enumerated() {
      let kT = PhysicalConstants.thermalEnergy(temperature: window.temperature)
      for (t, coordinate) in data.coordinates.enumerated() where window.forceConstants[t] > 0 {
        // a bias this weak does not decide how far an angle spreads
        if coordinate.isTorsion, window.forceConstants[t] < 4 * kT { continue }
        let mean = mean(k, t)
        let squares = data.series(k, t).map { value -> Double in
          let d = coordinate.displacement(value, from: mean)
          return d * d
        }
        ratios.append(squares.reduce(0, +) / Double(squares.count) * window.forceConstants[t] / kT)
      }
    }
    guard ratios.count >= 4 else { return }
    let median = ratios.sorted()[ratios.count / 2]
    guard median < Self.impossible, median > 1 / Self.impossible else { throw WindowsError.spread(ratio: median) }
    if median > 1.6 || median < 0.55 {
      found.warnings.append(
        String(
          format:
            "The samples spread %.2f times as much as the force constants allow (variance times k / kT, the median of all "
            + "windows; about 1 is usual): check their unit, and whether the bias is k/2 d^2 or k d^2.", median))
    }
  }

  private func checkPlaces(_ found: inout Found) throws {
    var slid: [Int: (t: Int, mean: Double)] = [:]
    for (t, coordinate) in data.coordinates.enumerated() {
      let spacing = spacing(t)
      var largest = 0.0
      for (k, window) in data.windows.enumerated() where window.forceConstants[t] > 0 {
        let mean = mean(k, t)
        let shift = abs(coordinate.displacement(mean, from: window.centers[t]))
        let kT = PhysicalConstants.thermalEnergy(temperature: window.temperature)
        if shift > max(spacing, 2 * (kT / window.forceConstants[t]).squareRoot()), slid[k] == nil {
          slid[k] = (t, mean)
        }
        largest = max(largest, shift)
      }
      found.coverage.largestShift.append(largest)
    }
    found.coverage.slidWindows = slid.keys.sorted()
    let (count, all) = (slid.count, data.windows.count)
    if count * 2 > all, let first = found.coverage.slidWindows.first, let place = slid[first] {
      throw WindowsError.misplaced(
        count: count, windows: all, example: data.windows[first].name, mean: place.mean,
        center: data.windows[first].centers[place.t], unit: data.coordinates[place.t].unit)
    }
    if count * 4 > all {
      let cures = Set(slid.values.map(\.t)).sorted().compactMap { t -> String? in
        // of the softest window that slid along it
        let own = slid.filter { $0.value.t == t }.keys.map { data.windows[$0] }
        guard let window = own.min(by: { $0.forceConstants[t] < $1.forceConstants[t] }) else { return nil }
        return WindowStiffness(
          coordinate: data.coordinates[t].name, unit: data.coordinates[t].unit, constant: window.forceConstants[t],
          spacing: spacing(t), kT: PhysicalConstants.thermalEnergy(temperature: window.temperature),
          windows: lines(t).count
        ).cure
      }
      found.warnings.append(
        "\(count) of \(all) windows have their mean far from their centre: the force constant is small for this surface, or files and "
          + "centres are not in the same order. Where it is the force constant: \(cures.joined(separator: " "))")
    }
  }

  /// Distinct centres of windows that bias the coordinate, ascending; torsions in (-pi, pi].
  private func lines(_ t: Int) -> [Double] {
    let isTorsion = data.coordinates[t].isTorsion
    let all = data.windows.filter { $0.forceConstants[t] > 0 }.map {
      isTorsion ? wrapped($0.centers[t]) : $0.centers[t]
    }
    var result: [Double] = []
    for value in all.sorted() where result.isEmpty || value - (result.last ?? 0) > 1e-6 { result.append(value) }
    return result
  }

  /// Mean distance of neighbouring centres.
  private func spacing(_ t: Int) -> Double {
    let lines = lines(t)
    guard let first = lines.first, let last = lines.last, lines.count > 1 else { return .infinity }
    return (last - first) / Double(lines.count - 1)
  }

  /// All parts of every interval between neighbouring centres must hold samples. Of a torsion the widest interval may be empty: the
  /// windows then cover a part of the turn, which is said.
  private func checkLines(_ t: Int, _ found: inout Found) throws {
    let (coordinate, lines) = (data.coordinates[t], lines(t))
    guard lines.count > 1 else {
      found.coverage.fewestSamplesBetweenLines.append(0)
      return
    }
    var intervals = zip(lines, lines.dropFirst()).map { (start: $0, width: $1 - $0) }
    if coordinate.isTorsion {
      intervals.append((start: lines[lines.count - 1], width: lines[0] + 2 * .pi - lines[lines.count - 1]))
    }
    // cells of half the usual spacing: what lies in the middle of a wide interval counts too
    let typical = intervals.map(\.width).sorted()[intervals.count / 2]
    let cells = intervals.map { 2 * max(1, Int(($0.width / typical).rounded())) }
    var counts = cells.map { [Int](repeating: 0, count: $0) }
    var total = 0
    for k in data.windows.indices {
      for value in data.series(k, t) {
        total += 1
        for (i, interval) in intervals.enumerated() {
          let offset = coordinate.isTorsion ? positiveTurn(value - interval.start) : value - interval.start
          if offset >= 0, offset < interval.width {
            counts[i][min(cells[i] - 1, Int(offset / interval.width * Double(cells[i])))] += 1
            break
          }
        }
      }
    }
    let needed = max(Self.fewest, total / cells.reduce(0, +) / 1000)
    // windows at the ends of a distance may slide inwards: beyond the last sample there is no path
    var judged = counts
    if !coordinate.isTorsion {
      for i in judged.indices where counts[...i].joined().allSatisfy({ $0 < needed }) { judged[i] = [] }
      for i in judged.indices where counts[i...].joined().allSatisfy({ $0 < needed }) { judged[i] = [] }
      if let i = judged.firstIndex(where: { !$0.isEmpty }) { judged[i] = Array(judged[i].drop { $0 < needed }) }
      if let i = judged.lastIndex(where: { !$0.isEmpty }) {
        while let last = judged[i].last, last < needed { judged[i].removeLast() }
      }
    }
    func isOpen(_ i: Int) -> Bool { judged[i].contains { $0 < needed } }
    let widest = intervals.indices.max { intervals[$0].width < intervals[$1].width } ?? 0
    let open = intervals.indices.filter(isOpen)
    func place(_ x: Double) -> String { String(format: "%.3f", coordinate.isTorsion ? wrapped(x) : x) }
    if open == [widest], coordinate.isTorsion {
      let (start, width) = intervals[widest]
      found.warnings.append(
        "No window covers \(coordinate.name) from \(place(start)) to \(place(start + width)) rad: profile and free energies are "
          + "those of the rest of the turn, as if nothing were there.")
      judged[widest] = []
    } else if !open.isEmpty {
      let spans = open.map { "\(place(intervals[$0].start)) to \(place(intervals[$0].start + intervals[$0].width))" }
      let shown = spans.prefix(4).joined(separator: ", ") + (spans.count > 4 ? ", and \(spans.count - 4) more" : "")
      throw FreeEnergiesError.coverageGap(
        "hardly a sample holds \(coordinate.name) in a part of \(shown) \(coordinate.unit), where at least \(needed) are needed; add "
          + "windows there")
    }
    found.coverage.fewestSamplesBetweenLines.append(judged.joined().min() ?? 0)
  }
}
