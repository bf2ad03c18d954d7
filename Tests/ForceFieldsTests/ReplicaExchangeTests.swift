import Basics
import Dynamics
import Foundation
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

@Suite("Replica exchange")
struct ReplicaExchangeTests {
  /// Twenty particles, each in a well of its own: a heat capacity of 30 k in the potential energy, as of a molecule of 22 atoms.
  private static let wells: String = {
    let particles = (0..<20).map { _ in "<Particle mass=\"12\"/>" }.joined()
    let terms = (0..<20).map { "<Particle index=\"\($0)\"/>" }.joined()
    return harmonicWell().replacingOccurrences(of: "<Particle mass=\"12.0\"/>", with: particles)
      .replacingOccurrences(of: "<Particle index=\"0\"/>", with: terms)
  }()

  private func exchange(
    rounds: Int, temperatures: [Double] = [300, 375, 470], sets: Int = 4, threads: Int = 2, seed: UInt64 = 3,
    check: @escaping ReplicaExchange.FrameCheck = { _ in nil }
  ) throws -> ReplicaExchange {
    var settings = ReplicaExchange.Settings(
      DynamicsSettings(temperature: 300, timestep: 0.004, friction: 5, threads: threads, seed: seed),
      temperatures: temperatures)
    (settings.sets, settings.exchangeInterval, settings.length) = (sets, 0.4, 0.4 * Double(rounds))
    let zero = [Double](repeating: 0, count: 60)
    return try ReplicaExchange(
      system: System(xml: Self.wells), torsions: [],
      starts: [[Double]](repeating: zero, count: sets * temperatures.count),
      settings: settings, check: check)
  }

  /// Mean and variance of the energies at each temperature are 30 kT and 30 (kT)^2, with exchanges, and exchanges come as often as the
  /// energies' distributions ask for.
  @Test func everyTemperatureKeepsItsDistribution() throws {
    let run = try exchange(rounds: 200)
    while !run.isFinished { try run.advance() }
    let state = run.state
    for (rung, temperature) in run.settings.temperatures.enumerated() {
      let kT = PhysicalConstants.thermalEnergy(temperature: temperature)
      let energies = state.energies.indices.filter { $0 % 3 == rung && $0 > 12 * 20 }.map { state.energies[$0] / kT }
      let count = Double(energies.count)
      let mean = energies.reduce(0, +) / count
      let variance = energies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      // records of one set hang together over a few rounds
      let error = (30 * 4 / count).squareRoot()
      #expect(abs(mean - 30) < 4 * error, "\(temperature) K: \(mean) ± \(error)")
      #expect(abs(variance - 30) < 30 * 0.25, "\(temperature) K: \(variance)")
    }
    let taken = zip(state.acceptances, state.attempts).map { Double($0) / Double($1) }
    // erfc(sqrt(C) ln(r) / 2) of gaussian energies, about
    #expect(taken.allSatisfy { $0 > 0.3 && $0 < 0.5 }, "\(taken)")
    #expect(state.attempts.reduce(0, +) == 4 * 200)
    #expect(Set(state.walkers) == Set(0..<12) && state.walkers != Array(0..<12))
    #expect(state.arrivals(rungs: 3) > 20)
    #expect(abs(run.simulatedTime - run.totalTime) < 1e-9 && abs(run.totalTime - 12 * 200 * 0.4) < 1e-6)
  }

  /// A wall at half a standard deviation cuts the first particle's well: its coordinate has the truncated normal distribution, and the others
  /// theirs.
  @Test func whatEndsInABadFrameIsTakenBack() throws {
    let variance = { (x: [Double]) in x.reduce(0) { $0 + $1 * $1 } / Double(x.count) }
    let free = try exchange(rounds: 100)
    while !free.isFinished { try free.advance() }
    let width = variance(free.state.coldFrames.map(Double.init)).squareRoot()
    let walled = try exchange(rounds: 300, check: { $0[0] < -0.5 * width ? "beyond the wall" : nil })
    while !walled.isFinished { try walled.advance() }
    let frames = walled.state.coldFrames.map { Double($0) / width }
    let first = stride(from: 60 * 80, to: frames.count, by: 60).map { frames[$0] }
    #expect(first.allSatisfy { $0 >= -0.5001 })
    // density over tail of the normal distribution at -0.5
    let mean = first.reduce(0, +) / Double(first.count)
    #expect(abs(mean - 0.3521 / 0.6915) < 0.1, "\(mean)")
    let others = stride(from: 60 * 80, to: frames.count, by: 60).flatMap { frames[$0 + 1..<$0 + 60] }
    #expect(abs(variance(others) - 1) < 0.05, "\(variance(others))")
    #expect(walled.state.rejections.allSatisfy { $0 > 100 && $0 < 600 }, "\(walled.state.rejections)")
  }

  @Test func threadsAndInterruptionsChangeNothing() throws {
    let whole = try exchange(rounds: 12, threads: 1)
    while !whole.isFinished { try whole.advance() }
    let first = try exchange(rounds: 12, threads: 3)
    for _ in 0..<5 { try first.advance() }
    let second = try exchange(rounds: 12, threads: 2)
    try second.resume(first.state)
    while !second.isFinished { try second.advance() }
    #expect(second.state == whole.state && whole.state.round == 12)
    try second.advance()
    #expect(second.state == whole.state)
    let other = try exchange(rounds: 12, seed: 4)
    try other.advance()
    #expect(other.state.positions != whole.state.positions)
  }

  @Test func savedStatesOfOthersAreRefused() throws {
    let run = try exchange(rounds: 4)
    try run.advance()
    func refuses(_ change: (inout ReplicaExchangeState) -> Void) {
      var saved = run.state
      change(&saved)
      #expect(throws: ReplicaExchangeError.self) { try run.resume(saved) }
    }
    refuses { $0.round = 5 }
    refuses { $0.walkers[0] = 1 }
    refuses { $0.positions.removeLast() }
    refuses { $0.energies.removeLast() }
    refuses { $0.coldFrames.removeLast() }
    refuses { $0.attempts.append(0) }
    try run.resume(run.state)
  }

  @Test func laddersGrowWithTheMolecule() {
    #expect(ReplicaExchange.rungs(from: 300, to: 600, atoms: 22) == 5)
    #expect(ReplicaExchange.rungs(from: 300, to: 600, atoms: 100) == 8)
    #expect(ReplicaExchange.rungs(from: 300, to: 600, atoms: 4) == 3)
    let ladder = ReplicaExchange.ladder(from: 300, to: 600, count: 5)
    #expect(ladder[0] == 300 && abs(ladder[4] - 600) < 1e-9)
    #expect(zip(ladder, ladder.dropFirst()).allSatisfy { abs($1 / $0 - pow(2, 0.25)) < 1e-12 })
  }

  @Test func badFramesAndSettingsAreErrors() throws {
    let run = try exchange(rounds: 40, check: { $0[0] > -1 ? "it is flat" : nil })
    let error = #expect(throws: ReplicaExchangeError.self) { while !run.isFinished { try run.advance() } }
    #expect("\(try #require(error))" == "a walk at 300 K, after 1.2 ps, and most others there: it is flat")
    #expect(run.state.round == 2 && run.state.rejections == [8, 8, 8])
    #expect(throws: ReplicaExchangeError.self) { try exchange(rounds: 4, temperatures: [300, 290]) }
    #expect(throws: ReplicaExchangeError.self) { try exchange(rounds: 4, temperatures: [310, 390]) }
    #expect(throws: ReplicaExchangeError.self) { try exchange(rounds: 0) }
  }
}
