import Basics
import FreeEnergies
import Molecules
import Workflow

/// The states that a pipeline file asks for, held against its molecule: what they are, and how their coordinates are measured.
struct MolecularStates {
  let set: StateSet
  let measured: MeasuredCoordinates  // The set's coordinates, in its order
  /// Whether the file gives `state`, or nothing: one arc of a torsion against elsewhere.
  let isShort: Bool

  /// Which state each frame is in; `positions` [frames, atoms, 3], nm.
  func assignment(of positions: [Double]) -> StateAssignment { assignment(measured.columns(positions)) }

  /// Places of the states of many frames [frames, atoms, 3], nm; some of them at a time.
  func places(of frames: NDArray<Double>) -> [Int] {
    let size = frames.values.count / max(1, frames.shape.first ?? 1)
    return stride(from: 0, to: frames.values.count, by: max(1, size * Self.chunk)).flatMap { first in
      assignment(of: Array(frames.values[first..<min(first + size * Self.chunk, frames.values.count)])).place
    }
  }

  private static let chunk = 2000

  /// The same by values of the coordinates, [coordinates][frames].
  func assignment(_ columns: [[Double]]) -> StateAssignment {
    set.assignment(columns, count: columns.first?.count ?? 0)
  }

  /// The place of the torsion that profiles are along; nil where no state of the first pair depends on one.
  var profile: Int? { self.set.profileTorsion.flatMap { name in set.coordinates.firstIndex { $0.name == name } } }

  /// The first pair, as results call its two states.
  var leadingNames: [String] { [set.names[set.first.from], set.names[set.first.to]] }

  /// A state within a sentence: "state 'alpha'", "phi in (0, 2)".
  func called(_ state: Int) -> String {
    if isShort { return state == 0 ? set.names[0] : "the rest, outside \(set.names[0])" }
    return state == set.states.count ? "'\(set.rest)', outside all named states" : "state '\(set.names[state])'"
  }

  /// States that somebody asks something of: those with a box, and what stands in a pair.
  var asked: [Int] {
    self.set.names.indices.filter { state in
      state < set.states.count || set.pairs.contains { $0.from == state || $0.to == state }
    }
  }
}

extension MolecularSystem {
  /// Throws `StatesError`, `StateSetError`, `MolecularSystemError.stateTorsion`, `.torsionAtoms`, `.distanceAtoms`,
  /// `MoleculesError.ambiguousTorsion`.
  func states() throws -> MolecularStates {
    let declared = try declaredStates()
    var known: [String: MeasuredCoordinates.Coordinate] = [:]
    for name in declared.coordinates { known[name] = try coordinate(name, of: declared) }
    let set = try declared.stateSet { known[$0]?.isTorsion ?? true }
    let measured = try Self.naming {
      try MeasuredCoordinates(set.coordinates.compactMap { known[$0.name] }, of: topology)
    }
    return MolecularStates(set: set, measured: measured, isShort: declared.isShort)
  }

  private func coordinate(_ name: String, of declared: DeclaredStates) throws -> MeasuredCoordinates.Coordinate {
    if let atoms = declaredDistances[name], !declared.isShort {
      guard declaredTorsions[name] == nil else { throw StatesError.twoKinds(name) }
      return .init(name: name, atoms: atoms)
    }
    do {
      return .init(name: name, atoms: try torsion(named: name))
    } catch MoleculesError.unknownTorsion(_, let available) {
      let torsions = Set(available).union(declaredTorsions.keys).sorted()
      if declared.isShort { throw MolecularSystemError.stateTorsion(name: name, known: torsions) }
      let state = declared.states.first { $0.boxes.contains { $0[name] != nil } }
      // phi stands for phi2 where there is but one
      let short = Set(topology.namedTorsions.map(\.name)).filter { (try? topology.torsion(named: $0)) != nil }
      throw StatesError.unknownCoordinate(
        name, state: state?.name ?? "",
        known: declaredDistances.keys.sorted() + Set(torsions).union(short).sorted())
    }
  }
}
