/// A breadth-first spanning tree grown from a chain; children are sorted so that the first is the one to follow.
///
/// A ring is walked one way round as soon as one of its atoms is there, from the end of what is there already, so that one atom
/// after the other can be placed at a distance from the ring's first: the fan of triangles that the first atom makes with each
/// bond of the ring.
struct SpanningTree {
  private(set) var parent: [Int]
  private(set) var children: [[Int]]
  /// Parents before children.
  private(set) var order: [Int]
  /// For atoms of a fan: the ring's first atom, and the atom before the parent.
  private(set) var fans: [Int: (first: Int, before: Int)] = [:]
  /// Where a ring ends: the atom bonded to its last one (the ring's first); and the other way round where the ring begins at the root.
  private(set) var closings: [Int: Int] = [:]

  /// `chain`: at least three atoms in the order in which they are bonded; `rings`: those to be closed.
  init(topology: Topology, chain: [Int], rings: [Ring]) {
    let count = topology.atoms.count
    parent = [Int](repeating: -1, count: count)
    children = [[Int]](repeating: [], count: count)
    for (atom, next) in zip(chain, chain.dropFirst()) { parent[next] = atom }
    order = chain
    if rings.isEmpty {
      let grown = topology.walk(from: chain)
      order += grown.map(\.to)
      for bond in grown { parent[bond.to] = bond.from }
    } else {
      grow(topology, chain, rings)
    }
    sortChildren(onChain: Set(chain))
  }

  /// Children before siblings that are counted from them: an atom of a fan first, then the chain, then the heaviest branch.
  private mutating func sortChildren(onChain: Set<Int>) {
    var weight = [Int](repeating: 1, count: parent.count)
    // later ones hang on earlier ones; the root, wherever it stands, has no parent
    for atom in order.reversed() where parent[atom] >= 0 {
      weight[parent[atom]] += weight[atom]
      children[parent[atom]].append(atom)
    }
    for atom in children.indices {
      children[atom].sort { a, b in
        if (fans[a] == nil) != (fans[b] == nil) { return fans[a] != nil }
        let (first, second) = (onChain.contains(a), onChain.contains(b))
        if first != second { return first }
        return weight[a] != weight[b] ? weight[a] > weight[b] : a < b
      }
    }
  }

  private mutating func grow(_ topology: Topology, _ chain: [Int], _ rings: [Ring]) {
    var rank = [Int](repeating: -1, count: parent.count)
    for (place, atom) in chain.enumerated() { rank[atom] = place }
    var (waiting, placed, open) = (chain, chain.count, rings)
    func reach(_ atom: Int, from: Int, _ tree: inout SpanningTree) {
      (tree.parent[atom], rank[atom]) = (from, placed)
      placed += 1
      waiting.append(atom)
    }
    /// Walks the rings at an atom of which at least so many atoms are there.
    func walkRings(at atom: Int, atoms: Int, _ tree: inout SpanningTree) {
      for ring in open where ring.atoms.contains(atom) && ring.atoms.filter({ rank[$0] >= 0 }).count >= atoms {
        open.removeAll { $0 == ring }
        guard let path = Self.path(round: ring, rank) else { continue }
        for (before, next) in zip(path, path.dropFirst()) where rank[next] < 0 { reach(next, from: before, &tree) }
        tree.close(path, chain: chain)
      }
    }
    // the chain's own torsions stay: rings are walked on from where it leaves them
    for atom in chain { walkRings(at: atom, atoms: 2, &self) }
    if let root = chain.first, closings[root] != nil {
      // what hangs on the root is counted from the ring's last atom, which must be there
      waiting = Array(waiting.dropFirst()) + [root]
    }
    order = []
    while order.count < waiting.count {
      let atom = waiting[order.count]
      order.append(atom)
      walkRings(at: atom, atoms: 1, &self)
      for neighbour in topology.neighbours[atom] where rank[neighbour] < 0 { reach(neighbour, from: atom, &self) }
    }
  }

  /// A ring's atoms over those that are there, from the end of these that was reached first, and round; nil where they do not stand side by
  /// side. `rank`: when an atom was reached, -1 for those that were not.
  private static func path(round ring: Ring, _ rank: [Int]) -> [Int]? {
    let count = ring.atoms.count
    let there = ring.atoms.indices.filter { rank[ring.atoms[$0]] >= 0 }
    func path(from start: Int, step: Int) -> [Int] { (0..<count).map { ring.atoms[(start + $0 * step) % count] } }
    let paths = there.flatMap { [path(from: $0, step: 1), path(from: $0, step: count - 1)] }
    // of two ways to go from a lone atom, that to the lower number
    return paths.filter { path in path.prefix(there.count).allSatisfy { rank[$0] >= 0 } }
      .min { (rank[$0[0]], $0[1]) < (rank[$1[0]], $1[1]) }
  }

  /// Places the atoms of a ring, from the fourth on, by their distance from its first.
  private mutating func close(_ path: [Int], chain: [Int]) {
    for k in path.indices.dropFirst(3) where parent[path[k]] == path[k - 1] && fans[path[k]] == nil {
      fans[path[k]] = (path[0], path[k - 2])
    }
    guard let last = path.last, fans[last]?.first == path[0] else { return }
    if closings[last] == nil { closings[last] = path[0] }
    if path[0] == chain[0], path[1] == chain[1] { closings[path[0]] = last }
  }
}
