import Basics
import Foundation
import Testing

@testable import Molecules

@Suite struct FramePreparationTests {
  /// The reference moved along and turned about z.
  private func moved(_ topology: Topology, angle: Double, by shift: [Double]) -> [Double] {
    let x = topology.referenceCoordinates
    return topology.atoms.indices.flatMap { atom -> [Double] in
      let (a, b, c) = (x[3 * atom], x[3 * atom + 1], x[3 * atom + 2])
      return [
        cos(angle) * a - sin(angle) * b + shift[0], sin(angle) * a + cos(angle) * b + shift[1], c + shift[2],
      ]
    }
  }

  private func prepared(
    _ topology: Topology, _ frame: [Double], cell: UnitCell? = nil, bondTolerance: Double = 0.3
  ) throws -> (frame: [Double], fault: FrameFault?) {
    // with something before it: a frame is a slice of a longer array
    var slice = ([0, 0, 0] + frame)[3...]
    let fault = try FramePreparation(topology: topology, bondTolerance: bondTolerance).prepare(&slice, cell: cell)
    return (Array(slice), fault)
  }

  @Test func theCentreOfMassComesToTheOrigin() throws {
    let topology = try Fixtures.alanine()
    let frame = moved(topology, angle: 0.7, by: [3, -2, 0.5])
    let (found, fault) = try prepared(topology, frame)
    #expect(fault == nil)
    for axis in 0..<3 {
      let moment = topology.masses.enumerated().reduce(0) { $0 + $1.element * found[3 * $1.offset + axis] }
      #expect(abs(moment) < 1e-12)
    }
    // a shift of the whole and nothing else
    for k in 3..<found.count { #expect(abs((found[k] - frame[k]) - (found[k % 3] - frame[k % 3])) < 1e-14) }
  }

  /// Every atom is moved by whole vectors of boxes of three kinds, written out anew here.
  @Test(arguments: [[90.0, 90, 90], [109.471_220_6, 109.471_220_6, 109.471_220_6], [70, 85, 100]])
  func moleculesAreMadeWholeAcrossTheBox(angles: [Double]) throws {
    let topology = try Fixtures.alanine()
    let cell = UnitCell(lengths: [0.9, 1.0, 1.1], angles: angles)
    let (alpha, beta, gamma) = (angles[0] * .pi / 180, angles[1] * .pi / 180, angles[2] * .pi / 180)
    let cx = 1.1 * cos(beta)
    let cy = 1.1 * (cos(alpha) - cos(beta) * cos(gamma)) / sin(gamma)
    let vectors = [[0.9, 0, 0], [cos(gamma), sin(gamma), 0], [cx, cy, (1.1 * 1.1 - cx * cx - cy * cy).squareRoot()]]
    let lattice = try #require(PeriodicLattice(cell))
    for (ours, theirs) in zip(lattice.vectors.joined(), vectors.joined()) { #expect(abs(ours - theirs) < 1e-15) }
    var random = RandomStream(seed: 5, "images")
    for turn in 0..<6 {
      let whole = moved(topology, angle: Double(turn), by: [Double(turn), -2, 0.5])
      var wrapped = whole
      for atom in topology.atoms.indices {
        for vector in vectors {
          let times = Double(Int.random(in: -3...3, using: &random))
          for axis in 0..<3 { wrapped[3 * atom + axis] += times * vector[axis] }
        }
      }
      let found = try prepared(topology, wrapped, cell: cell)
      let expected = try prepared(topology, whole)
      #expect(found.fault == nil && expected.fault == nil)
      for (x, y) in zip(found.frame, expected.frame) { #expect(abs(x - y) < 1e-12) }
      // without its box the molecule is torn
      #expect(try prepared(topology, wrapped).fault?.reason == .bondLength)
    }
  }

  @Test func aBoxOfZerosIsNone() throws {
    let topology = try Fixtures.alanine()
    let absent = UnitCell(lengths: [0, 0, 0], angles: [0, 0, 0])
    #expect(try prepared(topology, topology.referenceCoordinates, cell: absent).fault == nil)
  }

  @Test func faultsAreNamedWithTheirPlace() throws {
    let topology = try Fixtures.alanine()
    let sound = topology.referenceCoordinates
    var frame = sound
    frame[3 * 8 + 1] = .infinity
    #expect(
      try prepared(topology, frame).fault
        == FrameFault(reason: .notFinite, detail: "the position of CA of ALA 2 is not finite"))
    for cell in [
      UnitCell(lengths: [2, 2, 2], angles: [10, 90, 150]), UnitCell(lengths: [2, -2, 2], angles: [90, 90, 90]),
      UnitCell(lengths: [2, .nan, 2], angles: [90, 90, 90]), UnitCell(lengths: [2, 2, 2], angles: [90, 90, 180]),
    ] {
      let fault = try #require(try prepared(topology, sound, cell: cell).fault)
      #expect(fault.reason == .badCell && fault.detail.hasPrefix("edges [2.0, "))
    }
    // HA, the carbon's hydrogen, 0.2 nm further away along x
    frame = sound
    frame[3 * 9] += 0.2
    let long = try #require(try prepared(topology, frame).fault)
    #expect(long.reason == .bondLength && long.detail.hasPrefix("bond CA of ALA 2 - HA of ALA 2 is 0."))
    #expect(long.detail.hasSuffix(" nm long, 0.1092 in the topology"))
    #expect(try prepared(topology, frame, bondTolerance: 10).fault?.reason != .bondLength)
    frame = sound.enumerated().map { $0 % 3 == 2 ? -$1 : $1 }
    #expect(
      try prepared(topology, frame).fault
        == FrameFault(reason: .chirality, detail: "the hand of CA of ALA 2 is not the topology's"))
    // so many boxes away that no digit of the molecule is left
    frame = sound
    frame[0] = 1e308
    let far = try prepared(topology, frame, cell: UnitCell(lengths: [1e-3, 1e-3, 1e-3], angles: [60, 60, 60]))
    #expect(far.fault?.reason == .bondLength)
  }
}

@Suite struct NamedTorsionsTests {
  @Test func theyAreSortedAndMeasured() throws {
    let topology = try Fixtures.alanine()
    let torsions = try NamedTorsions(["psi": [6, 8, 14, 16], "phi": [4, 6, 8, 14]], of: topology)
    #expect(torsions.names == ["phi", "psi"])
    #expect(torsions == NamedTorsions(backboneOf: topology))
    let fixture = try InternalCoordinatesTests.torsionFixture()
    let columns = torsions.angles(fixture.coordinates, atoms: 22)
    #expect(columns.map(\.name) == ["phi", "psi"])
    for column in columns {
      let k = try #require(fixture.torsions.firstIndex(of: topology.torsion(named: column.name)))
      let theirs = stride(from: k, to: fixture.angles.count, by: fixture.torsions.count).map { fixture.angles[$0] }
      #expect(column.angles.count == theirs.count)
      for (a, b) in zip(column.angles, theirs) { #expect(abs(wrappedAngle(a - b)) < 1e-6) }
    }
  }

  @Test func atomsThatAreNotThereAreNamed() throws {
    let topology = try Fixtures.alanine()
    for atoms in [[0, 1, 2], [0, 1, 2, 22], [-1, 0, 1, 2]] {
      let error = #expect(throws: MoleculesError.torsionAtoms(name: "turn", atoms: atoms, atomCount: 22)) {
        try NamedTorsions(["turn": atoms], of: topology)
      }
      #expect(error?.description == "torsion turn: \(atoms) are not four atoms of a molecule with 22 (from 0)")
    }
    // nothing has one phi here
    let water = try Fixtures.molecule(["O", "H", "H"], [(0, 1), (0, 2)], [0, 0, 0, 0.0957, 0, 0, -0.024, 0.0927, 0])
    #expect(NamedTorsions(backboneOf: water).names.isEmpty)
    #expect(NamedTorsions(backboneOf: water).angles(water.referenceCoordinates, atoms: 3).isEmpty)
  }
}
