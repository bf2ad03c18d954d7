/// Internal coordinates of a peptide with names by which those of one peptide are found again in another.
///
/// The Z-matrix is that of the atoms in the order of their labels (`PeptideAtoms`), so that the same residue at the same place has the same
/// coordinates. Which torsions go all the way round is told by the bond graph, never by data. Coordinates belong to blocks: one for each
/// link between two residues (the oxygen before it, the nitrogen, its hydrogen and the alpha carbon), and one for each residue.
public struct PeptideCoordinates: Sendable {
  public struct Block: Sendable {
    /// "ALA", "link"; "link-PRO" before a proline, "link-from-ACE" behind a cap.
    public let kind: String
    /// "first", "inner", "last", "cap" or "link".
    public let place: String
    /// "ALA 1", "the link of ALA 1 and CYS 2".
    public let title: String
    /// Narrow coordinates, and their names, sorted by these.
    public internal(set) var narrow: [Int] = []
    public internal(set) var narrowNames: [String] = []
    /// Torsions that go all the way round, and their names.
    public internal(set) var broad: [Int] = []
    public internal(set) var broadNames: [String] = []
    /// Of a residue: places among the blocks of the links before and behind it.
    public internal(set) var before: Int?
    public internal(set) var behind: Int?

    public var key: String { "\(kind) \(place)" }
  }

  /// In the order of the topology's atoms.
  public let coordinates: InternalCoordinates
  /// Groups of three equal hydrogens.
  public let rotors: [Rotor]
  public let blocks: [Block]
  public let atoms: PeptideAtoms

  /// Throws `PeptideError`, `MoleculesError`.
  public init(topology: Topology) throws {
    atoms = try PeptideAtoms(topology: topology)
    if let ring = topology.rings.first(where: { $0.count > InternalCoordinates.largestClosedRing }) {
      throw PeptideError.chain(
        "atoms \(ring.prefix(3).map(topology.label).joined(separator: ", ")), ... are a ring of \(ring.count)")
    }
    let order = atoms.order(topology)
    var place = [Int](repeating: 0, count: order.count)
    for (canonical, atom) in order.enumerated() { place[atom] = canonical }
    let sorted = try Topology(
      atoms: order.map { topology.atoms[$0] }, residues: topology.residues,
      bonds: topology.bonds.map { Topology.Bond(place[$0.first], place[$0.second]) },
      referenceCoordinates: order.flatMap { topology.referenceCoordinates[3 * $0..<3 * $0 + 3] })
    let coordinates = try InternalCoordinates(topology: sorted).renumbered(order)
    let (values, _) = try coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1)
    self.coordinates = coordinates
    rotors = coordinates.rotors(topology: topology, values: values[...])
    blocks = Self.blocks(topology, coordinates, rotors, atoms)
  }

  /// All that go round, ascending, and all others.
  public var broad: [Int] { blocks.flatMap(\.broad).sorted() }
  public var narrow: [Int] { blocks.flatMap(\.narrow).sorted() }

  private static func blocks(
    _ topology: Topology, _ coordinates: InternalCoordinates, _ rotors: [Rotor], _ atoms: PeptideAtoms
  ) -> [Block] {
    let residues = atoms.residues
    let links = residues.indices.dropLast().map { index in
      Block(
        kind: linkKind(residues[index], residues[index + 1]), place: "link",
        title: "the link of \(residues[index].title) and \(residues[index + 1].title)")
    }
    var blocks =
      residues.enumerated().map { index, residue in
        var block = Block(kind: residue.kind, place: residue.place.rawValue, title: residue.title)
        block.before = index > 0 ? residues.count + index - 1 : nil
        block.behind = index + 1 < residues.count ? residues.count + index : nil
        return block
      } + links
    let folded = foldedNames(coordinates, rotors, atoms)
    let turning = Set(rotors.map(\.torsion))
    for index in 0..<coordinates.dimension {
      let four = coordinates.atoms[index]
      let (atom, residue) = (four[0], topology.atoms[four[0]].residueIndex)
      let block = Self.block(of: atom, residue, atoms)
      let name =
        folded[index]
        ?? ([coordinates.kinds[index].rawValue]
        + four.map { other in
          let offset = topology.atoms[other].residueIndex - residue
          return atoms.labels[other] + (offset == 0 ? "" : offset > 0 ? "(+\(offset))" : "(\(offset))")
        }).joined(separator: " ")
      let isBroad =
        turning.contains(index)
        || (folded[index] == nil && coordinates.kinds[index] == .torsion && topology.turns(four[1], four[2]))
      if isBroad {
        blocks[block].broad.append(index)
        blocks[block].broadNames.append(name)
      } else {
        blocks[block].narrow.append(index)
        blocks[block].narrowNames.append(name)
      }
    }
    for index in blocks.indices {
      var block = blocks[index]
      (block.narrow, block.narrowNames) = sorted(block.narrow, block.narrowNames)
      (block.broad, block.broadNames) = sorted(block.broad, block.broadNames)
      blocks[index] = block
    }
    return blocks
  }

  /// "link"; before a proline and beside caps, where atoms are others, it is told: "link-PRO", "link-from-ACE".
  private static func linkKind(_ before: PeptideAtoms.Residue, _ behind: PeptideAtoms.Residue) -> String {
    "link" + (before.place == .cap ? "-from-\(before.kind)" : "") + (behind.place == .cap ? "-to-\(behind.kind)" : "")
      + (behind.kind == "PRO" ? "-PRO" : "")
  }

  /// By names.
  private static func sorted(_ places: [Int], _ names: [String]) -> ([Int], [String]) {
    let pairs = zip(places, names).sorted { $0.1 < $1.1 }
    return (pairs.map(\.0), pairs.map(\.1))
  }

  /// The block of what an atom is placed by.
  private static func block(of atom: Int, _ residue: Int, _ atoms: PeptideAtoms) -> Int {
    let (count, label) = (atoms.residues.count, atoms.labels[atom])
    if residue > 0, ["N", "H.N", "CA"].contains(label) || (label == "CH3" && atoms.residues[residue].place == .cap) {
      return count + residue - 1
    }
    return residue + 1 < count && label == "O" ? count + residue : residue
  }

  /// Folded coordinates are named by what they are after the fold: which of the ends is called the first plays no part.
  private static func foldedNames(
    _ coordinates: InternalCoordinates, _ rotors: [Rotor], _ atoms: PeptideAtoms
  ) -> [Int: String] {
    var names: [Int: String] = [:]
    for rotor in rotors {
      let centre = atoms.labels[coordinates.atoms[rotor.torsion][1]]
      names[rotor.torsion] = "turn \(centre)"
      for (wave, index) in zip(["cosine", "sine"], rotor.relatives) { names[index] = "\(wave) of torsions \(centre)" }
      for triple in rotor.triples {
        let kind = coordinates.kinds[triple[0]].rawValue
        for (part, index) in zip(["mean", "cosine", "sine"], triple) { names[index] = "\(part) of \(kind)s \(centre)" }
      }
    }
    return names
  }
}

extension InternalCoordinates {
  /// The same coordinates of atoms that are numbered otherwise: atom i becomes `numbers[i]`.
  func renumbered(_ numbers: [Int]) -> InternalCoordinates {
    func new(_ atom: Int) -> Int { atom < 0 ? atom : numbers[atom] }
    return InternalCoordinates(
      rows.map { Row(atom: new($0.atom), b: new($0.b), c: new($0.c), d: new($0.d), relative: $0.relative) }, kinds)
  }
}

extension Rotor {
  /// Coordinates whose place a fold gives to a mean or a wave.
  public var foldedPlaces: [Int] { [torsion] + relatives + triples.flatMap { $0 } }
}
