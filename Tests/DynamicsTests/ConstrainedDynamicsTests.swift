import Dynamics
import Foundation
import OpenMM
import TestSupport
import Testing

/// What Fixtures/make_held.py found.
struct HeldFixture: Decodable {
  struct Path: Decodable {
    let positions, velocities, end: [Double]
    let steps: Int
  }
  struct Averages: Decodable {
    /// Value and standard error.
    let population, cosine: [Double]
  }
  struct Law: Decodable {
    let population, cosine: Double
  }
  struct Chain: Decodable {
    let constrained, springs: Averages
    let quadrature, stiff: Law
  }
  let chain: Chain
  let paths: [String: Path]

  static func load() throws -> HeldFixture {
    try JSONDecoder().decode(HeldFixture.self, from: Data(contentsOf: Package.fixture("held/held.json")))
  }

  static func system(_ name: String) throws -> System {
    try System(
      contentsOf: Package.fixture(name == "chain" ? "held/chain.xml" : "cases/constraints-in-system/hbonds.xml"))
  }
}

private let kT = 0.008_314_462_618_153_24 * 300

@Suite("Dynamics with constraints")
struct ConstrainedDynamicsTests {
  private func constraints(_ system: System) -> [(first: Int, second: Int, length: Double)] {
    let held = Set(system.pairs(.constrained))
    return system.bondLengths.filter { held.contains(.init($0.first, $0.second)) }
  }

  private func difference(_ x: [Double], _ i: Int, _ j: Int) -> [Double] {
    (0..<3).map { x[3 * i + $0] - x[3 * j + $0] }
  }
  private func dot(_ a: [Double], _ b: [Double]) -> Double { a[0] * b[0] + a[1] * b[1] + a[2] * b[2] }

  /// Velocities without what constraints forbid.
  private func projected(_ v: [Double], at x: [Double], _ system: System) -> [Double] {
    var v = v
    let masses = system.masses
    let held = constraints(system)
    var largest = 1.0
    while largest > 1e-9 {
      largest = 0
      for (i, j, _) in held {
        var (rate, square) = (0.0, 0.0)
        for axis in 0..<3 {
          let r = x[3 * i + axis] - x[3 * j + axis]
          rate += r * (v[3 * i + axis] - v[3 * j + axis])
          square += r * r
        }
        let push = rate / square / (1 / masses[i] + 1 / masses[j])
        largest = max(largest, abs(push))
        for axis in 0..<3 {
          let r = x[3 * i + axis] - x[3 * j + axis]
          v[3 * i + axis] -= push / masses[i] * r
          v[3 * j + axis] += push / masses[j] * r
        }
      }
    }
    return v
  }

  private func kinetic(_ v: [Double], _ system: System) -> Double {
    let masses = system.masses
    var sum = 0.0
    for (k, component) in v.enumerated() { sum += 0.5 * masses[k / 3] * component * component }
    return sum
  }

  /// Without friction there is no noise: OpenMM's LangevinMiddleIntegrator with constraints goes the same way, to its tolerance.
  @Test(arguments: ["chain", "methanol"]) func pathsAreThoseOfOpenMM(_ name: String) throws {
    let path = try #require(HeldFixture.load().paths[name])
    let system = try HeldFixture.system(name)
    for plain in [false, true] {
      let dynamics = try LangevinDynamics(
        system: system,
        settings: .init(temperature: 300, timestep: 0.001, friction: 0, threads: 1, plainForces: plain),
        recordInterval: 10)
      var states = [LangevinDynamics.State(positions: path.positions, velocities: path.velocities)]
      _ = try dynamics.run(
        &states, [[.init(centers: [], equilibrationSteps: 0, productionSteps: path.steps, seed: 1)]])
      let moved = zip(path.positions, path.end).map { abs($0 - $1) }.max() ?? 0
      let off = zip(states[0].positions, path.end).map { abs($0 - $1) }.max() ?? .infinity
      print("\(name): paths \(off) nm apart after moving by \(moved)")
      #expect(moved > 0.05 && off < 1e-7, "\(off)")
      for bond in constraints(system) {
        let r = difference(states[0].positions, bond.first, bond.second)
        #expect(abs(dot(r, r).squareRoot() / bond.length - 1) < 2e-9)
      }
    }
  }

  /// Without friction the energy stays, from one end of 10 ps to the other, and within them it trembles as the step's square.
  @Test func energyIsConservedWithoutFriction() throws {
    let system = try HeldFixture.system("methanol")
    let path = try #require(HeldFixture.load().paths["methanol"])
    func tremble(timestep: Double) throws -> (drift: Double, spread: Double) {
      let dynamics = try LangevinDynamics(
        system: system, settings: .init(temperature: 300, timestep: timestep, friction: 0, threads: 1),
        recordInterval: 1)
      var states = [LangevinDynamics.State(positions: path.positions, velocities: path.velocities)]
      var energies: [Double] = []
      let masses = system.masses
      for _ in 0..<400 {
        let steps = Int((0.025 / timestep).rounded())
        _ = try dynamics.run(
          &states, [[.init(centers: [], equilibrationSteps: steps, productionSteps: 0, seed: 1)]])
        let (potential, forces) = try dynamics.biasedForces(states[0].positions, centers: [])
        // the stored velocities are half a step behind
        var full = states[0].velocities
        for k in full.indices { full[k] += 0.5 * timestep * forces[k] / masses[k / 3] }
        energies.append(potential + kinetic(projected(full, at: states[0].positions, system), system))
      }
      let mean = energies.reduce(0, +) / 400
      let parts = [energies.prefix(100), energies.suffix(100)].map { $0.reduce(0, +) / 100 }
      return (parts[1] - parts[0], (energies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 400).squareRoot())
    }
    let (one, half) = (try tremble(timestep: 0.001), try tremble(timestep: 0.0005))
    print("energy without friction: \(one), at half the step \(half)")
    #expect(abs(one.drift) < 0.02 && one.spread < 0.1, "\(one)")
    #expect(half.spread < one.spread / 3, "\(one) \(half)")
  }

  /// Statistical, seeded: 1,000 chains have the kinetic energy of 12 - 3 degrees of freedom, also right after torsion moves.
  @Test(arguments: [false, true]) func kineticEnergyIsThatOfTheFreeDirections(moves: Bool) throws {
    let system = try HeldFixture.system("chain")
    let path = try #require(HeldFixture.load().paths["chain"])
    var settings = DynamicsSettings(temperature: 300, timestep: 0.002, friction: 10, threads: 2)
    if moves { settings.moves = [TorsionMove(axis: [1, 2], isThird: false, atoms: [3])] }
    let interval = moves ? 10 : 100
    let dynamics = try LangevinDynamics(system: system, settings: settings, recordInterval: interval)
    var states = try (0..<1000).map {
      LangevinDynamics.State(
        positions: path.positions, velocities: try dynamics.thermalVelocities(seed: 7_000 + UInt64($0)))
    }
    var work = DynamicsWork(moves: settings.moves.count)
    _ = try dynamics.run(
      &states,
      (0..<1000).map { [.init(centers: [], equilibrationSteps: 200, productionSteps: 0, seed: UInt64($0))] },
      adding: &work)
    if moves { #expect(work.movesTaken[0] > 2000, "\(work)") }
    let masses = system.masses
    let energies = try states.map { state -> Double in
      let (_, forces) = try dynamics.biasedForces(state.positions, centers: [])
      var full = state.velocities
      for k in full.indices { full[k] += 0.001 * forces[k] / masses[k / 3] }
      return kinetic(projected(full, at: state.positions, system), system)
    }
    let ratio = energies.reduce(0, +) / Double(energies.count) / (kT / 2)
    let z = (ratio - 9) / (18.0 / 1000).squareRoot()
    print("degrees of freedom: \(ratio) for 9, moves \(moves)")
    #expect(abs(z) < 3.5, "\(ratio) degrees of freedom")
  }

  /// Statistical, seeded: the chain's torsion and angles have the law exp(-U/kT) sin sin sqrt(det Z), by quadrature, and not the one without
  /// the last factor. With torsion moves beside the dynamics too.
  @Test(arguments: [false, true]) func positionsHaveTheMeasureOfConstrainedDynamics(moves: Bool) throws {
    let truth = try HeldFixture.load()
    let system = try HeldFixture.system("chain")
    let path = try #require(truth.paths["chain"])
    var settings = DynamicsSettings(temperature: 300, timestep: 0.005, friction: 5, threads: 2)
    if moves { settings.moves = [TorsionMove(axis: [1, 2], isThird: false, atoms: [3])] }
    let dynamics = try LangevinDynamics(
      system: system, settings: settings, torsions: [[0, 1, 2, 3]], recordInterval: 20)
    let walks = 40
    var states = try (0..<walks).map {
      LangevinDynamics.State(positions: path.positions, velocities: try dynamics.thermalVelocities(seed: UInt64($0)))
    }
    let pieces = 110
    let seeds = moves ? 1_000_000 : 0
    let segments: [[LangevinDynamics.Segment]] = (0..<walks).map { walk in
      (0..<pieces).map { piece -> LangevinDynamics.Segment in
        let seed = UInt64(seeds + 1000 * walk + piece)
        return .init(
          centers: [], equilibrationSteps: piece == 0 ? 2000 : 0, productionSteps: 100, seed: seed)
      }
    }
    let records: [[LangevinDynamics.Record]] = try dynamics.run(&states, segments)
    var populations: [Double] = []
    var cosines: [Double] = []
    for walk in records {
      let angles: [Double] = walk.flatMap { $0.torsions }
      let inside = angles.filter { abs($0) < 1 }.count
      populations.append(Double(inside) / Double(angles.count))
      var sum = 0.0
      for record in walk {
        for (end, centre, other) in [(0, 1, 2), (1, 2, 3)] {
          let a = difference(record.endPositions, end, centre)
          let b = difference(record.endPositions, other, centre)
          sum += dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
        }
      }
      cosines.append(sum / Double(2 * walk.count))
    }
    let (law, stiffLaw) = (truth.chain.quadrature, truth.chain.stiff)
    let rows: [(name: String, values: [Double], law: Double, stiff: Double)] = [
      ("population", populations, law.population, stiffLaw.population),
      ("cosine", cosines, law.cosine, stiffLaw.cosine),
    ]
    for (name, values, law, stiff) in rows {
      let n = Double(values.count)
      let mean = values.reduce(0, +) / n
      let error = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n * (n - 1))).squareRoot()
      print("\(name), moves \(moves): \(mean) ± \(error); law \(law), without the factor \(stiff)")
      #expect(abs(mean - law) < 3.5 * error, "\(name)")
      if name == "cosine" { #expect(abs(mean - stiff) > 5 * error, "the test tells the two laws apart") }
    }
  }

  @Test func constraintsThatCannotBeHeldAreErrors() throws {
    let system = try HeldFixture.system("chain")
    let path = try #require(HeldFixture.load().paths["chain"])
    var settings = DynamicsSettings(temperature: 300, timestep: 0.001, threads: 1)
    settings.masses = [79.904, 0, 12.011, 79.904]
    #expect {
      _ = try LangevinDynamics(system: system, settings: settings, recordInterval: 1)
    } throws: { "\($0)".contains("a constraint holds particle 1, which has no mass") }
    settings.masses = nil
    settings.timestep = 1
    let dynamics = try LangevinDynamics(system: system, settings: settings, recordInterval: 1)
    let start = LangevinDynamics.State(positions: path.positions, velocities: path.velocities.map { 10 * $0 })
    var states = [start]
    #expect {
      _ = try dynamics.run(&states, [[.init(centers: [], equilibrationSteps: 100, productionSteps: 0, seed: 1)]])
    } throws: { error in
      guard case OpenMMError.unstable(let reason) = error else { return false }
      return reason.contains("timestep")
    }
    #expect(states == [start])
    // a minimised frame is on the constraints
    var stretched = path.positions
    stretched[0] += 0.01
    let minimum = try dynamics.minimised(stretched)
    for bond in constraints(system) {
      let r = difference(minimum, bond.first, bond.second)
      #expect(abs(dot(r, r).squareRoot() / bond.length - 1) < 2e-9)
    }
  }
}
