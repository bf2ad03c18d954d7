/// All atoms of a structure file: a molecule, and what may surround it. Nothing has to be bonded to anything.
///
/// `Topology` is the one molecule of it that is worked with: see `topology(of:)`.
public struct Structure: Equatable, Sendable {
  /// The element of a site without one (a virtual site) is "".
  public internal(set) var atoms: [Topology.Atom]
  public internal(set) var residues: [Topology.Residue]
  /// Of every residue: the number of its chain, from 0. A chain ends where the letter changes, and at TER.
  public internal(set) var chains: [Int]
  /// [atoms, 3], nm; empty where the file holds none.
  public internal(set) var coordinates: [Double]
  /// Periodic images of the coordinates; nil where the file names no box.
  public internal(set) var cell: UnitCell?
  /// Sorted, without repetition.
  public internal(set) var bonds: [Topology.Bond] = []
  /// Those of them that nothing but a short distance tells.
  public internal(set) var guessedBonds: Set<Topology.Bond> = []
  /// Departures from the format, and what was made of them, a sentence each.
  public internal(set) var warnings: [String] = []

  init(
    atoms: [Topology.Atom], residues: [Topology.Residue], chains: [Int], coordinates: [Double], cell: UnitCell? = nil
  ) {
    (self.atoms, self.residues, self.chains, self.coordinates) = (atoms, residues, chains, coordinates)
    self.cell = cell
  }

  /// "CA of ALA 2", for messages.
  public func label(of atom: Int) -> String { Self.label(atoms[atom], residues[atoms[atom].residueIndex]) }

  static func label(_ atom: Topology.Atom, _ residue: Topology.Residue) -> String {
    "\(atom.name) of \(residue.name) \(residue.sequence)\(residue.insertionCode)"
  }

  /// The same atoms with other bonds, of a source that is to be trusted more. Throws `MoleculesError.inconsistent`.
  public func bonded(by bonds: [Topology.Bond]) throws -> Structure {
    for bond in bonds where bond.first < 0 || bond.second >= atoms.count || bond.first == bond.second {
      throw MoleculesError.inconsistent("bond \(bond.first)-\(bond.second) in a structure of \(atoms.count) atoms")
    }
    var copy = self
    copy.bonds = Set(bonds).sorted { ($0.first, $0.second) < ($1.first, $1.second) }
    copy.guessedBonds = []
    return copy
  }

  /// The same atoms with coordinates of another source, [atoms, 3], nm. Throws `MoleculesError.coordinateCount`.
  public func placed(at coordinates: [Double], cell: UnitCell? = nil) throws -> Structure {
    guard coordinates.count == 3 * atoms.count
    else { throw MoleculesError.coordinateCount(count: coordinates.count, expected: "3 x \(atoms.count) atoms") }
    var copy = self
    (copy.coordinates, copy.cell) = (coordinates, cell)
    return copy
  }

  /// The atoms of each molecule: what bonds join, ascending, by the first atom.
  public var molecules: [[Int]] {
    var parent = Array(atoms.indices)
    func root(_ atom: Int) -> Int {
      var atom = atom
      while parent[atom] != atom {
        parent[atom] = parent[parent[atom]]
        atom = parent[atom]
      }
      return atom
    }
    for bond in bonds {
      let (a, b) = (root(bond.first), root(bond.second))
      if a != b { parent[max(a, b)] = min(a, b) }
    }
    var members: [Int: [Int]] = [:]
    for atom in atoms.indices { members[root(atom), default: []].append(atom) }
    return members.keys.sorted().compactMap { members[$0] }
  }

  /// These atoms alone, in the file's order, as one molecule; whole, where the box cuts it.
  ///
  /// Throws `MoleculesError.brokenSelection` for a bond to an atom that is left out, `.noCoordinates`, and what
  /// `Topology` throws.
  public func topology(of selected: [Int]) throws -> Topology {
    guard coordinates.count == 3 * atoms.count else { throw MoleculesError.noCoordinates }
    let kept = Array(Set(selected)).sorted()
    for atom in kept where !atoms.indices.contains(atom) {
      throw MoleculesError.selection("atom \(atom) (from 0) is none of the \(atoms.count) atoms")
    }
    let place = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
    var inner: [Topology.Bond] = []
    var guessed: Set<Topology.Bond> = []
    for bond in bonds {
      switch (place[bond.first], place[bond.second]) {
      case (let first?, let second?):
        inner.append(Topology.Bond(first, second))
        if guessedBonds.contains(bond) { guessed.insert(Topology.Bond(first, second)) }
      case (nil, nil): continue
      case (let first, _):
        let (inside, outside) = first != nil ? (bond.first, bond.second) : (bond.second, bond.first)
        throw MoleculesError.brokenSelection(
          kept: label(of: inside), dropped: label(of: outside), guessed: guessedBonds.contains(bond))
      }
    }
    var residues: [Topology.Residue] = []
    var keptAtoms: [Topology.Atom] = []
    var last = -1
    for atom in kept {
      let old = atoms[atom]
      if old.residueIndex != last {
        last = old.residueIndex
        residues.append(self.residues[last])
      }
      keptAtoms.append(
        Topology.Atom(
          name: old.name, element: old.element, residueIndex: residues.count - 1, serial: old.serial))
    }
    let topology = try Topology(
      atoms: keptAtoms, residues: residues, bonds: inner,
      referenceCoordinates: kept.flatMap { coordinates[3 * $0..<3 * $0 + 3] }, guessedBonds: guessed)
    let whole = try topology.whole(in: cell)
    if let bond = whole.bonds.first(where: { !(whole.length(of: $0) <= Topology.longestBond) }) {
      throw MoleculesError.stretchedBond(
        first: whole.label(of: bond.first), second: whole.label(of: bond.second), length: whole.length(of: bond))
    }
    return whole
  }
}

extension Topology {
  /// Names the bonds that nothing but a short distance tells; nil without.
  public var warningOfGuessedBonds: String? {
    guard !guessedBonds.isEmpty else { return nil }
    let sorted = bonds.filter(guessedBonds.contains)
    let names = sorted.prefix(6).map { "\(atoms[$0.first].name) - \(label(of: $0.second))" }
    return "\(sorted.count) of \(bonds.count) bonds are told by distances in the structure alone: "
      + names.joined(separator: ", ") + (sorted.count > 6 ? ", ..." : "")
      + "; CONECT records, or an AMBER prmtop in its place, tell them for sure"
  }

  /// In the reference coordinates, nm.
  public func length(of bond: Bond) -> Double {
    (0..<3).reduce(0.0) { sum, axis in
      let x = referenceCoordinates[3 * bond.first + axis] - referenceCoordinates[3 * bond.second + axis]
      return sum + x * x
    }.squareRoot()
  }

  /// No bond is as long as this, nm: one that seems to be runs across the box.
  static let longestBond = 0.35

  /// The molecule with reference coordinates that the box does not cut. A box that is none, or too small to hold a bond, plays no part.
  func whole(in cell: UnitCell?) throws -> Topology {
    guard let cell, cell.lengths.allSatisfy({ $0 > 2 * Self.longestBond }), let lattice = PeriodicLattice(cell),
      bonds.contains(where: { length(of: $0) > Self.longestBond })
    else { return self }
    var moved = referenceCoordinates
    for (from, to) in walk(from: [0]) {
      let (i, j) = (3 * from, 3 * to)
      let shift = lattice.nearestVector(moved[j] - moved[i], moved[j + 1] - moved[i + 1], moved[j + 2] - moved[i + 2])
      moved[j] -= shift.x
      moved[j + 1] -= shift.y
      moved[j + 2] -= shift.z
    }
    return try Topology(
      atoms: atoms, residues: residues, bonds: bonds, referenceCoordinates: moved, guessedBonds: guessedBonds)
  }
}
