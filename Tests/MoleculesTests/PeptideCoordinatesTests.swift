import Foundation
import TestSupport
import Testing

@testable import Molecules

/// Atoms of peptides by residue, name and hand, and internal coordinates with names that two peptides share.
@Suite struct PeptideCoordinatesTests {
  static let pairs = ["AC", "ET", "GN", "IM", "KS", "NF", "NY"]

  static func dipeptide(_ name: String) throws -> Topology {
    try Topology.read(pdb: Package.datasets.appendingPathComponent("dipeptides/\(name)/topology.pdb"))
  }

  /// The same molecule with its atoms in another order and called otherwise: `names` by "RESIDUE NAME".
  static func shuffled(_ topology: Topology, seed: UInt64, renaming names: [String: String] = [:]) throws -> Topology {
    var state = seed
    let order = topology.atoms.indices.map { index -> (UInt64, Int) in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (UInt64(topology.atoms[index].residueIndex) << 60 | state >> 8, index)
    }.sorted { $0.0 < $1.0 }.map(\.1)
    var place = [Int](repeating: 0, count: order.count)
    for (new, old) in order.enumerated() { place[old] = new }
    return try Topology(
      atoms: order.map { old in
        let atom = topology.atoms[old]
        return Topology.Atom(
          name: names["\(topology.residues[atom.residueIndex].name) \(atom.name)"] ?? atom.name, element: atom.element,
          residueIndex: atom.residueIndex, serial: atom.serial)
      }, residues: topology.residues,
      bonds: topology.bonds.map { Topology.Bond(place[$0.first], place[$0.second]) },
      referenceCoordinates: order.flatMap { topology.referenceCoordinates[3 * $0..<3 * $0 + 3] })
  }

  /// By name, the values of a molecule's coordinates as its own positions have them, rotors folded.
  static func named(_ topology: Topology) throws -> [String: Double] {
    let peptide = try PeptideCoordinates(topology: topology)
    var (values, none) = (
      try peptide.coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1).values, [Double]()
    )
    peptide.rotors.fold(&values, gradient: &none, frames: 1)
    var result: [String: Double] = [:]
    for block in peptide.blocks {
      for (index, name) in zip(block.narrow + block.broad, block.narrowNames + block.broadNames) {
        #expect(result.updateValue(values[index], forKey: "\(block.key) \(name)") == nil)
      }
    }
    #expect(result.count == peptide.coordinates.dimension)
    return result
  }

  /// Order of atoms and names of equal hydrogens and methyls play no part: coordinates of one name have the same value.
  @Test(arguments: pairs) func namesAndOrderPlayNoPart(_ name: String) throws {
    let topology = try Self.dipeptide(name)
    let plain = try Self.named(topology)
    // equal atoms of every CH2 and NH2 group and of valine-like branches change names
    var names: [String: String] = [:]
    for residue in topology.residues {
      for (a, b) in [("HB2", "HB3"), ("HG2", "HG3"), ("HD2", "HD3"), ("HE2", "HE3"), ("HA2", "HA3"), ("HD21", "HD22")]
      where topology.residues.filter({ $0.name == residue.name }).count == 1 {
        (names["\(residue.name) \(a)"], names["\(residue.name) \(b)"]) = (b, a)
      }
    }
    // of PHE and TYR these are sides of the ring, which stay
    for residue in ["PHE", "TYR"] {
      for atom in ["HD2", "HD3", "HE2", "HE3"] { names["\(residue) \(atom)"] = nil }
    }
    for seed in 1...3 {
      let other = try Self.named(Self.shuffled(topology, seed: UInt64(seed), renaming: seed > 1 ? names : [:]))
      #expect(Set(other.keys) == Set(plain.keys))
      for (key, value) in plain {
        let found = try #require(other[key])
        let difference = key.contains("torsion") || key.contains("turn") ? cos(found - value) - 1 : found - value
        #expect(abs(difference) < 1e-9, "\(key): \(value), \(found)")
      }
    }
  }

  /// The mirror image has other hands: labels of a CH2 group's hydrogens change places.
  @Test func handsTellHydrogensApart() throws {
    let topology = try Self.dipeptide("AC")
    let mirrored = try Topology(
      atoms: topology.atoms, residues: topology.residues, bonds: topology.bonds,
      referenceCoordinates: topology.referenceCoordinates.enumerated().map { $0 % 3 == 0 ? -$1 : $1 })
    let (labels, other) = (
      try PeptideAtoms(topology: topology).labels, try PeptideAtoms(topology: mirrored).labels
    )
    let changed = labels.indices.filter { labels[$0] != other[$0] }
    #expect(Set(changed.map { topology.atoms[$0].name }) == ["HB2", "HB3"])
  }

  /// What goes all the way round is told by bonds.
  @Test(arguments: [
    ("AC", ["N CA", "CA C", "CA C", "CB CA", "SG CB", "N CA", "CA CB"])
  ]) func broadTorsionsAreThoseThatTurn(_ name: String, _ axes: [String]) throws {
    let peptide = try PeptideCoordinates(topology: Self.dipeptide(name))
    // NH3, CH3, psi1, phi2, psi2, chi1, the thiol
    #expect(peptide.broad.count == axes.count)
    #expect(peptide.rotors.count == 2)
    #expect(peptide.blocks.map(\.key) == ["ALA first", "CYS last", "link link"])
    let link = peptide.blocks[2]
    #expect(link.broadNames.count == 1 && link.narrowNames.contains { $0.hasPrefix("torsion CA N C(-1) CA(-1)") })
  }

  /// Two residues of one kind at different places, and one kind in two peptides, share names.
  @Test func peptidesShareCoordinates() throws {
    let (first, second) = (
      try PeptideCoordinates(topology: Self.dipeptide("NF")), try PeptideCoordinates(topology: Self.dipeptide("NY"))
    )
    #expect(first.blocks[0].key == "ASN first" && first.blocks[0].narrowNames == second.blocks[0].narrowNames)
    #expect(first.blocks[2].narrowNames == second.blocks[2].narrowNames)
    let (phe, tyr) = (Set(first.blocks[1].narrowNames), Set(second.blocks[1].narrowNames))
    let shared = phe.intersection(tyr).count
    #expect(shared > 40)
    #expect(phe != tyr)
  }

  /// Exchanges of equal atoms are those of the carboxylate and of the ring, and change no distance to what they do not exchange.
  @Test func symmetriesAreTurns() throws {
    let topology = try Self.dipeptide("NY")
    let found = try PeptideAtoms(topology: topology).symmetries.map { symmetry in
      Set(symmetry.map { Set($0.map { topology.atoms[$0].name }) })
    }
    #expect(Set(found) == [[["O", "OXT"]], [["CD1", "CD2"], ["CE1", "CE2"], ["HD1", "HD2"], ["HE1", "HE2"]]])
  }

  @Test func whatIsNoPeptideIsRefused() throws {
    let alanine = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let peptide = try PeptideCoordinates(topology: alanine)
    #expect(
      peptide.blocks.map(\.key) == [
        "ACE cap", "ALA inner", "NME cap", "link-from-ACE link", "link-to-NME link",
      ])
    let ring = try Topology.read(pdb: Package.datasets.appendingPathComponent("rings/dithiocane/topology.pdb"))
    #expect {
      try PeptideAtoms(topology: ring)
    } throws: { error in
      if case PeptideError.residue = error { true } else { false }
    }
  }
}
