import Dynamics
import Foundation
import OpenMM
import TestSupport
import Testing

/// Dynamics whose forces are no OpenMM System's.
@Suite("External forces")
struct ExternalForcesTests {
  private static let kT = 0.008_314_462_618_153_24 * 300

  /// k/2 |x - place|^2 for every number of a frame.
  private static func springs(_ constants: [Double], place: Double = 0) -> ExternalForces {
    ExternalForces(name: "springs") { threads in
      (0..<threads).map { _ in
        { positions in
          let energy = zip(constants, positions).reduce(0) { $0 + 0.5 * $1.0 * ($1.1 - place) * ($1.1 - place) }
          return (energy, zip(constants, positions).map { -$0 * ($1 - place) })
        }
      }
    }
  }

  private static func dynamics(
    masses: [Double], _ forces: ExternalForces, timestep: Double = 0.004, friction: Double = 5, threads: Int = 2
  ) throws -> LangevinDynamics {
    try LangevinDynamics(
      system: System(masses: masses),
      settings: .init(
        temperature: 300, timestep: timestep, friction: friction, threads: threads, externalForces: forces),
      recordInterval: 1000)
  }

  /// Statistical, seeded: every coordinate has the variance kT/k of its own spring, whatever the mass. The ends of 2,000 walks are
  /// independent: z-scores of their mean squares are standard normal.
  @Test func springsHaveTheirVariances() throws {
    let constants = [300.0, 500, 800, 1000, 2000, 4000]
    let dynamics = try Self.dynamics(masses: [12, 3], Self.springs(constants, place: 0.2))
    #expect(dynamics.forceProvider == "springs" && dynamics.kernelRefusal == nil)
    let walks = 2000
    var states = try (0..<walks).map {
      LangevinDynamics.State(
        positions: [Double](repeating: 0.2, count: 6),
        velocities: try dynamics.thermalVelocities(seed: 9_000 + UInt64($0)))
    }
    _ = try dynamics.run(
      &states, (0..<walks).map { [.init(centers: [], equilibrationSteps: 400, productionSteps: 0, seed: UInt64($0))] })
    for (k, constant) in constants.enumerated() {
      let squares = states.map { pow($0.positions[k] - 0.2, 2) * constant / Self.kT }
      let z = (squares.reduce(0, +) / Double(walks) - 1) / (2 / Double(walks)).squareRoot()
      #expect(abs(z) < 3.5, "spring of \(constant): z = \(z)")
    }
    #expect((dynamics.secondsPerForce ?? 0) > 0)
  }

  /// OpenMM's forces handed in from outside give the walks that OpenMM's forces give, bit for bit: bias, records and ends; by any number of
  /// threads.
  @Test func equalTheSameForcesFromWithin() throws {
    let fixture = try AlanineFixture.load()
    let system = try System(contentsOf: AlanineFixture.systemXML)
    let plain = DynamicsSettings(temperature: 300, threads: 1, plainForces: true)
    let handed = ExternalForces(name: "handed in") { threads in
      try (0..<threads).map { _ in
        let inner = try LangevinDynamics(system: system, settings: plain, recordInterval: 1)
        return { try inner.biasedForces($0, centers: []) }
      }
    }
    func walks(_ forces: ExternalForces?, threads: Int) throws -> (
      [[LangevinDynamics.Record]], [LangevinDynamics.State]
    ) {
      var settings = plain
      (settings.threads, settings.externalForces) = (threads, forces)
      settings.masses = system.masses
      let dynamics = try LangevinDynamics(
        system: forces == nil ? system : System(masses: system.masses), settings: settings,
        torsions: [[4, 6, 8, 14], [6, 8, 14, 16]], forceConstants: [200, 80], recordInterval: 5)
      var states = try (0..<3).map {
        LangevinDynamics.State(
          positions: fixture.frame(12), velocities: try dynamics.thermalVelocities(seed: UInt64($0)))
      }
      let records = try dynamics.run(
        &states,
        (0..<3).map { walk in
          (0..<2).map {
            .init(centers: [-1.2, 2.5], equilibrationSteps: 7, productionSteps: 20, seed: UInt64(10 * walk + $0))
          }
        })
      return (records, states)
    }
    let expected = try walks(nil, threads: 1)
    for threads in [1, 3] {
      let found = try walks(handed, threads: threads)
      #expect(found.0 == expected.0 && found.1 == expected.1)
    }
  }

  /// A well of springs to its bottom; and alanine dipeptide to where OpenMM's minimiser comes, or below.
  @Test func minimises() throws {
    let springs = try Self.dynamics(masses: [12, 1], Self.springs([3e5, 2e3, 500, 800, 1e5, 1000], place: 0.1))
    let bottom = try springs.minimised([0.3, -0.2, 0.1, 0.12, 0.13, 0], tolerance: 0.01)
    #expect(bottom.allSatisfy { abs($0 - 0.1) < 1e-4 }, "\(bottom)")

    let fixture = try AlanineFixture.load()
    let system = try System(contentsOf: AlanineFixture.systemXML)
    let openMM = try LangevinDynamics(
      system: system, settings: .init(temperature: 300, threads: 1, plainForces: true), recordInterval: 1)
    let handed = ExternalForces(name: "handed in") { threads in
      (0..<threads).map { _ in { try openMM.biasedForces($0, centers: []) } }
    }
    let ours = try LangevinDynamics(
      system: System(masses: system.masses),
      settings: .init(temperature: 300, threads: 1, externalForces: handed), recordInterval: 1)
    let (theirs, found) = try (
      openMM.minimised(fixture.frame(3), tolerance: 0.5), ours.minimised(fixture.frame(3), tolerance: 0.5)
    )
    let energies = try [theirs, found].map { try openMM.biasedForces($0, centers: []) }
    #expect(energies[1].energy < energies[0].energy + 0.5, "\(energies.map(\.energy))")
    let square = energies[1].forces.reduce(0) { $0 + $1 * $1 } / 66
    #expect(square.squareRoot() <= 0.5)
  }

  private struct Broken: Error, Equatable {}

  /// What an evaluator throws comes out; an energy that is none, and forces of another molecule, are walks that have become unstable. The
  /// states stay as they were.
  @Test func failuresAreErrors() throws {
    func run(_ evaluate: @escaping @Sendable ([Double]) throws -> (energy: Double, forces: [Double])) throws {
      let forces = ExternalForces(name: "failing") { threads in (0..<threads).map { _ in evaluate } }
      let dynamics = try Self.dynamics(masses: [12], forces)
      var states = [LangevinDynamics.State](repeating: .init(positions: [0, 0, 0], velocities: [0, 0, 0]), count: 3)
      let before = states
      defer { #expect(states == before) }
      _ = try dynamics.run(
        &states, states.map { _ in [.init(centers: [], equilibrationSteps: 10, productionSteps: 0, seed: 1)] })
    }
    #expect(throws: Broken()) { try run { _ in throw Broken() } }
    for bad in [(Double.infinity, [0.0, 0, 0]), (.nan, [0, 0, 0]), (0, [0, 0])] {
      let error = #expect(throws: OpenMMError.self) { try run { _ in bad } }
      guard case .unstable = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
    #expect(throws: Broken()) {
      try Self.dynamics(masses: [12], ExternalForces(name: "none") { _ in throw Broken() })
    }
  }
}
