import Basics
import Foundation
import TestSupport
import Testing

@testable import Generative
@testable import Molecules

/// Whether frames are the force field's, asked of positions: of heavy atoms with hydrogens given them, and of all atoms.
@Suite struct HeavyFramesTests {
  private typealias Alanine = EmulatorDataTests.Alanine

  private func check(
    _ alanine: Alanine, _ forces: BoltzmannForces, _ coordinates: EmulatorSettings.Coordinates = .heavy
  ) throws -> EmulatorData {
    var settings = EmulatorSettings()
    (settings.forces, settings.coordinates) = (forces, coordinates)
    let split = FrameSplit(frames: alanine.frames.shape[0], fraction: settings.validationFraction)
    return try EmulatorData(alanine.frames, alanine.topology, split, settings, UnattendedHost())
  }

  /// Why heavy atoms are refused.
  private func refusal(_ alanine: Alanine, _ forces: BoltzmannForces) throws -> String {
    do {
      _ = try check(alanine, forces)
    } catch EmulatorError.forcesNeeded(.hydrogens, let reason) {
      return reason
    }
    return ""
  }

  /// With a further force that pulls two atoms together, kJ/mol/nm, by their distance, nm.
  private static func pulled(
    _ forces: BoltzmannForces, _ first: Int, _ second: Int, _ force: @escaping @Sendable (Double) -> Double
  ) -> BoltzmannForces {
    BoltzmannForces(temperature: 300, framesPerCall: 1000) { positions in
      var (energies, pulls) = try forces.evaluate(positions)
      for frame in energies.indices {
        let (a, b) = (66 * frame + 3 * first, 66 * frame + 3 * second)
        let arm = (0..<3).map { positions[a + $0] - positions[b + $0] }
        let length = arm.reduce(0) { $0 + $1 * $1 }.squareRoot()
        for axis in 0..<3 {
          let pull = force(length) * arm[axis] / length
          pulls[a + axis] -= pull
          pulls[b + axis] += pull
        }
      }
      return (energies, pulls)
    }
  }

  /// A bond whose spring rests elsewhere: as stiff as in the frames, and so no other temperature of any coordinate.
  @Test(arguments: [EmulatorSettings.Coordinates.heavy, .pairs, .internal])
  func otherLengthsAtRestAreSeen(_ coordinates: EmulatorSettings.Coordinates) throws {
    let alanine = try Alanine(frames: 2000)
    // CA-C, by 0.005 nm at 265,265 kJ/mol/nm^2
    let shifted = Self.pulled(alanine.forces(), 8, 14) { _ in -1326 }
    let bonds = [[8, 14], [14, 8]].map { "furthest pushed: " + alanine.topology.title("bond", of: $0) }
    if coordinates == .heavy {
      let found = try refusal(alanine, shifted)
      #expect(found.contains("elsewhere") && bonds.contains(where: found.contains), "\(found)")
      return
    }
    let data = try check(alanine, shifted, coordinates)
    let found = try #require(data.check)
    #expect(!data.usesForces && !found.isSound && abs(found.mean - 1) < 0.03, "\(found.summary)")
    #expect(bonds.contains(where: found.summary.contains), "\(found.summary)")
    #expect(found.coordinates.filter(\.isStiff).isEmpty, "\(found.summary)")
  }

  @Test func framesOfTheForceFieldAreKnown() throws {
    let alanine = try Alanine(frames: 4000)
    let heavy = try #require(try check(alanine, alanine.forces()).check)
    #expect(heavy.isSound && abs(heavy.mean - 1) < 0.015 && heavy.error < 0.007, "\(heavy.summary)")
    #expect(heavy.coordinates.allSatisfy { abs($0.push) < max(0.1, 4 * $0.pushError) }, "\(heavy.summary)")
    let labels = heavy.coordinates.map(\.subject.label)
    #expect(labels.contains("bond N2-CA2") && labels.contains("volume CA2-N2-CB2-C2"), "\(labels)")
    #expect(labels.contains { $0.hasPrefix("distance") } && labels.contains { $0.hasPrefix("angle H") })
    // phi, psi and three methyl groups go round
    #expect(heavy.torsions.count == 5 && heavy.torsions.contains { $0.subject.label == "torsion C2-CA2-N2-C1" })
    let all = try check(alanine, alanine.forces(), .pairs)
    #expect(all.check?.isSound == true && all.pairs != nil, "\(all.check?.summary ?? "")")
  }

  @Test func whatIsNotTheForceFieldsIsSaid() throws {
    let alanine = try Alanine(frames: 2000)
    let hot = try refusal(alanine, alanine.forces(at: 360))
    #expect(hot.contains("another temperature, 30") || hot.contains("another temperature, 29"), "\(hot)")
    let real = alanine.forces()
    // a further spring between the ends of an angle
    let angle = try refusal(alanine, Self.pulled(real, 6, 14) { 60_000 * ($0 - 0.246) })
    #expect(angle.contains("furthest off: " + alanine.topology.title("distance", of: [6, 14])), "\(angle)")
    #expect(!angle.contains("another temperature"), "\(angle)")
    // two heavy atoms in each other's place
    let shuffled = BoltzmannForces(temperature: 300, framesPerCall: 1000) { positions in
      var turned = positions
      for frame in 0..<positions.count / 66 {
        for axis in 0..<3 { turned.swapAt(66 * frame + 12 + axis, 66 * frame + 18 + axis) }
      }
      var (energies, forces) = try real.evaluate(turned)
      for frame in energies.indices {
        for axis in 0..<3 { forces.swapAt(66 * frame + 12 + axis, 66 * frame + 18 + axis) }
      }
      return (energies, forces)
    }
    let mixed = try refusal(alanine, shuffled)
    #expect(mixed.contains("order of the atoms"), "\(mixed)")
    let few = try refusal(Alanine(frames: 120), alanine.forces())
    #expect(few.contains("The frames are too few"), "\(few)")
  }

  /// A bond held at its mean length: it alone is off.
  @Test func heldBondsAreNamed() throws {
    let alanine = try Alanine(frames: 2000)
    let coordinates = try InternalCoordinates(topology: alanine.topology)
    var values = try coordinates.internalCoordinates(alanine.frames.values, frames: 2000).values
    let bond = try #require(coordinates.coordinate(ofBond: .init(6, 8)))
    let mean = (0..<2000).reduce(0) { $0 + values[60 * $1 + bond] } / 2000
    for frame in 0..<2000 { values[60 * frame + bond] = mean }
    let held = try Alanine(
      alanine, frames: NDArray(coordinates.cartesian(values, frames: 2000).coordinates, shape: [2000, 22, 3]))
    let found = try refusal(held, alanine.forces())
    #expect(found.contains("Bonds alone are off: constraints"), "\(found)")
    #expect(found.contains("furthest off: " + alanine.topology.title("bond", of: [6, 8])), "\(found)")
  }

  /// A further term on psi that the frames do not know.
  @Test func anotherTorsionTermIsSeen() throws {
    let alanine = try Alanine(frames: 4000)
    let found = try refusal(alanine, alanine.forces(twisting: alanine.topology.torsion(named: "psi")))
    let psi = try alanine.topology.torsion(named: "psi")
    let titles = [psi, psi.reversed()].map { alanine.topology.title("torsion", of: $0) }
    #expect(titles.contains { found.contains($0 + " lacks") }, "\(found)")
  }
}
