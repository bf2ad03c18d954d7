import Foundation
import TestSupport
import Testing

@testable import Molecules

@Suite struct MeasuredCoordinatesTests {
  private let topology: Topology

  init() throws { topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb")) }

  /// Distances by Pythagoras, torsions as everywhere, frame by frame.
  @Test func torsionsAndDistances() throws {
    var x = topology.referenceCoordinates
    x += x.enumerated().map { $0.offset == 3 * 18 + 2 ? $0.element + 0.5 : $0.element }
    let measured = try MeasuredCoordinates(
      [.init(name: "phi", atoms: [4, 6, 8, 14]), .init(name: "end", atoms: [1, 18])], of: topology)
    let columns = measured.columns(x)
    #expect(columns[0] == torsionAngles(x, atoms: 22, torsions: [[4, 6, 8, 14]]) && columns[1].count == 2)
    for (frame, found) in columns[1].enumerated() {
      let square = (0..<3).reduce(0.0) { sum, axis in
        let d = x[66 * frame + 3 + axis] - x[66 * frame + 54 + axis]
        return sum + d * d
      }
      #expect(abs(found - square.squareRoot()) < 1e-12)
    }
    #expect(columns[1][0] != columns[1][1])
  }

  @Test func whatIsNotThereIsNamed() {
    func measure(_ atoms: [Int]) throws -> MeasuredCoordinates {
      try MeasuredCoordinates([.init(name: "d", atoms: atoms)], of: topology)
    }
    #expect(throws: MoleculesError.distanceAtoms(name: "d", atoms: [1, 22], atomCount: 22)) { try measure([1, 22]) }
    #expect(throws: MoleculesError.distanceAtoms(name: "d", atoms: [3, 3], atomCount: 22)) { try measure([3, 3]) }
    #expect(throws: MoleculesError.torsionAtoms(name: "d", atoms: [1, 2, 3, 22], atomCount: 22)) {
      try measure([1, 2, 3, 22])
    }
  }

  /// The molecule comes back from the text that artifacts hold.
  @Test func theTextOfMDTrajReadsBack() throws {
    let again = try Topology(mdtrajJSON: topology.mdtrajJSON, coordinates: topology.referenceCoordinates)
    #expect(again.bonds == topology.bonds && again.residues.map(\.name) == topology.residues.map(\.name))
    #expect(zip(again.atoms, topology.atoms).allSatisfy { $0.name == $1.name && $0.element == $1.element })
    #expect(again.rotatableTorsions == topology.rotatableTorsions && again.mdtrajJSON == topology.mdtrajJSON)
    #expect(throws: MoleculesError.self) { try Topology(mdtrajJSON: "{}", coordinates: []) }
  }
}
