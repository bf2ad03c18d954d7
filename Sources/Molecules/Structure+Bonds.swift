extension Structure {
  /// Bonds by order of trust: `connected` (CONECT records), names of the residues (amino acids, caps, water, ions), and
  /// distances last, up to `tolerance` times the sum of the covalent radii, for atoms that neither knows. A water or an ion bonds
  /// to nothing; residues of known names only by peptide bonds and disulfides.
  ///
  /// Throws `MoleculesError.inconsistent` where atoms lie on top of each other.
  func bondedByNames(connected: [Topology.Bond], tolerance: Double) throws -> Structure {
    var known = [Bool](repeating: false, count: atoms.count)
    var isSolvent = known
    var found = Set(connected)
    for members in residueMembers {
      let name = residues[atoms[members[0]].residueIndex].name
      switch ResidueKind(name: name) {
      case .water:
        for atom in members { isSolvent[atom] = true }
        found.formUnion(waterBonds(members, &known))
      case .peptide: found.formUnion(peptideBonds(members, name, tolerance, &known))
      default:
        if members.count == 1, ResidueKind(name: name) == .ion { isSolvent[members[0]] = true }
      }
    }
    markConnected(connected, &known)
    found.formUnion(links(known, tolerance))
    let close = try Self.pairsByDistance(atoms, coordinates, tolerance: tolerance)
    let guessed = close.filter { bond in
      !(known[bond.first] && known[bond.second]) && !isSolvent[bond.first] && !isSolvent[bond.second]
        && !found.contains(bond)
    }
    var copy = try bonded(by: Array(found) + guessed)
    copy.guessedBonds = Set(guessed)
    return copy
  }

  private var residueMembers: [[Int]] {
    var members = [[Int]](repeating: [], count: residues.count)
    for (index, atom) in atoms.enumerated() { members[atom.residueIndex].append(index) }
    return members.filter { !$0.isEmpty }
  }

  func squaredDistance(_ a: Int, _ b: Int) -> Double {
    (0..<3).reduce(0.0) { sum, axis in
      let x = coordinates[3 * a + axis] - coordinates[3 * b + axis]
      return sum + x * x
    }
  }

  /// To the nearest image, where there is a box.
  private func imageDistance(_ a: Int, _ b: Int, _ lattice: PeriodicLattice?) -> Double {
    let direct = squaredDistance(a, b)
    guard let lattice else { return direct }
    let d = (0..<3).map { coordinates[3 * a + $0] - coordinates[3 * b + $0] }
    let shift = lattice.nearestVector(d[0], d[1], d[2])
    let (x, y, z) = (d[0] - shift.x, d[1] - shift.y, d[2] - shift.z)
    return min(direct, x * x + y * y + z * z)
  }

  private func limit(_ a: Int, _ b: Int, _ tolerance: Double) -> Double {
    let radii = [a, b].map { Element(symbol: atoms[$0].element)?.covalentRadius ?? 0 }
    return tolerance * tolerance * (radii[0] + radii[1]) * (radii[0] + radii[1])
  }

  private func waterBonds(_ members: [Int], _ known: inout [Bool]) -> [Topology.Bond] {
    for atom in members { known[atom] = true }
    guard let oxygen = members.first(where: { atoms[$0].element == "O" }) else { return [] }
    // virtual sites belong to their water
    return members.filter { $0 != oxygen }.map { Topology.Bond(oxygen, $0) }
  }

  /// The bonds inside a residue of a known name; atoms that it does not name stay unknown.
  private func peptideBonds(
    _ members: [Int], _ name: String, _ tolerance: Double, _ known: inout [Bool]
  ) -> [Topology.Bond] {
    let byName = Dictionary(members.map { (atoms[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
    guard byName.count == members.count else { return [] }  // names that repeat tell nothing
    var bonds: [Topology.Bond] = []
    var pairs = PeptideTemplate.backbone + (PeptideTemplate.sideChain(of: name.uppercased()) ?? [])
    // methylamide's N is bonded to a methyl carbon of either name; an amino acid has no CH3
    if byName["CA"] != nil { pairs.removeAll { $0 == ("C", "CH3") || $0 == ("N", "CH3") } }
    for (first, second) in pairs {
      guard let a = byName[first], let b = byName[second] else { continue }
      bonds.append(Topology.Bond(a, b))
      (known[a], known[b]) = (true, true)
    }
    let heavy = members.filter { atoms[$0].element != "H" }
    if heavy.count == 1, ["N", "NT"].contains(atoms[heavy[0]].name) { known[heavy[0]] = true }  // an amide end
    for hydrogen in members where atoms[hydrogen].element == "H" {
      let fits = heavy.filter { known[$0] }.map {
        (atom: $0, fit: PeptideTemplate.fit(atoms[hydrogen].name, to: atoms[$0].name))
      }
      let best = fits.map(\.fit).max() ?? 0
      var candidates = fits.filter { $0.fit == best && best > 0 }.map(\.atom)
      if candidates.isEmpty { candidates = heavy.filter { known[$0] } }
      // names of methyl hydrogens of caps, H1 of ACE, fit N alone: the nearest decides
      if byName["CA"] == nil { candidates = heavy.filter { known[$0] } }
      guard let parent = candidates.min(by: { squaredDistance($0, hydrogen) < squaredDistance($1, hydrogen) })
      else { continue }
      bonds.append(Topology.Bond(parent, hydrogen))
      known[hydrogen] = true
    }
    return bonds
  }

  /// Atoms of a residue that CONECT records join as a whole are known.
  private func markConnected(_ connected: [Topology.Bond], _ known: inout [Bool]) {
    guard !connected.isEmpty else { return }
    var partners = [[Int]](repeating: [], count: atoms.count)
    for bond in connected {
      partners[bond.first].append(bond.second)
      partners[bond.second].append(bond.first)
    }
    for members in residueMembers where members.contains(where: { !known[$0] }) {
      let own = Set(members)
      var (reached, queue): (Set<Int>, [Int]) = ([members[0]], [members[0]])
      while let atom = queue.popLast() {
        for next in partners[atom] where own.contains(next) && reached.insert(next).inserted { queue.append(next) }
      }
      if reached.count == own.count { for atom in members { known[atom] = true } }
    }
  }

  /// Peptide bonds between neighbours in a chain, and disulfides.
  private func links(_ known: [Bool], _ tolerance: Double) -> [Topology.Bond] {
    let lattice = cell.flatMap { $0.lengths.allSatisfy { $0 > 0.7 } ? PeriodicLattice($0) : nil }
    var bonds: [Topology.Bond] = []
    var sulfurs: [Int] = []
    var lastCarbon: (atom: Int, residue: Int)?
    for (index, members) in residueMembers.enumerated() {
      let residue = atoms[members[0]].residueIndex
      func atom(_ names: String...) -> Int? {
        names.lazy.compactMap { name in members.first { atoms[$0].name == name && known[$0] } }.first
      }
      let isPeptide = ResidueKind(name: residues[residue].name) == .peptide
      if let carbon = lastCarbon, isPeptide, let nitrogen = atom("N", "NT"), carbon.residue == index - 1,
        imageDistance(carbon.atom, nitrogen, lattice) < limit(carbon.atom, nitrogen, tolerance)
      {
        bonds.append(Topology.Bond(carbon.atom, nitrogen))
      }
      // the carbon of a methylamide is no carbonyl
      let isAcyl = isPeptide && (atom("O", "OY") != nil)
      lastCarbon = isAcyl ? atom("C", "CY").map { ($0, index) } : nil
      if isPeptide, let sulfur = atom("SG"), !members.contains(where: { atoms[$0].name == "HG" }) {
        sulfurs.append(sulfur)
      }
    }
    for (place, first) in sulfurs.enumerated() {
      for second in sulfurs.dropFirst(place + 1)
      where imageDistance(first, second, lattice) < limit(first, second, tolerance) {
        bonds.append(Topology.Bond(first, second))
      }
    }
    return bonds
  }

  /// No atom has so many bonds; a structure where one seems to has atoms on top of each other.
  private static let bondsAtMost = 24

  /// Pairs closer than `tolerance` times the sum of their covalent radii; two hydrogens never bond. Atoms are sorted into cells,
  /// so that a large structure takes time in proportion to its size. Throws `MoleculesError.inconsistent`.
  private static func pairsByDistance(
    _ atoms: [Topology.Atom], _ coordinates: [Double], tolerance: Double
  ) throws -> [Topology.Bond] {
    let radii = atoms.map { Element(symbol: $0.element)?.covalentRadius ?? 0 }
    let (isHydrogen, edge) = (atoms.map { $0.element == "H" }, max(1e-3, 2 * tolerance * (radii.max() ?? 0)))
    struct Cell: Hashable {
      var x, y, z: Int
    }
    func cell(_ atom: Int) -> Cell {
      func index(_ axis: Int) -> Int {
        Int(max(-1e15, min(1e15, (coordinates[3 * atom + axis] / edge).rounded(.down))))
      }
      return Cell(x: index(0), y: index(1), z: index(2))
    }
    var cells: [Cell: [Int]] = [:]
    var bonds: [Topology.Bond] = []
    var counts = [Int](repeating: 0, count: atoms.count)
    for j in atoms.indices {
      let home = cell(j)
      for step in 0..<27 {
        let near = Cell(x: home.x + step / 9 - 1, y: home.y + step / 3 % 3 - 1, z: home.z + step % 3 - 1)
        for i in cells[near] ?? [] {
          let x = coordinates[3 * i] - coordinates[3 * j]
          let y = coordinates[3 * i + 1] - coordinates[3 * j + 1]
          let z = coordinates[3 * i + 2] - coordinates[3 * j + 2]
          let limit = tolerance * (radii[i] + radii[j])
          guard x * x + y * y + z * z < limit * limit else { continue }
          counts[i] += 1
          counts[j] += 1
          guard max(counts[i], counts[j]) <= bondsAtMost else {
            let atom = counts[i] > bondsAtMost ? i : j
            throw MoleculesError.inconsistent(
              "atom \(atom + 1) (\(atoms[atom].name)) has more than \(bondsAtMost) atoms within the length of a bond; "
                + "the coordinates are not those of a molecule")
          }
          if !(isHydrogen[i] && isHydrogen[j]) { bonds.append(Topology.Bond(i, j)) }
        }
      }
      cells[home, default: []].append(j)
    }
    return bonds
  }
}
