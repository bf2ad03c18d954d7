import Foundation
import TestSupport
import Testing

@testable import Molecules

@Suite struct RotatableTests {
  private func alanine() throws -> Topology {
    try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
  }

  @Test func alanineTurnsAboutEveryBondThatIsNoEnd() throws {
    let torsions = try alanine().rotatableTorsions
    // three methyl groups, two peptide bonds, phi and psi
    #expect(torsions.count == 7)
    #expect(torsions.filter { $0.fold == 3 }.count == 3)
    #expect(Set(torsions.filter { $0.fold == 1 }.map(\.name)) == ["omega1", "phi2", "psi2", "omega2"])
    #expect(torsions.filter(\.isStaggered).map(\.fold) == [3])
    #expect(try alanine().staggeredTorsions.isEmpty)
  }

  @Test func ringsTurnAsAWholeAndTwiceOver() throws {
    func torsions(_ topology: Topology) -> [String: RotatableTorsion] {
      Dictionary(topology.rotatableTorsions.map { ($0.name, $0) }, uniquingKeysWith: { a, _ in a })
    }
    let topology = try Fixtures.dipeptide("NY")
    let tyrosine = torsions(topology)
    #expect(tyrosine["chi2-2"]?.fold == 2)
    #expect(tyrosine["chi1-2"]?.isStaggered == true)
    #expect(tyrosine["chi2-2"]?.isStaggered == false)
    #expect(tyrosine["CZ-OH of TYR 2"]?.fold == 2)
    #expect(tyrosine["CA-C of TYR 2"]?.fold == 2)  // the carboxylate
    #expect(tyrosine["N-CA of ASN 1"]?.fold == 3)  // the ammonium
    let chi1 = try #require(tyrosine["chi1-2"])
    // two hydrogens and the ring with its own and its oxygen: CB keeps its place, and so does the backbone
    let turning = try #require(topology.turningAtoms(of: chi1.atoms))
    #expect(turning.count == 2 + 6 + 4 + 2)
    #expect(turning.allSatisfy { !["N", "CA", "C", "O", "OXT", "CB", "HA"].contains(topology.atoms[$0].name) })
    let ring = try ["CB", "CG", "CD1", "CE1"].map { name in
      try #require(topology.atoms.indices.last { topology.atoms[$0].name == name })
    }
    #expect(topology.turningAtoms(of: ring) == nil)  // CG-CD1 is a bond of the ring
    // no bond of the ring
    #expect(tyrosine.values.allSatisfy { !$0.name.hasPrefix("CD1-CE1") && !$0.name.hasPrefix("CG-CD") })
    let isoleucine = try Fixtures.dipeptide("IM")
    #expect(isoleucine.staggeredTorsions.map(\.fullName) == ["chi1-1", "chi2-1", "chi1-2", "chi2-2", "chi3-2"])
  }
}
