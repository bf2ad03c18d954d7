import Molecules
import Workflow

/// The torsions a stage reports: those the pipeline file names, or phi and psi where the molecule has just one of each.
struct NamedTorsions {
  let names: [String]
  /// Four atom indices each.
  let atoms: [[Int]]

  /// Throws `MoleculesError` when the file names an atom the molecule does not have.
  init(_ system: SystemFiles, _ topology: Topology) throws {
    if system.torsions.isEmpty {
      let found = ["phi", "psi"].compactMap { name in (try? topology.torsion(named: name)).map { (name, $0) } }
      names = found.map(\.0)
      atoms = found.map(\.1)
    } else {
      names = system.torsions.keys.sorted()
      atoms = names.map { system.torsions[$0] ?? [] }
      for (name, list) in zip(names, atoms)
      where list.count != 4 || list.contains(where: { !topology.atoms.indices.contains($0) }) {
        throw MoleculesError.inconsistent(
          "system.torsions.\(name): \(list) are not four atoms of a molecule with \(topology.atoms.count) (from 0)")
      }
    }
  }

  /// Angles in rad by name, [frames] each; coordinates [frames, atoms, 3].
  func angles(_ coordinates: [Double], atoms count: Int) -> [(name: String, angles: [Double])] {
    let all = torsionAngles(coordinates, atoms: count, torsions: atoms)
    let width = names.count
    return names.enumerated().map { column, name in
      (name: name, angles: stride(from: column, to: all.count, by: max(1, width)).map { all[$0] })
    }
  }
}
