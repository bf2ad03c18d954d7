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
  let stateAtoms: [Int]  // The state's, four atoms
  let starts: SimulationStarts
  let moves: TorsionMoves
  private let dynamics: DynamicsSettings

  init(_ context: StageContext, _ parameters: SimulateStage.Parameters) throws {
    self.parameters = parameters
    let molecule = try MolecularSystem(context)
    self.molecule = molecule
    system = try molecule.dynamicsSystem(for: "dynamics")
    torsions = try molecule.namedTorsions()
    stateAtoms = try molecule.stateAtoms()
    let names = parameters.steering ?? [molecule.stateTorsion]
    if let wrong = parameters.starts?.firstIndex(where: { $0.count != names.count }) {
      throw SimulateError.startLength(start: wrong, count: parameters.starts?[wrong].count ?? 0, steering: names)
    }
    guard parameters.starts != nil || names == [molecule.stateTorsion] else {
      throw SimulateError.noStarts(steering: names)
    }
    let middle = molecule.state.middle
    var starts = SimulationStarts(
      names: names, torsions: try names.map(molecule.torsion(named:)),
      starts: parameters.starts ?? [[middle], [wrappedAngle(middle + .pi)]], runsPerStart: parameters.runs)
    if parameters.rotamers { starts.spreadSideChains(of: molecule.topology, seed: context.seed) }
    self.starts = starts
    moves = parameters.dynamics.moves(of: molecule)
    dynamics = try parameters.dynamics.settings(context, molecule, system, moves: moves)
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

/// Why a simulation cannot start.
public enum SimulateError: Error, Equatable, CustomStringConvertible {
  case startLength(start: Int, count: Int, steering: [String])
  /// Torsions are steered, and nobody said where to.
  case noStarts(steering: [String])

  public var description: String {
    switch self {
    case .startLength(let start, let count, let steering):
      "starts[\(start)] has \(count) angles, and \(steering.count) torsions are steered (\(steering.joined(separator: ", "))): "
        + "give one for each"
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
