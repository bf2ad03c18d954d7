extension Topology {
  /// Atoms that the bond graph does not tell apart have one class, such as the hydrogens of a methyl group: the middle index of
  /// the atoms that share it. [atoms]
  ///
  /// Told apart by colour refinement from element, degree and neighbours, and by the residue an atom stands in.
  public var symmetryClasses: [Int] {
    let colours = Chirality.refinedColours(of: self)
    var members: [[Int]: [Int]] = [:]
    for atom in atoms.indices { members[[colours[atom], atoms[atom].residueIndex], default: []].append(atom) }
    var classes = [Int](repeating: 0, count: atoms.count)
    for group in members.values { for atom in group { classes[atom] = group[(group.count - 1) / 2] } }
    return classes
  }
}
