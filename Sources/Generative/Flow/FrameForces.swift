import Basics
import Foundation
import Molecules

/// Frames in the coordinates of a model, in which they are held against forces.
protocol ForceFrames {
  var count: Int { get }
  /// Numbers of a frame that a gradient is over.
  var width: Int { get }
  /// Of all atoms, nm, of some frames, [rows, atoms, 3].
  func positions(of rows: [Int]) throws -> [Double]
  /// Gradients of ln p of some frames, [rows, width].
  func gradients(of rows: [Int], by forces: BoltzmannForces, _ host: any TrainingHost) throws -> [Double]
  /// What Stein's identity says of them.
  func check(_ gradients: [Double], of rows: [Int]) throws -> SteinCheck
  /// Groups of three ends that the bonds show.
  var rotors: [Rotor] { get }
  /// "torsion H3-C1-O1-H1 of LIG 1".
  func title(of rotor: Rotor) -> String
}

extension [Double] {
  /// Some rows of a table with `width` columns; all of them as they are.
  fileprivate func rows(_ rows: [Int], of width: Int) -> [Double] {
    rows.count * width == count ? self : rows.flatMap { self[$0 * width..<($0 + 1) * width] }
  }
}

/// Internal coordinates of all atoms; gradients are over these.
struct InternalFrames: ForceFrames {
  /// [frames, dimension].
  let values: [Double]
  let count: Int
  let chart: InternalChart
  let topology: Topology

  private var coordinates: InternalCoordinates { chart.coordinates }
  var width: Int { coordinates.dimension }

  func positions(of rows: [Int]) throws -> [Double] {
    try coordinates.cartesian(values.rows(rows, of: width), frames: rows.count).coordinates
  }

  func gradients(of rows: [Int], by forces: BoltzmannForces, _ host: any TrainingHost) throws -> [Double] {
    try forces.gradients(coordinates, values.rows(rows, of: width), frames: rows.count, host)
  }

  func check(_ gradients: [Double], of rows: [Int]) throws -> SteinCheck {
    let blocks = SteinCheck.Blocks(frames: rows.count)
    let series = InternalSeries(
      coordinates: coordinates, topology: topology, narrow: chart.narrow, broad: chart.broad, centres: chart.centres)
    let found = series.found(values.rows(rows, of: width), gradients, blocks)
    return SteinCheck(blocks, narrow: found.narrow, turning: found.turning)
  }

  var rotors: [Rotor] {
    let constants = Set((chart.held ?? []).map(\.coordinate))
    return coordinates.rotors(topology: topology, values: values.prefix(width), constants: constants)
  }

  func title(of rotor: Rotor) -> String { coordinates.title(of: rotor.torsion, in: topology) }
}

/// Positions of the heavy atoms and internal coordinates of the hydrogens given these, or positions of all atoms; gradients are over the
/// positions of all atoms.
struct PositionFrames: ForceFrames {
  /// nm, [frames, atoms, 3].
  let positions: [Double]
  let count: Int
  let topology: Topology
  /// Nil where positions of all atoms are modelled.
  let carried: CarriedHydrogens?
  /// The hydrogens' coordinates among internal ones, [frames, dimension]; empty without `carried`.
  let values: [Double]
  private let standing: PositionSeries
  /// Of the hydrogens.
  private let own: InternalSeries?

  /// Throws `MoleculesError`, `TorchError`.
  init(positions: [Double], count: Int, topology: Topology, carried: CarriedHydrogens?) throws {
    (self.positions, self.count, self.topology, self.carried) = (positions, count, topology, carried)
    let coordinates = try carried?.coordinates ?? InternalCoordinates(topology: topology)
    let torsions = coordinates.indices(of: .torsion).map { coordinates.atoms[$0] }
    standing = try PositionSeries(topology, atoms: carried?.heavy ?? Array(topology.atoms.indices), preferred: torsions)
    guard let carried else {
      (values, own) = ([], nil)
      return
    }
    values = try coordinates.internalCoordinates(positions, frames: count).values
    let arcs = coordinates.broadTorsions(values, frames: count)
    let narrow = carried.own.filter { !arcs.broad.contains($0) }
    own = InternalSeries(
      coordinates: coordinates, topology: topology, narrow: narrow, broad: carried.own.filter(arcs.broad.contains),
      centres: narrow.map { arcs.centres[$0] })
  }

  var width: Int { 3 * topology.atoms.count }

  func positions(of rows: [Int]) -> [Double] { positions.rows(rows, of: width) }

  func gradients(of rows: [Int], by forces: BoltzmannForces, _ host: any TrainingHost) throws -> [Double] {
    try forces.logGradients(positions(of: rows), frames: rows.count, host)
  }

  func check(_ gradients: [Double], of rows: [Int]) throws -> SteinCheck {
    let blocks = SteinCheck.Blocks(frames: rows.count)
    let some = positions(of: rows)
    guard let carried, let own else {
      let found = try standing.found(some, gradients, blocks)
      return SteinCheck(blocks, narrow: found.narrow, further: found.further, turning: found.turning)
    }
    let internals = values.rows(rows, of: carried.coordinates.dimension)
    let pulls = carried.gradients(of: gradients, at: some, values: internals, frames: rows.count, jacobian: 1)
    let found = try standing.found(carried.heavyPositions(some, frames: rows.count), pulls.heavy, blocks)
    let light = own.found(internals, pulls.internal, blocks)
    return SteinCheck(
      blocks, narrow: found.narrow + light.narrow, further: found.further, turning: found.turning + light.turning)
  }

  /// Of hydrogens.
  var rotors: [Rotor] {
    guard let carried else { return [] }
    let found = carried.coordinates.rotors(
      topology: topology, values: values.prefix(carried.coordinates.dimension))
    return found.filter { carried.own.contains($0.torsion) }
  }

  func title(of rotor: Rotor) -> String { topology.title("rotor", of: rotor.ends) }
}

/// What forces say of frames: whether they are theirs, gradients where they are, and which rotors have equal ends.
struct FrameForces {
  var check: SteinCheck?
  /// Over what the frames' gradients are over, [frames, width]; nil where targets are to be plain.
  var gradients: [Double]?
  var rotors: [Rotor] = []
  /// Energies of ends that are named otherwise are equal to this, kT.
  static let equalEnergies = 1e-2

  /// Nothing known.
  init() {}

  /// Throws `EmulatorError.forcesNeeded` where what is asked for cannot be had without, and what forces throw.
  init(_ frames: some ForceFrames, _ settings: EmulatorSettings, _ host: any TrainingHost) throws {
    let levers = settings.levers
    if let reason = try plainBecause(frames, settings, host) {
      gradients = nil
      if levers.forces == true { throw EmulatorError.forcesNeeded(.targets, reason: reason) }
      if levers.twoFlows == true { throw EmulatorError.forcesNeeded(.flows, reason: reason) }
      if levers.foldsRotors == true { throw EmulatorError.forcesNeeded(.rotors, reason: reason) }
      if levers.timeWeights == .likelihood {
        throw EmulatorError.forcesNeeded(.times, reason: reason)
      }
      return
    }
    guard levers.foldsRotors ?? true, let forces = settings.forces else { return }
    let few = min(frames.count, Self.rotorFrames)
    let some = try frames.positions(of: (0..<few).map { $0 * frames.count / few })
    for rotor in frames.rotors {
      let difference = try forces.difference(turning: rotor, some, frames: few)
      if difference < Self.equalEnergies {
        rotors.append(rotor)
      } else {
        host.warn(
          "the ends of \(frames.title(of: rotor)) look alike, but the force field tells them apart by "
            + String(format: "%.2g kT", difference) + ": its turns are not folded", .note)
      }
    }
  }

  /// Takes check and gradients; nil where forces can be used, else why not.
  private mutating func plainBecause(
    _ frames: some ForceFrames, _ settings: EmulatorSettings, _ host: any TrainingHost
  ) throws -> String? {
    guard settings.levers.forces != false else { return "plain targets are asked for" }
    guard settings.objective == .velocity, settings.coupling == .independent else {
      return "forces go with the velocity as objective and with independent pairs alone"
    }
    guard let forces = settings.forces else { return "there is no force field" }
    let count = frames.count
    if forces.areDear, count > Self.fewFrames, settings.levers.forces != true {
      let reason = "\(count) frames are many for so dear a force field; forces are used where they are asked for"
      host.log("targets are plain: " + reason)
      return reason
    }
    if forces.areDear {
      host.log(
        "a dear force field is asked for the forces of \(count) frames; stopped before training begins, they are lost")
    }
    // some frames first: a dear force field need not see all of those that are not its own
    for sample in count > Self.firstLook ? [Self.firstLook, count] : [count] {
      let rows = (0..<sample).map { $0 * count / sample }
      let found = try frames.gradients(of: rows, by: forces, host)
      if let bad = found.firstIndex(where: { !$0.isFinite }) {
        return refused(
          "frame \(rows[bad / frames.width]) has no finite force in the force field", .warning, settings, host)
      }
      let check = try frames.check(found, of: rows)
      self.check = check
      // what few frames leave open, more may settle
      guard sample < count ? !check.isRefuted : check.isSound else {
        return refused(check.verdict(temperature: forces.temperature), .grave, settings, host)
      }
      if sample == count { gradients = found }
    }
    host.log("forces and frames: " + (check?.summary ?? ""))
    return nil
  }

  private static let firstLook = 1000
  /// So many frames even a dear force field is asked about.
  private static let fewFrames = 3000
  private static let rotorFrames = 20

  private func refused(
    _ reason: String, _ gravity: Remark.Gravity, _ settings: EmulatorSettings, _ host: any TrainingHost
  ) -> String {
    if settings.levers.forces != true { host.warn("targets are plain: " + reason, gravity) }
    return reason
  }
}
