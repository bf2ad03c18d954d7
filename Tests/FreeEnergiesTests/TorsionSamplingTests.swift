import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// Jumps between places of a circle, with known rates, and Gaussian noise about the places.
private struct JumpProcess {
  var places: [Double]
  /// Chance per sample of leaving, by place; where to is any other place.
  var leaving: [Double]
  var noise = 0.25
  var stream: RandomStream
  var place = 0

  init(_ places: [Double], leaving: [Double], seed: UInt64, start: Int = 0) {
    self.places = places
    self.leaving = leaving
    stream = RandomStream(seed: seed, "jumps")
    place = start
  }

  /// The series, and how often it jumped.
  mutating func run(_ count: Int) -> (angles: [Double], jumps: Int) {
    var jumps = 0
    var angles: [Double] = []
    for index in 0..<count {
      if index > 0, stream.uniform() < leaving[place] {
        place = (place + 1 + Int(stream.next(upperBound: UInt64(places.count - 1)))) % places.count
        jumps += 1
      }
      angles.append((places[place] + noise * stream.normal()).remainder(dividingBy: 2 * .pi))
    }
    return (angles, jumps)
  }
}

@Suite struct TorsionSamplingTests {
  /// Three places, one across the cut of the circle: centres, jumps and populations are found, and believed.
  @Test func aJumpProcessIsSeenAsItIs() throws {
    var process = JumpProcess([-1.05, 1.05, .pi], leaving: [0.01, 0.02, 0.04], seed: 1)
    let (angles, jumps) = process.run(40_000)
    let sampling = TorsionSampling(series: [angles])
    #expect(sampling.basins.count == 3)
    // noise of 0.25 rad reaches a border, 1.05 rad away, never; so every jump is counted and no other
    #expect(sampling.changes == jumps)
    // detailed balance of a walk that chooses uniformly: populations go as 1 / rate
    for (center, population) in [(-1.05, 4.0 / 7), (1.05, 2.0 / 7), (.pi, 1.0 / 7)] {
      let basin = try #require(
        sampling.basins.first { abs(($0.center - center).remainder(dividingBy: 2 * .pi)) < 0.15 }, "\(sampling.basins)")
      // 0.06 is about three standard errors of the mean of some hundred stays
      #expect(abs(basin.population - population) < 0.06, "\(basin)")
    }
    #expect(sampling.basins.reduce(0) { $0 + $1.changes } == 2 * jumps)
    #expect(sampling.verdict(expectsSeveral: true) == .sampled)
    let shares = sampling.shares(angles)
    for (share, basin) in zip(shares, sampling.basins) { #expect(abs(share - basin.population) < 1e-9) }
  }

  @Test func fewJumpsAreNotBelieved() {
    // 30,000 samples, and yet hardly any change
    var process = JumpProcess([-1, 1], leaving: [1e-4, 1e-4], seed: 3)
    let (angles, jumps) = process.run(30_000)
    let sampling = TorsionSampling(series: [angles])
    #expect(jumps > 0 && jumps < 15)
    #expect(sampling.changes == jumps)
    guard case .fewChanges = sampling.verdict() else {
      Issue.record("\(sampling.verdict())")
      return
    }
    // separate runs that sit still: no change at all, however many there are
    let still = (0..<6).map { run in
      var process = JumpProcess([-1, 1], leaving: [0, 0], seed: UInt64(10 + run), start: run % 2)
      return process.run(1000).angles
    }
    #expect(TorsionSampling(series: still).changes == 0)
    #expect(TorsionSampling(series: still).verdict() == .fewChanges(0))
  }

  @Test func aDriftShowsInTheHalves() {
    var first = JumpProcess([-1, 1], leaving: [0.01, 0.1], seed: 4)
    var second = JumpProcess([-1, 1], leaving: [0.1, 0.01], seed: 5)
    let angles = first.run(20_000).angles + second.run(20_000).angles
    guard case .halvesDiffer = TorsionSampling(series: [angles]).verdict() else {
      Issue.record("\(TorsionSampling(series: [angles]))")
      return
    }
    // the same as two runs of their own has two halves each that agree
    let parts = [Array(angles[..<20_000]), Array(angles[20_000...])]
    #expect(TorsionSampling(series: parts).verdict() == .sampled)
  }

  /// False alarms: of many well sampled processes hardly any is called otherwise.
  @Test func wellSampledProcessesPass() {
    let verdicts = (0..<60).map { seed -> TorsionSampling.Verdict in
      var process = JumpProcess([-1, 1.2], leaving: [0.01, 0.03], seed: UInt64(100 + seed))
      return TorsionSampling(series: (0..<4).map { _ in process.run(5000).angles }).verdict()
    }
    #expect(verdicts.filter { $0 != .sampled }.count <= 1)
  }

  @Test func equalTurnsAreOnePlace() {
    // a ring that never flips, once found this way and once the other: two places, half a turn apart, the same molecule
    let series = (0..<2).map { start in
      var process = JumpProcess([-.pi / 2, .pi / 2], leaving: [0, 0], seed: 6, start: start)
      return process.run(5000).angles
    }
    #expect(TorsionSampling(series: series, fold: 2).basins.count == 1)
    #expect(TorsionSampling(series: series, fold: 2).verdict(expectsSeveral: true) == .sampled)
    #expect(TorsionSampling(series: series).basins.count == 2)
  }

  @Test func onePlaceIsEnoughOnlyWhereNoMoreAreExpected() {
    var process = JumpProcess([1, -1], leaving: [0, 0], seed: 7)
    let (angles, _) = process.run(1000)
    #expect(TorsionSampling(series: [angles]).verdict() == .sampled)
    #expect(TorsionSampling(series: [angles]).verdict(expectsSeveral: true) == .oneBasin)
    #expect(TorsionSampling(series: [Array(angles.prefix(50))]).verdict(expectsSeveral: true) == .tooShort)
    #expect(TorsionSampling(series: []).verdict() == .tooShort)
    // one place on top of the cut
    let turned = angles.map { ($0 - 1 + .pi).remainder(dividingBy: 2 * .pi) }
    #expect(TorsionSampling(series: [turned]).basins.count == 1)
  }

  @Test func looksOverTheBorderAreNoChanges() {
    // places so near each other that the noise crosses the border between them all the time
    var process = JumpProcess([-0.6, 0.6], leaving: [0.005, 0.005], seed: 8)
    let (angles, jumps) = process.run(20_000)
    let crossings = zip(angles, angles.dropFirst()).filter { ($0 < 0) != ($1 < 0) }.count
    let counted = TorsionSampling(series: [angles]).changes
    #expect(crossings > jumps + 200)
    #expect(counted >= jumps && (counted - jumps) * 4 < crossings - jumps, "\(jumps), \(counted), \(crossings)")
    var transitions = StateTransitions(
      [1, 1, -0.1, 1, 2.1, 1, -1, -1, 0.1, -1, 1], state: TorsionState(from: 0, to: 2))
    #expect(transitions.exits == 1 && transitions.entries == 1)
    #expect(transitions.samplesInside == 7)
    transitions = StateTransitions([], state: TorsionState())
    #expect(transitions.count == 0)
  }
}
