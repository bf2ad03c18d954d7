import Foundation
import Testing

@testable import Molecules

@Suite struct StructureCheckTests {
  /// Turns what lies beyond a torsion's bond, by Rodrigues' formula.
  private func turned(_ topology: Topology, _ torsion: [Int], by angle: Double) throws -> [Double] {
    var x = topology.referenceCoordinates
    func point(_ i: Int) -> Vector3 { Vector3(x[3 * i], x[3 * i + 1], x[3 * i + 2]) }
    let origin = point(torsion[1])
    var axis = point(torsion[2]) - origin
    axis = (1 / axis.length) * axis
    for atom in try #require(topology.turningAtoms(of: torsion)) {
      let r = point(atom) - origin
      let new = origin + cos(angle) * r + sin(angle) * axis.cross(r) + ((1 - cos(angle)) * axis.dot(r)) * axis
      (x[3 * atom], x[3 * atom + 1], x[3 * atom + 2]) = (new.x, new.y, new.z)
    }
    return x
  }

  @Test func findsHandsAndPeptideBonds() throws {
    let topology = try Fixtures.alanine()
    let check = try StructureCheck(topology)
    let x = topology.referenceCoordinates
    #expect(check.fault(of: x, bonds: true) == nil && check.invertedCentres(in: x).isEmpty)
    let mirrored = x.enumerated().map { $0 % 3 == 2 ? -$1 : $1 }
    #expect(check.invertedCentres(in: mirrored) == ["CA of ALA 2"])
    #expect(check.fault(of: mirrored, bonds: false) == "the hand of CA of ALA 2 is not the topology's any more")

    let omega = try #require(topology.namedTorsions.first { $0.name == "omega" })
    let cis = try turned(topology, omega.atoms, by: .pi)
    #expect(check.fault(of: cis, bonds: false) == nil)
    #expect(try #require(check.fault(of: cis, bonds: true)).hasPrefix("\(omega.fullName) has turned from "))
    #expect(try check.fault(of: turned(topology, omega.atoms, by: 0.5), bonds: true) == nil)
    let phi = try topology.torsion(named: "phi")
    #expect(try check.fault(of: turned(topology, phi, by: .pi), bonds: true) == nil)
  }

  @Test func watchesAllTorsionsButMethyls() throws {
    let topology = try Fixtures.alanine()
    let phi = try topology.torsion(named: "phi")
    let names = topology.watchedTorsions(biased: [phi.reversed()]).map(\.name)
    #expect(names == ["omega1", "psi2", "omega2"])
    #expect(topology.watchedTorsions(biased: []).count == 4)
  }
}
