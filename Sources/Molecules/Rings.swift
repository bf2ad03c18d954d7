/// A ring of a molecule: the shortest way round that leads over a bond.
struct Ring: Hashable, Sendable {
  /// In the order in which they are bonded; the last is bonded to the first.
  let atoms: [Int]

  /// The same whichever atom it begins with and whichever way it goes.
  var key: [Int] { atoms.sorted() }
}

extension Topology {
  /// The shortest ring over each bond, each once: its atoms in the order in which they are bonded, the last one to the first.
  public var rings: [[Int]] { shortestRings.map(\.atoms) }

  /// The shortest ring over each bond, each once, in the order of the bonds.
  var shortestRings: [Ring] {
    var known: Set<[Int]> = []
    return bonds.compactMap { shortestRing(over: $0) }.filter { known.insert($0.key).inserted }
  }

  /// Nil for a bond in no ring.
  private func shortestRing(over bond: Bond) -> Ring? {
    var previous = [bond.first: bond.first]
    var queue = [bond.first]
    var next = 0
    while next < queue.count {
      let atom = queue[next]
      next += 1
      for neighbour in neighbours[atom] where previous[neighbour] == nil {
        if atom == bond.first, neighbour == bond.second { continue }
        previous[neighbour] = atom
        queue.append(neighbour)
        guard neighbour == bond.second else { continue }
        var path = [neighbour]
        while let last = path.last, let before = previous[last], before != last { path.append(before) }
        return Ring(atoms: path.reversed())
      }
    }
    return nil
  }

  /// Whether a ring has a tetrahedral atom, and so moves out of its plane. Flat ones (phenyl, indole) move so little that the bond
  /// which closes them is nearly a linear function of the other coordinates.
  func isPuckered(_ ring: Ring) -> Bool { ring.atoms.contains { neighbours[$0].count > 3 } }
}

/// A bond of a molecule that none of its internal coordinates holds.
public struct OpenRing: Equatable, Sendable {
  public let bond: Topology.Bond
  /// Atoms of the smallest ring that the bond closes.
  public let size: Int

  /// "bond SG of CYX 2 - SG of CYX 5 closes a ring of 14 atoms".
  public func description(in topology: Topology) -> String {
    "bond \(topology.label(of: bond.first)) - \(topology.label(of: bond.second)) closes a ring of \(size) atoms"
  }
}

extension InternalCoordinates {
  /// Rings of more atoms have no coordinates of their own.
  public static let largestClosedRing = 7

  /// Bonds that no coordinate holds: each closes a ring, and nothing keeps it at its length but what the other coordinates happen
  /// to be. `flat` ones too: in rings that are too stiff and flat to be opened by the motion of other coordinates.
  public func openRings(in topology: Topology, flat: Bool = false) -> [OpenRing] {
    let held = Set(atoms.indices.filter { kinds[$0].isLength }.map { Topology.Bond(atoms[$0][0], atoms[$0][1]) })
    let rings = topology.shortestRings
    return topology.bonds.filter { !held.contains($0) }.compactMap { bond -> OpenRing? in
      guard let size = topology.ringSize(of: bond) else { return nil }
      let isStiff = rings.contains { ring in
        ring.atoms.count == size && size <= Self.largestClosedRing && ring.atoms.contains(bond.first)
          && ring.atoms.contains(bond.second) && (size == 3 || !topology.isPuckered(ring))
      }
      return isStiff && !flat ? nil : OpenRing(bond: bond, size: size)
    }
  }
}
