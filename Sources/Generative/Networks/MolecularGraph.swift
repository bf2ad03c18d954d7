import Torch

/// The classes of atoms and the types of atom pairs that a network has parameters for.
public struct MolecularVocabulary: Codable, Equatable, Sendable {
  /// Ascending.
  public let atomClasses: [Int]
  public let pairTypes: [PairType]

  /// Classes of both atoms, the lower first, and the bonds between them, at most `farthest`.
  public struct PairType: Codable, Hashable, Comparable, Sendable {
    public let first, second, separation: Int

    public static func < (a: PairType, b: PairType) -> Bool {
      (a.first, a.second, a.separation) < (b.first, b.second, b.separation)
    }
  }

  /// Pairs farther apart than this many bonds are not told apart by it.
  public static let farthest = 4

  /// What the molecules hold.
  public init(_ molecules: [BondGraph]) throws {
    atomClasses = Set(molecules.flatMap(\.classes)).sorted()
    pairTypes = Set(try molecules.flatMap { try Self.pairTypes(of: $0) }).sorted()
  }

  /// In the order of pairs (0, 1), (0, 2), ..., (1, 2), ...
  static func pairTypes(of molecule: BondGraph) throws -> [PairType] {
    let separations = try molecule.separations()
    let classes = molecule.classes
    return classes.indices.flatMap { i in
      classes.indices.dropFirst(i + 1).map { j in
        PairType(
          first: min(classes[i], classes[j]), second: max(classes[i], classes[j]),
          separation: min(separations[i][j] ?? Self.farthest, Self.farthest))
      }
    }
  }
}

/// The molecules of a batch, as tables that tensor operations need: pairs (i, j), i < j, of the largest molecule's atoms.
///
/// One molecule for all rows, or one per row, padded.
public struct MolecularGraph {
  public let vocabulary: MolecularVocabulary
  /// Atoms of the largest molecule.
  public let atoms: Int
  /// Position in the vocabulary, Int64 [1 or n, atoms]; 0 for padding.
  let classes: Tensor
  /// Position in the vocabulary, Int64 [1 or n, pairs]; 0 for padding.
  let pairTypes: Tensor
  /// [pairs, atoms], Float32: 1 where the pair's first, second atom stands.
  let first, second: Tensor
  /// For i, j in C order the pair's position; `pairs` where i = j. Int64 [atoms atoms].
  let pairOfAtoms: Tensor
  /// Pairs that are at most `farthestBonded` bonds apart in any molecule, Int64 [bonded].
  let bonded: Tensor
  /// [1 or n, bonded], Float32: 1 where they are so in this one.
  let bondedMask: Tensor
  /// [1 or n, bonded], Float32: 1 for bonds and for the ends of bond angles.
  let stiffMask: Tensor
  /// [1 or n, atoms] and [1 or n, pairs], Float32: 1 for atoms that exist; nil without padding.
  let atomMask, pairMask: Tensor?
  /// Ends of a torsion.
  static let farthestBonded = 3

  /// The same molecule in every row.
  public init(_ molecule: BondGraph) throws {
    try self.init(rows: [molecule], vocabulary: MolecularVocabulary([molecule]))
  }

  /// One molecule per row of a batch. Throws `MolecularGraphError` for what is not in the vocabulary.
  public init(rows: [BondGraph], vocabulary: MolecularVocabulary) throws {
    let atoms = rows.map(\.atoms).max() ?? 0
    guard atoms >= 2, rows.allSatisfy({ $0.atoms >= 1 }) else { throw MolecularGraphError.noMolecule }
    let pairs = (0..<atoms).flatMap { i in ((i + 1)..<atoms).map { (i, $0) } }
    let place = Dictionary(uniqueKeysWithValues: vocabulary.pairTypes.enumerated().map { ($1, $0) })
    let classPlace = Dictionary(uniqueKeysWithValues: vocabulary.atomClasses.enumerated().map { ($1, $0) })
    var classes: [Int64] = []
    var types: [Int64] = []
    var separations: [Int] = []
    var exists: [Bool] = []
    for molecule in rows {
      for atom in 0..<atoms {
        let value = atom < molecule.atoms ? molecule.classes[atom] : nil
        exists.append(value != nil)
        classes.append(try value.map { try Self.place(of: $0, classPlace, .unknownAtomClass($0)) } ?? 0)
      }
      var own = try MolecularVocabulary.pairTypes(of: molecule)[...]
      for (_, j) in pairs {
        let type = j < molecule.atoms ? own.removeFirst() : nil
        separations.append(type?.separation ?? Int.max)
        let found = try type.map {
          try Self.place(of: $0, place, .unknownPair(first: $0.first, second: $0.second, separation: $0.separation))
        }
        types.append(found ?? 0)
      }
    }
    let (n, p) = (rows.count, pairs.count)
    let near = (0..<p).filter { pair in (0..<n).contains { separations[$0 * p + pair] <= Self.farthestBonded } }
    func mask(_ limit: Int) throws -> Tensor {
      let values: [Float] = (0..<n).flatMap { row in near.map { separations[row * p + $0] <= limit ? 1 : 0 } }
      return try Tensor(values, shape: [n, near.count])
    }
    var lookup = [Int64](repeating: Int64(p), count: atoms * atoms)
    var ends = [[Float]](repeating: [Float](repeating: 0, count: p * atoms), count: 2)
    for (pair, (i, j)) in pairs.enumerated() {
      lookup[i * atoms + j] = Int64(pair)
      lookup[j * atoms + i] = Int64(pair)
      ends[0][pair * atoms + i] = 1
      ends[1][pair * atoms + j] = 1
    }
    (self.vocabulary, self.atoms) = (vocabulary, atoms)
    self.classes = try Tensor(classes, shape: [n, atoms])
    pairTypes = try Tensor(types, shape: [n, p])
    first = try Tensor(ends[0], shape: [p, atoms])
    second = try Tensor(ends[1], shape: [p, atoms])
    pairOfAtoms = try Tensor(lookup)
    bonded = try Tensor(near.map(Int64.init))
    bondedMask = try mask(Self.farthestBonded)
    stiffMask = try mask(2)
    let padded = exists.contains(false)
    atomMask = padded ? try Tensor(exists.map { $0 ? 1 : Float(0) }, shape: [n, atoms]) : nil
    pairMask = padded ? try Tensor(separations.map { $0 < Int.max ? 1 : Float(0) }, shape: [n, p]) : nil
  }

  private static func place<Key>(of key: Key, _ table: [Key: Int], _ error: MolecularGraphError) throws -> Int64 {
    guard let index = table[key] else { throw error }
    return Int64(index)
  }

  var pairs: Int { first.shape[0] }

  /// Rows of a table [types, ...] for every pair, [1 or n, pairs, ...].
  func ofPairs(_ table: Tensor) throws -> Tensor {
    try table.selected(pairTypes.reshaped(-1)).reshaped(pairTypes.shape + Array(table.shape.dropFirst()))
  }

  /// Distances of all pairs [n, pairs] of positions [n, 3 atoms]; 1 for padding.
  func distances(_ x: Tensor) throws -> Tensor {
    let type = x.scalarType ?? .float32
    let positions = try x.reshaped(-1, atoms, 3)
    let squared = try (first - second).cast(type).matmul(positions).square().sum(-1)
    guard let pairMask else { return try (squared + Self.tinySquare).sqrt() }
    let mask = try pairMask.cast(type)
    return try (squared * mask + (1 - mask) + Self.tinySquare).sqrt()
  }

  /// Added to squared distances: two atoms in one place would have no gradient.
  static let tinySquare = 1e-8

  /// Positions [n, 3 atoms] without their mean over the atoms that exist; padding at 0.
  func centred(_ x: Tensor) throws -> Tensor {
    let positions = try x.reshaped(-1, atoms, 3)
    guard let atomMask else { return try (positions - positions.mean(1, keepingDimensions: true)).reshaped(x.shape) }
    let mask = try atomMask.cast(x.scalarType ?? .float32).unsqueezed(-1)
    let mean = try (positions * mask).sum(1, keepingDimensions: true) / mask.sum(1, keepingDimensions: true)
    return try ((positions - mean) * mask).reshaped(x.shape)
  }
}

/// What networks see of a molecule: classes of atoms, and bonds.
public struct BondGraph: Codable, Equatable, Sendable {
  /// Atoms of one class can be exchanged where the bonds allow it. Any numbers.
  public let classes: [Int]
  /// Pairs of atoms.
  public let bonds: [[Int]]

  public init(classes: [Int], bonds: [[Int]]) { (self.classes, self.bonds) = (classes, bonds) }
  public var atoms: Int { classes.count }

  /// Bonds on the shortest way between any two atoms, [atoms][atoms]; nil where there is none.
  func separations() throws -> [[Int?]] {
    var neighbours = [[Int]](repeating: [], count: atoms)
    for bond in bonds {
      guard bond.count == 2, bond.allSatisfy(classes.indices.contains), bond[0] != bond[1] else {
        throw MolecularGraphError.badBond(bond, atoms: atoms)
      }
      neighbours[bond[0]].append(bond[1])
      neighbours[bond[1]].append(bond[0])
    }
    return classes.indices.map { start in
      var distance = [Int?](repeating: nil, count: atoms)
      distance[start] = 0
      var shell = [start]
      var steps = 0
      while !shell.isEmpty {
        steps += 1
        var next: [Int] = []
        for atom in shell {
          for other in neighbours[atom] where distance[other] == nil {
            distance[other] = steps
            next.append(other)
          }
        }
        shell = next
      }
      return distance
    }
  }
}

public enum MolecularGraphError: Error, CustomStringConvertible, Equatable {
  case badBond([Int], atoms: Int)
  case unknownAtomClass(Int)
  case unknownPair(first: Int, second: Int, separation: Int)
  case noMolecule

  public var description: String {
    switch self {
    case .badBond(let bond, let atoms): "\(bond) is no bond between two of \(atoms) atoms"
    case .unknownAtomClass(let value):
      "atoms of class \(value) were not among the molecules the energy model was made for"
    case .unknownPair(let first, let second, let separation):
      "a pair of atoms of classes \(first) and \(second), \(separation) bonds apart, was not among the molecules "
        + "the energy model was made for"
    case .noMolecule: "an energy model needs a molecule with at least two atoms"
    }
  }
}
