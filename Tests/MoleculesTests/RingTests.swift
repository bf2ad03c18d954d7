import Basics
import Foundation
import TestSupport
import Testing

@testable import Molecules

@Suite struct RingTests {
  /// A hydrocarbon of a given skeleton, each carbon with its four bonds, at random places: what is tested of it is no matter of its shape.
  static func hydrocarbon(_ carbons: Int, _ bonds: [(Int, Int)], seed: UInt64) throws -> Topology {
    var random = RandomStream(seed: seed, "hydrocarbon")
    func place(near centre: [Double], _ radius: Double) -> [Double] {
      centre.map { $0 + radius * (2 * random.uniform() - 1) }
    }
    var (elements, all) = ([String](repeating: "C", count: carbons), bonds)
    var x = (0..<carbons).flatMap { _ in place(near: [0, 0, 0], 0.25) }
    for carbon in 0..<carbons {
      let own = bonds.filter { $0.0 == carbon || $0.1 == carbon }.count
      for _ in 0..<(4 - own) {
        all.append((carbon, elements.count))
        elements.append("H")
        x += place(near: Array(x[3 * carbon..<3 * carbon + 3]), 0.1)
      }
    }
    return try Fixtures.molecule(elements, all, x)
  }

  static func ring(_ atoms: [Int]) -> [(Int, Int)] { zip(atoms, atoms.dropFirst() + atoms.prefix(1)).map { ($0, $1) } }

  static func proline() throws -> Topology { try Topology.read(pdb: Package.fixture("rings/proline.pdb")) }

  /// `rings`: how many bonds close one.
  static func molecules() throws -> [(name: String, topology: Topology, rings: Int)] {
    var result = [("proline", try proline(), 1)]
    for size in 4...7 {
      result.append(("cycle of \(size)", try hydrocarbon(size, ring(Array(0..<size)), seed: UInt64(size)), 1))
      // the chain runs through a part of the ring, and leaves it
      let tail = [(2, size), (size, size + 1), (size + 1, size + 2), (0, size + 3)]
      result.append(
        ("substituted \(size)", try hydrocarbon(size + 4, ring(Array(0..<size)) + tail, seed: UInt64(20 + size)), 1))
    }
    result.append(
      (
        "decalin", try hydrocarbon(10, ring([0, 1, 2, 3, 4, 5]) + [(5, 6), (6, 7), (7, 8), (8, 9), (9, 4)], seed: 3), 2
      )
    )
    result.append(
      ("spiro", try hydrocarbon(9, ring([0, 1, 2, 3, 4]) + [(4, 5), (5, 6), (6, 7), (7, 8), (8, 4)], seed: 4), 2))
    let apart = ring([0, 1, 2, 3, 4, 5]) + [(5, 6), (6, 7)] + ring([7, 8, 9, 10, 11])
    result.append(("two rings", try hydrocarbon(12, apart, seed: 5), 2))
    return result
  }

  @Test func bondsOfSmallRingsAreCoordinates() throws {
    let molecules = try Self.molecules()
    #expect(molecules.count == 12)
    for (name, topology, rings) in molecules {
      let coordinates = try InternalCoordinates(topology: topology)
      #expect(coordinates.openRings(in: topology, flat: true).isEmpty, "\(name)")
      #expect(coordinates.kinds.count == 3 * topology.atoms.count - 6 && !coordinates.indices(of: .distance).isEmpty)
      let lengths = coordinates.kinds.indices.filter { coordinates.kinds[$0].isLength }
      let bonds = lengths.filter { topology.bonds.contains(.init(coordinates.atoms[$0][0], coordinates.atoms[$0][1])) }
      #expect(bonds.count == topology.atoms.count - 1 + rings && topology.bonds.count == bonds.count, "\(name)")
      let decoded = try JSONDecoder().decode(InternalCoordinates.self, from: JSONEncoder().encode(coordinates))
      #expect(decoded == coordinates)
    }
  }

  @Test func cagesHaveTheirCoordinatesToo() throws {
    // norbornane, cubane: whatever is not closed is named
    let norbornane = ring6(bridge: [(0, 6), (6, 3)], atoms: 7)
    let cube = [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)]
    for (atoms, bonds) in [(7, norbornane), (8, cube)] {
      let topology = try Self.hydrocarbon(atoms, bonds, seed: UInt64(atoms))
      let coordinates = try InternalCoordinates(topology: topology)
      let (q, forward) = try coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1)
      let (x, backward) = try coordinates.cartesian(q, frames: 1)
      let three = coordinates.atoms[topology.atoms.count - 1]
      let worst = zip(aligned(x, on: three), aligned(topology.referenceCoordinates, on: three)).map { abs($0 - $1) }
        .max()
      #expect(try #require(worst) < 1e-9 && abs(forward[0] - backward[0]) < 1e-9)
      let held = coordinates.kinds.indices.filter { coordinates.kinds[$0].isLength }.filter {
        topology.bonds.contains(.init(coordinates.atoms[$0][0], coordinates.atoms[$0][1]))
      }
      #expect(held.count + coordinates.openRings(in: topology, flat: true).count == topology.bonds.count)
      // norbornane's two rings share three atoms, and are closed
      if atoms == 7 { #expect(coordinates.openRings(in: topology, flat: true).isEmpty) }
    }
  }

  private func ring6(bridge: [(Int, Int)], atoms: Int) -> [(Int, Int)] { Self.ring([0, 1, 2, 3, 4, 5]) + bridge }

  /// The ring folds to both sides with every bond at its length, and phi is still a coordinate.
  @Test func prolineFoldsBothWays() throws {
    let topology = try Self.proline()
    let coordinates = try InternalCoordinates(topology: topology)
    #expect(coordinates.coordinate(ofTorsion: try topology.torsion(named: "phi")) != nil)
    #expect(coordinates.coordinate(ofTorsion: try topology.torsion(named: "psi")) != nil)
    let distances = coordinates.indices(of: .distance)
    let names = distances.map { coordinates.label(of: $0, in: topology) }
    #expect(names == ["distance CG2-N2", "distance CD2-N2"])
    let start = try coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    let hinges = distances.map { $0 + topology.atoms.count - 3 }
    #expect(hinges.allSatisfy { coordinates.kinds[$0] == .torsion })
    var values = start
    for hinge in hinges {
      #expect(abs(wrappedAngle(start[hinge] - .pi)) > 0.1, "the ring of the structure is folded")
      values[hinge] = -start[hinge]
    }
    let (x, logJacobian) = try coordinates.cartesian(values, frames: 1)
    #expect(logJacobian[0].isFinite)
    let folded = x
    func length(_ bond: Topology.Bond, _ x: [Double]) -> Double {
      (0..<3).map { (x[3 * bond.first + $0] - x[3 * bond.second + $0]) }.map { $0 * $0 }.reduce(0, +).squareRoot()
    }
    for bond in topology.bonds {
      #expect(abs(length(bond, folded) - length(bond, topology.referenceCoordinates)) < 1e-12)
    }
    #expect(try Chirality(topology: topology).invertedCentres(in: folded).isEmpty)
  }

  @Test func distancesWithoutATriangleWeighNothing() throws {
    let topology = try Self.proline()
    let coordinates = try InternalCoordinates(topology: topology)
    var values = try coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    values[try #require(coordinates.indices(of: .distance).last)] = 0.6
    let (x, logJacobian) = try coordinates.cartesian(values, frames: 1)
    #expect(logJacobian == [-.infinity] && x.allSatisfy(\.isFinite))
  }

  /// Molecules that had all they need keep their coordinates: stored models rest on them.
  @Test func flatRingsStayAsTheyWere() throws {
    for (name, flat) in [("NF", 1), ("NY", 1), ("AC", 0)] {
      let topology = try Fixtures.dipeptide(name)
      let coordinates = try InternalCoordinates(topology: topology)
      #expect(coordinates.indices(of: .distance).isEmpty)
      #expect(coordinates.openRings(in: topology).isEmpty)
      #expect(coordinates.openRings(in: topology, flat: true).map(\.size) == [Int](repeating: 6, count: flat))
    }
  }

  @Test func aLargeRingIsOpenAndItsBrokenBondIsSeen() throws {
    let topology = try Topology.read(pdb: Package.fixture("cases/ring-of-many-atoms/dis.pdb"))
    let open = try InternalCoordinates(topology: topology).openRings(in: topology)
    #expect(open.map { $0.description(in: topology) } == ["bond SG of CYX 2 - SG of CYX 5 closes a ring of 14 atoms"])
    let bonds = RingBonds(topology: topology)
    #expect(bonds.rings.count == 14)
    var x = topology.referenceCoordinates + topology.referenceCoordinates
    let sulfur = try #require(open.first).bond.first
    x[3 * sulfur] += 0.3
    let (frames, counts) = try bonds.broken(in: x)
    // both bonds of the sulfur that was moved
    #expect(frames == [true, false] && counts.reduce(0, +) == 2)
    #expect(throws: MoleculesError.self) { try bonds.broken(in: [0, 0, 0]) }
  }
}
