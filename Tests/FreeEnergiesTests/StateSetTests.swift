import Basics
import Foundation
import Molecules
import TestSupport
import Testing
import Trajectories

@testable import FreeEnergies

/// States as boxes in torsions and distances: which samples lie in them, and what cannot be one.
@Suite struct StateSetTests {
  typealias State = ConformationalState

  static let coordinates: [StateSet.Coordinate] = [
    .init("phi", isTorsion: true), .init("psi", isTorsion: true), .init("end", isTorsion: false),
  ]

  /// A box by the places of its coordinates.
  static func box(_ sides: [Int: (Double, Double)]) -> State.Box {
    State.Box(
      sides.sorted { $0.key < $1.key }.map { place, ends in
        .init(
          coordinate: place,
          CoordinateRange(from: ends.0, to: ends.1, isTorsion: coordinates[place].isTorsion))
      })
  }

  static func set(_ states: [(String, [State.Box])], pairs: [StateSet.Pair]? = nil) throws -> StateSet {
    try StateSet(
      coordinates: coordinates, states: states.map { State(name: $0.0, boxes: $0.1) }, pairs: pairs)
  }

  /// The states of Tests/Fixtures/make_states.py.
  static func alanine() throws -> StateSet {
    try set(
      [
        ("alpha_L", [box([0: (0, 2)])]), ("C7eq", [box([0: (-2, -1), 1: (0, 1.5)])]),
        ("beta", [box([0: (-3, -2), 1: (2, -2.5)]), box([0: (-2, -1.2), 1: (2, 3)])]),
        ("bent", [box([0: (-2, -1), 1: (-1.5, 0), 2: (0.3, 0.55)])]),
      ], pairs: [.init(0, 1), .init(2, 1), .init(3, 2), .init(4, 0)])
  }

  private struct Answer: Decodable {
    let frames: Int
    let counts: [String: Int]
    let delta_f: [Double]
  }

  /// A union, an arc across the turn and a distance, against MDTraj and numpy on the frames of datasets/alanine.
  @Test func framesAreWhereMDTrajHasThem() throws {
    let answer = try JSONDecoder().decode(Answer.self, from: Data(contentsOf: Package.fixture("states.json")))
    let topology = try Topology.read(pdb: Package.alanine.appendingPathComponent("alanine.pdb"))
    let measured = try MeasuredCoordinates(
      [
        .init(name: "phi", atoms: [4, 6, 8, 14]), .init(name: "psi", atoms: [6, 8, 14, 16]),
        .init(name: "end", atoms: [1, 18]),
      ], of: topology)
    var (columns, runs) = ([[Double]](repeating: [], count: 3), [Int]())
    for (run, name) in ["alanine-left.nc", "alanine-beta.nc"].enumerated() {
      let reader = try TrajectoryFile.open(Package.alanine.appendingPathComponent(name))
      for (k, values) in measured.columns(try reader.readFrames(0..<reader.frameCount)).enumerated() {
        columns[k] += values
        if k == 0 { runs += values.map { _ in run } }
      }
    }
    let states = try Self.alanine().assignment(columns, count: runs.count)
    #expect(runs.count == answer.frames && states.isTold.allSatisfy { $0 } && states.isDefined.allSatisfy { $0 })
    for (name, count) in zip(states.names, states.counts) {
      // MDTraj's angles are single precision: a frame at a border may fall to either side
      #expect(abs(count - (try #require(answer.counts[name]))) <= 2, "\(name)")
    }
    let estimates = StateEstimates(counting: states, runs: runs, changes: states.names.map { _ in 100 })
    #expect(abs(estimates.populations.reduce(0) { $0 + $1.share } - 1) < 1e-12)
    for (found, expected) in zip(estimates.differences, answer.delta_f) { #expect(abs(found.value - expected) < 4e-3) }
  }

  /// Runs that stay where they began tell the share of their starts, which is no estimate: no error, and none of what was never seen.
  @Test func sharesOfRunsThatNeverChangeHaveNoError() throws {
    let set = try Self.set([
      ("a", [Self.box([0: (0, 1)])]), ("b", [Self.box([0: (1, 2)])]), ("c", [Self.box([0: (2, 3)])]),
    ])
    let starts: [Double] = [0.5, 0.5, 1.5, 1.5]
    let runs = starts.indices.flatMap { [Int](repeating: $0, count: 10) }
    func estimates(_ columns: [[Double]]) -> StateEstimates {
      let whole = columns.flatMap { $0 }
      let nothing = whole.map { _ in 0.0 }
      return StateEstimates(
        counting: set.assignment([whole, nothing, nothing], count: whole.count), runs: runs,
        changes: set.changes(columns.map { column in [column, column.map { _ in 0 }, column.map { _ in 0 }] }))
    }
    let still = estimates(starts.map { [Double](repeating: $0, count: 10) })
    #expect(still.populations[0].share == 0.5 && still.populations[0].standardError.isNaN)
    #expect(still.populations[0].interval.allSatisfy { $0.isNaN })
    #expect(still.populations[2].share.isNaN)  // c was never visited
    #expect(still.differences[0].value == 0 && still.differences[0].standardError.isNaN)
    // the same shares, with changes enough
    let moving = estimates(starts.map { _ in [0.5, 1.5, 0.5, 1.5, 0.5, 1.5, 0.5, 1.5, 0.5, 1.5] })
    #expect(moving.populations[0].share == 0.5 && moving.populations[0].standardError == 0)
    #expect(moving.differences[0].standardError == 0)
  }

  @Test func bordersAreOpenAndArcsRunAcrossTheTurn() throws {
    let set = try Self.set([("a", [Self.box([0: (2.5, -2.5), 2: (0.3, 0.4)])])])
    func place(_ phi: Double, _ end: Double) -> Int { set.assignment([[phi], nil, [end]], count: 1).place[0] }
    #expect(place(3, 0.35) == 0 && place(-3, 0.35) == 0 && place(3 + 2 * .pi, 0.35) == 0)
    #expect(place(2.4, 0.35) == 1 && place(-2.4, 0.35) == 1 && place(3, 0.29) == 1 && place(3, 0.41) == 1)
    // what is no number is in no box, and is not defined
    let broken = set.assignment([[.nan, 3], nil, [0.35, 0.35]], count: 2)
    #expect(broken.place == [1, 0] && broken.isDefined == [false, true])
    // of a state that needs what is not there nothing is told, nor of the rest
    let untold = set.assignment([[3], nil, nil], count: 1)
    #expect(untold.isTold == [false, false] && untold.place == [1])
  }

  @Test func statesThatOverlapAreNamedWithAPlace() throws {
    let box = Self.box
    // arcs that meet at a border do not overlap, nor do boxes apart in one coordinate
    _ = try Self.set([("a", [box([0: (-2, -1.2)])]), ("b", [box([0: (-1.2, 1)])]), ("c", [box([0: (1, -2)])])])
    _ = try Self.set([("a", [box([0: (-2, 1), 1: (0, 1)])]), ("b", [box([0: (-1, 2), 1: (1, 2)])])])
    func error(_ states: [(String, [State.Box])]) -> StateSetError? {
      #expect(throws: StateSetError.self) { try Self.set(states) }
    }
    #expect(
      error([("a", [box([0: (0, 2)])]), ("b", [box([1: (0, 1)])])])
        == .overlap(first: "a", second: "b", at: "phi = 1, psi = 0.5"))
    // the second box of one with the first of the other, across the turn
    #expect(
      error([
        ("a", [box([0: (0, 1)]), box([0: (2.9, -2.9)])]), ("b", [box([0: (3, 3.1), 2: (0.1, 0.2)])]),
      ]) == .overlap(first: "a", second: "b", at: "phi = 3.05, end = 0.15"))
    #expect(
      error([("a", [box([2: (0.1, 0.3)])]), ("b", [box([2: (0.2, 0.5)])])])?.description.contains("end = 0.25") == true)
    // boxes of one state may overlap
    _ = try Self.set([("a", [box([0: (0, 2)]), box([0: (1, 3)])])])
  }

  @Test(arguments: [(1.0, 1.0), (-Double.pi, Double.pi), (-3.1416, 3.1416), (-6, 6)])
  func anArcOfNothingOrAllIsNoState(_ ends: (Double, Double)) {
    let error = #expect(throws: StateSetError.self) { try Self.set([("a", [Self.box([0: ends])])]) }
    guard case .range("a", "phi", _, _, let isTurn)? = error else {
      return #expect(Bool(false), "\(String(describing: error))")
    }
    #expect(isTurn == (ends.0 != ends.1))
  }

  @Test func otherThingsThatAreNoStates() {
    let box = Self.box([0: (0, 1)])
    #expect(throws: StateSetError.empty("a")) { try Self.set([("a", [State.Box([])])]) }
    #expect(throws: StateSetError.twice("rest")) { try Self.set([("rest", [box])]) }
    #expect(throws: StateSetError.pair("a")) { try Self.set([("a", [box])], pairs: [.init(0, 0)]) }
    #expect(throws: StateSetError.none) { try Self.set([]) }
  }

  @Test func pairsThatAreNotGiven() throws {
    let (a, b, c) = (Self.box([0: (0, 1)]), Self.box([0: (1, 2)]), Self.box([0: (2, 3)]))
    #expect(try Self.set([("a", [a])]).pairs == [.init(0, 1)])
    #expect(try Self.set([("a", [a]), ("b", [b]), ("c", [c])]).pairs == [.init(1, 0), .init(2, 0)])
  }

  /// A box counts as entered once every side is left behind by its margin.
  @Test func transitionsOfABox() throws {
    let state = try Self.set([("a", [Self.box([0: (0, 2), 1: (-1, 1)])])]).states[0]
    let phi = [-1, 1, 1.95, 1, 1, -0.1, 1, -1, 1.0]
    let psi = [0.0, 0, 0, 1.1, 0, 0, 2, 0, 0]
    let found = StateTransitions([phi, psi], state: state)
    // in at 1; 1.95, 1.1 and -0.1 are looks over borders; out at 6, in at 8
    #expect(found.entries == 2 && found.exits == 1 && found.samplesInside == 6)
    #expect(
      StateTransitions([phi], state: StateSet(torsion: "phi", TorsionState()).states[0])
        == StateTransitions(phi, state: TorsionState()))
  }
}
