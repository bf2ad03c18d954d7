import Foundation

/// The states of a molecule whose populations and free energies are asked for: boxes in torsions and distances, each under a name, and the
/// rest, which lies in none of them and is a state with a name too.
public struct StateSet: Equatable, Sendable {
  /// What the boxes' sides are of.
  public struct Coordinate: Equatable, Sendable {
    public let name: String
    /// Of a torsion in rad; else of a distance in nm.
    public let isTorsion: Bool

    public init(_ name: String, isTorsion: Bool) { (self.name, self.isTorsion) = (name, isTorsion) }
  }

  /// Two states, by their places in `names`: the free-energy difference is -ln(P(from) / P(to)).
  public struct Pair: Equatable, Sendable {
    public let from, to: Int

    public init(_ from: Int, _ to: Int) { (self.from, self.to) = (from, to) }
  }

  public let coordinates: [Coordinate]
  public let states: [ConformationalState]
  /// What the rest is called.
  public let rest: String
  /// The free energies that are asked for, at least one.
  public let pairs: [Pair]

  /// `pairs`: left out, a single state against the rest; of several states, each further one against the first.
  ///
  /// Throws `StateSetError` for names that stand twice, ranges without width or of a whole turn, and states that overlap.
  public init(
    coordinates: [Coordinate], states: [ConformationalState], rest: String = "rest", pairs: [Pair]? = nil
  ) throws {
    (self.coordinates, self.states, self.rest) = (coordinates, states, rest)
    self.pairs =
      pairs ?? (states.count == 1 ? [Pair(0, 1)] : states.indices.dropFirst().map { Pair($0, 0) })
    guard !states.isEmpty, !self.pairs.isEmpty else { throw StateSetError.none }
    for (index, name) in names.enumerated() where names[..<index].contains(name) { throw StateSetError.twice(name) }
    for pair in self.pairs
    where pair.from == pair.to || !names.indices.contains(pair.from) || !names.indices.contains(pair.to) {
      throw StateSetError.pair(names.indices.contains(pair.from) ? names[pair.from] : "\(pair.from)")
    }
    for state in states { try check(state) }
    for (index, second) in states.enumerated() {
      for first in states[..<index] { try check(first, second) }
    }
  }

  /// One arc of one torsion against the rest.
  public init(torsion: String, _ arc: TorsionState) {
    self.init(Coordinate(torsion, isTorsion: true), .arc(arc))
  }

  /// One range of one coordinate against the rest. Nothing is checked: an arc may be empty, and the state then is.
  public init(_ coordinate: Coordinate, _ range: CoordinateRange) {
    let ends: (Double, Double) =
      switch range {
      case .arc(let arc): (arc.from, arc.to)
      case .interval(let interval): (interval.lowerBound, interval.upperBound)
      }
    coordinates = [coordinate]
    states = [
      ConformationalState(
        name: "\(coordinate.name) in " + String(format: "(%g, %g)", ends.0, ends.1),
        boxes: [.init([.init(coordinate: 0, range)])])
    ]
    (rest, pairs) = ("elsewhere", [Pair(0, 1)])
  }

  /// Of all states, the rest last.
  public var names: [String] { states.map(\.name) + [rest] }

  /// The pair that single answers are of.
  public var first: Pair { pairs[0] }

  /// The first pair's first state, or its second where the first is the rest: that whose borders are known.
  public var leading: ConformationalState { states[leadingPlace] }

  /// Its place in `names`.
  public var leadingPlace: Int { states.indices.contains(first.from) ? first.from : first.to }

  /// Whether the one question is of a state against all else.
  public var isStateAgainstRest: Bool { states.count == 1 && first == Pair(0, 1) }

  /// Names of the coordinates that a state depends on, by its place in `names`: the rest's are those of all.
  public func coordinateNames(of state: Int) -> [String] {
    (states.indices.contains(state) ? states[state].coordinates : Array(coordinates.indices)).map {
      coordinates[$0].name
    }
  }

  /// Names of the coordinates that the first pair's states depend on, that of its first state first.
  public var leadingCoordinates: [String] {
    let names = [first.from, first.to].filter(states.indices.contains).flatMap(coordinateNames)
    return names.enumerated().filter { !names[..<$0.offset].contains($0.element) }.map(\.element)
  }

  /// The coordinate that profiles are drawn along: the first torsion of the first pair's states; nil where they have none.
  public var profileTorsion: String? {
    leadingCoordinates.first { name in coordinates.contains { $0.name == name && $0.isTorsion } }
  }

  /// The state of every sample. `columns`: values of the coordinates, rad or nm, [coordinates][samples]; nil for one that is not known:
  /// of states that depend on it nothing can be told.
  ///
  /// - Precondition: as many columns as coordinates, all of one length.
  public func assignment(_ columns: [[Double]?], count: Int) -> StateAssignment {
    let known = columns.map { $0 ?? [] }
    var isTold = states.map { state in state.coordinates.allSatisfy { columns[$0] != nil } }
    let told = states.indices.filter { isTold[$0] }
    isTold.append(told.count == states.count)
    let place = (0..<count).map { n in
      told.first { states[$0].contains { known[$0][n] } } ?? states.count
    }
    let used = Set(told.flatMap { states[$0].coordinates })
    let isDefined = (0..<count).map { n in used.allSatisfy { known[$0][n].isFinite } }
    return StateAssignment(names: names, pairs: pairs, place: place, isTold: isTold, isDefined: isDefined)
  }

  // MARK: checks

  private func check(_ state: ConformationalState) throws {
    guard !state.boxes.isEmpty, state.boxes.allSatisfy({ !$0.sides.isEmpty })
    else { throw StateSetError.empty(state.name) }
    for side in state.boxes.flatMap(\.sides) {
      let coordinate = coordinates[side.coordinate]
      let (from, to): (Double, Double) =
        switch side.range {
        case .arc(let arc): (arc.from, arc.to)
        case .interval(let range): (range.lowerBound, range.upperBound)
        }
      let turn = 2 * Double.pi
      // 6.2832, as one writes it, is a turn and a bit
      let isTurn = coordinate.isTorsion && abs(to - from) > turn - 1e-4
      guard side.range.width > 1e-9, !isTurn, coordinate.isTorsion || from >= 0 else {
        throw StateSetError.range(state: state.name, coordinate: coordinate.name, from: from, to: to, isTurn: isTurn)
      }
    }
  }

  private func check(_ first: ConformationalState, _ second: ConformationalState) throws {
    for one in first.boxes {
      for other in second.boxes {
        guard let point = one.common(with: other) else { continue }
        throw StateSetError.overlap(
          first: first.name, second: second.name,
          at: point.map { "\(coordinates[$0.coordinate].name) = " + String(format: "%.3g", $0.value) }
            .joined(separator: ", "))
      }
    }
  }
}

/// Which state each of some samples is in.
public struct StateAssignment: Equatable, Sendable {
  /// Of all states, the rest last.
  public let names: [String]
  public let pairs: [StateSet.Pair]
  /// By its place in `names`, [samples].
  public let place: [Int]
  /// Whether all coordinates that the state depends on are there, [states]. Samples of a state of which that is not so stand in the rest's
  /// place, and nothing is told of the rest either.
  public let isTold: [Bool]
  /// Whether the coordinates are numbers, [samples].
  public let isDefined: [Bool]

  init(names: [String], pairs: [StateSet.Pair], place: [Int], isTold: [Bool], isDefined: [Bool]) {
    (self.names, self.pairs, self.place, self.isTold, self.isDefined) = (names, pairs, place, isTold, isDefined)
  }

  /// By an arc of one torsion, `angle` in rad, [samples].
  public init(angle: [Double], state: TorsionState) {
    self = StateSet(torsion: "angle", state).assignment([angle], count: angle.count)
  }

  /// The pair that single answers are of.
  public var first: StateSet.Pair { pairs[0] }

  /// Whether each sample is in the first pair's first state.
  public var inside: [Bool] { place.map { $0 == first.from } }

  /// Whether each sample is in one of the first pair's states.
  public var isInFirstPair: [Bool] { place.map { $0 == first.from || $0 == first.to } }

  /// Logarithms of the samples' weights, those of samples in neither of the first pair's states -infinity.
  public func ofFirstPair(_ logWeights: [Double]) -> [Double] {
    isTwoSided ? logWeights : zip(logWeights, isInFirstPair).map { $1 ? $0 : -.infinity }
  }

  /// Whether all samples are in one of the first pair's states by definition.
  public var isTwoSided: Bool { names.count == 2 }

  /// Some of the samples.
  public func rows(_ rows: [Int]) -> StateAssignment {
    StateAssignment(
      names: names, pairs: pairs, place: rows.map { place[$0] }, isTold: isTold, isDefined: rows.map { isDefined[$0] })
  }

  /// Samples in each state.
  public var counts: [Int] {
    place.reduce(into: [Int](repeating: 0, count: names.count)) { $0[$1] += 1 }
  }

  /// Shares of the states of all weight, [states]; nan without any weight.
  ///
  /// - Precondition: one weight per sample.
  public func shares(_ weights: [Double]) -> [Double] {
    let sums = sums(weights)
    let total = sums.reduce(0, +)
    return sums.map { $0 / total }
  }

  /// Sums of the samples' weights by state, in the samples' order.
  func sums(_ weights: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: names.count)
    for n in weights.indices { sums[place[n]] += weights[n] }
    return sums
  }
}

/// What cannot be a set of states.
public enum StateSetError: Error, Equatable, CustomStringConvertible {
  case none
  case twice(String)
  /// A state against itself, or against one that is not there.
  case pair(String)
  /// A state without a box, or with one that nothing bounds.
  case empty(String)
  /// Ends of a range that hold nothing, or everything.
  case range(state: String, coordinate: String, from: Double, to: Double, isTurn: Bool)
  case overlap(first: String, second: String, at: String)

  public var description: String {
    switch self {
    case .none: "there is no state"
    case .twice(let name): "two states are called '\(name)'"
    case .pair(let name): "'\(name)' is set against itself, or against a state that is not there"
    case .empty(let name): "state '\(name)' has a box without a coordinate: everything would lie in it"
    case .range(let state, let coordinate, let from, let to, let isTurn):
      "state '\(state)': \(coordinate) from \(from) to \(to) is "
        + (isTurn
          ? "a whole turn: leave the coordinate out" : "empty: its ends are equal, in the wrong order, or below 0")
    case .overlap(let first, let second, let place):
      "states '\(first)' and '\(second)' overlap: both hold \(place)"
    }
  }
}
