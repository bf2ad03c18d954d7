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
    case .badBond(let bond, let atoms): return "\(bond) is no bond between two of \(atoms) atoms"
    case .unknownAtomClass(let value):
      return "atoms of class \(value) were not among the molecules the energy model was made for"
    case .unknownPair(let first, let second, let separation):
      return
        "a pair of atoms of classes \(first) and \(second), \(separation) bonds apart, was not among the molecules "
        + "the energy model was made for"
    case .noMolecule: return "an energy model needs a molecule with at least two atoms"
    }
  }
}
