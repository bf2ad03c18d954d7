import Dynamics
import Foundation
import OpenMM
import TestSupport
import Testing

@testable import ForceFields

private let phi = [4, 6, 8, 14]
private let psi = [6, 8, 14, 16]

private func alanineUmbrella(
  counts: [Int], threads: Int = 1, production: Double = 0.16, exchange: Double? = nil, seed: UInt64 = 5,
  moves: [TorsionMove] = [], firstPass: Double? = nil
) throws -> UmbrellaSampler {
  let torsions = [phi, psi]
  return try UmbrellaSampler(
    system: System(contentsOf: AlanineFixture.systemXML), grid: UmbrellaGrid(counts: counts), torsions: torsions,
    forceConstants: Array([200.0, 80].prefix(counts.count)), coordinates: AlanineFixture.load().frame(10),
    settings: .init(
      dynamics: .init(temperature: 300, threads: threads, seed: seed, moves: moves), equilibration: 0.05,
      production: production, sampleInterval: 0.01, exchangeInterval: exchange,
      firstPass: firstPass))
}

private func finish(_ sampler: UmbrellaSampler) throws -> [UmbrellaSampler.Visit] {
  var visits: [UmbrellaSampler.Visit] = []
  while !sampler.isFinished { visits += try sampler.advance() }
  return visits
}

@Suite("Umbrella sampling")
struct UmbrellaSamplerTests {
  @Test func gridIsPeriodicAndRowMajor() throws {
    let grid = try UmbrellaGrid(counts: [4, 3])
    #expect(grid.windowCount == 12)
    #expect(grid.indices(of: 7) == [2, 1])
    #expect(grid.window(at: [-2, 4]) == 7)
    #expect(abs(grid.center(of: 0)[0] + 3 * .pi / 4) < 1e-15 && abs(grid.center(of: 3)[1] + 2 * .pi / 3) < 1e-15)
    #expect((0..<12).allSatisfy { grid.nearestWindow(to: grid.center(of: $0)) == $0 })
    #expect(grid.nearestWindow(to: [.pi, -.pi]) == grid.window(at: [0, 0]))
    #expect(grid.neighbours.count == 24)
    #expect(try UmbrellaGrid(counts: [2, 1]).neighbours.count == 1)
    #expect(throws: UmbrellaSamplerError.self) { try UmbrellaGrid(counts: [4, 0]) }
  }

  @Test(arguments: [nil, 0.02]) func everyWindowIsVisitedFromBothSides(exchange: Double?) throws {
    let sampler = try alanineUmbrella(counts: [5, 4], exchange: exchange)
    let visits = try finish(sampler)
    #expect(visits.count == 40)
    #expect(Set(visits.map { $0.direction * 20 + $0.window }).count == 40)
    #expect(abs(sampler.simulatedTime - sampler.totalTime) < 1e-9)
    #expect(sampler.state.records.allSatisfy { abs($0) <= .pi && $0 != 0 })
    for visit in visits { #expect(sampler.endFrame(visit).contains { $0 != 0 }) }
    // the kernel sums in another order than OpenMM: never equal, never far
    let deviation = try sampler.checkForces()
    #expect(deviation > 0 && deviation < 1e-9)
    #expect(throws: UmbrellaSamplerError.forces(provider: sampler.forceProvider, deviation: deviation)) {
      try sampler.checkForces(tolerance: 0.1 * deviation)
    }
    if exchange != nil {
      #expect(sampler.state.attempts.allSatisfy { $0 > 0 })
      #expect(zip(sampler.state.acceptances, sampler.state.attempts).allSatisfy { $0 <= $1 })
    } else {
      #expect(sampler.state.attempts == [0, 0])
    }
  }

  /// One torsion: the ribs are single windows.
  @Test func oneTorsion() throws {
    let sampler = try alanineUmbrella(counts: [36], production: 1)
    #expect(try finish(sampler).count == 72)
    let held = (0..<36).filter { window in
      let center = sampler.grid.center(of: window)[0]
      let series = (0..<sampler.samples).map { sampler.state.records[(window * sampler.samples + $0) * 2] }
      let mean = series.reduce(0) { $0 + ($1 - center).remainder(dividingBy: 2 * .pi) } / Double(series.count)
      return abs(mean) < 0.35
    }
    #expect(held.count == 36)
  }

  /// A run saved and resumed after every piece of work, by other numbers of threads, ends with the same bits.
  @Test(arguments: [nil, 0.02]) func resumesBitIdentically(exchange: Double?) throws {
    // the methyl group at the one end
    let moves = [TorsionMove(axis: [4, 1], isThird: true, atoms: [0, 2, 3])]
    let whole = try alanineUmbrella(counts: [4, 3], threads: 2, exchange: exchange, moves: moves)
    _ = try finish(whole)
    var saved: UmbrellaState?
    for step in 0..<10_000 {
      let part = try alanineUmbrella(counts: [4, 3], threads: 1 + step % 3, exchange: exchange, moves: moves)
      if let saved { try part.resume(saved) }
      if part.isFinished { break }
      _ = try part.advance()
      saved = part.state
    }
    #expect(saved == whole.state)
    #expect(whole.work.movesTaken[0] > 10 && whole.work.movesTaken[0] < whole.work.movesTried[0])
    let other = try alanineUmbrella(counts: [4, 3], exchange: exchange, seed: 6)
    _ = try finish(other)
    #expect(other.state.records != whole.state.records)
  }

  /// Rounds that give windows lengths of their own, stopped after every piece of work.
  @Test func roundsResumeBitIdentically() throws {
    let plans = [(0..<12).map { $0 < 3 ? 0 : 4 }, (0..<12).map { 3 * ($0 % 3) }]
    func made(_ threads: Int) throws -> UmbrellaSampler {
      try alanineUmbrella(counts: [4, 3], threads: threads, firstPass: 0.04)
    }
    func step(_ sampler: UmbrellaSampler) throws {
      if sampler.awaitsPlan {
        if sampler.state.rounds < plans.count {
          try sampler.extend(by: plans[sampler.state.rounds])
        } else {
          try sampler.finish()
        }
      } else {
        _ = try sampler.advance()
      }
    }
    let whole = try made(2)
    while !whole.isFinished { try step(whole) }
    #expect(whole.lengths == (0..<12).map { 2 + plans[0][$0] + plans[1][$0] })
    #expect(whole.records.count == 2 * whole.lengths.reduce(0, +) * 2)
    #expect(whole.records.allSatisfy { abs($0) <= .pi && $0 != 0 })
    // window 0 of the second direction begins where the first direction ends
    let first = 2 * whole.lengths.reduce(0, +)
    #expect(Array(whole.records[first..<first + 4]) == Array(whole.firstRecords[12 * 4..<13 * 4]))
    #expect(try whole.checkForces() < 1e-9)
    var saved: UmbrellaState?
    for stop in 0..<10_000 {
      let part = try made(1 + stop % 3)
      if let saved { try part.resume(saved) }
      if part.isFinished { break }
      try step(part)
      saved = part.state
    }
    #expect(saved == whole.state)
    #expect(whole.budget == 12 * 8)
    #expect(throws: UmbrellaSamplerError.self) { try whole.extend(by: plans[0]) }
    #expect(throws: UmbrellaSamplerError.self) { try made(1).extend(by: plans[0]) }
    var wrong = whole.state
    wrong.planned[3] = 0
    #expect(throws: UmbrellaSamplerError.self) { try made(1).resume(wrong) }
    wrong = whole.state
    wrong.further.removeLast()
    #expect(throws: UmbrellaSamplerError.self) { try made(1).resume(wrong) }
    #expect(throws: UmbrellaSamplerError.self) { try alanineUmbrella(counts: [4, 3]).resume(whole.state) }
    #expect(throws: UmbrellaSamplerError.self) { try alanineUmbrella(counts: [4, 3], exchange: 0.02, firstPass: 0.04) }
  }

  @Test func settingsAndStatesThatDoNotFitAreErrors() throws {
    #expect(throws: UmbrellaSamplerError.self) { try alanineUmbrella(counts: [4, 3], production: 0.01) }
    #expect(throws: UmbrellaSamplerError.self) { try alanineUmbrella(counts: [4, 3], exchange: 0.001) }
    let small = try alanineUmbrella(counts: [4, 3])
    #expect(throws: UmbrellaSamplerError.self) { try alanineUmbrella(counts: [5, 3]).resume(small.state) }
  }
}
