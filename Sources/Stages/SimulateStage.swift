import Artifacts
import Basics
import ForceFields
import Foundation
import FreeEnergies
import Molecules
import OpenMM
import Trajectories
import Workflow

/// `simulate`: molecular dynamics from several starts, by which a pipeline begins where there is no trajectory yet.
///
/// Every start is reached by slow steering from the topology's structure. Output: MDTraj's HDF5 trajectory convention 1.1, run
/// after run, each in time order (/coordinates [frames, atoms, 3] float32 nm, /topology, /time in the run, ps), /energies [frames]
/// in kJ/mol, the same frames as an AMBER NetCDF file <stage>.nc beside the artifact, and under /results:
///
/// | path | what |
/// |---|---|
/// | frames | frames in all |
/// | run [frames] | which run a frame is of, from 0 |
/// | torsions/NAME [frames] | rad in (-pi, pi] |
/// | steered_torsions, targets [runs, torsions] | names, and where each run was led to, rad |
/// | attempts [runs] | how often, until it was there |
/// | runs/transitions [runs] | changes of the state |
/// | runs/state_population [runs] | share of frames in it |
/// | runs/statistical_inefficiency [runs] | of the state's torsion, in frames |
/// | turned_torsions, turn_acceptance [torsions] | of `rotamer_moves`: names, and the share of moves that were taken |
/// | simulated_time, energy_evaluations | ps, and steps and what moves cost: all runs with steering and equilibration |
enum SimulateStage: StageType {
  static let type = "simulate"
  static let version = 1
  static let summary = "molecular dynamics from several starts, each led there by slow steering"
  static let reads: [SharedField] = [.topology, .forcefield, .temperature, .torsions, .state]

  static let parameters: [ParameterField] = [
    ParameterField(
      "steering", .list(.string, acceptsSingle: true, count: 0...8), optional: true,
      help: "the torsions that lead to the starts, by name; the state's if left out"),
    ParameterField(
      "starts", .list(.list(.number(-360...360), acceptsSingle: true), count: 1...1000), optional: true, unit: "rad",
      help:
        "for each start, the angles of the steered torsions; left out, one start inside the state and one outside, at the middle"
    ),
    ParameterField("runs", .integer(1...10_000), default: .integer(4), help: "independent runs from each start"),
    ParameterField(
      "rotamers", .boolean, default: .bool(true),
      help: "lead the side chains too, so that the runs of a start begin at each of the staggered places in turn"),
    ParameterField(
      "rotamer_moves", .boolean, optional: true,
      help:
        "about every 0.1 ps, and once before each frame, one of the side chain's torsions tries to turn by about a third of a turn (any angle where it has no "
        + "staggered places), by Metropolis' rule: the frames' side chains come to rest sooner, but in time the runs are no plain "
        + "dynamics any more. Off if left out"),
    ParameterField("length", .positive, default: .number(1000), unit: "ps", help: "of each run"),
    ParameterField("save_interval", .positive, default: .number(0.5), unit: "ps", help: "between frames"),
    ParameterField(
      "equilibration", .nonNegative, default: .number(20), unit: "ps", help: "of each run, before its first frame"),
    ParameterField(
      "steering_time", .nonNegative, default: .number(200), unit: "ps",
      help:
        "of each run's way to its start. A fast pull turns stereocentres inside out: such a start is tried again in twice the time"
    ),
    ParameterField(
      "steering_force", .positive, default: .number(200), unit: "kJ/mol/rad2", help: "of the wells that steer"),
    ParameterField(
      "attempts", .integer(1...10), default: .integer(4), help: "to reach a start, each taking twice as long"),
    ParameterField(
      "timestep", .number(1e-5...0.01), default: .number(0.001), unit: "ps", help: "of the Langevin dynamics"),
    ParameterField(
      "hydrogen_mass", .number(1...5), optional: true, unit: "dalton",
      help:
        "makes every hydrogen this heavy at the cost of its neighbour, which changes no distribution of positions and allows longer "
        + "timesteps: 3 with a timestep of 0.002; the force field's masses if left out"),
    ParameterField("friction", .positive, default: .number(1), unit: "1/ps", help: "of the Langevin dynamics"),
    ParameterField(
      "forces", .choice(["auto", "openmm"]), default: "auto",
      help:
        "auto: the built-in kernel where it covers the force field and agrees with OpenMM on the first frame, else OpenMM; "
        + "openmm: OpenMM's Reference platform always"),
  ]

  struct Parameters: Decodable {
    var steering: [String]?
    var starts: [[Double]]?
    var runs: Int
    var rotamers: Bool
    var rotamerMoves: Bool?
    var length: Double
    var saveInterval: Double
    var equilibration: Double
    var steeringTime: Double
    var steeringForce: Double
    var attempts: Int
    var timestep: Double
    var hydrogenMass: Double?
    var friction: Double
    var forces: String
  }

  /// Throws `SimulateError`, `SimulationError`, `OpenMMError`, `MoleculesError`, `EnergySourceError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let setup = try SimulateSetup(context, parameters)
    let simulation = try setup.simulation(threads: context.threads, seed: context.seed)
    var frames = try SimulateFrames(context, setup: setup, simulation: simulation)
    let already = simulation.simulatedTime
    let watch = Stopwatch()
    try sample(context, simulation, &frames)
    let seconds = watch.seconds
    let simulated = simulation.simulatedTime - already
    if simulated > 0 {
      let speed = simulated / parameters.timestep / seconds
      context.log(
        "\(Int(simulated)) ps in \(String(format: "%.0f", seconds)) s, \(Int(speed)) steps/s, forces by "
          + simulation.forceProvider + (simulation.kernelRefusal.map { " (not by the built-in kernel: \($0))" } ?? ""))
    }
    try SimulateOutput(context: context, setup: setup, simulation: simulation, frames: frames).write()
    try context.output.writeMeasurement("results/seconds", seconds)
  }

  /// Advances to the end, with checkpoints by time.
  private static func sample(
    _ context: StageContext, _ simulation: LangevinSimulation, _ frames: inout SimulateFrames
  ) throws {
    guard !simulation.isFinished else { return }
    context.progress.begin("dynamics", total: Int(simulation.totalTime.rounded()), unit: "ps")
    defer { context.progress.end() }
    var saved = Stopwatch()
    while !simulation.isFinished {
      do {
        try simulation.advance()
      } catch {
        frames.take(simulation)
        try frames.savePart(simulation)
        throw error
      }
      frames.take(simulation)
      let phase = simulation.state.runs.map(\.phase).min { $0.rawValue < $1.rawValue } ?? .finished
      context.progress.update(
        completed: min(Int(simulation.simulatedTime), Int(simulation.totalTime)), metrics: [("now", phase.name)])
      let asked = context.interruptionRequested
      if asked || simulation.isFinished || saved.seconds >= context.checkpointInterval {
        try frames.savePart(simulation)
        saved.restart()
        if asked { try context.checkInterruption() }
      }
    }
  }
}
