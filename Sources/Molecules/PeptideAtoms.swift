import Basics
import Foundation

/// What keeps a molecule from being a peptide whose atoms have labels.
public enum PeptideError: Error, CustomStringConvertible, Equatable {
  /// A residue that is no amino acid and no cap.
  case residue(String)
  /// An atom that is bonded as none of its residue is.
  case atom(String)
  /// The chain is not one run of residues from first to last.
  case chain(String)

  public var description: String {
    switch self {
    case .residue(let residue):
      "\(residue) is no amino acid and no cap of a chain (ACE, NME, NH2): a model of peptides has no place for it"
    case .atom(let atom): "\(atom) has no place in a peptide: a model of peptides cannot name it"
    case .chain(let reason): "the molecule is no single chain of residues: \(reason)"
    }
  }
}

/// The atoms of a peptide by residue, name and hand.
///
/// An atom of a residue has the same label in every peptide, whatever its file calls it. Heavy atoms keep the names of the field; a
/// hydrogen is called after the atom that it hangs on. Of two equal branches of a tetrahedral atom (the hydrogens of a CH2 group, the
/// methyls of valine) the first is told by the hand that the topology's coordinates show, of two equal ends of a flat group (an amide's
/// NH2) it is the one beside the chain: files name them as they like.
public struct PeptideAtoms: Sendable {
  public enum Place: String, Codable, Sendable { case first, inner, last, cap }

  public struct Residue: Equatable, Sendable {
    /// "ALA"; of histidine with the nitrogens that carry a hydrogen, "HIS-E".
    public let kind: String
    public let place: Place
    /// "HIS 2".
    public let title: String
  }

  public let residues: [Residue]
  /// "CB", "H.CB.1". [atoms]
  public let labels: [String]
  /// Ways to exchange equal atoms about a bond that turns (the ends of a carboxylate, the sides of a phenyl ring): pairs of atoms each.
  public let symmetries: [[[Int]]]

  /// Equal ends of a flat group that does not turn by the bond graph, as arginine's NH1 and NH2, and what the first of them is nearer to.
  public struct FlatEnds: Sendable {
    /// The atom beside which the first end stands.
    public let beside: Int
    /// Pairs of atoms, an atom of the first end and its equal of the second; the ends themselves come first.
    public let pairs: [[Int]]
  }

  /// Moves of side chains exchange such ends all the same: by names, that is; the molecule stays.
  public let flatEnds: [FlatEnds]

  /// Throws `PeptideError`; the topology's coordinates must be those of a molecule.
  public init(topology: Topology) throws {
    let residueOf = topology.atoms.map(\.residueIndex)
    var kinds: [String] = []
    for residue in topology.residues {
      guard let kind = Self.kind(residue.name) else {
        throw PeptideError.residue("\(residue.name) \(residue.sequence)")
      }
      kinds.append(kind)
    }
    var labels = topology.atoms.map { Self.heavyName($0.name, in: kinds[$0.residueIndex]) }
    for heavy in topology.atoms.indices where !topology.isHydrogen(heavy) {
      let hydrogens = topology.neighbours[heavy].filter(topology.isHydrogen)
        .sorted { (topology.atoms[$0].name, $0) < (topology.atoms[$1].name, $1) }
      for (rank, hydrogen) in hydrogens.enumerated() {
        labels[hydrogen] = "H.\(labels[heavy])" + (hydrogens.count > 1 ? ".\(rank + 1)" : "")
      }
    }
    if let lost = topology.atoms.indices.first(where: { topology.isHydrogen($0) && !labels[$0].hasPrefix("H.") }) {
      throw PeptideError.atom(topology.label(of: lost))
    }
    var found: [Residue] = []
    for (index, residue) in topology.residues.enumerated() {
      func has(_ label: String) -> Bool {
        topology.atoms.indices.contains { residueOf[$0] == index && labels[$0] == label }
      }
      let place: Place
      if Self.caps.contains(kinds[index]) {
        place = .cap
      } else {
        switch (has("H.N.2"), has("OXT")) {
        case (true, true): throw PeptideError.chain("\(residue.name) \(residue.sequence) stands alone")
        case (true, false): place = .first
        case (false, true): place = .last
        case (false, false): place = .inner
        }
      }
      var kind = kinds[index]
      if kind == "HIS" {
        kind += "-" + [("ND1", "D"), ("NE2", "E")].filter { has("H.\($0.0)") }.map(\.1).joined()
      }
      found.append(Residue(kind: kind, place: place, title: "\(residue.name) \(residue.sequence)"))
    }
    residues = found
    (symmetries, flatEnds) = Self.settle(&labels, topology)
    self.labels = labels
    for (index, pair) in zip(topology.residues.indices.dropFirst(), zip(found, found.dropFirst())) {
      let isBonded = topology.bonds.contains {
        Set([residueOf[$0.first], residueOf[$0.second]]) == [index - 1, index]
          && Set([labels[$0.first], labels[$0.second]]) == ["C", "N"]
      }
      guard isBonded else { throw PeptideError.chain("no bond C-N joins \(pair.0.title) and \(pair.1.title)") }
    }
    // two atoms of one label: a residue that is none
    var seen: Set<String> = []
    for atom in topology.atoms.indices where !seen.insert("\(residueOf[atom]) \(labels[atom])").inserted {
      throw PeptideError.atom(topology.label(of: atom))
    }
  }

  /// Atoms by residue and label.
  func order(_ topology: Topology) -> [Int] {
    topology.atoms.indices.sorted {
      (topology.atoms[$0].residueIndex, labels[$0]) < (topology.atoms[$1].residueIndex, labels[$1])
    }
  }

  private static let caps: Set<String> = ["ACE", "NME", "NH2"]

  private static let amino: Set<String> = [
    "ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE", "LEU", "LYS", "MET", "PHE", "PRO", "SER",
    "THR",
    "TRP", "TYR", "VAL",
  ]

  /// Other names of the same residue; what hydrogens it has, the atoms tell.
  private static let others = [
    "HID": "HIS", "HIE": "HIS", "HIP": "HIS", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS", "HISD": "HIS", "HISE": "HIS",
    "HISH": "HIS", "CYX": "CYS", "CYM": "CYS", "ASH": "ASP", "GLH": "GLU", "LYN": "LYS", "NMA": "NME", "NHE": "NH2",
  ]

  private static func kind(_ name: String) -> String? {
    let name = name.uppercased()
    // AMBER's libraries call the ends of a chain NALA and CALA
    let bare = name.count == 4 && (name.hasPrefix("N") || name.hasPrefix("C")) ? String(name.dropFirst()) : name
    for candidate in [name, bare] {
      let kind = others[candidate] ?? candidate
      if amino.contains(kind) || caps.contains(kind) { return kind }
    }
    return nil
  }

  private static func heavyName(_ name: String, in kind: String) -> String {
    switch (kind, name) {
    case (_, "OT1"), (_, "OC1"), (_, "O1"): "O"
    case (_, "OT2"), (_, "OC2"), (_, "O2"): "OXT"
    case ("ILE", "CD"): "CD1"
    case ("NME", "C"): "CH3"
    default: name
    }
  }

  /// Gives equal branches their labels; returns the ways to exchange those that a turn exchanges, and those of flat groups.
  private static func settle(
    _ labels: inout [String], _ topology: Topology
  ) -> (symmetries: [[[Int]]], flat: [FlatEnds]) {
    let (colours, x) = (Chirality.refinedColours(of: topology), topology.referenceCoordinates)
    func point(_ atom: Int) -> Vector3 { Vector3(x[3 * atom], x[3 * atom + 1], x[3 * atom + 2]) }
    var symmetries: [[[Int]]] = []
    var flat: [FlatEnds] = []
    for centre in topology.atoms.indices {
      let around = topology.neighbours[centre]
      guard
        let pair = around.lazy.map({ atom in around.filter { colours[$0] == colours[atom] } }).first(where: {
          $0.count == 2
        })
      else { continue }
      let rest = around.filter { !pair.contains($0) }.sorted {
        (topology.atoms[$0].residueIndex, labels[$0]) < (topology.atoms[$1].residueIndex, labels[$1])
      }
      let sorted = pair.sorted { labels[$0] < labels[$1] }
      let (a, b) = (sorted[0], sorted[1])
      guard let branches = branches(topology, colours, labels, a, b, beyond: centre) else { continue }
      let isInOrder: Bool
      if rest.count == 2 {
        let end = point(rest[1])
        isInOrder = (point(a) - end).dot((point(b) - end).cross(point(rest[0]) - end)) > 0
      } else if rest.count == 1 {
        if topology.turns(rest[0], centre) {
          if !symmetries.contains(where: { Set($0.map(Set.init)) == Set(branches.map(Set.init)) }) {
            symmetries.append(branches)
          }
          continue
        }
        let before = topology.neighbours[rest[0]].filter { $0 != centre && !topology.isHydrogen($0) }
        guard let far = before.min(by: { labels[$0] < labels[$1] }) else { continue }
        isInOrder = (point(a) - point(far)).length < (point(b) - point(far)).length
        flat.append(FlatEnds(beside: far, pairs: isInOrder ? branches : branches.map { [$0[1], $0[0]] }))
      } else {
        continue
      }
      if !isInOrder { for branch in branches { labels.swapAt(branch[0], branch[1]) } }
    }
    return (symmetries, flat)
  }

  /// Atoms of two equal branches, in pairs; nil where they do not match.
  private static func branches(
    _ topology: Topology, _ colours: [Int], _ labels: [String], _ a: Int, _ b: Int, beyond centre: Int
  ) -> [[Int]]? {
    var (pairs, seen, next) = ([[a, b]], Set([centre, a, b]), 0)
    while next < pairs.count {
      let (u, v) = (pairs[next][0], pairs[next][1])
      next += 1
      let (left, right) = (
        topology.neighbours[u].filter { !seen.contains($0) }, topology.neighbours[v].filter { !seen.contains($0) }
      )
      let shared = Set(left).intersection(right)
      func sorted(_ atoms: [Int]) -> [Int] {
        atoms.filter { !shared.contains($0) }.sorted { (colours[$0], labels[$0]) < (colours[$1], labels[$1]) }
      }
      let (first, second) = (sorted(left), sorted(right))
      guard first.map({ colours[$0] }) == second.map({ colours[$0] }) else { return nil }
      pairs += zip(first, second).map { [$0, $1] }
      seen.formUnion(left + right)
    }
    return pairs
  }
}

extension Topology {
  /// Whether a bond, by what it is, turns all the way round: it is in no ring, and one of its atoms is tetrahedral.
  func turns(_ first: Int, _ second: Int) -> Bool {
    neighbours[first].contains(second) && (isTetrahedral(first) || isTetrahedral(second))
      && !isInRing(Bond(first, second))
  }
}
