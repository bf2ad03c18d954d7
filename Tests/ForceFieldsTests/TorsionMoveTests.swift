import Dynamics
import Foundation
import OpenMM
import Testing

@testable import ForceFields

/// A chain of four particles whose torsion has three wells that dynamics never leaves: 80 kJ/mol between them.
private func chain(mass: Double = 12) throws -> System {
  func particle(_ index: Int) -> String { "<Particle mass=\"\(mass)\"/>" }
  return try System(
    xml: """
      <?xml version="1.0" ?>
      <System openmmVersion="8.6.1" type="System" version="1">
        <PeriodicBoxVectors><A x="2" y="0" z="0"/><B x="0" y="2" z="0"/><C x="0" y="0" z="2"/></PeriodicBoxVectors>
        <Particles>\((0..<4).map(particle).joined())</Particles>
        <Constraints/>
        <Forces>
          <Force forceGroup="0" name="HarmonicBondForce" type="HarmonicBondForce" usesPeriodic="0" version="2">
            <Bonds>
              <Bond d=".15" k="200000" p1="0" p2="1"/><Bond d=".15" k="200000" p1="1" p2="2"/>
              <Bond d=".15" k="200000" p1="2" p2="3"/>
            </Bonds>
          </Force>
          <Force forceGroup="0" name="HarmonicAngleForce" type="HarmonicAngleForce" usesPeriodic="0" version="2">
            <Angles>
              <Angle a="1.9" k="500" p1="0" p2="1" p3="2"/><Angle a="1.9" k="500" p1="1" p2="2" p3="3"/>
            </Angles>
          </Force>
          <Force forceGroup="0" name="PeriodicTorsionForce" type="PeriodicTorsionForce" usesPeriodic="0" version="2">
            <Torsions>
              <Torsion k="40" p1="0" p2="1" p3="2" p4="3" periodicity="3" phase="0"/>
              <Torsion k="\(onefold)" p1="0" p2="1" p3="2" p4="3" periodicity="1" phase="\(phase)"/>
            </Torsions>
          </Force>
        </Forces>
      </System>
      """)
}

private let onefold = 1.8
private let phase = 0.4

/// Shares of the wells near 60, 180 and 300 degrees, by quadrature: bonds and angles do not enter.
private func wells(_ temperature: Double) -> [Double] {
  var shares = [0.0, 0, 0]
  for k in 0..<36_000 {
    let angle = 2 * .pi * (Double(k) + 0.5) / 36_000
    let energy = 40 * (1 + cos(3 * angle)) + onefold * (1 + cos(angle - phase))
    shares[k / 12_000] += exp(-energy / (0.00831446261815324 * temperature))
  }
  return shares.map { $0 / shares.reduce(0, +) }
}

@Suite struct TorsionMoveTests {
  private let start = [0.05, 0.14, 0, 0, 0, 0, 0.15, 0, 0, 0.2, 0.08, 0.116]

  private func sampler(_ moves: [TorsionMove], threads: Int = 1) throws -> LangevinDynamics {
    try LangevinDynamics(
      system: chain(), settings: .init(temperature: 300, friction: 5, threads: threads, moves: moves),
      torsions: [[0, 1, 2, 3]], recordInterval: 20)
  }

  /// Torsions of eight walks of 4,000 records, in [0, 2 pi).
  private func walk(_ sampler: LangevinDynamics, adding work: inout DynamicsWork) throws -> [[Double]] {
    let begin = try sampler.minimised(start)
    var states = try (0..<8).map {
      LangevinDynamics.State(positions: begin, velocities: try sampler.thermalVelocities(seed: 100 + UInt64($0)))
    }
    let segments = (0..<8).map { walk in
      [
        LangevinDynamics.Segment(
          centers: [], equilibrationSteps: 2000, productionSteps: 80_000, seed: 7 + UInt64(walk))
      ]
    }
    return try sampler.run(&states, segments, adding: &work).map { records in
      records[0].torsions.map { $0 < 0 ? $0 + 2 * .pi : $0 }
    }
  }

  private func shares(_ walks: [[Double]]) -> [Double] {
    var counts = [0.0, 0, 0]
    for angle in walks.joined() { counts[min(2, Int(angle / (2 * .pi / 3)))] += 1 }
    return counts.map { $0 / counts.reduce(0, +) }
  }

  @Test(arguments: [true, false]) func movesGiveTheWellsTheirShares(isThird: Bool) throws {
    let sampler = try sampler([.init(axis: [1, 2], isThird: isThird, atoms: [3])])
    var work = DynamicsWork(moves: 1)
    let found = shares(try walk(sampler, adding: &work))
    let expected = wells(300)
    #expect(expected.max()! - expected.min()! > 0.2)
    for (a, b) in zip(found, expected) { #expect(abs(a - b) < 0.02, "\(found) and \(expected)") }
    #expect(work.steps == 8 * 82_000 && work.movesTried == [8 * 82_000 / 20])
    let acceptance = Double(work.movesTaken[0]) / Double(work.movesTried[0])
    #expect(isThird ? (0.2...0.9).contains(acceptance) : (0.05...0.5).contains(acceptance), "\(acceptance)")
  }

  @Test func withoutThemAWellIsNeverLeft() throws {
    var work = DynamicsWork(moves: 0)
    let found = shares(try walk(sampler([]), adding: &work))
    #expect(found.max() == 1)
  }

  /// Turns that are taken bring no heat: the bonds keep kT/2 each, which the dynamics gives harmonic ones at any timestep. With
  /// velocities that did not know of the new forces it was 1.13 kT/2 here.
  @Test func movesKeepTheTemperature() throws {
    let simulation = try LangevinSimulation(
      system: chain(mass: 3), torsions: [], targets: [[Double]](repeating: [], count: 16), coordinates: start,
      settings: .init(
        dynamics: .init(
          temperature: 300, threads: 2, seed: 3, moves: [.init(axis: [1, 2], isThird: true, atoms: [3])]),
        steering: 0, equilibration: 5, length: 200, saveInterval: 0.02))
    var (sum, count) = (0.0, 0)
    while !simulation.isFinished {
      try simulation.advance()
      for frames in simulation.takeFrames() {
        for first in stride(from: 0, to: frames.count, by: 3) where first % 12 < 9 {
          let bond = (0..<3).map { frames[first + $0] - frames[first + 3 + $0] }
          let stretch = bond.reduce(0) { $0 + $1 * $1 }.squareRoot() - 0.15
          sum += 100_000 * stretch * stretch
          count += 1
        }
      }
    }
    let mean = sum / Double(count) / (0.5 * 0.00831446261815324 * 300)
    #expect(abs(mean - 1) < 0.05, "\(mean)")
  }

  /// The same of runs that keep frames: sixteen from one well, a move for each frame.
  @Test func framesOfASimulationHaveTheirShares() throws {
    func simulation() throws -> LangevinSimulation {
      try LangevinSimulation(
        system: chain(), torsions: [], targets: [[Double]](repeating: [], count: 16), coordinates: start,
        settings: .init(
          dynamics: .init(
            temperature: 300, friction: 5, threads: 2, seed: 11,
            moves: [.init(axis: [1, 2], isThird: true, atoms: [3])]),
          steering: 0, equilibration: 1, length: 100, saveInterval: 0.1))
    }
    let whole = try simulation()
    var runs = [[Double]](repeating: [], count: 16)
    func advance(_ simulation: LangevinSimulation) throws {
      try simulation.advance()
      for (run, frames) in simulation.takeFrames().enumerated() { runs[run] += frames }
    }
    while !whole.isFinished { try advance(whole) }
    let angles = try runs.map { try sampler([]).torsions($0).map { $0 < 0 ? $0 + 2 * .pi : $0 } }
    #expect(angles.map(\.count) == [Int](repeating: 1000, count: 16))
    let (found, expected) = (shares(angles), wells(300))
    for (a, b) in zip(found, expected) { #expect(abs(a - b) < 0.025, "\(found) and \(expected)") }
    #expect(whole.work.movesTried == [16 * 1010])
    #expect((0.2...0.9).contains(Double(whole.work.movesTaken[0]) / Double(16 * 1010)))
    #expect(whole.energyEvaluations == 16 * 101_000 + 2 * 16 * 1010)

    // from a saved state on it is the same, and a state of other moves does not fit
    let (halted, resumed) = (try simulation(), try simulation())
    let straight = runs
    runs = runs.map { _ in [] }
    for _ in 0..<3 { try advance(halted) }
    #expect(!halted.isFinished && halted.work.movesTried[0] > 0)
    try resumed.resume(halted.state)
    while !resumed.isFinished { try advance(resumed) }
    #expect(runs == straight && resumed.state == whole.state)
    var other = halted.state
    other.work.movesTried = []
    #expect(throws: SimulationError.state("0 torsion moves where 1 belong")) { try resumed.resume(other) }
  }

  @Test func movesDoNotDependOnThreads() throws {
    let move = TorsionMove(axis: [1, 2], isThird: true, atoms: [3])
    var (one, three) = (DynamicsWork(moves: 1), DynamicsWork(moves: 1))
    #expect(try walk(sampler([move]), adding: &one) == walk(sampler([move], threads: 3), adding: &three))
    #expect(one == three)
  }

  @Test(arguments: [
    (TorsionMove(axis: [1, 2], isThird: true, atoms: [9]), "names particle 9 of 4"),
    (.init(axis: [1, 2], isThird: true, atoms: [2]), "would move particle 2 of its own axis"),
    (.init(axis: [1, 1], isThird: true, atoms: [3]), "is about particle 1 alone"),
    (.init(axis: [1], isThird: true, atoms: [3]), "a torsion move is about two atoms"),
  ])
  func impossibleMovesAreErrors(move: TorsionMove, message: String) {
    #expect { try sampler([move]) } throws: { "\($0)".contains(message) }
  }
}
