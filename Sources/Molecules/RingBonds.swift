import Foundation

/// Looks at the bonds of a molecule's rings in conformations that were drawn and not simulated: a ring may be torn open there, where its
/// bonds were not drawn themselves.
public struct RingBonds: Sendable {
  /// Bonds of rings, each with its ring's size.
  public let rings: [OpenRing]
  /// Of each bond in the topology's structure, nm.
  private let lengths: [Double]
  private let atomCount: Int
  private let tolerance: Double

  /// `tolerance`: how far a bond may be from its length in the topology's structure, relative; as for `FramePreparation`.
  public init(topology: Topology, tolerance: Double = 0.3) {
    rings = topology.bonds.compactMap { bond in topology.ringSize(of: bond).map { OpenRing(bond: bond, size: $0) } }
    (atomCount, self.tolerance) = (topology.atoms.count, tolerance)
    lengths = rings.map { Self.length($0.bond, topology.referenceCoordinates, 0) }
  }

  /// Whether each conformation has a bond that is not of its length, [frames], and in how many each bond is not, [rings].
  /// `coordinates` [frames, atoms, 3], nm. Throws `MoleculesError.coordinateCount`.
  public func broken(in coordinates: [Double]) throws -> (frames: [Bool], counts: [Int]) {
    guard coordinates.count % (3 * atomCount) == 0
    else { throw MoleculesError.coordinateCount(count: coordinates.count, expected: "frames x \(atomCount) atoms x 3") }
    var frames = [Bool](repeating: false, count: coordinates.count / (3 * atomCount))
    var counts = [Int](repeating: 0, count: rings.count)
    for (place, ring) in rings.enumerated() {
      for frame in frames.indices {
        let found = Self.length(ring.bond, coordinates, 3 * atomCount * frame)
        // also where there is no number
        if !(abs(found - lengths[place]) <= tolerance * lengths[place]) {
          frames[frame] = true
          counts[place] += 1
        }
      }
    }
    return (frames, counts)
  }

  private static func length(_ bond: Topology.Bond, _ x: [Double], _ base: Int) -> Double {
    let (i, j) = (base + 3 * bond.first, base + 3 * bond.second)
    let (a, b, c) = (x[i] - x[j], x[i + 1] - x[j + 1], x[i + 2] - x[j + 2])
    return (a * a + b * b + c * c).squareRoot()
  }
}
