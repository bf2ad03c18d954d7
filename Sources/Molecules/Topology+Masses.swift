extension Topology {
  /// Masses with every hydrogen made heavy at the cost of the atom it is bonded to, the molecule's mass unchanged: dalton,
  /// [atoms]. The stretches of hydrogens, the quickest motions, slow down, and every average over positions stays what it was.
  /// Source: Feenstra, Hess and Berendsen, J. Comput. Chem. 20, 786 (1999).
  ///
  /// `masses`: the force field's, [atoms]. Throws `MoleculesError.hydrogenMass` where a heavy atom would be left with less than
  /// a hydrogen, `.inconsistent` where the masses are of another molecule.
  public func repartitionedMasses(_ masses: [Double], hydrogenMass: Double) throws -> [Double] {
    guard masses.count == atoms.count
    else { throw MoleculesError.inconsistent("\(masses.count) masses for \(atoms.count) atoms") }
    var result = masses
    for atom in atoms.indices where atoms[atom].element == "H" {
      guard let heavy = neighbours[atom].first(where: { atoms[$0].element != "H" }) else { continue }
      result[heavy] -= hydrogenMass - masses[atom]
      result[atom] = hydrogenMass
    }
    if let light = atoms.indices.first(where: { atoms[$0].element != "H" && result[$0] < hydrogenMass }) {
      throw MoleculesError.hydrogenMass(hydrogenMass, atom: label(of: light), left: result[light])
    }
    return result
  }
}
