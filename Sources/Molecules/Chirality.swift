/// The stereocentres of a molecule and the hand each has in a reference structure.
///
/// A stereocentre is an atom with exactly four neighbours that are pairwise distinct in the bond graph. Distinctness is
/// decided by colour refinement (Morgan's idea in its Weisfeiler-Leman form): colours start as element and degree, and
/// each round an atom's colour takes in the multiset of its neighbours' colours until the number of colours stands
/// still. So alanine's CA is one; its methyl carbon and glycine's CA are not.
public struct Chirality: Equatable, Sendable {
  public struct Centre: Equatable, Sendable {
    public let atom: Int
    /// Its four neighbours, ascending; the signed volume of the first three seen from the fourth tells the hand.
    public let neighbours: [Int]
    /// Sign of that volume in the reference, +1 or -1.
    public let sign: Double
    /// "CA of ALA 2".
    public let label: String
  }

  public let centres: [Centre]
  private let atomCount: Int

  /// `reference`: [atoms, 3]. Throws `MoleculesError.coordinateCount`, or `.flatCentre` for a reference without a hand.
  public init(topology: Topology, reference: [Double]) throws {
    guard reference.count == 3 * topology.atoms.count
    else { throw MoleculesError.coordinateCount(count: reference.count, expected: "3 x \(topology.atoms.count) atoms") }
    atomCount = topology.atoms.count
    centres = try Self.stereocentres(of: topology).map { atom in
      let neighbours = topology.neighbours[atom]
      let volume = reference.withUnsafeBufferPointer { Self.volume($0, 0, neighbours, normalised: true) }
      guard abs(volume) > 0.1 else { throw MoleculesError.flatCentre(atom: topology.label(of: atom)) }
      return Centre(atom: atom, neighbours: neighbours, sign: volume > 0 ? 1 : -1, label: topology.label(of: atom))
    }
  }

  /// With the topology's own coordinates as the reference.
  public init(topology: Topology) throws { try self.init(topology: topology, reference: topology.referenceCoordinates) }

  /// Atoms of the stereocentres whose hand differs from the reference's in one frame of `coordinates` [frames, atoms, 3].
  ///
  /// - Precondition: the frame lies within the coordinates.
  public func invertedCentres(in coordinates: [Double], frame: Int = 0) -> [Int] {
    coordinates.withUnsafeBufferPointer { all in
      centres.filter { Self.volume(all, 3 * atomCount * frame, $0.neighbours) * $0.sign < 0 }.map(\.atom)
    }
  }

  /// Indices of the frames in which any centre is inverted.
  public func invertedFrames(in coordinates: [Double]) -> [Int] {
    (0..<(coordinates.count / max(1, 3 * atomCount))).filter { !invertedCentres(in: coordinates, frame: $0).isEmpty }
  }

  /// Atoms with four pairwise distinct neighbours.
  public static func stereocentres(of topology: Topology) -> [Int] {
    let colours = refinedColours(of: topology)
    return topology.atoms.indices.filter { atom in
      let neighbours = topology.neighbours[atom]
      return neighbours.count == 4 && Set(neighbours.map { colours[$0] }).count == 4
    }
  }

  /// A colour per atom; atoms that the graph tells apart by refinement have different ones.
  static func refinedColours(of topology: Topology) -> [Int] {
    var colours = ranks(topology.atoms.indices.map { "\(topology.atoms[$0].element)\(topology.neighbours[$0].count)" })
    while true {
      let refined = ranks(
        colours.indices.map { atom in [colours[atom]] + topology.neighbours[atom].map { colours[$0] }.sorted() })
      if Set(refined).count == Set(colours).count { return refined }
      colours = refined
    }
  }

  private static func ranks<T: Hashable>(_ keys: [T]) -> [Int] {
    var seen: [T: Int] = [:]
    return keys.map { key in
      if let rank = seen[key] { return rank }
      seen[key] = seen.count
      return seen.count - 1
    }
  }

  /// Signed volume of the first three neighbours seen from the fourth, divided by the product of edge lengths when
  /// `normalised`. The centre itself does not enter: it may flatten for a moment without a change of hand.
  private static func volume(
    _ all: UnsafeBufferPointer<Double>, _ base: Int, _ neighbours: [Int], normalised: Bool = false
  ) -> Double {
    let last = Vector3(all, base + 3 * neighbours[3])
    let (a, b) = (Vector3(all, base + 3 * neighbours[0]) - last, Vector3(all, base + 3 * neighbours[1]) - last)
    let c = Vector3(all, base + 3 * neighbours[2]) - last
    let volume = a.dot(b.cross(c))
    return normalised ? volume / (a.length * b.length * c.length) : volume
  }
}
