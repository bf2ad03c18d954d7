/// Torsions and distances that are measured of frames, each under a name.
public struct MeasuredCoordinates: Equatable, Sendable {
  /// Four atoms are a torsion, two a distance.
  public struct Coordinate: Equatable, Sendable {
    public let name: String
    /// From 0.
    public let atoms: [Int]
    public var isTorsion: Bool { atoms.count == 4 }

    public init(name: String, atoms: [Int]) { (self.name, self.atoms) = (name, atoms) }
  }

  public let coordinates: [Coordinate]
  private let atomCount: Int

  /// Throws `MoleculesError.torsionAtoms` and `.distanceAtoms` for what are no atoms of the molecule.
  public init(_ coordinates: [Coordinate], of topology: Topology) throws {
    for coordinate in coordinates {
      if coordinate.isTorsion {
        try topology.checkTorsion(coordinate.atoms, name: coordinate.name)
      } else {
        try topology.checkDistance(coordinate.atoms, name: coordinate.name)
      }
    }
    (self.coordinates, atomCount) = (coordinates, topology.atoms.count)
  }

  /// Torsions in rad in (-pi, pi], distances in nm, [coordinates][frames]; `positions` [frames, atoms, 3], nm.
  ///
  /// - Precondition: as many numbers as whole frames have.
  public func columns(_ positions: [Double]) -> [[Double]] {
    coordinates.map { coordinate in
      coordinate.isTorsion
        ? torsionAngles(positions, atoms: atomCount, torsions: [coordinate.atoms])
        : distances(positions, atoms: atomCount, between: coordinate.atoms)
    }
  }
}

/// Distances of two atoms in the unit of `coordinates` [frames, atoms, 3], [frames].
///
/// - Precondition: `pair` are two indices below `atoms`, and the count is a multiple of 3 x atoms.
public func distances(_ coordinates: [Double], atoms: Int, between pair: [Int]) -> [Double] {
  stride(from: 0, to: coordinates.count, by: 3 * atoms).map { frame in
    let (a, b) = (frame + 3 * pair[0], frame + 3 * pair[1])
    let (x, y, z) = (
      coordinates[a] - coordinates[b], coordinates[a + 1] - coordinates[b + 1], coordinates[a + 2] - coordinates[b + 2]
    )
    return (x * x + y * y + z * z).squareRoot()
  }
}

extension Topology {
  /// Throws `MoleculesError.distanceAtoms` unless these are two atoms of the molecule. `name` is what the error calls them.
  public func checkDistance(_ atoms: [Int], name: String) throws {
    guard atoms.count == 2, atoms[0] != atoms[1], atoms.allSatisfy(self.atoms.indices.contains)
    else { throw MoleculesError.distanceAtoms(name: name, atoms: atoms, atomCount: self.atoms.count) }
  }
}
