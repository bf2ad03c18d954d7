import Dynamics
import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

/// Dynamics with forces of GFN2-xTB.
@Suite("GFN2-xTB dynamics", .serialized)
struct XTBDynamicsTests {
  /// Water in water, nm.
  private static let water = """
    ATOM      1  O   HOH A   1       0.000   0.000   0.117  1.00  0.00           O
    ATOM      2  H1  HOH A   1       0.000   0.757  -0.471  1.00  0.00           H
    ATOM      3  H2  HOH A   1       0.000  -0.757  -0.471  1.00  0.00           H
    END
    """

  /// Root mean square deviation of the total energy from its mean, without friction, kJ/mol. The velocity of a step is the mean of those half
  /// a step before and after it.
  private func fluctuation(timestep: Double, time: Double) throws -> Double {
    let topology = try Topology.read(pdb: Self.waterFile())
    let forces = try #require(try GFN2xTB().externalForces(for: topology))
    let dynamics = try LangevinDynamics(
      system: System(masses: topology.masses),
      settings: .init(temperature: 300, timestep: timestep, friction: 0, threads: 1, externalForces: forces),
      recordInterval: 1)
    #expect(dynamics.forceProvider == "GFN2-xTB in water (GBSA)")
    let start = try dynamics.minimised(topology.referenceCoordinates, tolerance: 1)
    let velocities = try dynamics.thermalVelocities(seed: 3)
    let mass = topology.masses.flatMap { [$0, $0, $0] }
    // half a step back, so that both time steps begin at one place with one energy
    let first = try dynamics.biasedForces(start, centers: []).forces
    var state = LangevinDynamics.State(
      positions: start, velocities: velocities.indices.map { velocities[$0] - 0.5 * timestep * first[$0] / mass[$0] })
    var totals: [Double] = []
    for step in 0..<Int((time / timestep).rounded()) {
      let before = state
      let potential = try dynamics.biasedForces(before.positions, centers: []).energy
      var states = [state]
      _ = try dynamics.run(
        &states, [[.init(centers: [], equilibrationSteps: 1, productionSteps: 0, seed: UInt64(step))]])
      state = states[0]
      let kinetic = mass.indices.reduce(0.0) { sum, k in
        sum + 0.5 * mass[k] * pow(0.5 * (before.velocities[k] + state.velocities[k]), 2)
      }
      totals.append(potential + kinetic)
    }
    let mean = totals.reduce(0, +) / Double(totals.count)
    return (totals.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(totals.count)).squareRoot()
  }

  private static func waterFile() throws -> URL {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("water-\(UUID().uuidString).pdb")
    try water.write(to: file, atomically: true, encoding: .utf8)
    return file
  }

  /// Energy is kept to the order of the time step's square: the forces are the slopes of the energy, and nothing else moves the atoms.
  @Test func energyIsConservedToSecondOrder() throws {
    let (coarse, fine) = try (fluctuation(timestep: 4e-4, time: 0.1), fluctuation(timestep: 2e-4, time: 0.1))
    #expect(coarse < 0.5, "\(coarse) kJ/mol")
    #expect((3.3...4.7).contains(coarse / fine), "\(coarse) and \(fine) kJ/mol")
  }

  private func umbrella(threads: Int) throws -> UmbrellaSampler {
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let forces = try #require(try GFN2xTB().externalForces(for: topology))
    var settings = UmbrellaSampler.Settings(
      .init(
        temperature: 300, timestep: 0.002, threads: threads, seed: 4,
        masses: try topology.repartitionedMasses(topology.masses, hydrogenMass: 3), externalForces: forces))
    (settings.equilibration, settings.production, settings.sampleInterval) = (0.008, 0.04, 0.004)
    (settings.pieceLength, settings.callLength, settings.firstPass) = (0.008, 0.01, 0.016)
    return try UmbrellaSampler(
      system: System(masses: topology.masses), grid: UmbrellaGrid(counts: [3]), torsions: [[4, 6, 8, 14]],
      forceConstants: [100], coordinates: topology.referenceCoordinates, settings: settings)
  }

  /// Windows, a first pass and a round: stopped after every piece of work, and gone on by one and two threads, the same bits.
  @Test func umbrellaResumesBitIdentically() throws {
    func next(_ sampler: UmbrellaSampler) throws -> Bool {
      if sampler.awaitsPlan {
        guard sampler.state.rounds == 0 else {
          try sampler.finish()
          return false
        }
        try sampler.extend(by: [2, 0, 3])
      }
      _ = try sampler.advance()
      return !sampler.isFinished
    }
    let whole = try umbrella(threads: 1)
    while try next(whole) {}
    var (saved, stops) = (UmbrellaState?.none, 0)
    while true {
      let part = try umbrella(threads: 1 + stops % 2)
      if let saved { try part.resume(saved) }
      // three pieces of work, so that calculators are used again within a part
      var goesOn = true
      for _ in 0..<3 where goesOn { goesOn = try next(part) }
      saved = part.state
      stops += 1
      if !goesOn { break }
    }
    #expect(stops > 3)
    #expect(saved == whole.state)
    #expect(whole.lengths == [4, 2, 5] && whole.records.allSatisfy { $0 != 0 && abs($0) <= .pi })
    #expect(whole.secondsPerStep.map { $0 > 1e-4 } == true)
    #expect(try whole.checkForces() == 0)
  }

  /// A method with an OpenMM System has no external forces.
  @Test func onlyMethodsWithoutASystemHaveThem() throws {
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let prmtop = Package.alanine.appendingPathComponent("alanine.prmtop")
    #expect(try AMBERForceField(file: prmtop, implicitSolvent: .obc1).externalForces(for: topology) == nil)
    #expect(try SerializedSystem(file: AlanineFixture.systemXML).externalForces(for: topology) == nil)
  }
}
