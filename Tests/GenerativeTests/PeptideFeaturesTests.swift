import Basics
import Foundation
import Molecules
import TestSupport
import Testing

@testable import Generative

/// Atoms of dipeptides by the tables of a network for many: which are known, and what is said of those that are not.
@Suite struct PeptideFeaturesTests {
  let features: PeptideFeatures

  init() throws { features = try PeptideOracle().features }

  /// All dipeptides of datasets/dipeptides, all twenty amino acids among them, at both places.
  @Test func preparedDipeptidesAreKnown() throws {
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: Package.datasets.appendingPathComponent("dipeptides").path)
    var seen: Set<[Int]> = []
    for name in folders where name.count == 2 {
      let topology = try PeptideOracle.topology(name)
      let columns = try features.columns(of: topology)
      #expect(columns.count == topology.atoms.count)
      #expect(columns.allSatisfy { (0..<2).contains($0[0]) && (2..<22).contains($0[1]) && (22..<76).contains($0[2]) })
      seen.formUnion(columns.map { [$0[0], $0[1]] })
    }
    #expect(seen.count == 40)
  }

  /// The molecule with other names of atoms ("ALA HA") and residues, and without some atoms.
  private func changed(
    _ name: String, names: [String: String] = [:], residues: [String: String] = [:], without: Set<String> = []
  ) throws -> Topology {
    let topology = try PeptideOracle.topology(name)
    func title(_ index: Int) -> String {
      let atom = topology.atoms[index]
      return "\(topology.residues[atom.residueIndex].name) \(atom.name)"
    }
    let kept = topology.atoms.indices.filter { !without.contains(title($0)) }
    #expect(kept.count == topology.atoms.count - without.count)
    for old in names.keys { #expect(topology.atoms.indices.contains { title($0) == old }, "\(old)") }
    let place = Dictionary(uniqueKeysWithValues: zip(kept, kept.indices))
    return try Topology(
      atoms: kept.map {
        let atom = topology.atoms[$0]
        return Topology.Atom(
          name: names[title($0)] ?? atom.name, element: atom.element, residueIndex: atom.residueIndex,
          serial: atom.serial)
      },
      residues: topology.residues.map {
        Topology.Residue(name: residues[$0.name] ?? $0.name, sequence: $0.sequence, chain: $0.chain)
      },
      bonds: topology.bonds.compactMap { bond in
        place[bond.first].flatMap { first in place[bond.second].map { Topology.Bond(first, $0) } }
      },
      referenceCoordinates: kept.flatMap { topology.referenceCoordinates[3 * $0..<3 * $0 + 3] })
  }

  /// What other programs call the same atoms and residues.
  @Test func otherNamesOfTheSame() throws {
    let ac = try changed(
      "AC", names: ["ALA H": "H1", "CYS HB2": "HB1", "CYS HB3": "HB2"], residues: ["ALA": "NALA", "CYS": "CCYS"])
    #expect(try features.columns(of: ac) == features.columns(of: PeptideOracle.topology("AC")))
    // a proton of the ring is HD1, and no HD
    let hl = try PeptideOracle.topology("HL")
    let other = try changed("HL", residues: ["HIS": hl.atoms.contains { $0.name == "HD1" } ? "HID" : "HIE"])
    #expect(try features.columns(of: other) == features.columns(of: hl))
  }

  @Test func strangersAreNamed() throws {
    func expect(_ error: PeptideFeatureError, _ topology: Topology) {
      #expect(throws: error) { _ = try features.columns(of: topology) }
    }
    let alanine = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    expect(.residueCount(3, expected: 2), alanine)
    expect(.residue("ACE 1", known: features.residueTypes), try changed("AC", residues: ["ALA": "ACE"]))
    expect(.unknownAtom("HX of ALA 1"), try changed("AC", names: ["ALA HB2": "HX"]))
    // shortened it is a type that others have, as a neutral aspartate's would be
    expect(.unknownAtom("HD2 of CYS 2"), try changed("AC", names: ["CYS HG": "HD2"]))
    expect(
      .surplusAtom("HB3 of ALA 1", type: "HB", expected: 3), try changed("AC", names: ["ALA HA": "HB"]))
    // no thiol, a neutral end
    expect(
      .missingAtom(type: "HG", residue: "CYS 2", found: 0, expected: 1), try changed("AC", without: ["CYS HG"]))
    expect(
      .missingAtom(type: "H", residue: "LYS 1", found: 2, expected: 3), try changed("KS", without: ["LYS H3"]))
    expect(
      .missingAtom(type: "HZ", residue: "LYS 1", found: 2, expected: 3), try changed("KS", without: ["LYS HZ1"]))
    // an end where the other residue is
    expect(.surplusAtom("H2 of CYS 2", type: "H", expected: 1), try changed("AC", names: ["CYS HB2": "H2"]))
    let alone = try changed("AC", names: ["ALA O": "OXT"])
    #expect(throws: PeptideError.chain("ALA 1 stands alone")) { _ = try features.columns(of: alone) }
    #expect(
      PeptideFeatureError.unknownAtom("HX of ALA 1").description
        == "the network does not know atom HX of ALA 1: no such residue has it, by its name")
  }

  @Test func tablesMustFit() throws {
    func expect(
      saying words: String, residues: [String] = ["ALA"], _ rule: PeptideFeatures.Rule, twice: Bool = false,
      places: Int = 2
    ) {
      do {
        _ = try PeptideFeatures(
          places: places, residueTypes: residues, atomTypes: ["CA"], rules: twice ? [rule, rule] : [rule])
        Issue.record("tables that do not fit are accepted: \(words)")
      } catch {
        #expect("\(error)".contains(words), "\(error)")
      }
    }
    func rule(_ residue: String = "ALA", type: Int = 0, places: Int = 2) -> PeptideFeatures.Rule {
      PeptideFeatures.Rule(
        residue: residue, atom: "CA", type: type, presence: .init(repeating: .always, count: places))
    }
    expect(saying: "CA of ALA has type 1 of 1", rule(type: 1))
    expect(saying: "CA of ALA has type -1 of 1", rule(type: -1))
    expect(saying: "CA of GLY is of no type of residue", rule("GLY"))
    expect(saying: "CA of ALA has 1 places of 2", rule(places: 1))
    expect(saying: "CA of ALA twice", rule(), twice: true)
    expect(saying: "a name stands twice", residues: ["ALA", "ALA"], rule())
    expect(saying: "peptides have 0 residues", rule(places: 0), places: 0)
  }

  /// A class's column is the sum of its features' columns, and the time's stays last.
  @Test func classesAreSums() throws {
    let small = try PeptideFeatures(places: 1, residueTypes: ["ALA", "GLY"], atomTypes: ["CA"], rules: [])
    let embedding = try NDArray([1.0, 20, 300, 4000, 5, 6, 7, 8, 9, 0.5], shape: [2, 5])
    let folded = try small.folded(embedding, columns: [[0, 2, 3], [0, 1, 3], [0, 2, 3]])
    #expect(folded.atomClasses == [0, 1, 0] && folded.classCount == 2)
    #expect(folded.embedding == (try NDArray([4301.0, 4021, 5, 23, 22, 0.5], shape: [2, 3])))
    #expect(throws: PeptideFeatureError.embedding(shape: [5, 2], expected: 5)) {
      _ = try small.folded(NDArray(embedding.values, shape: [5, 2]), columns: [[0, 1, 3]])
    }
  }
}
