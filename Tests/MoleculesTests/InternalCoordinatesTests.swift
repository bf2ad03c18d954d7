import Basics
import Foundation
import TestSupport
import Testing

@testable import Molecules

@Suite struct InternalCoordinatesTests {
  struct TorsionFixture: Decodable {
    let atoms: Int
    let torsions: [[Int]]
    let coordinates: [Double]
    let angles: [Double]
  }

  static func torsionFixture() throws -> TorsionFixture {
    try JSONDecoder().decode(
      TorsionFixture.self, from: try Data(contentsOf: Package.fixture("molecules/torsions.json")))
  }

  @Test func torsionsEqualMDTraj() throws {
    let fixture = try Self.torsionFixture()
    let angles = torsionAngles(fixture.coordinates, atoms: fixture.atoms, torsions: fixture.torsions)
    #expect(angles.count == fixture.angles.count && angles.count > 30)
    for (ours, theirs) in zip(angles, fixture.angles) { #expect(abs(wrappedAngle(ours - theirs)) < 1e-6) }
  }

  @Test func wrapping() {
    #expect(wrappedAngle(.pi) == .pi)
    #expect(wrappedAngle(-.pi) == .pi)
    #expect(abs(wrappedAngle(7) - (7 - 2 * .pi)) < 1e-15)
    #expect(abs(wrappedAngle(-4) - (2 * .pi - 4)) < 1e-15)
  }

  @Test func backboneTorsionsAreCoordinates() throws {
    let topology = try Fixtures.alanine()
    let zmatrix = try InternalCoordinates(topology: topology)
    #expect(zmatrix.dimension == 60 && zmatrix.kinds.count == 60 && zmatrix.atoms.count == 60)
    #expect(zmatrix.indices(of: .bond).count == 21)
    #expect(zmatrix.indices(of: .angle).count == 20)
    // phi, psi, two omegas, three methyl rotors
    #expect(zmatrix.indices(of: .torsion).count == 7)
    #expect(zmatrix.indices(of: .relativeTorsion).count == 12)
    for name in ["phi", "psi", "omega1", "omega2", "methyl1", "methyl2", "methyl3"] {
      let torsion = try topology.torsion(named: name)
      let index = try #require(zmatrix.coordinate(ofTorsion: torsion), "\(name)")
      #expect(zmatrix.kinds[index] == .torsion)
      let value = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1).values[index]
      let direct = torsionAngles(topology.referenceCoordinates, atoms: 22, torsions: [torsion])[0]
      #expect(abs(value - direct) < 1e-12)
    }
    let decoded = try JSONDecoder().decode(InternalCoordinates.self, from: JSONEncoder().encode(zmatrix))
    #expect(decoded == zmatrix)
  }

  /// Every molecule there is: reference, and the reference with noise.
  static func molecules() throws -> [(name: String, topology: Topology)] {
    var result = [("alanine", try Fixtures.alanine())]
    for name in ["AC", "ET", "GN", "IM", "KS", "NF", "NY"] { result.append((name, try Fixtures.dipeptide(name))) }
    let water = [0, 0, 0, 0.0957, 0, 0, -0.024, 0.0927, 0]
    result.append(("water", try Fixtures.molecule(["O", "H", "H"], [(0, 1), (0, 2)], water)))
    let a = 0.0629
    let methane = [0, 0, 0, a, a, a, a, -a, -a, -a, a, -a, -a, -a, a]
    result.append(("methane", try Fixtures.molecule(["C", "H", "H", "H", "H"], (1...4).map { (0, $0) }, methane)))
    let ring = [0, 0, 0, 0.15, 0.01, 0, 0.16, 0.15, 0.03, 0.01, 0.14, -0.02]
    result.append(
      ("ring", try Fixtures.molecule(["C", "C", "C", "C"], [(0, 1), (1, 2), (2, 3), (3, 0)], ring)))
    return try result + RingTests.molecules().map { (name: $0.name, topology: $0.topology) }
  }

  @Test func roundTrip() throws {
    for (name, topology) in try Self.molecules() {
      let zmatrix = try InternalCoordinates(topology: topology)
      var random = RandomStream(seed: 7, name)
      let x = (0..<3).map(Double.init).flatMap { (scale: Double) -> [Double] in
        topology.referenceCoordinates.map { $0 + 0.01 * scale * random.normal() + scale }
      }
      let (q, forward) = try zmatrix.internalCoordinates(x, frames: 3)
      let (y, backward) = try zmatrix.cartesian(q, frames: 3)
      let (again, _) = try zmatrix.internalCoordinates(y, frames: 3)
      let three = Array(zmatrix.atoms[topology.atoms.count - 1])
      for frame in 0..<3 {
        let range = (3 * topology.atoms.count * frame)..<(3 * topology.atoms.count * (frame + 1))
        let a = aligned(Array(x[range]), on: three)
        let b = aligned(Array(y[range]), on: three)
        let worst = zip(a, b).map { abs($0 - $1) }.max()!
        #expect(worst < 1e-10, "\(name) frame \(frame): \(worst) nm")
        #expect(abs(forward[frame] - backward[frame]) < 1e-9, "\(name)")
      }
      for k in q.indices {
        let isTorsion = !zmatrix.kinds[k % zmatrix.dimension].isLength
        let difference = isTorsion ? wrappedAngle(q[k] - again[k]) : q[k] - again[k]
        #expect(abs(difference) < 1e-9, "\(name) coordinate \(k)")
      }
    }
  }

  /// ln |det| of the map (translation, rotation, q) -> x by central differences, against the reported log-Jacobian.
  @Test func logJacobianIsTheDeterminant() throws {
    for (name, topology) in try Self.molecules()
    where [
      "alanine", "NY", "AC", "water", "ring", "methane", "proline", "cycle of 4", "cycle of 7", "substituted 6",
      "decalin",
    ]
    .contains(name) {
      let zmatrix = try InternalCoordinates(topology: topology)
      let (n, d) = (3 * topology.atoms.count, zmatrix.dimension)
      let (q, expected) = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1)
      let x = try zmatrix.cartesian(q, frames: 1).coordinates
      var matrix = [Double](repeating: 0, count: n * n)
      for atom in topology.atoms.indices {
        for axis in 0..<3 { matrix[(3 * atom + axis) * n + axis] = 1 }
        // omega x r for omega along x, y, z
        let r = Vector3(x[3 * atom], x[3 * atom + 1], x[3 * atom + 2])
        for (column, axis) in [Vector3(1, 0, 0), Vector3(0, 1, 0), Vector3(0, 0, 1)].enumerated() {
          let v = axis.cross(r)
          for (k, value) in [v.x, v.y, v.z].enumerated() { matrix[(3 * atom + k) * n + 3 + column] = value }
        }
      }
      let h = 1e-5
      for k in 0..<d {
        var (up, down) = (q, q)
        up[k] += h
        down[k] -= h
        let plus = try zmatrix.cartesian(up, frames: 1).coordinates
        let minus = try zmatrix.cartesian(down, frames: 1).coordinates
        for i in 0..<n { matrix[i * n + 6 + k] = (plus[i] - minus[i]) / (2 * h) }
      }
      let measured = logAbsoluteDeterminant(matrix, n)
      #expect(abs(measured - expected[0]) < 1e-5, "\(name): \(measured) against \(expected[0])")
    }
  }

  @Test func handShowsInTheSignOfTheRelativeTorsion() throws {
    let topology = try Fixtures.alanine()
    let zmatrix = try InternalCoordinates(topology: topology)
    let beta = try #require(zmatrix.atoms.firstIndex { $0.count == 4 && $0[0] == 10 })
    #expect(zmatrix.kinds[beta] == .relativeTorsion)
    let left = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    // D-alanine in the same conformation: CB and HA change sides, all other torsions stay
    let proton = try #require(zmatrix.atoms.firstIndex { $0.count == 4 && $0[0] == 9 })
    var right = left
    right[beta] = -left[beta]
    right[proton] = -left[proton]
    let x = try zmatrix.cartesian(right, frames: 1).coordinates
    let measured = try zmatrix.internalCoordinates(x, frames: 1).values
    #expect(measured[beta] * left[beta] < 0 && abs(left[beta]) > 1.5)
    #expect(try Chirality(topology: topology).invertedCentres(in: x) == [8])
    #expect(try Chirality(topology: topology).invertedCentres(in: zmatrix.cartesian(left, frames: 1).coordinates) == [])
  }

  @Test func broadTorsionsOfData() throws {
    let fixture = try Self.torsionFixture()
    let topology = try Fixtures.alanine()
    let zmatrix = try InternalCoordinates(topology: topology)
    let frames = fixture.coordinates.count / 66
    let (q, _) = try zmatrix.internalCoordinates(fixture.coordinates, frames: frames)
    let (_, centres) = zmatrix.broadTorsions(q, frames: frames)
    let omega = try #require(zmatrix.coordinate(ofTorsion: [1, 4, 6, 8]))
    for frame in 0..<frames {
      for k in zmatrix.indices(of: .relativeTorsion) + [omega] {
        #expect(abs(wrappedAngle(q[frame * 60 + k] - centres[k])) < 1)
      }
    }
    var random = RandomStream(seed: 3, "uniform")
    var spread = (0..<100).flatMap { _ in q[0..<60] }
    for frame in 0..<100 { spread[60 * frame + omega] = random.uniform() * 2 * .pi - .pi }
    #expect(zmatrix.broadTorsions(spread, frames: 100).broad == [omega])
  }

  @Test func badInputIsATypedError() throws {
    let topology = try Fixtures.alanine()
    let zmatrix = try InternalCoordinates(topology: topology)
    var x = topology.referenceCoordinates + topology.referenceCoordinates
    #expect(throws: MoleculesError.coordinateCount(count: 132, expected: "3 frames x 22 atoms x 3")) {
      try zmatrix.internalCoordinates(x, frames: 3)
    }
    x[66 + 5] = .nan
    #expect(throws: MoleculesError.nonFinite(frame: 1, index: 5)) { try zmatrix.internalCoordinates(x, frames: 2) }
    x[66 + 5] = 0.1
    for k in 0..<3 { x[66 + 12 + k] = x[66 + 3 + k] }
    #expect(throws: MoleculesError.degenerate(frame: 1, atoms: [4, 1])) {
      try zmatrix.internalCoordinates(x, frames: 2)
    }
    #expect(throws: MoleculesError.tooFewAtoms(2)) {
      try InternalCoordinates(topology: Fixtures.molecule(["O", "H"], [(0, 1)], [0, 0, 0, 0.1, 0, 0]))
    }
    var q = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    q[3] = -q[3]
    #expect(try zmatrix.cartesian(q, frames: 1).logJacobian == [-.infinity])
  }

  @Test func hundredThousandFramesAreFast() throws {
    let topology = try Fixtures.alanine()
    let zmatrix = try InternalCoordinates(topology: topology)
    let frames = 20_000
    let x = (0..<frames).flatMap { _ in topology.referenceCoordinates }
    let clock = ContinuousClock()
    var q: [Double] = []
    let forward = try clock.measure { q = try zmatrix.internalCoordinates(x, frames: frames).values }
    let backward = try clock.measure { _ = try zmatrix.cartesian(q, frames: frames) }
    print("internal coordinates, 20,000 x 22 atoms: \(forward) there, \(backward) back")
    // a fifth of the aim, times five for a busy machine
    #expect(forward < .milliseconds(500) && backward < .milliseconds(500))
  }
}
