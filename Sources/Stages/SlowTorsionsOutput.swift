import Artifacts
import FreeEnergies

/// Layout of results/slow_torsions/...
///
/// | path | what |
/// |---|---|
/// | names, fold [torsions] | "chi1-2"; 2 pi / fold is a full turn |
/// | changes [torsions] | of the basin |
/// | sampled [torsions] | 1 where every basin was changed often enough, and halves agree |
/// | basins/center, population, changes [torsions, basins] | rad, share of the frames, times entered or left; nan, nan, -1 where there is none |
/// | basins/halves [torsions, basins, 2] | shares in the first and second halves of each stretch of time |
extension SlowTorsions {
  static let group = "results/slow_torsions"

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
}
