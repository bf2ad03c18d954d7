import Artifacts
import FreeEnergies
import Records

extension SlowTorsions {
  static let group = "results/slow_torsions"

  func write(to writer: ArtifactWriter) throws {
    let record = SlowTorsionRecord()
    let count = torsions.count
    let most = max(1, found.map(\.basins.count).max() ?? 1)
    func padded<T>(_ missing: T, _ value: (TorsionSampling.Basin) -> T) -> [T] {
      found.flatMap { torsion in
        torsion.basins.map(value) + [T](repeating: missing, count: most - torsion.basins.count)
      }
    }
    try writer.write(record.names, torsions.map(\.name))
    try writer.write(record.fold, torsions.map(\.fold))
    try writer.write(record.changes, found.map(\.changes))
    try writer.write(
      record.sampled,
      zip(torsions, found).map { $1.verdict(expectsSeveral: $0.isStaggered) == .sampled ? UInt8(1) : 0 })
    try writer.write(record.center, padded(.nan, \.center), shape: [count, most])
    try writer.write(record.population, padded(.nan, \.population), shape: [count, most])
    try writer.write(record.basinChanges, padded(-1, \.changes), shape: [count, most])
    try writer.write(record.halves, padded([.nan, .nan], \.halves).flatMap { $0 }, shape: [count, most, 2])
  }
}
