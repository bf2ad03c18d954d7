/// Chooses the order in which atoms are placed and the references of each.
struct ZMatrixPlan {
  private(set) var rows: [InternalCoordinates.Row] = []

  /// Atoms that are placed by their distance from the first atom of a ring, in place of an angle.
  private(set) var inFan: Set<Int> = []

  init(topology: Topology) {
    let backbone = Self.backbone(of: topology)
    let chain = backbone ?? Self.longestChain(of: topology)
    let rings = topology.shortestRings.filter {
      (4...InternalCoordinates.largestClosedRing).contains($0.atoms.count) && topology.isPuckered($0)
    }
    self.init(topology: topology, chain: chain, rings: rings)
    guard !rings.isEmpty else { return }
    // where rings share bonds a long chain may lead over two of them; a cage may ask for an atom before it is there
    let short = backbone == nil ? [Self(topology: topology, chain: Array(chain.prefix(3)), rings: rings)] : []
    let plain = Self(topology: topology, chain: chain, rings: [])
    for other in short + [plain] where !isInOrder || (other.isInOrder && other.lengths(topology) > lengths(topology)) {
      self = other
    }
  }

  /// Bonds that are coordinates.
  private func lengths(_ topology: Topology) -> Int {
    let pairs = rows.dropFirst().map { Topology.Bond($0.atom, $0.b) }
    let distances = rows.filter { inFan.contains($0.atom) }.map { Topology.Bond($0.atom, $0.c) }
    return Set(pairs + distances).intersection(topology.bonds).count
  }

  /// Whether every atom is placed from atoms that were placed before.
  private var isInOrder: Bool {
    var placed: Set<Int> = []
    return rows.allSatisfy { row in
      let known = [row.b, row.c, row.d].allSatisfy { $0 < 0 || placed.contains($0) }
      placed.insert(row.atom)
      return known
    }
  }

  private init(topology: Topology, chain: [Int], rings: [Ring]) {
    let tree = SpanningTree(topology: topology, chain: chain, rings: rings)
    typealias Row = InternalCoordinates.Row
    let (root, second, third) = (chain[0], chain[1], chain[2])
    rows = [
      Row(atom: root, b: -1, c: -1, d: -1, relative: false), Row(atom: second, b: root, c: -1, d: -1, relative: false),
      Row(atom: third, b: second, c: root, d: -1, relative: false),
    ]
    // About the axis root-second the third atom stands for the first sibling: it is where torsions are counted from.
    for atom in tree.children[second].dropFirst() {
      rows.append(Row(atom: atom, b: second, c: root, d: third, relative: true))
    }
    for parent in tree.order where parent != second {
      let axis = parent == root ? second : tree.parent[parent]
      let far = parent == root ? third : (axis == root ? second : tree.parent[axis])
      let children = tree.children[parent].filter { !(parent == root && $0 == second) }
      for (rank, atom) in children.enumerated() {
        if let fan = tree.fans[atom] {
          inFan.insert(atom)
          rows.append(Row(atom: atom, b: parent, c: fan.first, d: fan.before, relative: false))
        } else if let neighbour = tree.closings[parent] {
          // the ring's other bond at this atom stands for the first sibling
          rows.append(Row(atom: atom, b: parent, c: axis, d: neighbour, relative: true))
        } else {
          rows.append(Row(atom: atom, b: parent, c: axis, d: rank == 0 ? far : children[0], relative: rank > 0))
        }
      }
    }
  }

  /// The peptide's main chain N CA C N CA C ..., with the heavy atoms of the caps ACE, NME and NH2: its longest run.
  /// Nil when no residue has one.
  private static func backbone(of topology: Topology) -> [Int]? {
    let index = AtomIndex(topology)
    var runs: [[Int]] = []
    var hasResidue = false
    for r in topology.residues.indices {
      let names: [String]
      if let ca = index[r, "CA"], let n = index[r, "N"], let c = index[r, "C"], topology.neighbours[ca].contains(n),
        topology.neighbours[ca].contains(c)
      {
        names = ["N", "CA", "C"]
        hasResidue = true
      } else {
        names =
          switch topology.residues[r].name {
          case "ACE": ["CH3", "C"]
          case "NME", "NMA": index[r, "CH3"] == nil ? ["N", "C"] : ["N", "CH3"]
          case "NH2": ["N"]
          default: []
          }
      }
      for atom in names.compactMap({ index[r, $0] }) {
        if let last = runs.last?.last, topology.neighbours[last].contains(atom) {
          runs[runs.count - 1].append(atom)
        } else {
          runs.append([atom])
        }
      }
    }
    guard hasResidue, let longest = runs.max(by: { $0.count < $1.count }), longest.count >= 3 else { return nil }
    return longest
  }

  /// The longest of all shortest paths through heavy atoms; through any atoms where fewer than three are heavy.
  private static func longestChain(of topology: Topology) -> [Int] {
    let heavyPath = longestPath(topology) { !topology.isHydrogen($0) }
    if heavyPath.count >= 3 { return heavyPath }
    let path = longestPath(topology) { _ in true }
    if path.count >= 3 { return path }
    // every atom bonded to every other: any three do
    return Array(topology.atoms.indices.prefix(3))
  }

  /// Above so many atoms only two starts are tried: an end of the molecule, and the atom farthest from it.
  private static let manyAtoms = 3000

  private static func longestPath(_ topology: Topology, through allowed: (Int) -> Bool) -> [Int] {
    var best: [Int] = []
    var starts = topology.atoms.indices.filter(allowed)
    let isLarge = starts.count > manyAtoms
    if isLarge { starts.removeSubrange(1...) }
    var (next, previous) = (0, [Int](repeating: -1, count: topology.atoms.count))
    while next < starts.count {
      let start = starts[next]
      next += 1
      let reached = topology.walk(from: [start], through: allowed)
      for bond in reached { previous[bond.to] = bond.from }
      var path = [reached.last?.to ?? start]
      while let atom = path.last, atom != start { path.append(previous[atom]) }
      if path.count > best.count { best = path.reversed() }
      if isLarge, next == 1, let far = path.first { starts.append(far) }
    }
    return best
  }
}
