import Basics
import Foundation
import Molecules

/// Which torsions of a molecule some frames or samples do not sample.
public struct SlowTorsions: Sendable {
  public let torsions: [RotatableTorsion]
  public let found: [TorsionSampling]

  /// `series`: [torsions][stretches of time][samples], rad.
  public init(_ torsions: [RotatableTorsion], series: [[[Double]]]) {
    self.torsions = torsions
    found = zip(torsions, series).map { TorsionSampling(series: $1, fold: $0.fold) }
  }

  /// Of the windows of umbrella sampling, each of a walk by itself: records in rad, [2, windows, samples, torsions], of which the
  /// last are `torsions`; where windows differ in length, `lengths` are the samples of each in either walk. Also, by
  /// torsion, in how many windows the two walks stand in different basins: half of the samples, or more.
  public static func inWindows(
    _ torsions: [RotatableTorsion], records: [Double], windows: Int, recorded: Int, lengths: [Int]? = nil
  ) -> (found: SlowTorsions, disagreeing: [Int]) {
    let samples = records.count / max(1, 2 * windows * recorded)
    var end = 0
    let rows = (0..<2 * windows).map { visit -> Range<Int> in
      defer { end += lengths?[visit % windows] ?? samples }
      return end..<end + (lengths?[visit % windows] ?? samples)
    }
    let series = torsions.indices.map { k in
      rows.map { $0.map { records[$0 * recorded + recorded - torsions.count + k] } }
    }
    let found = SlowTorsions(torsions, series: series)
    let disagreeing = torsions.indices.map { k in
      (0..<windows).filter { window in
        let sampling = found.found[k]
        let (up, down) = (sampling.shares(series[k][window]), sampling.shares(series[k][windows + window]))
        return zip(up, down).reduce(0) { $0 + abs($1.0 - $1.1) } > 1
      }.count
    }
    return (found, disagreeing)
  }

  /// Of torsions that should have several places, those whose angles (rad, [frames, torsions]) all lie within a third of a turn or so of their
  /// mean; with the mean.
  public static func inOnePlace(_ torsions: [RotatableTorsion], angles: [Double]) -> [(
    torsion: RotatableTorsion, center: Double
  )] {
    torsions.indices.compactMap { k in
      let own = stride(from: k, to: angles.count, by: torsions.count).map { angles[$0] }
      let center = atan2(own.reduce(0) { $0 + sin($1) }, own.reduce(0) { $0 + cos($1) })
      guard torsions[k].hasPlaces, !own.isEmpty, own.allSatisfy({ cos($0 - center) > 0.4 }) else { return nil }
      return (torsions[k], center)
    }
  }

  /// One sentence for each torsion whose populations are not known. `what`: "frames", "samples". `mended`: whether weights will give the
  /// populations of places that were seen; of those that never were nothing is told all the same.
  /// `called`: what a torsion is called in them, where somebody has named it.
  public func warnings(
    _ what: String, mended: Bool = false, called: (RotatableTorsion) -> String = { $0.name }
  ) -> [Remark] {
    zip(torsions, found).compactMap { torsion, sampling in
      let name = called(torsion)
      func place(_ basin: Int) -> String {
        let share = String(format: "%.1f", 100 * sampling.basins[basin].population)
        return "near \(String(format: "%.2f", sampling.basins[basin].center)) rad (\(share) % of \(what))"
      }
      let seen = "\(name) changed its basin \(sampling.changes) times in \(sampling.samples) \(what)"
      switch sampling.verdict(expectsSeveral: torsion.hasPlaces) {
      case .sampled, .tooShort: return nil
      case .oneBasin:
        return Remark(
          "\(name) was always \(place(0)): whether it has other places, and how populated they are, these \(what) cannot tell"
        )
      case .fewChanges(let basin):
        return Remark(
          "\(seen), that \(place(basin)) \(sampling.basins[basin].changes) times: its populations are not known from them",
          mended ? .note : .warning)
      case .halvesDiffer(let basin):
        let halves = sampling.basins[basin].halves.map { String(format: "%.1f", 100 * $0) }
        return Remark(
          "\(seen), but the basin \(place(basin)) has \(halves[0]) % in the first halves and \(halves[1]) % in the second: its "
            + "populations are not at rest", mended ? .note : .warning)
      }
    }
  }
}

/// Angles of all rotatable torsions while frames come in, cut where time does not go on.
public struct SlowTorsionRecorder {
  public let torsions: [RotatableTorsion]
  private let atoms: Int
  /// [torsions][stretches][samples]
  private var series: [[[Float]]]
  private var last: (source: Int, time: Double)?

  public init(_ topology: Topology) {
    (atoms, torsions) = (topology.atoms.count, topology.rotatableTorsions)
    series = torsions.map { _ in [] }
  }

  /// Frames [frames, atoms, 3] of a source (a file, a run), with their times where there are any.
  public mutating func add(_ coordinates: [Float], source: (Int) -> Int, time: (Int) -> Double?) {
    guard !torsions.isEmpty else { return }
    let angles = torsionAngles(coordinates.map(Double.init), atoms: atoms, torsions: torsions.map(\.atoms))
    for frame in 0..<(coordinates.count / (3 * atoms)) {
      let now = (source: source(frame), time: time(frame) ?? Double.infinity)
      let goesOn = last.map { $0.source == now.source && (now.time > $0.time || now.time == .infinity) } ?? false
      last = now
      for t in torsions.indices {
        if !goesOn { series[t].append([]) }
        series[t][series[t].count - 1].append(Float(angles[frame * torsions.count + t]))
      }
    }
  }

  public func finish() -> SlowTorsions { SlowTorsions(torsions, series: series.map { $0.map { $0.map(Double.init) } }) }

  /// States that the frames suggest.
  public func proposal() -> StateProposal {
    StateProposal(torsions, series: series.map { $0.map { $0.map(Double.init) } })
  }
}
