/// A torsion with a name of the field: phi, psi, omega, chi1 to chi5, methyl.
public struct NamedTorsion: Equatable, Sendable {
  /// "phi", "chi1", "methyl_CB".
  public let name: String
  /// Number of the residue it belongs to, as the file gives it.
  public let residue: Int
  /// Four atoms, from 0.
  public let atoms: [Int]

  /// "phi2"; with a hyphen where the name itself ends in a digit: "chi1-2", "methyl_CG2-2".
  public var fullName: String { name.last?.isNumber == true ? "\(name)-\(residue)" : "\(name)\(residue)" }

  func matches(_ wanted: String) -> Bool {
    let short = name.hasPrefix("methyl_") ? "methyl" : name
    return [name, "\(name)-\(residue)", fullName, short, "\(short)\(residue)", "\(short)-\(residue)"].contains(wanted)
  }
}

extension Topology {
  /// The four atoms of a torsion: "phi" where the molecule has just one, "phi2" or "phi-2" for that of residue 2,
  /// "chi1-2", "methyl_CB-2". Alanine dipeptide: phi = 4, 6, 8, 14; psi = 6, 8, 14, 16.
  ///
  /// Throws `MoleculesError.unknownTorsion` (listing what there is) or `.ambiguousTorsion`.
  public func torsion(named name: String) throws -> [Int] {
    let all = namedTorsions
    let exact = all.filter { $0.fullName == name }
    let found = exact.isEmpty ? all.filter { $0.matches(name) } : exact
    switch found.count {
    case 1: return found[0].atoms
    case 0: throw MoleculesError.unknownTorsion(name: name, available: all.map(\.fullName))
    default: throw MoleculesError.ambiguousTorsion(name: name, candidates: found.map(\.fullName))
    }
  }

  /// Every torsion with a name, residue by residue. phi = C(i-1) N CA C, psi = N CA C N(i+1), omega = CA C N(i+1)
  /// CA(i+1) (the caps ACE and NME stand in with their methyl carbon), chi1 to chi5 after IUPAC-IUB 1970, and one
  /// torsion per methyl or ammonium group.
  public var namedTorsions: [NamedTorsion] {
    let index = AtomIndex(self)
    var result: [NamedTorsion] = []
    func add(_ name: String, _ residue: Int, _ atoms: [Int?]) {
      let four = atoms.compactMap { $0 }
      guard four.count == 4, zip(four, four.dropFirst()).allSatisfy({ neighbours[$0].contains($1) }) else { return }
      result.append(NamedTorsion(name: name, residue: residues[residue].sequence, atoms: four))
    }
    for r in residues.indices {
      add("phi", r, [index[r - 1, "C"], index[r, "N"], index[r, "CA"], index[r, "C"]])
      add("psi", r, [index[r, "N"], index[r, "CA"], index[r, "C"], index[r + 1, "N"]])
      add("omega", r, [index.alpha(r), index[r, "C"], index[r + 1, "N"], index.alpha(r + 1)])
      for (k, candidates) in Self.sideChains.enumerated() {
        for names in candidates where names.allSatisfy({ index[r, $0] != nil }) {
          add("chi\(k + 1)", r, names.map { index[r, $0] })
          break
        }
      }
    }
    return result + rotorTorsions()
  }

  /// One torsion for each group XH3 (X = C or N) that hangs on one heavy atom: reference, axis, X, first hydrogen.
  private func rotorTorsions() -> [NamedTorsion] {
    atoms.indices.compactMap { centre in
      guard atoms[centre].element == "C" || atoms[centre].element == "N" else { return nil }
      let hydrogens = neighbours[centre].filter(isHydrogen)
      let heavy = neighbours[centre].filter { !isHydrogen($0) }
      guard hydrogens.count == 3, heavy.count == 1 else { return nil }
      let further = neighbours[heavy[0]].filter { $0 != centre }
      // the heavy neighbour with most bonds: the amide nitrogen before the carbonyl oxygen, as the Z-matrix has it
      let order = further.sorted {
        let (a, b) = (isHydrogen($0) ? 0 : neighbours[$0].count, isHydrogen($1) ? 0 : neighbours[$1].count)
        return a != b ? a > b : $0 < $1
      }
      guard let reference = order.first else { return nil }
      let kind = atoms[centre].element == "C" ? "methyl_\(atoms[centre].name)" : "ammonium"
      return NamedTorsion(
        name: kind, residue: residues[atoms[centre].residueIndex].sequence,
        atoms: [reference, heavy[0], centre, hydrogens[0]])
    }
  }

  /// chi1...chi5: alternatives in order of preference, by atom names.
  private static let sideChains: [[[String]]] = [
    ["CG", "CG1", "OG", "OG1", "SG"].map { ["N", "CA", "CB", $0] },
    [
      ["CA", "CB", "CG", "CD"], ["CA", "CB", "CG", "CD1"], ["CA", "CB", "CG1", "CD1"], ["CA", "CB", "CG1", "CD"],
      ["CA", "CB", "CG", "ND1"], ["CA", "CB", "CG", "OD1"], ["CA", "CB", "CG", "SD"], ["CA", "CB", "OG", "HG"],
      ["CA", "CB", "OG1", "HG1"], ["CA", "CB", "SG", "HG"],
    ],
    [["CB", "CG", "CD", "NE"], ["CB", "CG", "CD", "CE"], ["CB", "CG", "CD", "OE1"], ["CB", "CG", "SD", "CE"]],
    [["CG", "CD", "NE", "CZ"], ["CG", "CD", "CE", "NZ"]],
    [["CD", "NE", "CZ", "NH1"]],
  ]
}

/// Atoms by residue index and name.
struct AtomIndex {
  private var table: [[String: Int]]

  init(_ topology: Topology) {
    table = [[String: Int]](repeating: [:], count: topology.residues.count)
    for (index, atom) in topology.atoms.enumerated() { table[atom.residueIndex][atom.name] = index }
    names = topology.residues.map(\.name)
  }

  private let names: [String]

  subscript(residue: Int, name: String) -> Int? { table.indices.contains(residue) ? table[residue][name] : nil }

  /// The alpha carbon, or the methyl carbon of a cap.
  func alpha(_ residue: Int) -> Int? {
    if let alpha = self[residue, "CA"] { return alpha }
    guard table.indices.contains(residue) else { return nil }
    return switch names[residue] {
    case "ACE": self[residue, "CH3"]
    case "NME", "NMA": self[residue, "CH3"] ?? self[residue, "C"]
    default: nil
    }
  }
}
