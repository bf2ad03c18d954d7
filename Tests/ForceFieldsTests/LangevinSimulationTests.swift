import Foundation
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

private let phi = [4, 6, 8, 14]

@Suite("Langevin simulation")
struct LangevinSimulationTests {
  private func well(seed: UInt64, runs: Int = 20) throws -> LangevinSimulation {
    try LangevinSimulation(
      system: System(xml: harmonicWell(mass: 12, forceConstant: 500)), torsions: [],
      targets: [[Double]](repeating: [], count: runs), coordinates: [0, 0, 0],
      settings: .init(
        dynamics: .init(temperature: 300, timestep: 0.004, friction: 5, threads: 2, seed: seed), steering: 0,
        equilibration: 1, length: 100, saveInterval: 1))
  }

  private func frames(_ simulation: LangevinSimulation) throws -> [[Double]] {
    var result = simulation.targets.map { _ in [Double]() }
    while !simulation.isFinished {
      try simulation.advance()
      for (run, frames) in simulation.takeFrames().enumerated() { result[run] += frames }
    }
    return result
  }

  /// Equipartition: the mean energy in the well is 3/2 kT, and the energy's variance 3/2 (kT)^2. Frames 1 ps apart are
  /// independent (friction 5/ps, 6.5 rad/ps), so the z-scores over seeds are standard normal: none beyond 3.5, and their squares
  /// sum to chi^2 of as many degrees.
  @Test func equipartition() throws {
    let kT = 0.008_314_462_618_153_24 * 300
    var scores: [Double] = []
    for seed in 1...6 {
      let runs = try frames(well(seed: UInt64(seed)))
      #expect(runs.map(\.count) == [Int](repeating: 300, count: 20))
      var energies: [Double] = []
      for run in runs {
        for first in stride(from: 0, to: run.count, by: 3) {
          energies.append(250 * run[first..<first + 3].reduce(0) { $0 + $1 * $1 })
        }
      }
      let n = Double(energies.count)
      let mean = energies.reduce(0, +) / n
      scores.append((mean - 1.5 * kT) / (1.5 * kT * kT / n).squareRoot())
    }
    #expect(scores.allSatisfy { abs($0) < 3.5 }, "\(scores)")
    let squares = scores.reduce(0) { $0 + $1 * $1 }
    #expect(squares > 0.5 && squares < 22, "\(scores)")
  }

  private func alanine(
    targets: [[Double]] = [[-1.3], [1.0]], timestep: Double = 0.001, steering: Double = 12, threads: Int = 2,
    length: Double = 0.6, attempts: Int = 3, check: @escaping LangevinSimulation.FrameCheck = { _, _ in nil }
  ) throws -> LangevinSimulation {
    try LangevinSimulation(
      system: System(contentsOf: AlanineFixture.systemXML), torsions: [phi], targets: targets,
      coordinates: AlanineFixture.load().frame(0),
      settings: .init(
        dynamics: .init(temperature: 300, timestep: timestep, threads: threads, seed: 5), steering: steering,
        attempts: attempts, equilibration: 0.07, length: length, saveInterval: 0.02), check: check)
  }

  @Test func steeringReachesEveryStart() throws {
    var starts: [[Double]] = []
    let simulation = try alanine { frame, isStart in
      if isStart { starts.append(frame) }
      return nil
    }
    let runs = try frames(simulation)
    #expect(runs.map(\.count) == [30 * 66, 30 * 66])
    #expect(starts.count == 2)
    let angles = try starts.map { try simulation.steered.torsions($0)[0] }.sorted()
    #expect(abs(angles[0] + 1.3) < 0.6)
    #expect(abs(angles[1] - 1.0) < 0.6)
    // steering, equilibration of 70 steps, 30 frames of 20 steps
    #expect(simulation.work.steps == 2 * (12_000 + 70 + 600))
    #expect(abs(simulation.simulatedTime - simulation.totalTime) < 1e-9)
  }

  @Test func cutsAndThreadsChangeNoBit() throws {
    let whole = try frames(alanine(steering: 1, threads: 1))
    for (threads, cut) in [(2, 3), (1, 5)] {
      // starts far off are fine here: what counts is that they are the same
      var simulation = try alanine(steering: 1, threads: threads)
      var found: [[Double]] = [[], []]
      var calls = 0
      while !simulation.isFinished {
        simulation.piecesPerCall = 1 + calls % 4
        try simulation.advance()
        for (run, frames) in simulation.takeFrames().enumerated() { found[run] += frames }
        calls += 1
        if calls % cut == 0 {
          let saved = simulation.state
          simulation = try alanine(steering: 1, threads: threads)
          try simulation.resume(saved)
        }
      }
      #expect(found == whole)
      #expect(calls > 50)
    }
    #expect(whole[0] != whole[1])
  }

  @Test func aRefusedStartIsTriedAgainMoreSlowly() throws {
    var refusals = 0
    let simulation = try alanine(targets: [[-1.3]], steering: 0.4) { _, isStart in
      guard isStart, refusals < 2 else { return nil }
      refusals += 1
      return "it is not to my taste"
    }
    _ = try frames(simulation)
    #expect(simulation.state.runs[0].attempt == 2)
    #expect(simulation.work.steps == 400 * (1 + 2 + 4) + 70 + 600)
    let never = try alanine(targets: [[-1.3]], steering: 0.4, attempts: 2) { _, isStart in isStart ? "no" : nil }
    #expect(throws: SimulationError.start(run: 0, targets: [-1.3], attempts: 2, reason: "no")) { _ = try frames(never) }
    // and again by whoever goes on from there
    #expect(throws: SimulationError.start(run: 0, targets: [-1.3], attempts: 2, reason: "no")) { _ = try frames(never) }
  }

  @Test func aBadFrameIsNamedAndTheFramesBeforeItAreKept() throws {
    var simulation = try alanine(steering: 0)
    let whole = try frames(simulation)
    let bad = Array(whole[1][7 * 66..<8 * 66])
    simulation = try alanine(steering: 0) { frame, _ in frame == bad ? "it has turned" : nil }
    var found: [[Double]] = [[], []]
    let error = #expect(throws: SimulationError.self) {
      while !simulation.isFinished {
        defer { for (run, frames) in simulation.takeFrames().enumerated() { found[run] += frames } }
        try simulation.advance()
      }
    }
    guard case .badFrame(run: 1, frame: 7, let time, reason: "it has turned") = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(abs(time - 0.16) < 1e-9)
    #expect(found[1] == Array(whole[1][..<(7 * 66)]))
    #expect(found[0] == Array(whole[0].prefix(found[0].count)))
    #expect(simulation.state.runs[1].done == 7)
  }

  @Test func instabilityNamesRunAndStep() throws {
    let simulation = try alanine(timestep: 0.02, steering: 0, length: 4)
    let error = #expect(throws: SimulationError.self) { _ = try frames(simulation) }
    guard case .unstable(let run, let phase, let step, _, let kept) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(run < 2)
    #expect(step >= 0 && step < 200)
    #expect(phase == "equilibration" ? kept == 0 : kept == step)
    #expect(simulation.state.runs[run].done == step)
    #expect("\(try #require(error))".hasPrefix("run \(run) became unstable in its \(phase), between steps \(step)"))
    // a pull that breaks the molecule is an attempt that failed
    let pulled = try alanine(targets: [[1.0]], timestep: 0.02, steering: 4)
    #expect {
      _ = try frames(pulled)
    } throws: { error in
      guard case SimulationError.start(0, _, 3, let reason) = error else { return false }
      return reason.contains("unstable")
    }
  }

  @Test func impossibleSettingsAreErrors() throws {
    #expect(throws: SimulationError.self) { try alanine(targets: [[1.0, 2.0]]) }
    #expect(throws: SimulationError.self) { try alanine(targets: []) }
    #expect(throws: SimulationError.self) { try alanine(targets: [[.nan]]) }
    #expect(throws: SimulationError.self) { try alanine(length: 0.001) }
    let two = try alanine()
    let one = try alanine(targets: [[1.0]])
    #expect(throws: SimulationError.self) { try two.resume(one.state) }
  }
}
