/// One molecule: atoms, residues, bonds, and the coordinates it was read with.
///
/// Indices count from 0 in file order; that order is the order of atoms in every trajectory of the molecule.
public struct Topology: Equatable, Sendable {
  public struct Atom: Equatable, Sendable {
    /// "CA", and the element's symbol, "C".
    public let name, element: String
    /// Index into `residues`, and the number the file gave the atom.
    public let residueIndex, serial: Int

    public init(name: String, element: String, residueIndex: Int, serial: Int) {
      (self.name, self.element, self.residueIndex, self.serial) = (name, element, residueIndex, serial)
    }
  }

  public struct Residue: Equatable, Sendable {
    public let name: String
    /// The number the file gave it.
    public let sequence: Int
    public let insertionCode, chain, segment: String

    public init(name: String, sequence: Int, insertionCode: String = "", chain: String = "", segment: String = "") {
      (self.name, self.sequence, self.insertionCode, self.chain) = (name, sequence, insertionCode, chain)
      self.segment = segment
    }
  }

  /// `first` < `second`.
  public struct Bond: Hashable, Sendable {
    public let first, second: Int

    public init(_ a: Int, _ b: Int) {
      first = min(a, b)
      second = max(a, b)
    }
  }

  public let atoms: [Atom]
  public let residues: [Residue]
  /// Sorted, without repetition.
  public let bonds: [Bond]
  /// Bonded atoms of every atom, ascending.
  public let neighbours: [[Int]]
  /// [atoms, 3], nm.
  public let referenceCoordinates: [Double]
  /// Bonds that nothing but a short distance tells.
  public let guessedBonds: Set<Bond>

  /// Throws `MoleculesError.inconsistent` when lists do not fit each other, `.disconnected` when the bonds do not join
  /// all atoms into one molecule.
  public init(
    atoms: [Atom], residues: [Residue], bonds: [Bond], referenceCoordinates: [Double], guessedBonds: Set<Bond> = []
  ) throws {
    guard referenceCoordinates.count == 3 * atoms.count else {
      throw MoleculesError.coordinateCount(count: referenceCoordinates.count, expected: "3 x \(atoms.count) atoms")
    }
    for (index, atom) in atoms.enumerated() {
      guard residues.indices.contains(atom.residueIndex) else {
        throw MoleculesError.inconsistent("atom \(index) (\(atom.name)) names residue \(atom.residueIndex) of none")
      }
      guard Element(symbol: atom.element) != nil else {
        throw MoleculesError.inconsistent("atom \(index) (\(atom.name)) has the unknown element \"\(atom.element)\"")
      }
    }
    var neighbours = [[Int]](repeating: [], count: atoms.count)
    let unique = Set(bonds).sorted { ($0.first, $0.second) < ($1.first, $1.second) }
    for bond in unique {
      guard bond.first >= 0, bond.second < atoms.count, bond.first != bond.second else {
        throw MoleculesError.inconsistent("bond \(bond.first)-\(bond.second) in a molecule of \(atoms.count) atoms")
      }
      neighbours[bond.first].append(bond.second)
      neighbours[bond.second].append(bond.first)
    }
    (self.atoms, self.residues, self.bonds) = (atoms, residues, unique)
    self.neighbours = neighbours.map { $0.sorted() }
    (self.referenceCoordinates, self.guessedBonds) = (referenceCoordinates, guessedBonds)
    try checkConnected()
  }

  /// Atomic masses, u.
  public var masses: [Double] { atoms.map { Element(symbol: $0.element)?.mass ?? 0 } }

  /// "CA of ALA 2", for messages.
  public func label(of atom: Int) -> String { Structure.label(atoms[atom], residues[atoms[atom].residueIndex]) }

  /// "torsion H3-C1-O1-H1 of LIG 1": what a coordinate of these atoms is called in messages, after its `kind`; where they are of several residues,
  /// each with its own.
  public func title(_ kind: String, of atoms: [Int]) -> String {
    let residues = Set(atoms.map { self.atoms[$0].residueIndex })
    guard residues.count == 1, let residue = residues.first else {
      return "\(kind) " + atoms.map { label(of: $0) }.joined(separator: " - ")
    }
    return "\(kind) \(atoms.map { self.atoms[$0].name }.joined(separator: "-")) of "
      + "\(self.residues[residue].name) \(self.residues[residue].sequence)"
  }

  /// "torsion C2-CA2-N2-C1", with residue numbers, for records.
  public func label(_ kind: String, of atoms: [Int]) -> String {
    "\(kind) "
      + atoms.map { self.atoms[$0].name + String(residues[self.atoms[$0].residueIndex].sequence) }.joined(
        separator: "-")
  }

  func isHydrogen(_ atom: Int) -> Bool { atoms[atom].element == "H" }

  private func checkConnected() throws {
    let reached = Set(walk(from: Array(atoms.indices.prefix(1))).map(\.to)).union([0])
    if let lost = atoms.indices.first(where: { !reached.contains($0) }) {
      throw MoleculesError.disconnected(
        atom: "atom \(lost + 1) (\(label(of: lost)))", reached: reached.count, of: atoms.count)
    }
  }

  /// The bonds by which atoms are first reached from `starts`, breadth first; only such as are `allowed` are reached.
  func walk(from starts: [Int], through allowed: (Int) -> Bool = { _ in true }) -> [(from: Int, to: Int)] {
    var seen = [Bool](repeating: false, count: atoms.count)
    for start in starts { seen[start] = true }
    var queue = starts
    var bonds: [(from: Int, to: Int)] = []
    var next = 0
    while next < queue.count {
      let atom = queue[next]
      next += 1
      for neighbour in neighbours[atom] where !seen[neighbour] && allowed(neighbour) {
        seen[neighbour] = true
        bonds.append((atom, neighbour))
        queue.append(neighbour)
      }
    }
    return bonds
  }
}
