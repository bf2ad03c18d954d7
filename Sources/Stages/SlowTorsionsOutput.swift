import Artifacts
import FreeEnergies
import Molecules
import Records

extension SlowTorsions {
  func write(to writer: ArtifactWriter) throws {
    let output = Recorded.ingest.slowTorsions
    let shape = [torsions.count, max(1, found.map(\.basins.count).max() ?? 1)]
    func padded<T>(_ missing: T, _ value: (TorsionSampling.Basin) -> T) -> [T] {
      found.flatMap { torsion in
        torsion.basins.map(value) + [T](repeating: missing, count: shape[1] - torsion.basins.count)
      }
    }
    try writer.write(
      (output.names, torsions.map(\.name)), (output.fold, torsions.map(\.fold)), (output.changes, found.map(\.changes)))
    try writer.write(
      output.sampled, zip(torsions, found).map { $1.verdict(expectsSeveral: $0.isStaggered) == .sampled ? 1 : 0 })
    try writer.write(output.center, padded(.nan, \.center), shape: shape)
    try writer.write(output.population, padded(.nan, \.population), shape: shape)
    try writer.write(output.basinChanges, padded(-1, \.changes), shape: shape)
    try writer.write(output.halves, padded([.nan, .nan], \.halves).flatMap { $0 }, shape: shape + [2])
  }
}

extension NamedTorsions {
  /// What the pipeline file calls a torsion of these atoms; the molecule's own name of one that it does not name.
  func called(_ torsion: RotatableTorsion) -> String {
    zip(names, atoms).first { $1 == torsion.atoms || $1 == torsion.atoms.reversed() }?.0 ?? torsion.name
  }
}
