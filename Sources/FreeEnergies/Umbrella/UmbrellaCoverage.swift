import Basics
import Foundation

/// How the windows cover the grid.
public struct UmbrellaCoverage: Sendable, Equatable {
  /// Fewest samples in any half cell between neighbouring grid lines, per torsion.
  public var fewestSamplesBetweenLines: [Int]
  /// Windows whose mean is further from the centre than the spacing and two thermal widths.
  public var slidWindows: [Int]
  /// How many of them slid along each torsion.
  public var slidAlong: [Int] = []
  /// Largest distance of a window's mean from its centre, rad, per torsion.
  public var largestShift: [Double]
  /// The weakest link without which the overlap graph would fall apart: O_ij / sqrt(O_ii O_jj).
  public var weakestLink: Double
}

/// What to try where windows slide away from their centres.
///
/// Two widths of a window, 2 sqrt(kT / k), are what it may be off its centre. Where they are wider than the spacing of the centres, windows are
/// soft: at k = 4 kT / spacing^2 the two are equal, and neighbours still overlap. Where they are not, the surface is steep: windows have to be
/// stiffer and closer in step.
struct WindowStiffness {
  let coordinate: String
  /// Of the coordinate.
  let unit: String
  /// In `energyUnit` per unit^2.
  let constant: Double
  /// Of neighbouring centres, in the unit.
  let spacing: Double
  /// In `energyUnit`.
  let kT: Double
  var energyUnit = "kJ/mol"
  /// Distinct centres along the coordinate.
  let windows: Int

  /// In `energyUnit` per unit^2.
  var matching: Double { 4 * kT / (spacing * spacing) }

  /// A sentence.
  var cure: String {
    func text(_ value: Double) -> String { String(format: "%.3g", value) }
    let now = "now \(text(constant))"
    if constant < 0.9 * matching {
      return
        "For \(coordinate) try \(text(matching)) \(energyUnit)/\(unit)2 (\(now)): two widths of a window, 2 sqrt(kT/k), are then the spacing of "
        + "the centres, \(text(spacing)) \(unit)."
    }
    let more = Int((Double(windows) * 2.0.squareRoot()).rounded(.up))
    return
      "For \(coordinate) try \(text(2 * constant)) \(energyUnit)/\(unit)2 (\(now)) with \(more) windows in the place of \(windows), so that "
      + "neighbours still overlap."
  }
}

/// Tests whether windows cover their path before any free energy is computed from them.
struct UmbrellaCoverageCheck {
  let data: UmbrellaData

  /// Throws `FreeEnergiesError.coverageGap` where neighbouring grid lines have nothing between them, or where the sampled
  /// region of a grid falls apart.
  func run() throws -> UmbrellaCoverage {
    var slid = Set<Int>()
    var (shifts, along) = ([Double](), [Int]())
    for t in 0..<data.torsionCount {
      let distance = (0..<data.windowCount).map { k in
        let angles = data.angles(window: k, torsion: t).joined()
        let mean = atan2(angles.reduce(0) { $0 + sin($1) }, angles.reduce(0) { $0 + cos($1) })
        return abs(wrapped(mean - data.centers[k][t]))
      }
      let allowed = max(spacing(torsion: t), 2 / data.forceConstants[t].squareRoot())
      let away = distance.indices.filter { distance[$0] > allowed }
      slid.formUnion(away)
      along.append(away.count)
      shifts.append(distance.max() ?? 0)
    }
    let fewest = try (0..<data.torsionCount).map { try checkLines(torsion: $0, slid: slid) }
    if data.torsionCount == 2 { try checkConnected() }
    return UmbrellaCoverage(
      fewestSamplesBetweenLines: fewest, slidWindows: slid.sorted(), slidAlong: along,
      largestShift: shifts, weakestLink: 0)
  }

  /// What to try for each torsion along which windows slid: a sentence each.
  func cures(_ coverage: UmbrellaCoverage) -> [String] {
    let kT = data.thermalEnergy ?? 1
    return coverage.slidAlong.indices.filter { coverage.slidAlong[$0] > 0 }.map { t in
      WindowStiffness(
        coordinate: data.torsionNames[t], unit: "rad", constant: data.forceConstants[t] * kT,
        spacing: spacing(torsion: t), kT: kT, energyUnit: data.thermalEnergy == nil ? "kT" : "kJ/mol",
        windows: lines(torsion: t).count
      ).cure
    }
  }

  /// Edges between windows whose overlap, relative to their own, reaches `threshold`, must join all of them. Returns the
  /// weakest link of the strongest spanning tree.
  static func checkOverlap(_ overlap: NDArray<Double>, threshold: Double) throws -> Double {
    let count = overlap.shape[0]
    var (best, inTree) = ([Double](repeating: -1, count: count), [Bool](repeating: false, count: count))
    best[0] = .infinity
    var weakest = Double.infinity
    for added in 0..<count {
      var next = -1
      for k in 0..<count where !inTree[k] && (next < 0 || best[k] > best[next]) { next = k }
      guard best[next] >= threshold else {
        throw FreeEnergiesError.coverageGap(
          "the overlap graph falls apart: \(added) of \(count) windows hold together, the strongest link to window \(next) is "
            + "\(String(format: "%.2g", max(0, best[next]))) (needed: \(threshold)); use more windows or a smaller force "
            + "constant")
      }
      inTree[next] = true
      weakest = min(weakest, best[next])
      for k in 0..<count where !inTree[k] { best[k] = max(best[k], link(overlap, next, k)) }
    }
    return weakest
  }

  /// O_ij / sqrt(O_ii O_jj), the same either way.
  static func link(_ overlap: NDArray<Double>, _ i: Int, _ j: Int) -> Double {
    let count = overlap.shape[0]
    let norm = (overlap.values[i * count + i] * overlap.values[j * count + j]).squareRoot()
    let mutual = (overlap.values[i * count + j] * overlap.values[j * count + i]).squareRoot()
    return norm > 0 ? mutual / norm : 0
  }

  /// Distinct centres of one torsion, ascending in (-pi, pi].
  private func lines(torsion t: Int) -> [Double] {
    var result: [Double] = []
    for value in data.centers.map({ wrapped($0[t]) }).sorted() where value - (result.last ?? -10) > 1e-6 {
      result.append(value)
    }
    return result
  }

  private func spacing(torsion t: Int) -> Double {
    let steps = data.neighbours.map { abs(wrapped(data.centers[$0.0][t] - data.centers[$0.1][t])) }.filter { $0 > 1e-6 }
    return steps.isEmpty ? .infinity : steps.reduce(0, +) / Double(steps.count)
  }

  /// Intervals (lower line, width) of one torsion across which windows are neighbours.
  private func intervals(torsion t: Int) -> [(start: Double, width: Double)] {
    let lines = lines(torsion: t)
    guard lines.count > 1 else { return [] }
    func line(_ angle: Double) -> Int {
      lines.indices.min { abs(wrapped(lines[$0] - angle)) < abs(wrapped(lines[$1] - angle)) } ?? 0
    }
    var crossed = Set<Int>()
    for (a, b) in data.neighbours {
      let (first, second) = (line(data.centers[a][t]), line(data.centers[b][t]))
      if (first + 1) % lines.count == second { crossed.insert(first) }
      if (second + 1) % lines.count == first { crossed.insert(second) }
    }
    return crossed.sorted().map { i in
      let width = lines[(i + 1) % lines.count] - lines[i]
      return (lines[i], width > 0 ? width : width + 2 * .pi)
    }
  }

  /// Both halves of every interval between neighbouring grid lines must hold samples, whatever the other torsion.
  private func checkLines(torsion t: Int, slid: Set<Int>) throws -> Int {
    let intervals = intervals(torsion: t)
    var counts = [Int](repeating: 0, count: 2 * intervals.count)
    let angles = data.angles(torsion: t)
    for angle in angles {
      for (k, interval) in intervals.enumerated() {
        let offset = positiveTurn(angle - interval.start)
        if offset < interval.width {
          counts[2 * k + (offset < interval.width / 2 ? 0 : 1)] += 1
          break
        }
      }
    }
    // as if all windows were as short as the shortest: what is sampled longer elsewhere asks for no more here
    let alike = data.samplesPerWalk * data.windowCount * data.walks.count
    let needed = max(3, alike / max(1, counts.count) / 1000)
    let empty = counts.indices.filter { counts[$0] < needed }
    guard empty.isEmpty else {
      let degrees = { (x: Double) in String(format: "%.2f", wrapped(x)) }
      let spans = empty.map { cell -> String in
        let interval = intervals[cell / 2]
        let start = interval.start + (cell % 2 == 0 ? 0 : interval.width / 2)
        return "\(degrees(start)) to \(degrees(start + interval.width / 2)) (\(counts[cell]) samples)"
      }
      let shown = spans.prefix(4).joined(separator: ", ") + (spans.count > 4 ? ", and \(spans.count - 4) more" : "")
      throw FreeEnergiesError.coverageGap(
        "nothing holds \(data.torsionNames[t]) at \(shown) rad, where at least \(needed) samples are needed; "
          + "\(slid.count) of \(data.windowCount) windows slid away from their centres. Use a larger force constant and more "
          + "windows")
    }
    return counts.min() ?? 0
  }

  /// The cells (half the spacing wide) that hold samples must form one region, stray cells aside.
  private func checkConnected() throws {
    let sizes = (0..<2).map { max(4, Int((4 * Double.pi / spacing(torsion: $0)).rounded())) }
    let bins = (0..<2).map { t in data.angles(torsion: t).map { FreeEnergyProfile.bin(of: $0, bins: sizes[t]) } }
    let total = bins[0].count
    var counts = [Int](repeating: 0, count: sizes[0] * sizes[1])
    for (row, column) in zip(bins[0], bins[1]) { counts[row * sizes[1] + column] += 1 }
    var region = [Int](repeating: -1, count: counts.count)
    var (weights, places) = ([Int](), [Int]())
    for start in counts.indices where counts[start] >= 2 && region[start] < 0 {
      region[start] = weights.count
      weights.append(0)
      places.append(start)
      var stack = [start]
      while let cell = stack.popLast() {
        weights[weights.count - 1] += counts[cell]
        if counts[cell] > counts[places[places.count - 1]] { places[places.count - 1] = cell }
        let (r, c) = (cell / sizes[1], cell % sizes[1])
        for (dr, dc) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)] {
          let next = (r + dr + sizes[0]) % sizes[0] * sizes[1] + (c + dc + sizes[1]) % sizes[1]
          if counts[next] >= 2, region[next] < 0 {
            region[next] = region[start]
            stack.append(next)
          }
        }
      }
    }
    let large = weights.indices.filter { weights[$0] * 100 >= total }.sorted { weights[$0] > weights[$1] }
    guard large.count < 2 else {
      let described = large.prefix(3).map { index -> String in
        let place = [places[index] / sizes[1], places[index] % sizes[1]]
        let angles = (0..<2).map { t in
          "\(data.torsionNames[t]) \(String(format: "%.2f", FreeEnergyProfile.centres(bins: sizes[t])[place[t]]))"
        }
        return "\(100 * weights[index] / total) % around " + angles.joined(separator: ", ")
      }
      throw FreeEnergiesError.coverageGap(
        "the sampled region falls into \(large.count) parts with nothing between them ("
          + described.joined(separator: "; ") + "); use a larger force constant and more windows")
    }
  }
}
