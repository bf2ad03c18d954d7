import Dynamics
import ForceFields
import Molecules
import OpenMM
import Workflow

/// What a simulate stage runs: the molecule, its force field, and where each run begins.
struct SimulateSetup {
  let parameters: SimulateStage.Parameters
  let molecule: MolecularSystem
  let system: System
  let torsions: NamedTorsions  // The torsions that are reported
  let states: MolecularStates
  let starts: SimulationStarts
  let moves: TorsionMoves
  private let dynamics: DynamicsSettings

  init(_ context: StageContext, _ parameters: SimulateStage.Parameters) throws {
    self.parameters = parameters
    let molecule = try MolecularSystem(context)
    self.molecule = molecule
    let external: ExternalForces?
    (system, external) = try molecule.dynamicsForces(for: "dynamics")
    torsions = try molecule.namedTorsions()
    states = try molecule.states()
    let targets = try SimulationTargets(parameters, molecule, states)
    var starts = SimulationStarts(
      names: targets.names, torsions: try targets.names.map(molecule.torsion(named:)), starts: targets.starts,
      runsPerStart: parameters.runs)
    if parameters.rotamers { starts.spreadSideChains(of: molecule.topology, seed: context.seed) }
    self.starts = starts
    moves = parameters.dynamics.moves(of: molecule)
    dynamics = try parameters.dynamics.settings(context, molecule, system, external: external, moves: moves)
  }

  /// What gives the energies of the frames. Throws the method's own errors.
  func engine(threads: Int) throws -> any EnergyEngine {
    dynamics.externalForces == nil
      ? try OpenMMEngine(system: system, threads: threads) : try molecule.engine(for: "dynamics", threads: threads)
  }

  func simulation() throws -> LangevinSimulation {
    var settings = LangevinSimulation.Settings(dynamics)
    (settings.steering, settings.steeringForceConstant) = (parameters.steeringTime, parameters.steeringForce)
    (settings.attempts, settings.equilibration) = (parameters.attempts, parameters.equilibration)
    (settings.length, settings.saveInterval) = (parameters.length, parameters.saveInterval)
    let check = try StructureCheck(molecule.topology)
    return try LangevinSimulation(
      system: system, torsions: starts.torsions, targets: starts.targets,
      coordinates: molecule.topology.referenceCoordinates, settings: settings,
      check: { check.fault(of: $0, bonds: $1) })
  }
}

/// Which torsions lead to the starts, and where.
struct SimulationTargets {
  let names: [String]
  let starts: [[Double]]  // rad, [starts][names]

  /// What the file gives; else the states': inside the state and opposite to it, where it is an arc of one torsion; else inside each state.
  ///
  /// Throws `SimulateError`.
  init(_ parameters: SimulateStage.Parameters, _ molecule: MolecularSystem, _ states: MolecularStates) throws {
    let own = states.set.coordinates.filter(\.isTorsion).map(\.name)
    let names = parameters.steering ?? own
    self.names = names
    if let starts = parameters.starts {
      if let wrong = starts.firstIndex(where: { $0.count != names.count }) {
        throw SimulateError.startLength(start: wrong, count: starts[wrong].count, steering: names)
      }
      guard !names.isEmpty else { throw SimulateError.unguided(state: states.set.names[0], coordinates: []) }
      self.starts = starts
      return
    }
    guard names == own else { throw SimulateError.noStarts(steering: names) }
    let set = states.set
    if set.states.count == 1, set.coordinates.count == 1, set.states[0].boxes.count == 1,
      case .arc(let arc)? = set.states[0].boxes[0].sides.first?.range
    {
      starts = [[arc.middle], [wrappedAngle(arc.middle + .pi)]]
      return
    }
    // torsions that a box leaves free stay where the structure has them
    let here = try own.map { name in
      torsionAngles(
        molecule.topology.referenceCoordinates, atoms: molecule.topology.atoms.count,
        torsions: [try molecule.torsion(named: name)])[0]
    }
    starts = try set.states.map { state in
      let sides = state.boxes.first?.sides ?? []
      let distances = sides.filter { !set.coordinates[$0.coordinate].isTorsion }
      guard distances.isEmpty else {
        throw SimulateError.unguided(
          state: state.name, coordinates: distances.map { set.coordinates[$0.coordinate].name })
      }
      return zip(own, here).map { name, angle in
        sides.first { set.coordinates[$0.coordinate].name == name }?.range.middle ?? angle
      }
    }
  }
}

/// Why a simulation cannot start.
public enum SimulateError: Error, Equatable, CustomStringConvertible {
  case startLength(start: Int, count: Int, steering: [String])
  /// Torsions are steered, and nobody said where to.
  case noStarts(steering: [String])
  /// A state depends on distances, which steering does not lead.
  case unguided(state: String, coordinates: [String])

  public var description: String {
    switch self {
    case .startLength(let start, let count, let steering):
      "starts[\(start)] has \(count) angles, and \(steering.count) torsions are steered (\(steering.joined(separator: ", "))): "
        + "give one for each"
    case .unguided(let state, let coordinates):
      "state '\(state)' depends on \(coordinates.isEmpty ? "no torsion" : coordinates.joined(separator: ", ")), and torsions alone are steered: "
        + "give steering, names of torsions, and starts, a list of their angles in rad"
    case .noStarts(let steering):
      "steering names \(steering.joined(separator: ", ")): give starts too, a list of their angles in rad, or leave both out"
    }
  }
}

extension SimulationError: AdvisableError {
  var advice: String? {
    switch self {
    case .settings: nil
    case .state: "; delete the stage's checkpoints to start again"
    case .start: "; give a longer steering_time, or other starts"
    case .unstable(_, _, _, _, let frames):
      ": its \(frames) frames before that, and all of the other runs, are kept in the checkpoint; a shorter timestep may hold it"
    case .badFrame:
      "; the frames before it are kept in the checkpoint; a shorter timestep or a lower temperature may hold it"
    }
  }
}
