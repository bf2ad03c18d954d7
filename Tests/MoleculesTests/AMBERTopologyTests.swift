import Foundation
import TestSupport
import Testing

@testable import Molecules

@Suite struct AMBERTopologyTests {
  static let dataset = Package.alanine

  func text() throws -> String {
    try String(contentsOf: Self.dataset.appendingPathComponent("alanine.prmtop"), encoding: .utf8)
  }

  @Test func readsAlanine() throws {
    let amber = try AMBERTopology.read(Self.dataset.appendingPathComponent("alanine.prmtop"))
    #expect(amber.atomCount == 22)
    #expect(amber.residueNames == ["ACE", "ALA", "NME"])
    #expect(amber.atomNames[8] == "CA" && amber.residueIndices[8] == 1 && amber.atomicNumbers?[8] == 6)
    #expect(abs(amber.masses.reduce(0, +) - 144.174) < 0.02)
    #expect(abs(amber.charges.reduce(0, +)) < 1e-6)
    #expect(amber.bonds.count == 21 && amber.angles.count == 36)
    // scaled 1-4 pairs, and with them all pairs within three bonds
    #expect(amber.exceptions.filter { $0.chargeProduct != 0 || $0.epsilon != 0 }.count == 41)
    #expect(amber.exceptions.count == 98)
    #expect(try amber.bornRadii?.count == 22 && #require(amber.bornRadii)[0] == 0.125)
    let pdb = try Topology.read(pdb: Self.dataset.appendingPathComponent("alanine.pdb"))
    #expect(amber.difference(from: pdb) == nil)
    let own = try amber.topology(coordinates: pdb.referenceCoordinates)
    #expect(own.bonds == pdb.bonds && own.atoms.map(\.name) == pdb.atoms.map(\.name))
    #expect(try own.torsion(named: "phi") == [4, 6, 8, 14])
  }

  @Test func tellsMoleculesApart() throws {
    let pdb = try Topology.read(pdb: Self.dataset.appendingPathComponent("alanine.pdb"))
    // CB bonded to N in place of CA
    let moved = try AMBERTopology.parse(changed("      24      30       7", "      18      30       7"), file: "x")
    #expect(
      moved.difference(from: pdb) == "N of ALA 2 and CB of ALA 2 are bonded in the prmtop and not in the topology")
  }

  private func message(_ text: String) -> String {
    do {
      _ = try AMBERTopology.parse(text, file: "x.prmtop")
      return "nothing"
    } catch {
      return "\(error)"
    }
  }

  /// Replaces the first occurrence.
  private func changed(_ old: String, _ new: String) throws -> String {
    let text = try text()
    let range = try #require(text.range(of: old), "\(old)")
    return text.replacingCharacters(in: range, with: new)
  }

  @Test func namesWhatIsWrongAndWhere() throws {
    #expect(
      message("") == "x.prmtop: cannot be read: it holds no %FLAG section; give an AMBER prmtop of version 7 or later")
    let missing = AMBERTopologyTests.dataset.appendingPathComponent("none.prmtop")
    #expect(throws: MoleculesError.unreadable(file: missing.path, reason: "no such file")) {
      try AMBERTopology.read(missing)
    }
    #expect(throws: MoleculesError.unreadable(file: "/dev/zero", reason: "it is not a regular file")) {
      try AMBERTopology.read(URL(fileURLWithPath: "/dev/zero"))
    }
    #expect(
      try message(changed("%FLAG MASS", "%FLAG MESS")) == "x.prmtop: cannot be read: it holds no section %FLAG MASS")
    #expect(
      try message(changed("%FLAG MASS", "%FLAG CHARGE")).hasSuffix("the section CHARGE is given twice"))
    #expect(
      try message(changed("      22       7", "      23       7")).hasSuffix(
        "the section ATOM_NAME holds 22 values; the file's POINTERS announce 23"))
    #expect(
      try message(changed("      22       7", "99999999       7")).contains("POINTERS announce 99999999"))
    #expect(
      try message(changed("      22       7", "-2222222       7")).hasSuffix("POINTERS: \"-2222222\" is not a count"))
    #expect(
      try message(changed("      22       7", "      22 9999999")).contains("POINTERS announce"))
    #expect(
      try message(changed("  2.04636429E+00", "             nan")).hasSuffix(
        "x.prmtop:17: CHARGE: \"nan\" is not a finite number"))
    #expect(
      try message(changed("  2.04636429E+00", "  2.046z6429E+00")).hasSuffix(
        "x.prmtop:17: CHARGE: \"2.046z6429E+00\" is not a finite number"))
    #expect(try message(changed("%FLAG TITLE", "%FLAG CTITLE")).contains("CHARMM force field (CHAMBER)"))
    let cut = try text()
    let half = String(cut.prefix(cut.count / 2))
    #expect(message(half).contains("holds"))
  }

  /// ff19SB: one map of alanine, over phi and psi.
  @Test func readsMapsOfTwoTorsions() throws {
    let text = try String(contentsOf: Package.fixture("prmtops/alanine-ff19sb.prmtop"), encoding: .utf8)
    let amber = try AMBERTopology.parse(text, file: "x.prmtop")
    #expect(amber.mappedTorsions == [.init(first: [4, 6, 8, 14], second: [6, 8, 14, 16], map: 0)])
    #expect(amber.maps.map(\.size) == [24])
    // the file's first number is at -180 degrees of both, which is half a turn from zero
    #expect(abs(amber.maps[0].energies[12 * 24 + 12] - -0.40490 * 4.184) < 1e-9)
    #expect(abs(amber.maps[0].energies[13 * 24 + 12] - -0.91563 * 4.184) < 1e-9)
    #expect(amber.radiusSet == "ArgH and AspGluO modified Bondi2 radii (mbondi3)" && !amber.hasBox)
    for (old, new, expected) in [
      ("      15      17       1", "      15      23       1", "CMAP_INDEX: atoms [5, 7, 9, 15, 23] and map 1 of 1"),
      ("      15      17       1", "      15      15       1", "CMAP_INDEX: atoms [5, 7, 9, 15, 15] and map 1 of 1"),
      ("      15      17       1", "      15      17       2", "CMAP_INDEX: atoms [5, 7, 9, 15, 17] and map 2 of 1"),
      ("\n  24\n", "\n  23\n", "CMAP_RESOLUTION: a grid of 23 points"),
      ("\n  24\n", "\n  22\n", "the section CMAP_PARAMETER_01 holds more than 484 values"),
      ("%FLAG CMAP_PARAMETER_01", "%FLAG CMAP_PARAMETER_02", "it holds no section %FLAG CMAP_PARAMETER_01"),
    ] {
      let range = try #require(text.range(of: old), "\(old)")
      #expect(message(text.replacingCharacters(in: range, with: new)).contains(expected), "\(expected)")
    }
  }

  /// Any one field of any section turned into something else gives a typed error or another molecule, never a crash.
  @Test func hostileFieldsDoNotCrash() throws {
    let lines = try text().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    var refused = 0
    for (number, line) in lines.enumerated() where !line.hasPrefix("%") && !line.isEmpty {
      let old = line.count >= 8 ? 8 : line.count
      for replacement in ["       0", "-9999999", "99999999", "1.0E+300"] {
        var copy = lines
        copy[number] = replacement + line.dropFirst(old)
        do { _ = try AMBERTopology.parse(copy.joined(separator: "\n"), file: "x") } catch let error as MoleculesError {
          _ = error.description
          refused += 1
        }
      }
    }
    #expect(refused > 300)
    // bytes that are no text
    var bytes = Array(try text().utf8)
    for place in stride(from: 0, to: bytes.count, by: 97) { bytes[place] = UInt8(truncatingIfNeeded: place &* 31) }
    #expect(throws: MoleculesError.self) { try AMBERTopology(PrmtopSections(bytes, file: "x")) }
  }
}
