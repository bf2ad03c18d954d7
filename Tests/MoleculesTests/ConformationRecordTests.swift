import Testing

@testable import Molecules

@Suite struct ConformationRecordTests {
  /// Chunk by chunk as in one go: torsions of every frame, and which of them are mirror images.
  @Test func chunksAreGathered() throws {
    let topology = try Fixtures.alanine()
    let (phi, psi) = (try topology.torsion(named: "phi"), try topology.torsion(named: "psi"))
    let x = topology.referenceCoordinates
    let mirrored = x.enumerated().map { $0 % 3 == 2 ? -$1 : $1 }
    var record = try ConformationRecord(topology: topology, torsions: [psi, phi])
    try record.append(x + mirrored)
    try record.append([])
    try record.append(x)
    #expect(record.count == 3 && record.inverted == [false, true, false])
    let angles = torsionAngles(x, atoms: 22, torsions: [psi, phi])
    #expect(record.torsions[0][0] == angles[0] && record.torsions[1][2] == angles[1])
    // a mirror image turns the other way
    #expect(abs(record.torsions[0][1] + angles[0]) < 1e-12 && abs(record.torsions[1][1] + angles[1]) < 1e-12)
    var none = try ConformationRecord(topology: topology, torsions: [])
    try none.append(x)
    #expect(none.count == 1 && none.torsions.isEmpty)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let topology = try Fixtures.alanine()
    #expect(throws: MoleculesError.inconsistent("[4, 6, 8, 22] are not four atoms of a molecule with 22 (from 0)")) {
      try ConformationRecord(topology: topology, torsions: [[4, 6, 8, 22]])
    }
    var record = try ConformationRecord(topology: topology, torsions: [])
    #expect(throws: MoleculesError.coordinateCount(count: 65, expected: "frames x 22 atoms x 3")) {
      try record.append([Double](repeating: 0, count: 65))
    }
  }
}
