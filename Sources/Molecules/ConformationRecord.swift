/// What is asked of every frame of a set of conformations, gathered chunk by chunk: torsions, and whether a stereocentre has the other hand.
public struct ConformationRecord: Sendable {
  /// rad in (-pi, pi], [torsions][frames].
  public private(set) var torsions: [[Double]]
  /// Whether any stereocentre's hand is not the topology's, [frames].
  public private(set) var inverted: [Bool] = []
  private let atomCount: Int
  private let indices: [[Int]]
  private let chirality: Chirality

  /// `torsions`: four atoms each, from 0.
  ///
  /// Throws `MoleculesError.inconsistent` for what is no torsion of the molecule, `.flatCentre` for a reference without a hand.
  public init(topology: Topology, torsions: [[Int]]) throws {
    for atoms in torsions where atoms.count != 4 || !atoms.allSatisfy(topology.atoms.indices.contains) {
      throw MoleculesError.inconsistent(
        "\(atoms) are not four atoms of a molecule with \(topology.atoms.count) (from 0)")
    }
    chirality = try Chirality(topology: topology)
    (atomCount, indices) = (topology.atoms.count, torsions)
    self.torsions = torsions.map { _ in [] }
  }

  /// Frames that were appended.
  public var count: Int { inverted.count }

  /// `coordinates` [frames, atoms, 3] in any unit. Throws `MoleculesError.coordinateCount`.
  public mutating func append(_ coordinates: [Double]) throws {
    guard coordinates.count % (3 * atomCount) == 0
    else { throw MoleculesError.coordinateCount(count: coordinates.count, expected: "frames x \(atomCount) atoms x 3") }
    for (k, angles) in torsionColumns(coordinates, atoms: atomCount, torsions: indices).enumerated() {
      torsions[k] += angles
    }
    inverted += (0..<coordinates.count / (3 * atomCount)).map {
      !chirality.invertedCentres(in: coordinates, frame: $0).isEmpty
    }
  }
}
