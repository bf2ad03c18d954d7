import Foundation
import TestSupport
import Testing

@testable import Molecules

/// Gradients over internal coordinates, and rotors folded onto one circle.
@Suite struct RotorTests {
  /// Positions of `frames` shaken copies of a molecule, nm, and their internal coordinates.
  static func shaken(
    _ topology: Topology, _ coordinates: InternalCoordinates, frames: Int
  ) throws -> (positions: [Double], values: [Double]) {
    var state: UInt64 = 7
    func uniform() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 11) / Double(1 << 53)
    }
    let noisy = (0..<frames).flatMap { _ in
      topology.referenceCoordinates.map { $0 + 0.006 * (uniform() - 0.5) }
    }
    let values = try coordinates.internalCoordinates(noisy, frames: frames).values
    return (try coordinates.cartesian(values, frames: frames).coordinates, values)
  }

  /// Of a function that mixes all positions, by differences of the placement in every coordinate, with rings and without.
  @Test func gradientsEqualDifferences() throws {
    var checked = 0
    for (name, topology) in try InternalCoordinatesTests.molecules()
      + RingTests.molecules().map({ (name: $0.name, topology: $0.topology) })
    {
      let coordinates = try InternalCoordinates(topology: topology)
      let (positions, values) = try Self.shaken(topology, coordinates, frames: 2)
      func scalar(_ x: [Double], _ logJacobian: Double) -> Double {
        x.indices.reduce(0) { $0 + sin(7 * x[$1] + Double($1)) } + 0.7 * logJacobian
      }
      let forces = positions.indices.map { k in
        7 * cos(7 * positions[k] + Double(k % (positions.count / 2)))
      }
      let found = try coordinates.gradients(of: forces, at: positions, values: values, frames: 2, jacobian: 0.7)
      let d = coordinates.dimension
      for frame in 0..<2 {
        let own = Array(values[frame * d..<(frame + 1) * d])
        for k in 0..<d {
          let step = 1e-6
          func moved(_ by: Double) throws -> Double {
            var q = own
            q[k] += by
            let (x, logJacobian) = try coordinates.cartesian(q, frames: 1)
            return scalar(x, logJacobian[0])
          }
          let difference = try (moved(step) - moved(-step)) / (2 * step)
          #expect(abs(found[frame * d + k] - difference) < 1e-5 * max(1, abs(difference)), "\(name) coordinate \(k)")
          checked += 1
        }
      }
    }
    #expect(checked > 500)
  }

  @Test func wrongCountsAreErrors() throws {
    let topology = try Fixtures.alanine()
    let coordinates = try InternalCoordinates(topology: topology)
    #expect(throws: MoleculesError.self) {
      try coordinates.gradients(of: [1], at: topology.referenceCoordinates, values: [], frames: 1)
    }
    #expect(throws: MoleculesError.self) {
      try coordinates.gradients(
        of: topology.referenceCoordinates, at: topology.referenceCoordinates, values: [1], frames: 1)
    }
  }

  @Test func rotorsAreMethylsAndAmmonium() throws {
    func rotors(_ topology: Topology, _ constants: Set<Int> = []) throws -> (InternalCoordinates, [Rotor]) {
      let coordinates = try InternalCoordinates(topology: topology)
      let values = try coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1).values
      return (coordinates, coordinates.rotors(topology: topology, values: values[...], constants: constants))
    }
    let (coordinates, found) = try rotors(Fixtures.alanine())
    #expect(found.count == 3)
    #expect(
      try rotors(Fixtures.dipeptide("KS")).1.contains { rotor in
        rotor.ends.allSatisfy { (try? Fixtures.dipeptide("KS").atoms[$0].name.hasPrefix("HZ")) ?? false }
      })
    // one bond of three held: no rotor; all three: a rotor of two triples
    let bonds = try #require(found.first?.triples.first)
    #expect(try rotors(Fixtures.alanine(), [bonds[0]]).1.count == 2)
    let heldAll = try rotors(Fixtures.alanine(), Set(bonds)).1
    #expect(heldAll.count == 3 && heldAll.first?.triples.count == 1)
    #expect(coordinates.dimension == 60)
  }

  /// Naming the ends otherwise, turned cyclically, changes no folded coordinate; unfolding gives each of the three namings back.
  @Test func foldingForgetsTheNamesOfTheEnds() throws {
    let topology = try Fixtures.alanine()
    let coordinates = try InternalCoordinates(topology: topology)
    let (positions, values) = try Self.shaken(topology, coordinates, frames: 20)
    let rotors = coordinates.rotors(topology: topology, values: values[..<coordinates.dimension])
    var folded = values
    var none: [Double] = []
    rotors.fold(&folded, gradient: &none, frames: 20)
    for rotor in rotors {
      var turned = positions
      for frame in 0..<20 {
        for (from, to) in zip(rotor.ends, rotor.ends[1...] + rotor.ends[..<1]) {
          for axis in 0..<3 { turned[66 * frame + 3 * to + axis] = positions[66 * frame + 3 * from + axis] }
        }
      }
      var others = try coordinates.internalCoordinates(turned, frames: 20).values
      rotors.fold(&others, gradient: &none, frames: 20)
      for (a, b) in zip(folded, others) { #expect(abs(wrappedAngle(a - b)) < 1e-9) }
    }
    var namings: [[Double]] = []
    for turn in 0..<3 {
      var unfolded = folded
      rotors.unfold(&unfolded, turns: [Int](repeating: turn, count: 60), frames: 20)
      namings.append(unfolded)
      var again = unfolded
      rotors.fold(&again, gradient: &none, frames: 20)
      for (a, b) in zip(folded, again) { #expect(abs(wrappedAngle(a - b)) < 1e-9) }
    }
    // each frame's own naming is one of the three, rotor by rotor
    for frame in 0..<20 {
      for rotor in rotors {
        let own = [rotor.torsion] + rotor.relatives + rotor.triples.flatMap { $0 }
        #expect(
          namings.contains { naming in
            own.allSatisfy { abs(wrappedAngle(naming[60 * frame + $0] - values[60 * frame + $0])) < 1e-9 }
          })
      }
    }
  }

  /// The constant volume and the gradient, by differences of the unfolded coordinates in the folded ones.
  @Test func foldedVolumesAndGradients() throws {
    let topology = try Fixtures.alanine()
    let coordinates = try InternalCoordinates(topology: topology)
    let d = coordinates.dimension
    let (_, values) = try Self.shaken(topology, coordinates, frames: 1)
    let rotors = coordinates.rotors(topology: topology, values: values[...])
    let slopes = (0..<d).map { sin(Double(3 * $0)) }
    var (folded, gradient) = (values, slopes)
    rotors.fold(&folded, gradient: &gradient, frames: 1)
    // which naming the frame has
    let turns = rotors.map { rotor in
      (0..<3).first { turn in
        var q = folded
        [rotor].unfold(&q, turns: [turn], frames: 1)
        return abs(wrappedAngle(q[rotor.torsion] - values[rotor.torsion])) < 1e-6
      } ?? 0
    }
    var jacobian = [[Double]](repeating: [Double](repeating: 0, count: d), count: d)
    for k in 0..<d {
      func moved(_ by: Double) -> [Double] {
        var q = folded
        q[k] += by
        rotors.unfold(&q, turns: turns, frames: 1)
        return q
      }
      let (up, down) = (moved(1e-6), moved(-1e-6))
      for i in 0..<d { jacobian[i][k] = wrappedAngle(up[i] - down[i]) / 2e-6 }
      let slope = (0..<d).reduce(0) { $0 + slopes[$1] * jacobian[$1][k] }
      #expect(abs(slope - gradient[k]) < 1e-6 * max(1, abs(slope)), "coordinate \(k)")
    }
    // |d(folded)/d(internal)|, where three times the mean torsion counts three, and the three namings a third
    let logVolume = -logAbsoluteDeterminant(jacobian.flatMap { $0 }, d) - Double(rotors.count) * log(3)
    #expect(abs(logVolume - rotors.logDeterminant) < 1e-6)
  }
}
