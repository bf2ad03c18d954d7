import Foundation

/// A molecule as the positions of its heavy atoms, and the internal coordinates of its hydrogens given these.
///
/// Each hydrogen has a bond, an angle and a torsion of `InternalCoordinates`, against atoms that stand or that were placed before it; where its
/// neighbour has two heavy neighbours the torsion is narrow, in rings too. Where the heavy atoms move, the hydrogens are carried along. Volumes
/// factorise: d^3N x = d^3H (heavy) exp(logJacobian) dq.
public struct CarriedHydrogens: Codable, Sendable, Equatable {
  /// Of all atoms; what they place heavy atoms from may come later.
  public let coordinates: InternalCoordinates
  /// Atoms that stand, in their order.
  public let heavy: [Int]
  /// Internal coordinates of the hydrogens, in their order.
  public let own: [Int]
  public var atomCount: Int { coordinates.atomCount }

  /// Throws `MoleculesError.tooFewAtoms` below three atoms, `.heavyAtoms` where fewer than three are heavy, or a hydrogen is more than
  /// an end: one in a ring, or one of the three atoms that the others are placed from.
  public init(topology: Topology) throws {
    let plain = try InternalCoordinates(topology: topology)
    let isHeavy = topology.atoms.indices.map { !topology.isHydrogen($0) }
    heavy = topology.atoms.indices.filter { isHeavy[$0] }
    guard heavy.count >= 3 else { throw MoleculesError.heavyAtoms(count: heavy.count, placedFrom: nil) }
    let count = topology.atoms.count
    var own: [Int] = []
    var references: [Int: Int] = [:]
    for (i, row) in plain.rows.enumerated() where !isHeavy[row.atom] {
      // the chain leads through heavy atoms where three follow each other, and a hydrogen in a ring is placed by a distance
      guard i >= 3, plain.kinds[count - 1 + i - 2] == .angle else {
        throw MoleculesError.heavyAtoms(count: heavy.count, placedFrom: topology.label(of: row.atom))
      }
      own += [i - 1, count - 1 + i - 2, 2 * count - 3 + i - 3]
      // where a ring is cut, the bond that closes it is the nearest thing to count from: all heavy atoms are there
      if !row.relative { references[row.atom] = topology.neighbours[row.b].first { isHeavy[$0] && $0 != row.c } }
    }
    self.own = own.sorted()
    coordinates = plain.countingTorsions(against: references)
  }

  private var standing: [Bool] {
    var result = [Bool](repeating: false, count: atomCount)
    for atom in heavy { result[atom] = true }
    return result
  }

  /// Positions of the heavy atoms, [frames, heavy, 3], of those of all atoms, [frames, atoms, 3].
  public func heavyPositions(_ positions: [Double], frames: Int) -> [Double] {
    (0..<frames).flatMap { frame in
      heavy.flatMap { atom in (0..<3).map { positions[3 * (frame * atomCount + atom) + $0] } }
    }
  }

  /// ln |dx/dq| of the hydrogens alone, [frames]: 2 ln r + ln sin(angle) of each. `values` [frames, dimension] are internal coordinates.
  public func logJacobians(values: [Double], frames: Int) -> [Double] {
    let dimension = coordinates.dimension
    return (0..<frames).map { frame in
      own.reduce(0) { sum, k in
        let value = values[frame * dimension + k]
        switch coordinates.kinds[k] {
        case .bond: return sum + 2 * log(value)
        case .angle: return sum + log(sin(value))
        case .torsion, .relativeTorsion, .distance: return sum
        }
      }
    }
  }

  /// Positions of all atoms [frames, atoms, 3], nm, and ln |dx/dq| of the hydrogens [frames], from positions of the heavy ones [frames, heavy, 3],
  /// nm, and internal coordinates [frames, dimension], of which the hydrogens' are read. The log-Jacobian is -infinity where an angle or a
  /// bond is that of no molecule.
  public func cartesian(heavy positions: [Double], values: [Double], frames: Int) -> (
    coordinates: [Double], logJacobian: [Double]
  ) {
    var result = [Double](repeating: 0, count: 3 * atomCount * frames)
    for frame in 0..<frames {
      for (place, atom) in heavy.enumerated() {
        for axis in 0..<3 {
          result[3 * (frame * atomCount + atom) + axis] = positions[3 * (frame * heavy.count + place) + axis]
        }
      }
    }
    var jacobians = [Double](repeating: 0, count: frames)
    let (fans, standing) = (coordinates.fanRows, standing)
    values.withUnsafeBufferPointer { q in
      result.withUnsafeMutableBufferPointer { x in
        coordinates.rows.withUnsafeBufferPointer { rows in
          for frame in 0..<frames {
            jacobians[frame] = coordinates.place(
              q, coordinates.dimension * frame, x, 3 * atomCount * frame, rows, fans, standing: standing)
          }
        }
      }
    }
    return (result, jacobians)
  }

  /// Gradients over the hydrogens' internal coordinates, [frames, dimension] with zeros elsewhere, and over the heavy atoms' positions, [frames,
  /// heavy, 3], with the hydrogens carried along. `forces` [frames, atoms, 3] is the gradient of some scalar over `positions` [frames,
  /// atoms, 3], nm, whose internal coordinates are `values`; `jacobian` times ln |dx/dq| of the hydrogens is added to the scalar.
  public func gradients(
    of forces: [Double], at positions: [Double], values: [Double], frames: Int, jacobian: Double = 0
  ) -> (internal: [Double], heavy: [Double]) {
    let size = 3 * atomCount
    let (fans, standing) = (coordinates.fanRows, standing)
    var result = [Double](repeating: 0, count: coordinates.dimension * frames)
    var moving: [Double] = []
    moving.reserveCapacity(3 * heavy.count * frames)
    var pulls = [Vector3](repeating: Vector3(0, 0, 0), count: atomCount)
    values.withUnsafeBufferPointer { q in
      positions.withUnsafeBufferPointer { x in
        forces.withUnsafeBufferPointer { f in
          coordinates.rows.withUnsafeBufferPointer { rows in
            for frame in 0..<frames {
              for atom in 0..<atomCount { pulls[atom] = Vector3(f, frame * size + 3 * atom) }
              coordinates.pull(&pulls, q, x, frame, rows, fans, jacobian, &result, standing: standing)
              for atom in heavy { moving += [pulls[atom].x, pulls[atom].y, pulls[atom].z] }
            }
          }
        }
      }
    }
    return (result, moving)
  }
}
