import Dynamics
import Foundation
import OpenMM
import TestSupport
import Testing

private let phi = [4, 6, 8, 14]
private let psi = [6, 8, 14, 16]

private func alanineDynamics(
  threads: Int = 1, forceConstants: [Double] = [200, 80], plain: Bool = false, timestep: Double = 0.001
) throws -> LangevinDynamics {
  try LangevinDynamics(
    system: System(contentsOf: AlanineFixture.systemXML),
    settings: .init(temperature: 300, timestep: timestep, threads: threads, plainForces: plain),
    torsions: [phi, psi, [8, 14, 16, 18]], forceConstants: forceConstants, recordInterval: 20)
}

@Suite("Biased Langevin walks")
struct LangevinDynamicsTests {
  /// The built-in kernel and OpenMM, by another road, on real frames: every force and energy, bias included.
  @Test func kernelEqualsOpenMM() throws {
    let fixture = try AlanineFixture.load()
    let ours = try alanineDynamics()
    let theirs = try alanineDynamics(plain: true)
    #expect(ours.forceProvider.hasPrefix("built-in"))
    #expect(theirs.forceProvider == "OpenMM Reference")
    for index in fixture.energies.indices {
      let frame = fixture.frame(index)
      let centers = [0.31 * Double(index) - 3, 3.1]
      let a = try ours.biasedForces(frame, centers: centers)
      let b = try theirs.biasedForces(frame, centers: centers)
      #expect(largestRelativeError([a.energy], [b.energy]) < 1e-10)
      #expect(largestRelativeError(a.forces, b.forces) < 1e-10)
    }
    let unbiased = try alanineDynamics(forceConstants: [])
    let frame = fixture.frame(3)
    let result = try unbiased.biasedForces(frame, centers: [])
    #expect(largestRelativeError([result.energy], [fixture.energies[3]]) < 1e-6)
    #expect(largestRelativeError(result.forces, Array(fixture.forces[3 * 66..<4 * 66])) < 1e-6)
  }

  @Test func biasIsHarmonicInTheWrappedDifference() throws {
    let fixture = try AlanineFixture.load()
    let sampler = try alanineDynamics()
    let unbiased = try alanineDynamics(forceConstants: [])
    for index in 0..<8 {
      let frame = fixture.frame(index)
      let torsions = try sampler.torsions(frame)
      let plain = try unbiased.biasedForces(frame, centers: []).energy
      // a centre near +pi for a torsion near -pi, and the other way about, are close
      for offset in [0.3, -0.3, 3.0, -3.0] {
        for turns in [-1.0, 0, 1] {
          let centers = [torsions[0] + offset + 2 * .pi * turns, torsions[1] - offset]
          let biased = try sampler.biasedForces(frame, centers: centers).energy
          #expect(abs(biased - plain - 0.5 * (200 + 80) * offset * offset) < 1e-7)
        }
      }
    }
  }

  @Test func biasedForcesAreTheSlopesOfTheEnergy() throws {
    let fixture = try AlanineFixture.load()
    let sampler = try alanineDynamics()
    let frame = fixture.frame(4)
    let centers = [3.1, -3.0]
    let forces = try sampler.biasedForces(frame, centers: centers).forces
    let step = 1e-5
    for i in frame.indices {
      let slope = try [1.0, -1.0].map { sign -> Double in
        var moved = frame
        moved[i] += sign * step
        return try sign * sampler.biasedForces(moved, centers: centers).energy
      }
      let expected = -(slope[0] + slope[1]) / (2 * step)
      #expect(abs(forces[i] - expected) / max(1, abs(expected)) < 1e-4)
    }
  }

  /// Statistical, seeded: a particle in a well of 500 kJ/mol/nm^2 has the variance kT/k on every axis. 4,000 walks' ends are
  /// independent, so the z-score of their mean square is standard normal.
  @Test func harmonicWellHasItsVariance() throws {
    let sampler = try LangevinDynamics(
      system: System(xml: harmonicWell(mass: 12, forceConstant: 500)),
      settings: .init(temperature: 300, timestep: 0.004, friction: 5, threads: 2), recordInterval: 1000)
    // a force that the built-in kernel does not know
    #expect(sampler.forceProvider == "OpenMM Reference")
    let walks = 4000
    var states = try (0..<walks).map {
      LangevinDynamics.State(positions: [0, 0, 0], velocities: try sampler.thermalVelocities(seed: 7_000 + UInt64($0)))
    }
    _ = try sampler.run(
      &states,
      (0..<walks).map { [.init(centers: [], equilibrationSteps: 0, productionSteps: 400, seed: UInt64($0))] })
    let kT = 0.008_314_462_618_153_24 * 300
    for (values, variance) in [(states.map(\.positions), kT / 500), (states.map(\.velocities), kT / 12)] {
      let squares = values.flatMap { $0 }.map { $0 * $0 / variance }
      let n = Double(squares.count)
      let z = (squares.reduce(0, +) / n - 1) / (2 / n).squareRoot()
      #expect(abs(z) < 3.5, "z = \(z)")
    }
  }

  /// The same segments by one thread, by three, and cut into two calls: bit for bit.
  @Test(arguments: [false, true]) func walksDoNotDependOnThreads(plain: Bool) throws {
    let fixture = try AlanineFixture.load()
    func segments(_ walk: Int) -> [LangevinDynamics.Segment] {
      (0..<4).map { k in
        .init(
          centers: [-1.2 + 0.1 * Double(walk), 2.5], equilibrationSteps: 20, productionSteps: 60,
          seed: UInt64(100 * walk + k))
      }
    }
    func begin(_ sampler: LangevinDynamics) throws -> [LangevinDynamics.State] {
      try (0..<5).map {
        .init(positions: fixture.frame(12), velocities: try sampler.thermalVelocities(seed: UInt64($0)))
      }
    }
    let one = try alanineDynamics(threads: 1, plain: plain)
    var single = try begin(one)
    let whole = try one.run(&single, (0..<5).map(segments))
    #expect(whole[0][0].torsions.count == 3 * 3)

    let three = try alanineDynamics(threads: 3, plain: plain)
    var parallel = try begin(three)
    #expect(try three.run(&parallel, (0..<5).map(segments)) == whole)
    #expect(parallel == single)

    var cut = try begin(three)
    let first = try three.run(&cut, (0..<5).map { Array(segments($0).prefix(2)) })
    let second = try three.run(&cut, (0..<5).map { Array(segments($0).dropFirst(2)) })
    #expect(zip(first, second).map { $0 + $1 } == whole)
    #expect(cut == single)
    #expect(Set(single.map { $0.positions[0] }).count == 5)
  }

  @Test func unstableDynamicsIsAnErrorAndLeavesTheStates() throws {
    let fixture = try AlanineFixture.load()
    let sampler = try alanineDynamics(timestep: 0.05)
    let start = [
      LangevinDynamics.State(positions: fixture.frame(0), velocities: try sampler.thermalVelocities(seed: 1))
    ]
    var states = start
    #expect {
      _ = try sampler.run(
        &states, [[.init(centers: [0, 0], equilibrationSteps: 0, productionSteps: 2000, seed: 1)]])
    } throws: { error in
      guard case OpenMMError.unstable(let reason) = error else { return false }
      return reason.contains("timestep")
    }
    #expect(states == start)
    states[0].positions[5] = .nan
    #expect(throws: OpenMMError.self) {
      try sampler.run(&states, [[.init(centers: [0, 0], equilibrationSteps: 0, productionSteps: 10, seed: 1)]])
    }
  }

  @Test func impossibleSettingsAreErrors() throws {
    let system = try System(contentsOf: AlanineFixture.systemXML)
    func dynamics(_ system: System, _ torsions: [[Int]], timestep: Double = 0.001) throws -> LangevinDynamics {
      try LangevinDynamics(
        system: system, settings: .init(temperature: 300, timestep: timestep, threads: 1), torsions: torsions,
        recordInterval: 10)
    }
    for (torsions, timestep, words) in [
      ([[0, 1, 2, 22]], 0.001, "particle 22 of 22"), ([[0, 1, 2]], 0.001, "of four atoms"),
      ([[0, 1, 2, 1]], 0.001, "particle 1 twice"), ([phi], -1, "timestep"),
    ] as [([[Int]], Double, String)] {
      #expect {
        try dynamics(system, torsions, timestep: timestep)
      } throws: { "\($0)".contains(words) }
    }
  }

  /// Masses in place of the System's: velocities scale by the square root, and positions keep their distribution. Statistical,
  /// seeded, as above; a step of 4 fs would be too long for the System's own mass of 0.1 dalton (the limit is 2/omega, 2.8 fs).
  @Test func otherMassesLeaveTheDistributionOfPositions() throws {
    let system = try System(xml: harmonicWell(mass: 0.1, forceConstant: 50_000))
    func sampler(masses: [Double]?) throws -> LangevinDynamics {
      try LangevinDynamics(
        system: system, settings: .init(temperature: 300, timestep: 0.004, friction: 5, threads: 2, masses: masses),
        recordInterval: 1000)
    }
    let heavy = try sampler(masses: [10])
    let velocities = zip(try heavy.thermalVelocities(seed: 3), try sampler(masses: nil).thermalVelocities(seed: 3))
    #expect(velocities.allSatisfy { abs($0 * 10 - $1) < 1e-12 })
    let walks = 4000
    var states = try (0..<walks).map {
      LangevinDynamics.State(positions: [0, 0, 0], velocities: try heavy.thermalVelocities(seed: 7_000 + UInt64($0)))
    }
    _ = try heavy.run(
      &states,
      (0..<walks).map { [.init(centers: [], equilibrationSteps: 0, productionSteps: 400, seed: UInt64($0))] })
    let kT = 0.008_314_462_618_153_24 * 300
    let squares = states.flatMap(\.positions).map { $0 * $0 * 50_000 / kT }
    let n = Double(squares.count)
    #expect(abs(squares.reduce(0, +) / n - 1) / (2 / n).squareRoot() < 4)
    #expect(throws: OpenMMError.self) { try sampler(masses: [1, 2]) }
    #expect(throws: OpenMMError.self) { try sampler(masses: [-1]) }
  }

  @Test func minimisationGoesDownhill() throws {
    let fixture = try AlanineFixture.load()
    let sampler = try alanineDynamics()
    let before = fixture.energies[5]
    let after = try BatchEvaluator(system: sampler.system, threads: 1).energies(sampler.minimised(fixture.frame(5)))[0]
    #expect(after < before - 20)
  }
}
