import Basics
import Foundation
import TestSupport
import Testing

@testable import Molecules

/// Frames of alanine dipeptide whose bonds are held, found and released again.
@Suite struct HeldCoordinatesTests {
  private let topology: Topology
  private let zmatrix: InternalCoordinates

  init() throws {
    topology = try Fixtures.alanine()
    zmatrix = try InternalCoordinates(topology: topology)
  }

  /// Frames with thermal motion of every internal coordinate but the bonds for which `isHeld` says so; rounded to Float, as files are.
  private func frames(_ count: Int, isHeld: (Topology.Bond) -> Bool) throws -> [Double] {
    let start = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    var random = RandomStream(seed: 3, "held")
    var values: [Double] = []
    for _ in 0..<count {
      for k in 0..<zmatrix.dimension {
        let held = zmatrix.kinds[k] == .bond && isHeld(.init(zmatrix.atoms[k][0], zmatrix.atoms[k][1]))
        let width = zmatrix.kinds[k] == .bond ? 0.003 : 0.05
        values.append(start[k] + (held ? 1e-7 : width) * random.normal())
      }
    }
    return try zmatrix.cartesian(values, frames: count).coordinates.map { Double(Float($0)) }
  }

  private func isToHydrogen(_ bond: Topology.Bond) -> Bool {
    [bond.first, bond.second].contains { topology.atoms[$0].element == "H" }
  }

  @Test func heldBondsAreFoundByNameAndNothingElse() throws {
    let hydrogens = topology.bonds.filter(isToHydrogen)
    let held = HeldCoordinates(topology: topology, coordinates: try frames(40, isHeld: isToHydrogen))
    #expect(held.bonds == hydrogens && held.bonds.count == 12 && held.angles.isEmpty)
    #expect(held.largestSpread > 1e-9 && held.largestSpread < 1e-5)
    #expect(held.summary(in: topology).hasPrefix("12 bonds (H1 of ACE 1 - CH3 of ACE 1, "))
    let all = HeldCoordinates(topology: topology, coordinates: try frames(40) { _ in true })
    #expect(all.bonds == topology.bonds && all.angles.isEmpty)
    #expect(HeldCoordinates(topology: topology, coordinates: try frames(40) { _ in false }).isEmpty)
    // alike, or too few
    let one = try frames(1) { _ in false }
    #expect(HeldCoordinates(topology: topology, coordinates: (0..<20).flatMap { _ in one }).isEmpty)
    #expect(HeldCoordinates(topology: topology, coordinates: try frames(4, isHeld: isToHydrogen)).isEmpty)
  }

  /// XTC files round positions to 0.001 nm: held bonds are found all the same, and free ones are not taken for held.
  /// H-C-C#N with all bonds held: the ends of the straight angle hardly move, though nothing holds it.
  @Test func aStraightAngleIsNotHeld() throws {
    let nitrile = try Fixtures.molecule(
      ["H", "C", "C", "N"], [(0, 1), (1, 2), (2, 3)], [-0.05, 0.1, 0, 0, 0, 0, 0.147, 0, 0, 0.263, 0, 0])
    var random = RandomStream(seed: 5, "straight")
    let frames = (0..<200).flatMap { _ -> [Double] in
      let (bent, open) = (0.07 * random.normal(), 1.9 + 0.07 * random.normal())
      return [
        0.109 * cos(open), 0.109 * sin(open), 0, 0, 0, 0, 0.147, 0, 0, 0.147 + 0.116 * cos(bent), 0.116 * sin(bent), 0,
      ]
    }
    let held = HeldCoordinates(topology: nitrile, coordinates: frames)
    #expect(held.bonds == nitrile.bonds && held.angles.isEmpty)
  }

  @Test func roundedFramesTellHeldBonds() throws {
    func rounded(_ isHeld: (Topology.Bond) -> Bool) throws -> [Double] {
      try frames(200, isHeld: isHeld).map { ($0 * 1000).rounded() / 1000 }
    }
    let held = HeldCoordinates(topology: topology, coordinates: try rounded(isToHydrogen))
    #expect(held.bonds == topology.bonds.filter(isToHydrogen) && held.angles.isEmpty)
    #expect(held.largestSpread > 3e-4 && held.largestSpread < 6e-4)
    let start = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1).values
    for (bond, length) in zip(held.bonds, held.lengths) {
      let index = try #require(zmatrix.coordinate(ofBond: bond))
      #expect(abs(length - start[index]) < 1e-4)
    }
    #expect(HeldCoordinates(topology: topology, coordinates: try rounded { _ in false }).isEmpty)
  }

  /// Real frames of flexible dynamics hold nothing.
  @Test func flexibleDynamicsHoldsNothing() throws {
    var random = RandomStream(seed: 8, "rigid water")
    let water = try Topology(
      atoms: ["O", "H1", "H2"].enumerated().map {
        Topology.Atom(name: $1, element: String($1.prefix(1)), residueIndex: 0, serial: $0 + 1)
      } + [Topology.Atom(name: "C", element: "C", residueIndex: 0, serial: 4)],
      residues: [Topology.Residue(name: "X", sequence: 1)], bonds: [.init(0, 1), .init(0, 2), .init(0, 3)],
      referenceCoordinates: [0, 0, 0, 0.0957, 0, 0, -0.024, 0.093, 0, 0, 0, 0.14])
    let moved = (0..<30).flatMap { _ -> [Double] in
      [0, 0, 0, 0.0957, 0, 0, -0.024, 0.093, 0, 0.01 * random.normal(), 0.01 * random.normal(), 0.14]
    }
    let held = HeldCoordinates(topology: water, coordinates: moved)
    #expect(held.bonds == [.init(0, 1), .init(0, 2)] && held.angles == [[1, 0, 2]])
    #expect(throws: ReleasedBondsError.angle(count: 1, "H1 of X 1 - O of X 1 - H2 of X 1")) {
      try ReleasedBonds(held, topology: water, terms: [], temperature: 300)
    }
  }

  /// Released lengths have the law r^2 exp(-k (r - r0)^2 / 2 kT); angles, torsions and the centre of mass stay.
  @Test func releasedBondsHaveTheLawOfTheirSprings() throws {
    let held = HeldCoordinates(topology: topology, coordinates: try frames(40, isHeld: isToHydrogen))
    let (r0, k) = (0.109, 2.8e5)
    let terms = held.bonds.map { HarmonicTerm(atoms: [$0.second, $0.first], equilibrium: r0, forceConstant: k) }
    let released = try ReleasedBonds(held, topology: topology, terms: terms, temperature: 300)
    let start = try frames(1, isHeld: isToHydrogen)
    let before = try zmatrix.internalCoordinates(start, frames: 1).values
    var random = RandomStream(seed: 2, "release")
    var lengths: [Double] = []
    for n in 0..<2000 {
      var frame = start
      released.apply(&frame, &random)
      let after = try zmatrix.internalCoordinates(frame, frames: 1).values
      for c in 0..<zmatrix.dimension {
        let atoms = zmatrix.atoms[c]
        if zmatrix.kinds[c] == .bond, isToHydrogen(.init(atoms[0], atoms[1])) {
          lengths.append(after[c])
        } else if n % 100 == 0 {
          #expect(abs(wrappedAngle(after[c] - before[c])) < 1e-9, "\(zmatrix.label(of: c, in: topology))")
        }
      }
      if n % 100 == 0 {
        let masses = topology.masses
        for axis in 0..<3 {
          var shift = 0.0
          for atom in masses.indices { shift += masses[atom] * (frame[3 * atom + axis] - start[3 * atom + axis]) }
          #expect(abs(shift) < 1e-9)
        }
      }
    }
    let variance = PhysicalConstants.thermalEnergy(temperature: 300) / k
    // moments of r^2 times a Gaussian, to first order in (width / r0)^2
    let count = Double(lengths.count)
    let mean = lengths.reduce(0, +) / count
    let spread = (lengths.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
    #expect(count == 24_000)
    #expect(abs(mean - (r0 + 2 * variance / r0)) < 4 * (variance / count).squareRoot())
    #expect(abs(spread / variance.squareRoot() - 1) < 0.02)
  }

  @Test func whatCannotBeReleasedIsSaid() throws {
    let held = HeldCoordinates(topology: topology, coordinates: try frames(40, isHeld: isToHydrogen))
    #expect(throws: ReleasedBondsError.noSpring("H1 of ACE 1 - CH3 of ACE 1")) {
      try ReleasedBonds(held, topology: topology, terms: [], temperature: 300)
    }
  }
}
