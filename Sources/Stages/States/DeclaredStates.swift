import Basics
import Foundation
import FreeEnergies
import Workflow

/// The states of a pipeline file as they are written, before anyone knows which of their coordinates are torsions and which distances.
struct DeclaredStates {
  struct State {
    let name: String
    /// Ends of each coordinate's range, by its name.
    let boxes: [[String: [Double]]]
  }

  let states: [State]
  let rest: String
  /// By names; nil where the file gives none.
  let pairs: [[String]]?
  /// Whether this is `state`: a torsion's arc against elsewhere.
  let isShort: Bool

  /// Throws `StatesError` for what does not fit together.
  init(_ shared: [String: ParameterValue]) throws {
    func value(_ field: SharedField) -> ParameterValue { shared[field.name] ?? .null }
    let given = value(.states)
    guard case .list(let entries) = given else {
      guard value(.pairs) == .null else { throw StatesError.pairsWithoutStates }
      self = DeclaredStates(StateDefinition(value(.state)) ?? StateDefinition())
      return
    }
    guard value(.state) == .null else { throw StatesError.both }
    var (states, rest) = ([State](), "rest")
    for entry in entries {
      let name = entry["name"]?.string ?? ""
      switch entry["value"] {
      case .string(let text)?:
        guard name == Self.restKey else { throw StatesError.text(state: name, text: text) }
        rest = text
      case .list(let boxes)?:
        guard name != Self.restKey else { throw StatesError.restIsNoBox }
        states.append(
          State(
            name: name,
            boxes: boxes.map { box in
              guard case .object(let sides) = box else { return [:] }
              return sides.mapValues { [Double]($0) ?? [] }
            }))
      default: break
      }
    }
    guard !states.isEmpty else { throw StatesError.none }
    let pairs = value(.pairs) == .null ? nil : [[String]](value(.pairs))
    let names = states.map(\.name) + [rest]
    for name in (pairs ?? []).joined() where !names.contains(name) {
      throw StatesError.unknownState(name, known: names)
    }
    (self.states, self.rest, self.pairs, isShort) = (states, rest, pairs, false)
  }

  /// Of `state`.
  init(_ state: StateDefinition) {
    let single = StateSet(torsion: state.torsion, TorsionState(from: state.from, to: state.to))
    states = [State(name: single.names[0], boxes: [[state.torsion: [state.from, state.to]]])]
    (rest, pairs, isShort) = (single.rest, nil, true)
  }

  private static let restKey = "rest"

  /// Names of all coordinates, each once: state by state, and within a box by name.
  var coordinates: [String] {
    var seen: Set<String> = []
    return states.flatMap { state in state.boxes.flatMap { $0.keys.sorted() } }.filter { seen.insert($0).inserted }
  }

  /// Names of the coordinates of one state.
  func coordinates(of state: State) -> [String] { Set(state.boxes.flatMap(\.keys)).sorted() }

  /// The first pair, by names.
  private var leading: [String] {
    pairs?.first ?? (states.count > 1 ? [states[1].name, states[0].name] : [states[0].name, rest])
  }

  /// What the first pair is called in a sentence: "0 < phi < 2 rad", "alpha_L against C7eq".
  var title: String {
    guard isShort, let side = states.first?.boxes.first?.first else { return leading.joined(separator: " against ") }
    return "\(NumberText.significant(side.value[0])) < \(side.key) < \(NumberText.significant(side.value[1])) rad"
  }

  /// The coordinates of the first pair's states, the first one's first.
  var leadingCoordinates: [String] {
    leading.compactMap { name in states.first { $0.name == name } }.flatMap(coordinates(of:))
  }

  /// Of all states, the rest last.
  var names: [String] { states.map(\.name) + [rest] }

  /// The states as the science takes them. Throws `StateSetError`, and what `isTorsion` throws of a coordinate's name.
  func stateSet(isTorsion: (String) throws -> Bool) throws -> StateSet {
    if isShort, let side = states.first?.boxes.first?.first {
      return StateSet(torsion: side.key, TorsionState(from: side.value[0], to: side.value[1]))
    }
    let coordinates = try coordinates.map { StateSet.Coordinate($0, isTorsion: try isTorsion($0)) }
    let states = try states.map { state in
      ConformationalState(
        name: state.name,
        boxes: try state.boxes.map { box in
          ConformationalState.Box(
            try box.sorted { $0.key < $1.key }.map { name, ends in
              let place = coordinates.firstIndex { $0.name == name } ?? 0
              guard coordinates[place].isTorsion || (ends[0] >= 0 && ends[1] > ends[0]) else {
                throw StateSetError.range(
                  state: state.name, coordinate: name, from: ends[0], to: ends[1], isTurn: false)
              }
              if coordinates[place].isTorsion, let wrong = ends.first(where: { abs($0) > 6.2832 }) {
                throw StatesError.angle(state: state.name, coordinate: name, wrong)
              }
              return .init(
                coordinate: place,
                CoordinateRange(from: ends[0], to: ends[1], isTorsion: coordinates[place].isTorsion))
            })
        })
    }
    let names = names
    return try StateSet(
      coordinates: coordinates, states: states, rest: rest,
      pairs: pairs?.map { pair in
        let places = pair.map { name in names.firstIndex(of: name) ?? -1 }
        return StateSet.Pair(places[0], places[1])
      })
  }
}

extension SharedValueHolder {
  /// Throws `StatesError`.
  func declaredStates() throws -> DeclaredStates { try DeclaredStates(shared) }

  /// Distances that the file names, two atom indices each, from 0.
  var distances: [String: [Int]] {
    guard case .object(let named)? = shared[SharedField.distances.name] else { return [:] }
    return named.compactMapValues([Int].init(_:))
  }
}

/// What a pipeline file says of states, and cannot mean.
enum StatesError: Error, Equatable, CustomStringConvertible {
  case both
  case none
  case pairsWithoutStates
  case text(state: String, text: String)
  case restIsNoBox
  case unknownState(String, known: [String])
  case unknownCoordinate(String, state: String, known: [String])
  case angle(state: String, coordinate: String, Double)
  /// A name of a torsion and of a distance.
  case twoKinds(String)

  var description: String {
    switch self {
    case .both: "system.state is short for system.states with one torsion: give one of the two"
    case .none: "system.states has no state: give boxes by name, such as { alpha: { phi: [-2, -1] } }"
    case .pairsWithoutStates: "system.pairs names states of system.states, and there are none"
    case .text(let state, let text):
      "system.states.\(state): '\(text)' is no box, which is a group such as { phi: [0, 2] }; only 'rest' is given a name"
    case .restIsNoBox:
      "system.states.rest is the name of what lies in no other state, and no box: 'rest: elsewhere', say"
    case .unknownState(let name, let known):
      "system.pairs: there is no state '\(name)'" + Suggestion.text(for: name, among: known)
    case .unknownCoordinate(let name, let state, let known):
      "system.states.\(state): there is no coordinate '\(name)'" + Suggestion.text(for: name, among: known)
        + "; name its four atoms under system.torsions, or two under system.distances"
    case .angle(let state, let coordinate, let value):
      "system.states.\(state): \(coordinate) of \(value) is no angle in rad, from -6.2832 to 6.2832"
    case .twoKinds(let name): "'\(name)' is a name in system.torsions and in system.distances: give one of them another"
    }
  }
}
