import Foundation

/// A molecule and its force field as an AMBER parameter-topology file (prmtop, parm7) states them, in this package's units.
///
/// Read: harmonic bonds and angles, periodic torsions, energies over two torsions (CMAP), Lennard-Jones and Coulomb terms with scaled 1-4
/// pairs, and radii for generalised Born. A periodic box plays no part. What would need further terms is refused: CHAMBER files, caps,
/// perturbation, 10-12 terms, Lennard-Jones pairs that do not follow the combination rules (NBFIX), 12-6-4 terms, polarisability
/// and extra points.
public struct AMBERTopology: Equatable, Sendable {
  /// Energy k/2 (r - length)^2, in nm and kJ/mol/nm^2.
  public struct Bond: Equatable, Sendable {
    public let atoms: [Int]
    public let length, forceConstant: Double
  }

  /// Energy k/2 (theta - angle)^2, in rad and kJ/mol/rad^2.
  public struct Angle: Equatable, Sendable {
    public let atoms: [Int]
    public let angle, forceConstant: Double
  }

  /// Energy k (1 + cos(periodicity phi - phase)), in rad and kJ/mol.
  public struct Torsion: Equatable, Sendable {
    public let atoms: [Int]
    public let periodicity: Int
    public let phase, forceConstant: Double
  }

  /// Two atoms whose nonbonded interaction is not the usual one: scaled, or none. In e^2, nm and kJ/mol.
  public struct Exception: Equatable, Sendable {
    public let atoms: [Int]
    public let chargeProduct, sigma, epsilon: Double
  }

  /// An energy over two torsions: kJ/mol, the second torsion first, each from 0 once around in `size` equal steps.
  public struct Map: Equatable, Sendable {
    public let size: Int
    public let energies: [Double]
  }

  /// Two torsions of four atoms each, and the map of their energy.
  public struct MappedTorsions: Equatable, Sendable {
    public let first, second: [Int]
    public let map: Int
  }

  public internal(set) var atomNames: [String]
  /// nil where the file does not tell.
  public internal(set) var atomicNumbers: [Int]?
  public internal(set) var residueNames: [String]
  /// Index into `residueNames`, per atom.
  public internal(set) var residueIndices: [Int]
  /// Of each atom, in u, e, nm and kJ/mol.
  public internal(set) var masses, charges, sigmas, epsilons: [Double]
  public internal(set) var bonds: [Bond]
  public internal(set) var angles: [Angle]
  public internal(set) var torsions: [Torsion]
  /// 1-4 pairs first, then those without interaction.
  public internal(set) var exceptions: [Exception]
  /// Born radii (nm) and screening factors, per atom; nil where the file has none.
  public internal(set) var bornRadii, bornScreens: [Double]?
  public let maps: [Map]
  public internal(set) var mappedTorsions: [MappedTorsions]
  /// What the file says of its radii: "H(N)-modified Bondi radii (mbondi2)".
  public let radiusSet: String?
  /// The file is of a periodic box, which plays no part in what is read.
  public let hasBox: Bool

  public var atomCount: Int { atomNames.count }
  /// Throws `MoleculesError.unreadable`, and `.malformed` with file and line.
  public static func read(_ url: URL) throws -> AMBERTopology { try AMBERTopology(PrmtopSections.read(url)) }

  /// The same from text; `file` is what errors call it.
  public static func parse(_ text: String, file: String) throws -> AMBERTopology {
    try AMBERTopology(PrmtopSections(Array(text.utf8), file: file))
  }

  init(_ sections: PrmtopSections) throws {
    let reader = try PrmtopReader(sections)
    let atoms = reader.atoms
    atomNames = try sections.words("ATOM_NAME", count: atoms)
    let numbers = try sections["ATOMIC_NUMBER"].map { _ in try sections.integers("ATOMIC_NUMBER", count: atoms) }
    atomicNumbers = numbers?.map(\.value)
    residueNames = try sections.words("RESIDUE_LABEL", count: reader.pointers[.residues])
    residueIndices = try reader.residueIndices()
    masses = try sections.numbers("MASS", count: atoms)
    charges = try sections.numbers("CHARGE", count: atoms).map { $0 / PrmtopReader.chargeUnit }
    let lennardJones = try LennardJonesTable(reader)
    (sigmas, epsilons) = (lennardJones.sigmas, lennardJones.epsilons)
    bonds = try reader.bonds()
    angles = try reader.angles()
    let torsions = try reader.torsions()
    self.torsions = torsions.map(\.term)
    exceptions = try reader.exceptions(torsions, charges: charges, lennardJones)
    bornRadii = try sections["RADII"].map { _ in try sections.numbers("RADII", count: atoms).map { $0 / 10 } }
    bornScreens = try sections["SCREEN"].map { _ in try sections.numbers("SCREEN", count: atoms) }
    (maps, mappedTorsions) = try reader.maps()
    radiusSet = sections.text("RADIUS_SET")
    hasBox = reader.pointers[.box] != 0
  }

  /// Atoms, residues and bonds as the rest of the package takes them. `coordinates`: nm, [atoms, 3].
  ///
  /// Throws `MoleculesError` where the file names no elements, or the bonds leave more than one molecule.
  public func topology(coordinates: [Double]) throws -> Topology {
    guard let atomicNumbers else {
      throw MoleculesError.inconsistent("the prmtop holds no section %FLAG ATOMIC_NUMBER, which tells the elements")
    }
    let atoms = try atomNames.indices.map { index in
      guard let element = Element(number: atomicNumbers[index]) else {
        throw MoleculesError.inconsistent(
          "atom \(index) (\(atomNames[index])) has atomic number \(atomicNumbers[index]), an element not known here")
      }
      return Topology.Atom(
        name: atomNames[index], element: element.symbol, residueIndex: residueIndices[index], serial: index + 1)
    }
    return try Topology(
      atoms: atoms, residues: residueNames.enumerated().map { Topology.Residue(name: $1, sequence: $0 + 1) },
      bonds: bonds.map { Topology.Bond($0.atoms[0], $0.atoms[1]) }, referenceCoordinates: coordinates)
  }

  /// What makes this another molecule than `topology`, or atoms in another order; nil when they are the same.
  public func difference(from topology: Topology) -> String? {
    guard atomCount == topology.atoms.count
    else { return "the prmtop has \(atomCount) atoms, the topology \(topology.atoms.count)" }
    if let atomicNumbers {
      for (index, number) in atomicNumbers.enumerated()
      where Element(symbol: topology.atoms[index].element)?.number != number {
        return "atom \(index) is \(atomNames[index]) with atomic number \(number) in the prmtop and "
          + "\(topology.label(of: index)) in the topology"
      }
    }
    let own = Set(bonds.map { Topology.Bond($0.atoms[0], $0.atoms[1]) })
    let others = Set(topology.bonds)
    guard let bond = own.symmetricDifference(others).min(by: { ($0.first, $0.second) < ($1.first, $1.second) })
    else { return nil }
    return "\(topology.label(of: bond.first)) and \(topology.label(of: bond.second)) are bonded in the "
      + (own.contains(bond) ? "prmtop and not in the topology" : "topology and not in the prmtop")
  }
}
