extension AMBERTopology {
  /// All atoms, residues and bonds of the file, which knows no coordinates. A site without an element stays without.
  ///
  /// Throws `MoleculesError.inconsistent` where the file names no elements, or one that is not known here.
  public func structure() throws -> Structure {
    guard let atomicNumbers else {
      throw MoleculesError.inconsistent("the prmtop holds no section %FLAG ATOMIC_NUMBER, which tells the elements")
    }
    let atoms = try atomNames.indices.map { index -> Topology.Atom in
      let element = Element(number: atomicNumbers[index])
      guard element != nil || atomicNumbers[index] < 1 else {
        throw MoleculesError.inconsistent(
          "atom \(index) (\(atomNames[index])) has atomic number \(atomicNumbers[index]), an element not known here")
      }
      return Topology.Atom(
        name: atomNames[index], element: element?.symbol ?? "", residueIndex: residueIndices[index], serial: index + 1)
    }
    let residues = residueNames.enumerated().map { Topology.Residue(name: $1, sequence: $0 + 1) }
    let structure = Structure(
      atoms: atoms, residues: residues, chains: [Int](repeating: 0, count: residues.count), coordinates: [])
    // rigid waters have a bond between their hydrogens, which is none
    let pairs = bonds.map { Topology.Bond($0.atoms[0], $0.atoms[1]) }
    return try structure.bonded(by: pairs.filter { atoms[$0.first].element != "H" || atoms[$0.second].element != "H" })
  }

  /// Some atoms alone, with the terms, charges, radii and exceptions among them; ascending, from 0.
  ///
  /// Throws `MoleculesError.selection` where a term joins what is kept with what is not.
  public func keeping(_ kept: [Int]) throws -> AMBERTopology {
    let place = Dictionary(kept.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    func renumbered(_ atoms: [Int], _ what: String) throws -> [Int]? {
      let new = atoms.compactMap { place[$0] }
      if new.isEmpty { return nil }
      guard new.count == atoms.count else {
        let names = atoms.map { "\(atomNames[$0]) of \(residueNames[residueIndices[$0]]) \(residueIndices[$0] + 1)" }
        throw MoleculesError.selection(
          "\(what) joins atoms that are kept with others that are not: \(names.joined(separator: ", "))")
      }
      return new
    }
    func picked<T>(_ values: [T]) -> [T] { kept.map { values[$0] } }
    var copy = self
    (copy.atomNames, copy.atomicNumbers) = (picked(atomNames), atomicNumbers.map(picked))
    (copy.masses, copy.charges) = (picked(masses), picked(charges))
    (copy.sigmas, copy.epsilons) = (picked(sigmas), picked(epsilons))
    (copy.bornRadii, copy.bornScreens) = (bornRadii.map(picked), bornScreens.map(picked))
    var residues: [Int] = []
    copy.residueIndices = kept.map { atom in
      if residues.last != residueIndices[atom] { residues.append(residueIndices[atom]) }
      return residues.count - 1
    }
    copy.residueNames = residues.map { residueNames[$0] }
    copy.bonds = try bonds.compactMap { term in
      try renumbered(term.atoms, "a bond").map {
        Bond(atoms: $0, length: term.length, forceConstant: term.forceConstant)
      }
    }
    copy.angles = try angles.compactMap { term in
      try renumbered(term.atoms, "an angle").map {
        Angle(atoms: $0, angle: term.angle, forceConstant: term.forceConstant)
      }
    }
    copy.torsions = try torsions.compactMap { term in
      try renumbered(term.atoms, "a torsion").map {
        Torsion(atoms: $0, periodicity: term.periodicity, phase: term.phase, forceConstant: term.forceConstant)
      }
    }
    copy.mappedTorsions = try mappedTorsions.compactMap { term in
      guard let first = try renumbered(term.first, "a map of torsions"),
        let second = try renumbered(term.second, "a map of torsions")
      else { return nil }
      return MappedTorsions(first: first, second: second, map: term.map)
    }
    // of a pair that is not kept whole, nothing is left
    copy.exceptions = exceptions.compactMap { pair in
      let new = pair.atoms.compactMap { place[$0] }
      guard new.count == 2 else { return nil }
      return Exception(atoms: new, chargeProduct: pair.chargeProduct, sigma: pair.sigma, epsilon: pair.epsilon)
    }
    return copy
  }

  /// Whether a file that begins with these bytes is an AMBER prmtop, whatever its name.
  public static func isPrmtop(_ start: [UInt8]) -> Bool {
    let text = start.starts(with: [0xef, 0xbb, 0xbf]) ? start.dropFirst(3) : start[...]
    return ["%VERSION", "%FLAG"].contains { text.starts(with: Array($0.utf8)) }
  }
}
