import ForceFields
import Foundation
import FreeEnergies
import Molecules
import Workflow

/// What a simulate stage runs: the molecule, its force field, and where each run begins.
struct SimulateSetup {
  let parameters: SimulateStage.Parameters
  let molecule: SimulatedMolecule
  let state: TorsionState
  /// The torsions that are reported.
  let torsions: NamedTorsions
  /// The state's, four atoms.
  let stateAtoms: [Int]
  let starts: SimulationStarts
  let moves: TorsionMoves

  init(_ context: StageContext, _ parameters: SimulateStage.Parameters) throws {
    self.parameters = parameters
    molecule = try SimulatedMolecule(context, purpose: "dynamics")
    state = molecule.molecule.state
    torsions = try molecule.molecule.namedTorsions()
    stateAtoms = try molecule.molecule.stateAtoms()
    let names = parameters.steering ?? [context.system.state.torsion]
    let angles: [[Double]]
    if let given = parameters.starts {
      if let wrong = given.firstIndex(where: { $0.count != names.count }) {
        throw SimulateError.startLength(start: wrong, count: given[wrong].count, steering: names)
      }
      angles = given
    } else {
      guard names == [context.system.state.torsion] else { throw SimulateError.noStarts(steering: names) }
      angles = [state.middle, wrappedAngle(state.middle + .pi)].map { [$0] }
    }
    var starts = SimulationStarts(
      names: names, torsions: try names.map(molecule.molecule.torsion(named:)), starts: angles,
      runsPerStart: parameters.runs)
    if parameters.rotamers { starts.spreadSideChains(of: molecule.topology, seed: context.seed) }
    self.starts = starts
    moves = parameters.rotamerMoves == true ? TorsionMoves(sideChainsOf: molecule.topology) : .none
  }

  func simulation(threads: Int, seed: UInt64) throws -> LangevinSimulation {
    let check = molecule.check
    return try LangevinSimulation(
      system: molecule.system, torsions: starts.torsions, targets: starts.targets,
      coordinates: molecule.topology.referenceCoordinates,
      settings: .init(
        dynamics: try molecule.dynamics(parameters, moves: moves, threads: threads, seed: seed),
        steering: parameters.steeringTime, steeringForceConstant: parameters.steeringForce,
        attempts: parameters.attempts, equilibration: parameters.equilibration, length: parameters.length,
        saveInterval: parameters.saveInterval),
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
      return
        "starts[\(start)] has \(count) angles, and \(steering.count) torsions are steered (\(steering.joined(separator: ", "))): "
        + "give one for each"
    case .noStarts(let steering):
      return
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
