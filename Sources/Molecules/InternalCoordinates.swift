/// A Z-matrix of one molecule: 3N - 6 bonds, angles and torsions, made from the bond graph, in both directions with the
/// exact Jacobian. Works for any connected molecule.
///
/// Rings of 4 to 7 atoms with a tetrahedral atom (proline, cyclohexane) are closed: their atoms from the fourth on are placed at a
/// distance from the ring's first atom, so that the bond which closes the ring is a coordinate, and with it the ring's diagonals; the
/// torsion about the diagonal is how far the ring folds there. The bond that closes any other ring has no coordinate of its own: see
/// `openRings`.
///
/// The first atom of the chain sits anywhere, each later one is placed from three earlier ones: bonded to `b`, at an
/// angle to `b`-`c`, at a torsion about that axis against `d`. The first atom placed about an axis carries the torsion
/// proper, with `d` bonded to `c`; its siblings carry a RELATIVE torsion, with `d` the first sibling. That one is narrow
/// and unimodal, and its sign is the hand of a stereocentre. The chain follows the peptide backbone where there is one,
/// so that phi, psi and omega are coordinates themselves; elsewhere it follows the heaviest branch.
///
/// Order of coordinates: N - 1 bonds (nm), N - 2 angles (rad, in (0, pi)) or distances (nm), N - 3 torsions (rad, in (-pi, pi]), each in
/// the order in which atoms are placed.
public struct InternalCoordinates: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable {
    case bond, angle
    /// Against an atom on the far side of the axis: may be broad (rotors, phi, psi) or narrow (omega, rings).
    case torsion
    /// Against the first sibling: narrow.
    case relativeTorsion
    /// From the first atom of a ring, in place of an angle: narrow.
    case distance

    /// In nm, and not in rad.
    public var isLength: Bool { self == .bond || self == .distance }
  }

  /// How one atom is placed; `c` and `d` are -1 where there is none yet.
  struct Row: Codable, Sendable, Equatable {
    let atom, b, c, d: Int
    let relative: Bool
  }

  public let atomCount: Int
  /// In the order of placement; the first has no references, the second only `b`, the third no `d`.
  let rows: [Row]
  /// One per coordinate.
  public let kinds: [Kind]
  /// The atoms that define each coordinate: 2, 3 or 4, from 0; torsions in the order atom, b, c, d.
  public let atoms: [[Int]]

  /// 3N - 6.
  public var dimension: Int { 3 * atomCount - 6 }

  /// Throws `MoleculesError.tooFewAtoms` below three atoms.
  public init(topology: Topology) throws {
    guard topology.atoms.count >= 3 else { throw MoleculesError.tooFewAtoms(topology.atoms.count) }
    let plan = ZMatrixPlan(topology: topology)
    let rows = plan.rows
    let lengths = rows.dropFirst(1).map { _ in Kind.bond }
    let angles = rows.dropFirst(2).map { plan.inFan.contains($0.atom) ? Kind.distance : .angle }
    self.init(rows, lengths + angles + rows.dropFirst(3).map { $0.relative ? .relativeTorsion : .torsion })
  }

  init(_ rows: [Row], _ kinds: [Kind]) {
    (atomCount, self.rows, self.kinds) = (rows.count, rows, kinds)
    let angles = zip(rows.dropFirst(2), kinds.dropFirst(rows.count - 1)).map { row, kind in
      kind == .distance ? [row.atom, row.c] : [row.atom, row.b, row.c]
    }
    atoms = rows.dropFirst(1).map { [$0.atom, $0.b] } + angles + rows.dropFirst(3).map { [$0.atom, $0.b, $0.c, $0.d] }
  }

  /// The same atoms and references, but for the torsions of some atoms, by atom: these are relative torsions against another atom, which may be
  /// placed later. For atoms that are placed where all others stand.
  func countingTorsions(against references: [Int: Int]) -> InternalCoordinates {
    var rows = rows
    var kinds = kinds
    for (i, row) in rows.enumerated().dropFirst(3) {
      guard let reference = references[row.atom] else { continue }
      rows[i] = Row(atom: row.atom, b: row.b, c: row.c, d: reference, relative: true)
      kinds[2 * atomCount - 3 + i - 3] = .relativeTorsion
    }
    return InternalCoordinates(rows, kinds)
  }

  /// Indices of the coordinates of one kind.
  public func indices(of kind: Kind) -> [Int] { kinds.indices.filter { kinds[$0] == kind } }

  /// The coordinate that is the torsion over these four atoms, read from either end; nil when it is none.
  public func coordinate(ofTorsion torsion: [Int]) -> Int? {
    atoms.firstIndex { $0 == torsion || $0 == torsion.reversed() }
  }

  /// The coordinate that is the length of a bond; nil for a bond that closes a ring without one.
  public func coordinate(ofBond bond: Topology.Bond) -> Int? {
    atoms.indices.first { kinds[$0].isLength && Topology.Bond(atoms[$0][0], atoms[$0][1]) == bond }
  }

  /// "torsion H3-C1-O1-H1 of LIG 1", for messages; where atoms are of several residues, each with its own.
  public func title(of coordinate: Int, in topology: Topology) -> String {
    let kind = kinds[coordinate] == .relativeTorsion ? Kind.torsion.rawValue : kinds[coordinate].rawValue
    return topology.title(kind, of: atoms[coordinate])
  }

  /// "torsion C2-CA2-N2-C1", with residue numbers, for records.
  public func label(of coordinate: Int, in topology: Topology) -> String {
    topology.label(kinds[coordinate].rawValue, of: atoms[coordinate])
  }

  /// Splits the torsions by what they do in data: the indices of those that are broad, that is, whose samples leave no
  /// gap of at least `gap` rad on the circle, and, for every angle or torsion, the centre of the arc that holds its
  /// samples (rad; a narrow torsion minus its centre, wrapped, does not cross the cut at pi).
  ///
  /// `values`: [frames, dimension] as `internalCoordinates` gives them. Relative torsions and angles count as narrow
  /// always; the centre of a bond or a distance is 0.
  public func broadTorsions(_ values: [Double], frames: Int, gap: Double = .pi) -> (broad: [Int], centres: [Double]) {
    var broad: [Int] = []
    var centres = [Double](repeating: 0, count: dimension)
    guard frames > 0 else { return ([], centres) }
    for k in 0..<dimension where !kinds[k].isLength {
      let arc = AngularArc(of: (0..<frames).map { values[$0 * dimension + k] })
      centres[k] = arc.centre
      if kinds[k] == .torsion, arc.gap < gap { broad.append(k) }
    }
    return (broad, centres)
  }
}
