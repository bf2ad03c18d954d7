import Foundation
import TestSupport
import Testing

@testable import Molecules

@Suite struct PDBTests {
  @Test func alanineDipeptide() throws {
    let topology = try Fixtures.alanine()
    #expect(topology.atoms.count == 22)
    #expect(topology.bonds.count == 21)
    #expect(topology.residues.map(\.name) == ["ACE", "ALA", "NME"])
    #expect(topology.atoms[8].name == "CA" && topology.atoms[8].element == "C")
    #expect(topology.neighbours[8] == [6, 9, 10, 14])
    #expect(abs(topology.referenceCoordinates[3 * 8] - 0.4920) < 1e-12)
    #expect(abs(topology.masses.reduce(0, +) - 144.174) < 0.01)
  }

  @Test func namedTorsions() throws {
    let topology = try Fixtures.alanine()
    #expect(try topology.torsion(named: "phi") == [4, 6, 8, 14])
    #expect(try topology.torsion(named: "psi2") == [6, 8, 14, 16])
    #expect(try topology.torsion(named: "omega1") == [1, 4, 6, 8])
    #expect(try topology.torsion(named: "methyl2") == [6, 8, 10, 11])
    #expect(throws: MoleculesError.ambiguousTorsion(name: "omega", candidates: ["omega1", "omega2"])) {
      try topology.torsion(named: "omega")
    }
    let error = #expect(throws: MoleculesError.self) { try topology.torsion(named: "fi") }
    #expect("\(error!)".contains("\"fi\"") && "\(error!)".contains("phi2"))
  }

  @Test func dipeptides() throws {
    // (atoms, rings, torsions): bonds = atoms - 1 + rings in a connected molecule
    let expected: [(String, Int, Int)] = [
      ("AC", 24, 0), ("ET", 32, 0), ("GN", 24, 0), ("IM", 39, 0), ("KS", 36, 0), ("NF", 37, 1),
      ("NY", 38, 1),
    ]
    for (name, atoms, rings) in expected {
      let topology = try Fixtures.dipeptide(name)
      #expect(topology.atoms.count == atoms, "\(name)")
      #expect(topology.bonds.count == atoms - 1 + rings, "\(name)")
      #expect(try topology.torsion(named: "phi").count == 4)
      #expect(try topology.torsion(named: "psi").count == 4)
    }
    let im = try Fixtures.dipeptide("IM")
    let names = im.namedTorsions.map(\.fullName)
    for name in ["ammonium1", "chi1-1", "chi2-1", "chi1-2", "chi2-2", "chi3-2", "methyl_CG2-1", "methyl_CE2"] {
      #expect(names.contains(name), "\(name) in \(names)")
    }
  }

  private func text(_ change: (inout [String]) -> Void) throws -> String {
    var lines = try String(contentsOf: Package.fixture("molecules/alanine.pdb"), encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    change(&lines)
    return lines.joined(separator: "\n")
  }

  private func message(_ text: String) -> String {
    do {
      _ = try Topology.parse(pdb: text, file: "x.pdb")
      return "no error"
    } catch { return "\(error)" }
  }

  @Test func errorsNameFileAndLine() throws {
    let broken = try text { $0[4] = $0[4].replacingOccurrences(of: " 1.777", with: " 1.7x7") }
    #expect(message(broken) == "x.pdb:5: \"1.7x7\" in columns 31-38 is not a coordinate (x, angstrom)")
    let element = try text { $0[2] = $0[2].replacingOccurrences(of: " C  ", with: "Xq  ") }
    #expect(message(element).hasPrefix("x.pdb:3: \"Xq\" in columns 77-78"))
    let twice = try text { $0[3] = $0[2] }
    #expect(message(twice) == "x.pdb:4: atom CH3 of ACE 1 stands there twice, in the same place")
    #expect(message("REMARK\n").contains("no ATOM or HETATM record"))
    let far = try text { $0[22] = $0[22].replacingOccurrences(of: "   5.701   8.769", with: "  55.701   8.769") }
      .split(separator: "\n").filter { !$0.hasPrefix("CONECT") }.joined(separator: "\n")
    #expect(message(far).hasPrefix("C of NME 3 and H3 of NME 3 are bonded and stand 4.99 nm apart"), "\(message(far))")
    // of a residue that nobody knows
    #expect(message(far.replacingOccurrences(of: "NME", with: "CAP")).contains("not connected: atom 22 (H3 of CAP 3)"))
    let missing = #expect(throws: MoleculesError.self) { try Topology.read(pdb: URL(fileURLWithPath: "/none.pdb")) }
    #expect("\(missing!)" == "/none.pdb: cannot be read: no such file")
  }

  @Test func modelsAlternatesAndGuessedElements() throws {
    let whole = try Fixtures.alanine()
    let twoModels = try text { lines in
      let atoms = lines.filter { $0.contains("ATM") || $0.hasPrefix("ATOM") }
      lines = ["MODEL        1"] + atoms + ["ENDMDL", "MODEL        2"] + atoms + ["ENDMDL", "END"]
    }
    #expect(try Topology.parse(pdb: twoModels, file: "x").bonds == whole.bonds)
    let bare = try text { $0 = $0.map { $0.hasPrefix("ATOM") || $0.hasPrefix("HETATM") ? String($0.prefix(60)) : $0 } }
    #expect(try Topology.parse(pdb: bare, file: "x").atoms.map(\.element) == whole.atoms.map(\.element))
    let alternate = try text { lines in
      func other(_ line: String, _ letter: Character, _ serial: String) -> String {
        var characters = Array(line)
        characters[16] = letter
        characters.replaceSubrange(6..<11, with: Array(serial))
        return String(characters)
      }
      let oxygen = lines[16]
      lines[16] = other(oxygen, "A", "   16")
      lines.insert(other(oxygen, "B", "   99"), at: 17)
    }
    #expect(try Topology.parse(pdb: alternate, file: "x").bonds == whole.bonds)
  }

  @Test func jsonIsWhatMDTrajReads() throws {
    struct Document: Decodable {
      struct Chain: Decodable { let index: Int, residues: [Residue] }
      struct Residue: Decodable { let index: Int, name: String, resSeq: Int, segmentID: String, atoms: [Atom] }
      struct Atom: Decodable { let index: Int, name: String, element: String }
      let chains: [Chain]
      let bonds: [[Int]]
    }
    let topology = try Fixtures.alanine()
    let document = try JSONDecoder().decode(Document.self, from: Data(topology.mdtrajJSON.utf8))
    let atoms = document.chains.flatMap(\.residues).flatMap(\.atoms)
    #expect(atoms.map(\.index) == Array(0..<22))
    #expect(atoms.map(\.name) == topology.atoms.map(\.name))
    #expect(document.chains[0].residues.map(\.resSeq) == [1, 2, 3])
    #expect(document.bonds.count == 21)
  }
}
