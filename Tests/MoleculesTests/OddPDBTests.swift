import Foundation
import TestSupport
import Testing

@testable import Molecules

/// PDB files that depart from the format, as MDTraj and OpenMM read them.
@Suite struct OddPDBTests {
  struct Reading: Decodable {
    let names, elements, resnames: [String]
    let residues: [Int]
    let xyz: [Double]
  }

  struct Case: Decodable {
    let name, text: String
    let MDTraj, OpenMM: Reading?
  }

  @Test func areReadAsByOtherPrograms() throws {
    let data = try Data(contentsOf: Package.fixture("odd_pdb.json"))
    let cases = try JSONDecoder().decode([Case].self, from: data)
    #expect(cases.count == 12)
    for odd in cases {
      let structure = try Structure.parse(pdb: Array(odd.text.utf8), file: odd.name)
      let readings = [odd.MDTraj, odd.OpenMM].compactMap { $0 }
      #expect(readings.count == 2, "\(odd.name)")
      // where the two differ (MDTraj takes a left-justified CA for calcium, OpenMM renames waters), as one of them
      #expect(readings.contains { Self.isRead(structure, as: $0) }, "\(odd.name)")
    }
  }

  private static func isRead(_ structure: Structure, as reading: Reading) -> Bool {
    let atoms = structure.atoms
    guard atoms.map(\.name) == reading.names, atoms.map(\.element) == reading.elements,
      structure.residues.map(\.name) == reading.resnames, atoms.map(\.residueIndex) == reading.residues,
      structure.coordinates.count == reading.xyz.count
    else { return false }
    return zip(structure.coordinates, reading.xyz).allSatisfy { abs($0 - $1) < 1e-4 }
  }

  @Test func numbersInFewColumns() {
    #expect(PDBNumber.value("99999", width: 5) == 99999 && PDBNumber.value("-12", width: 4) == -12)
    // hybrid-36 goes on where decimal digits end, first in capitals, then in small letters
    #expect(PDBNumber.value("A0000", width: 5) == 100_000 && PDBNumber.value("A000", width: 4) == 10_000)
    #expect(PDBNumber.value("ZZZZZ", width: 5) == 43_770_015 && PDBNumber.value("a0000", width: 5) == 43_770_016)
    #expect(PDBNumber.value("zzzzz", width: 5) == 87_440_031)
    #expect(PDBNumber.value("186a0", width: 5) == 100_000)
    #expect(PDBNumber.value("*****", width: 5) == nil && PDBNumber.value("", width: 4) == nil)
  }

  private func alanine(_ change: (inout [String]) -> Void) throws -> String {
    var lines = try String(contentsOf: Package.fixture("molecules/alanine.pdb"), encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    change(&lines)
    return lines.joined(separator: "\n")
  }

  /// One location for all atoms of a residue, though the file names them in another order for each.
  @Test func locationsAreOnesOfAResidue() throws {
    func atom(_ serial: Int, _ name: String, _ alternate: String, _ x: Double) -> String {
      String(format: "ATOM  %5d  ", serial) + name.padding(toLength: 3, withPad: " ", startingAt: 0) + alternate
        + "SER A   1    " + String(format: "%8.3f%8.3f%8.3f", x, 0.0, 0.0)
    }
    let text = [
      atom(1, "CB", "A", 0), atom(2, "CB", "B", 1), atom(3, "OG", "B", 2.4), atom(4, "OG", "A", 1.4),
      atom(5, "HG", "B", 3.4),
    ].joined(separator: "\n")
    let structure = try Structure.parse(pdb: Array(text.utf8), file: "x.pdb")
    let x = stride(from: 0, to: structure.coordinates.count, by: 3).map { structure.coordinates[$0] }
    #expect(x.count == 3 && zip(x, [0, 0.14, 0.34]).allSatisfy { abs($0 - $1) < 1e-9 })
    #expect(structure.warnings.count == 1)
    #expect(structure.warnings.first?.contains("SER 1 is taken at its location A, where it has no HG") == true)
  }

  @Test func connectionsOfOddSerials() throws {
    let bonds = try Fixtures.alanine().bonds
    func lines(_ serial: (Int) -> String) throws -> String {
      try alanine { lines in
        lines = lines.map { line in
          guard line.hasPrefix("ATOM") || line.hasPrefix("HETATM"),
            let number = Int(line.dropFirst(6).prefix(5).filter { $0 != " " })
          else { return line.hasPrefix("CONECT") ? "" : line }
          return line.prefix(6) + String(repeating: " ", count: 5 - serial(number).count) + serial(number)
            + line.dropFirst(11)
            .replacingOccurrences(of: "ALA", with: "LIG").replacingOccurrences(of: "ACE", with: "LIG")
            .replacingOccurrences(of: "NME", with: "LIG")
        }
        lines.removeAll { $0.isEmpty || $0.hasPrefix("END") }
        for bond in bonds {
          let ends = [serial(bond.first + 1), serial(bond.second + 1)]
          lines.append("CONECT" + ends.map { String(repeating: " ", count: 5 - $0.count) + $0 }.joined())
        }
      }
    }
    let hybrid = try Structure.parse(pdb: Array(lines { String(format: "A%04d", $0) }.utf8), file: "x")
    #expect(hybrid.bonds == bonds && hybrid.guessedBonds.isEmpty && hybrid.warnings.isEmpty)
    // 1 to 11 come twice: what is close is meant
    let repeated = try Structure.parse(pdb: Array(lines { "\(($0 - 1) % 11 + 1)" }.utf8), file: "x")
    #expect(repeated.bonds == bonds && repeated.guessedBonds.isEmpty)
    let lost = try alanine { $0.insert("CONECT    1   99", at: 24) }
    let structure = try Structure.parse(pdb: Array(lost.utf8), file: "x.pdb")
    #expect(structure.bonds == bonds)
    #expect(structure.warnings.contains { $0.contains("CONECT names atom numbers that the file does not hold: 99") })
  }

  /// Names of residues tell bonds, whatever else is near.
  @Test func aClashIsNoBond() throws {
    let folder = Package.fixture("cases/bonds-from-a-clash")
    let structure = try Structure.read(pdb: folder.appendingPathComponent("phe.pdb"))
    #expect(structure.guessedBonds.isEmpty && structure.warnings.isEmpty)
    let amber = try AMBERTopology.read(folder.appendingPathComponent("phe.prmtop")).structure()
    #expect(structure.bonds == amber.bonds && structure.bonds.count == 32)
    // residues that nobody knows leave distances, which tell one bond too many, and say so
    let text = try String(contentsOf: folder.appendingPathComponent("phe.pdb"), encoding: .utf8)
      .replacingOccurrences(of: "PHE", with: "LIG").replacingOccurrences(of: "NME", with: "CAP")
    let guessed = try Topology.parse(pdb: text, file: "x")
    #expect(guessed.bonds.count == 33 && guessed.guessedBonds.contains(Topology.Bond(22, 27)))
    #expect(guessed.warningOfGuessedBonds?.contains("told by distances in the structure alone") == true)
  }

  /// What names and CONECT tell of the shipped molecules is what their force fields say.
  @Test func bondsOfShippedMolecules() throws {
    for name in ["AC", "ET", "GN", "IM", "KS", "NF", "NY"] {
      let structure = try Structure.read(pdb: Package.dipeptide(name).appendingPathComponent("topology.pdb"))
      #expect(structure.guessedBonds.isEmpty && structure.molecules.count == 1, "\(name)")
    }
    let alanine = try Structure.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let amber = try AMBERTopology.read(Package.alanine.appendingPathComponent("alanine.prmtop")).structure()
    #expect(alanine.bonds == amber.bonds && alanine.guessedBonds.isEmpty)
  }
}
