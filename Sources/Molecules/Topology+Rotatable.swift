/// A bond that the molecule can turn about, with the torsion that tells how far.
public struct RotatableTorsion: Equatable, Sendable {
  /// "chi1-2" where the torsion has a name of the field, else "CA-C of CYS 2".
  public let name: String
  /// Four atoms, from 0; the bond is between the second and the third.
  public let atoms: [Int]
  /// Turning by 2 pi / fold gives the same molecule: 3 for a methyl group, 2 for a phenyl ring or a carboxylate.
  public let fold: Int
  /// Both atoms of the bond are tetrahedral (or O and S with two bonds): three staggered places are to be expected.
  public let isStaggered: Bool
  /// It turns the hydrogen of an O-H or S-H group: even where the other atom is flat (a carboxylic acid's) there are two places.
  public let isHydroxyl: Bool

  /// Whether several places that differ are to be expected.
  public var hasPlaces: Bool { fold == 1 && (isStaggered || isHydroxyl) }

  public init(name: String, atoms: [Int], fold: Int = 1, isStaggered: Bool = false, isHydroxyl: Bool = false) {
    (self.name, self.atoms, self.fold) = (name, atoms, fold)
    (self.isStaggered, self.isHydroxyl) = (isStaggered, isHydroxyl)
  }
}

extension Topology {
  /// Every bond outside rings with further atoms on both sides, by its first atom.
  public var rotatableTorsions: [RotatableTorsion] {
    let (colours, named) = (Chirality.refinedColours(of: self), namedTorsions)
    return bonds.compactMap { bond -> RotatableTorsion? in
      let (first, second) = (bond.first, bond.second)
      let (left, right) = (neighbours[first].filter { $0 != second }, neighbours[second].filter { $0 != first })
      guard !left.isEmpty, !right.isEmpty, !isInRing(bond) else { return nil }
      func fold(_ ends: [Int]) -> Int { ends.count > 1 && Set(ends.map { colours[$0] }).count == 1 ? ends.count : 1 }
      let match = named.first {
        Set($0.atoms[1...2]) == [first, second] && !$0.name.hasPrefix("methyl") && $0.name != "ammonium"
      }
      func heaviest(_ ends: [Int]) -> Int {
        ends.min { (isHydrogen($0) ? 1 : 0, $0) < (isHydrogen($1) ? 1 : 0, $1) } ?? ends[0]
      }
      return RotatableTorsion(
        name: match?.fullName
          ?? "\(atoms[first].name)-\(atoms[second].name) of \(residues[atoms[second].residueIndex].name) "
          + "\(residues[atoms[second].residueIndex].sequence)",
        atoms: match?.atoms ?? [heaviest(left), first, second, heaviest(right)], fold: fold(left) * fold(right),
        isStaggered: isTetrahedral(first) && isTetrahedral(second),
        isHydroxyl: [(first, left), (second, right)].contains { atom, ends in
          ["O", "S"].contains(atoms[atom].element) && ends.count == 1 && isHydrogen(ends[0])
        })
    }
  }

  /// The side chain's torsions (chi1, chi2, ...) with three staggered places that differ.
  public var staggeredTorsions: [NamedTorsion] {
    let turning = rotatableTorsions.filter { $0.isStaggered && $0.fold == 1 }
    return namedTorsions.filter { torsion in
      torsion.name.hasPrefix("chi") && turning.contains { Set($0.atoms[1...2]) == Set(torsion.atoms[1...2]) }
    }
  }

  /// What turns when the third atom of a torsion turns about the bond before it: the atoms beyond it, without itself. Nil where the bond
  /// is in a ring, or nothing is beyond.
  public func turningAtoms(of torsion: [Int]) -> [Int]? {
    guard torsion.count == 4, neighbours.indices.contains(torsion[1]), neighbours.indices.contains(torsion[2])
    else { return nil }
    let next = neighbours[torsion[2]].filter { $0 != torsion[1] }
    let moved = next + walk(from: next) { $0 != torsion[2] }.map(\.to)
    return moved.isEmpty || moved.contains(torsion[1]) ? nil : moved.sorted()
  }

  /// Whether an atom has four bonds, or is O or S with two.
  public func isTetrahedral(_ atom: Int) -> Bool {
    neighbours[atom].count == 4 || (["O", "S"].contains(atoms[atom].element) && neighbours[atom].count == 2)
  }

  /// Whether the bond's atoms are joined by another way too.
  func isInRing(_ bond: Bond) -> Bool {
    walk(from: neighbours[bond.first].filter { $0 != bond.second }) { $0 != bond.first }
      .contains { $0.to == bond.second }
  }

  /// Atoms of the smallest ring that the bond is part of; nil for a bond in none.
  public func ringSize(of bond: Bond) -> Int? {
    guard isInRing(bond) else { return nil }
    // breadth first from one end, not over the bond itself
    var distance = [bond.first: 0]
    var queue = [bond.first]
    var next = 0
    while next < queue.count {
      let atom = queue[next]
      let beyond = (distance[atom] ?? 0) + 1
      next += 1
      for neighbour in neighbours[atom] where distance[neighbour] == nil {
        if atom == bond.first, neighbour == bond.second { continue }
        if neighbour == bond.second { return beyond + 1 }
        distance[neighbour] = beyond
        queue.append(neighbour)
      }
    }
    return nil
  }

  /// Torsions without a bias whose motion may be slow: all but methyl and ammonium rotors, which turn between equal states.
  /// `biased`: four atoms each.
  public func watchedTorsions(biased: [[Int]]) -> [RotatableTorsion] {
    let turning = rotatableTorsions
    return namedTorsions.filter { torsion in
      !torsion.name.hasPrefix("methyl") && torsion.name != "ammonium"
        && !biased.contains { $0 == torsion.atoms || $0 == torsion.atoms.reversed() }
    }.map { torsion in
      let match = turning.first { Set($0.atoms[1...2]) == Set(torsion.atoms[1...2]) }
      return RotatableTorsion(
        name: torsion.fullName, atoms: torsion.atoms, fold: match?.fold ?? 1, isStaggered: match?.isStaggered ?? false,
        isHydroxyl: match?.isHydroxyl ?? false)
    }
  }
}
