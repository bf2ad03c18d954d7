import Artifacts
import Basics
import Foundation
import FreeEnergies
import Molecules
import Workflow

/// Which torsions of a molecule are not sampled by a stage's frames: results/slow_torsions/...
///
/// | path | what |
/// |---|---|
/// | names, fold [torsions] | "chi1-2"; 2 pi / fold is a full turn |
/// | changes [torsions] | of the basin |
/// | sampled [torsions] | 1 where every basin was changed often enough, and halves agree |
/// | basins/center, population, changes [torsions, basins] | rad, share of the frames, times entered or left; nan, nan, -1 where there is none |
/// | basins/halves [torsions, basins, 2] | shares in the first and second halves of each stretch of time |
struct SlowTorsions {
  let torsions: [RotatableTorsion]
  let found: [TorsionSampling]
  static let group = "results/slow_torsions"

  /// `series`: [torsions][stretches of time][samples], rad.
  init(_ torsions: [RotatableTorsion], series: [[[Double]]]) {
    self.torsions = torsions
    found = zip(torsions, series).map { TorsionSampling(series: $1, fold: $0.fold) }
  }

  func write(to writer: ArtifactWriter) throws {
    let count = torsions.count
    let most = max(1, found.map(\.basins.count).max() ?? 1)
    func padded<T>(_ missing: T, _ value: (TorsionSampling.Basin) -> T) -> [T] {
      found.flatMap { torsion in
        torsion.basins.map(value) + [T](repeating: missing, count: most - torsion.basins.count)
      }
    }
    try writer.write("\(Self.group)/names", strings: torsions.map(\.name))
    try writer.write("\(Self.group)/fold", torsions.map { Int64($0.fold) }, shape: [count], dims: ["torsion"])
    try writer.write("\(Self.group)/changes", found.map { Int64($0.changes) }, shape: [count], dims: ["torsion"])
    try writer.write(
      "\(Self.group)/sampled",
      zip(torsions, found).map { $1.verdict(expectsSeveral: $0.isStaggered) == .sampled ? UInt8(1) : 0 },
      shape: [count], dims: ["torsion"])
    let dims = ["torsion", "basin"]
    try writer.write(
      "\(Self.group)/basins/center", padded(.nan, \.center), shape: [count, most], units: "rad", dims: dims)
    try writer.write("\(Self.group)/basins/population", padded(.nan, \.population), shape: [count, most], dims: dims)
    try writer.write(
      "\(Self.group)/basins/changes", padded(-1) { Int64($0.changes) }, shape: [count, most], dims: dims)
    try writer.write(
      "\(Self.group)/basins/halves", padded([.nan, .nan], \.halves).flatMap { $0 }, shape: [count, most, 2],
      dims: dims + ["half"])
  }

  /// One sentence for each torsion whose populations are not known. `what`: "frames", "samples".
  func warnings(_ what: String) -> [String] {
    zip(torsions, found).compactMap { torsion, sampling in
      func place(_ basin: Int) -> String {
        let share = String(format: "%.1f", 100 * sampling.basins[basin].population)
        return "near \(String(format: "%.2f", sampling.basins[basin].center)) rad (\(share) % of \(what))"
      }
      let seen = "\(torsion.name) changed its basin \(sampling.changes) times in \(sampling.samples) \(what)"
      switch sampling.verdict(expectsSeveral: torsion.isStaggered) {
      case .sampled, .tooShort: return nil
      case .oneBasin:
        return
          "\(torsion.name) was always \(place(0)): whether it has other places, and how populated they are, these \(what) cannot tell"
      case .fewChanges(let basin):
        return
          "\(seen), that \(place(basin)) \(sampling.basins[basin].changes) times: its populations are not known from them"
      case .halvesDiffer(let basin):
        let halves = sampling.basins[basin].halves.map { String(format: "%.1f", 100 * $0) }
        return
          "\(seen), but the basin \(place(basin)) has \(halves[0]) % in the first halves and \(halves[1]) % in the second: its "
          + "populations are not at rest"
      }
    }
  }
}

/// Angles of all rotatable torsions while frames come in, cut where time does not go on.
struct SlowTorsionRecorder {
  let torsions: [RotatableTorsion]
  private let atoms: Int
  /// [torsions][stretches][samples]
  private var series: [[[Float]]]
  private var last: (source: Int, time: Double)?

  init(_ topology: Topology) {
    atoms = topology.atoms.count
    torsions = topology.rotatableTorsions
    series = torsions.map { _ in [] }
  }

  /// Frames [frames, atoms, 3] of a source (a file, a run), with their times where there are any.
  mutating func add(_ coordinates: [Float], source: (Int) -> Int, time: (Int) -> Double?) {
    guard !torsions.isEmpty else { return }
    let angles = torsionAngles(coordinates, atoms: atoms, torsions: torsions.map(\.atoms))
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

  func finish() -> SlowTorsions {
    SlowTorsions(torsions, series: series.map { $0.map { $0.map(Double.init) } })
  }
}
