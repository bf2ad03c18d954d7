/// Torsions that are to be measured, each under a name: columns of a table of angles.
public struct NamedTorsions: Equatable, Sendable {
  public let names: [String]
  /// Four atom indices each, from 0.
  public let atoms: [[Int]]

  /// Torsions by name, four atoms each; they are sorted by name.
  ///
  /// Throws `MoleculesError.torsionAtoms` where one is not four atoms of the molecule.
  public init(_ torsions: [String: [Int]], of topology: Topology) throws {
    let sorted = torsions.sorted { $0.key < $1.key }
    for (name, atoms) in sorted { try topology.checkTorsion(atoms, name: name) }
    names = sorted.map(\.key)
    atoms = sorted.map(\.value)
  }

  /// phi and psi where the molecule has just one of each.
  public init(backboneOf topology: Topology) {
    let found = ["phi", "psi"].compactMap { name in (try? topology.torsion(named: name)).map { (name, $0) } }
    names = found.map(\.0)
    atoms = found.map(\.1)
  }

  /// Angles by name, rad in (-pi, pi], [frames] each; `coordinates` [frames, atoms, 3] of a molecule with `count` atoms.
  public func angles(_ coordinates: [Double], atoms count: Int) -> [(name: String, angles: [Double])] {
    zip(names, torsionColumns(coordinates, atoms: count, torsions: atoms)).map { (name: $0, angles: $1) }
  }
}

extension Topology {
  /// Throws `MoleculesError.torsionAtoms` unless these are four atoms of the molecule. `name` is what the error calls them.
  public func checkTorsion(_ atoms: [Int], name: String) throws {
    guard atoms.count == 4, atoms.allSatisfy(self.atoms.indices.contains)
    else { throw MoleculesError.torsionAtoms(name: name, atoms: atoms, atomCount: self.atoms.count) }
  }
}
