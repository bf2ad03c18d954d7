import Basics
import ForceFields
import Foundation
import TestSupport
import Testing
import Torch
import Trajectories

@testable import Generative
@testable import Molecules
@testable import Stages

/// Real frames against real forces: what Stein's identity says of them, and what charts make of forces.
@Suite struct EmulatorDataTests {
  struct Alanine {
    let topology: Topology
    let engine: OpenMMEngine
    let frames: NDArray<Double>

    init(frames count: Int) throws {
      topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
      engine = try OpenMMEngine(systemXML: Package.alanine.appendingPathComponent("system.xml"), threads: 2)
      let reader = try AMBERTrajectory(url: Package.alanine.appendingPathComponent("alanine-left.nc"))
      let all = try reader.readFrames(0..<reader.frameCount)
      let stride = reader.frameCount / count
      var values: [Double] = []
      for frame in 0..<count { values += all[(66 * frame * stride)..<(66 * (frame * stride + 1))] }
      frames = try NDArray(values, shape: [count, 22, 3])
    }

    func forces(at temperature: Double = 300) -> BoltzmannForces {
      BoltzmannForces(temperature: temperature, framesPerCall: 1000) { try engine.energiesAndForces($0) }
    }

    /// Other frames of the same molecule.
    init(_ other: Alanine, frames: NDArray<Double>) {
      (topology, engine, self.frames) = (other.topology, other.engine, frames)
    }

    /// With a further term on a torsion, -4 kJ/mol times its cosine, which the frames do not know.
    func forces(twisting torsion: [Int]) -> BoltzmannForces {
      let real = forces()
      return BoltzmannForces(temperature: 300, framesPerCall: 1000) { positions in
        var (energies, forces) = try real.evaluate(positions)
        for frame in energies.indices {
          let own = Array(positions[66 * frame..<66 * (frame + 1)])
          let angle = torsionAngles(own, atoms: 22, torsions: [torsion])[0]
          let pull = 4 * sin(angle)
          for atom in torsion {
            for axis in 0..<3 {
              var moved = own
              moved[3 * atom + axis] += 1e-6
              let turn = wrappedAngle(torsionAngles(moved, atoms: 22, torsions: [torsion])[0] - angle) / 1e-6
              forces[66 * frame + 3 * atom + axis] += pull * turn
            }
          }
        }
        return (energies, forces)
      }
    }

    func data(
      _ forces: BoltzmannForces?, levers: EmulatorSettings.Levers = .init(), _ host: any TrainingHost = UnattendedHost()
    ) throws -> EmulatorData {
      var settings = EmulatorSettings()
      (settings.forces, settings.levers) = (forces, levers)
      let split = FrameSplit(frames: frames.shape[0], fraction: settings.validationFraction)
      return try EmulatorData(frames, topology, split, settings, host)
    }
  }

  @Test func framesOfTheForceFieldAreKnown() throws {
    let alanine = try Alanine(frames: 4000)
    let data = try alanine.data(alanine.forces())
    let check = try #require(data.check)
    #expect(check.isSound && abs(check.mean - 1) < 0.01 && check.error < 0.005)
    #expect(check.coordinates.count > 50)
    #expect(data.targets != nil && data.isInTwo && data.timeWeights == .likelihood)
    guard case .internal(let chart) = data.chart else { throw Missing() }
    #expect(chart.rotors?.count == 3 && chart.conditionalMean != nil)
    // without forces all is as before
    let plain = try alanine.data(nil)
    #expect(plain.targets == nil && !plain.isInTwo && plain.timeWeights == .uniform && plain.check == nil)
    guard case .internal(let before) = plain.chart else { throw Missing() }
    #expect(before.rotors == nil && before.conditionalMean == nil)
  }

  struct Missing: Error {}

  /// Another temperature, another order of atoms, and a force field in which one angle is another: refused, each with its likely cause.
  @Test func whatIsNotTheForceFieldsIsSaid() throws {
    var alanine = try Alanine(frames: 2000)
    func verdict(_ forces: BoltzmannForces, _ alanine: Alanine) throws -> String {
      var said: [String] = []
      let data = try alanine.data(forces, UnattendedHost { said.append($0) })
      #expect(data.targets == nil && data.check?.isSound == false)
      return said.first { $0.contains("targets are plain") } ?? ""
    }
    let hot = try verdict(alanine.forces(at: 360), alanine)
    #expect(hot.contains("another temperature, 30") || hot.contains("another temperature, 29"), "\(hot)")
    // one angle's spring without its force
    let topology = alanine.topology
    let coordinates = try InternalCoordinates(topology: topology)
    let angle = try #require(
      coordinates.atoms.firstIndex { $0.count == 3 && Set($0) == [6, 8, 14] || Set($0) == [4, 6, 8] })
    let real = alanine.forces()
    let other = BoltzmannForces(temperature: 300, framesPerCall: 1000) { positions in
      let (energies, forces) = try real.evaluate(positions)
      let count = energies.count
      var weaker = forces
      let q = try coordinates.internalCoordinates(positions, frames: count).values
      // a further spring on the angle, by differences of the placement
      for frame in 0..<count {
        let own = Array(q[60 * frame..<60 * (frame + 1)])
        let pull = 600 * (own[angle] - 2.0)
        for atom in coordinates.atoms[angle] {
          for axis in 0..<3 {
            var moved = Array(positions[66 * frame..<66 * (frame + 1)])
            moved[3 * atom + axis] += 1e-6
            let up = try coordinates.internalCoordinates(moved, frames: 1).values[angle]
            weaker[66 * frame + 3 * atom + axis] -= pull * (up - own[angle]) / 1e-6
          }
        }
      }
      return (energies, weaker)
    }
    let sprung = try verdict(other, alanine)
    #expect(sprung.contains("angle") && sprung.contains(coordinates.title(of: angle, in: topology)), "\(sprung)")
    // two heavy atoms in each other's place
    let shuffled = BoltzmannForces(temperature: 300, framesPerCall: 1000) { positions in
      var turned = positions
      for frame in 0..<positions.count / 66 {
        for axis in 0..<3 { turned.swapAt(66 * frame + 12 + axis, 66 * frame + 18 + axis) }
      }
      return try real.evaluate(turned)
    }
    let mixed = try verdict(shuffled, alanine)
    #expect(mixed.contains("order of the atoms"), "\(mixed)")
    // asked for all the same: an error that says why
    var levers = EmulatorSettings.Levers()
    levers.forces = true
    #expect(throws: EmulatorError.self) { try alanine.data(alanine.forces(at: 360), levers: levers) }
    levers = .init()
    levers.twoFlows = true
    #expect(throws: EmulatorError.self) { try alanine.data(nil, levers: levers) }
    // so few frames that a torsion is not known say so, and blame nothing else
    alanine = try Alanine(frames: 160)
    #expect(try verdict(alanine.forces(), alanine).contains("The frames are too few"))
    alanine = try Alanine(frames: 500)
    #expect(try alanine.data(alanine.forces()).targets != nil, "few frames have forces too")
  }

  /// Gradients over latents against differences of -u + ln |dx/dq| through the chart, rotors folded and means following torsions.
  @Test func gradientsOverLatentsEqualDifferences() throws {
    let alanine = try Alanine(frames: 500)
    let data = try alanine.data(alanine.forces())
    let d = data.chart.space.dimension
    let thermal = PhysicalConstants.thermalEnergy(temperature: 300)
    let rows = try data.rows.values(as: Float.self)
    for frame in [0, 123, 456] {
      let y = rows[2 * d * frame..<2 * d * frame + d].map(Double.init)
      let g = rows[2 * d * frame + d..<2 * d * (frame + 1)].map(Double.init)
      func density(_ points: [[Double]]) throws -> [Double] {
        let made = try data.chart.conformations(latents: Tensor(points.flatMap { $0 }, shape: [points.count, d]))
        return zip(try alanine.engine.energies(made.coordinates), made.logJacobian).map { -$0 / thermal + $1 }
      }
      let step = 1e-4
      let moved = try density(
        (0..<2 * d).map { k in
          var point = y
          point[k / 2] += k % 2 == 0 ? step : -step
          return point
        })
      for k in 0..<d {
        let slope = (moved[2 * k] - moved[2 * k + 1]) / (2 * step)
        #expect(abs(slope - g[k]) < 2e-3 * max(1, abs(slope)), "frame \(frame), latent \(k): \(slope), \(g[k])")
      }
    }
  }

  /// The chart's constant volume against differences of latents in internal coordinates, and a conformation whose ends are named otherwise
  /// has the same latents and the same density.
  @Test func foldedChartsKeepTheirVolume() throws {
    let alanine = try Alanine(frames: 500)
    let data = try alanine.data(alanine.forces())
    guard case .internal(let chart) = data.chart else { throw Missing() }
    let coordinates = chart.coordinates
    let q = try coordinates.internalCoordinates(Array(alanine.frames.values[0..<66]), frames: 1).values
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: 60), count: 60)
    for k in 0..<60 {
      func latents(_ by: Double) throws -> [Double] {
        var moved = q
        moved[k] += by
        return try chart.latents(internal: moved, frames: 1).values(as: Double.self)
      }
      let (up, down) = (try latents(1e-6), try latents(-1e-6))
      for i in 0..<60 {
        let difference = up[i] - down[i]
        matrix[i][k] = (i < chart.space.euclidean ? difference : wrappedAngle(difference)) / 2e-6
      }
    }
    // three times the mean torsion counts ln 3, and one of three names takes it back
    let expected = logAbsoluteDeterminant(matrix.flatMap { $0 }, 60) - 3 * log(3)
    #expect(abs(expected - chart.logDeterminant) < 1e-4, "\(expected) \(chart.logDeterminant)")
    let back = try data.chart.conformations(latents: chart.latents(internal: q, frames: 1))
    let energies = try alanine.engine.energies(back.coordinates + Array(alanine.frames.values[0..<66]))
    #expect(abs(energies[0] - energies[1]) < 1e-3)
    let rotor = try #require(chart.rotors?.first)
    var turned = Array(alanine.frames.values[0..<66])
    for (from, to) in zip(rotor.ends, rotor.ends[1...] + rotor.ends[..<1]) {
      for axis in 0..<3 { turned[3 * to + axis] = alanine.frames.values[3 * from + axis] }
    }
    let (named, volume) = try data.chart.latentsAndJacobians(Array(alanine.frames.values[0..<66]), frames: 1)
    let (others, same) = try data.chart.latentsAndJacobians(turned, frames: 1)
    for (a, b) in zip(try named.values(as: Double.self), try others.values(as: Double.self)) {
      #expect(abs(wrappedAngle(a - b)) < 1e-8)
    }
    #expect(abs(volume[0] - same[0]) < 1e-10)
  }

  /// A further term on psi's torsion that the frames do not know: bonds and angles are as they were, and the torsion tells.
  @Test func anotherTorsionTermIsSeen() throws {
    let alanine = try Alanine(frames: 4000)
    let coordinates = try InternalCoordinates(topology: alanine.topology)
    let psi = try alanine.topology.torsion(named: "psi")
    let index = try #require(coordinates.coordinate(ofTorsion: psi))
    var said: [String] = []
    let data = try alanine.data(alanine.forces(twisting: psi), UnattendedHost { said.append($0) })
    #expect(data.targets == nil)
    #expect(
      said.contains { $0.contains(coordinates.title(of: index, in: alanine.topology)) && $0.contains("of its force") },
      "\(said)")
  }

  @Test func sharesOfStatesBecomeWeights() throws {
    let found = [0, 0, 1, 2, 2, 2, 2, 2]
    func shares(_ asked: [Double?]) throws -> [Double] {
      let factors = try StateShares(names: ["a", "b", "rest"], places: found, shares: asked).factors(of: Array(0..<8))
      let total = found.reduce(0) { $0 + factors[$1] }
      return (0..<3).map { state in Double(found.filter { $0 == state }.count) * factors[state] / total }
    }
    func expect(_ asked: [Double?], _ wanted: [Double]) throws {
      for (share, wanted) in zip(try shares(asked), wanted) { #expect(abs(share - wanted) < 1e-12) }
    }
    try expect([0.5, nil, nil], [0.5, 1.0 / 12, 5.0 / 12])
    try expect([0.2, 0.3, nil], [0.2, 0.3, 0.5])
    try expect([0.2, 0.8, 0], [0.2, 0.8, 0])
    #expect(throws: StateSharesError.sum(1.25)) { try shares([0.5, 0.75, nil]) }
    #expect(throws: StateSharesError.nothingElse(0.5)) {
      try StateShares(names: ["a", "rest"], places: [0, 0], shares: [0.5, nil]).factors(of: [0, 1])
    }
    // of the frames that are trained on
    #expect(throws: StateSharesError.empty("b")) {
      try StateShares(names: ["a", "b"], places: [0, 1, 0], shares: [nil, 0.5]).factors(of: [0, 2])
    }
  }
}
