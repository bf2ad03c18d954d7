import Basics
import ForceFields
import Records
import Workflow

/// `simulate`: molecular dynamics from several starts, by which a pipeline begins where there is no trajectory yet.
///
/// Every start is reached by slow steering from the topology's structure. Beside the artifact, which is a trajectory in MDTraj's HDF5
/// convention, run after run, each in time order, stand the same frames as an AMBER NetCDF file <stage>.nc.
enum SimulateStage: RecordedStage {
  static let version = 1
  static let summary = "molecular dynamics from several starts, each led there by slow steering"
  static let reads: [SharedField] =
    SharedField.molecule + [.simulatedBy, .simulatedInstead, .temperature, .torsions] + SharedField.stateFields
  static let output = Recorded.simulate
  static let sideFiles = [SideFile("nc") { _ = try TrajectoryExport.write($0, to: $1) }]

  struct Parameters: ParameterGroup {
    @Parameter("the torsions that lead to the starts, by name; the states' if left out", count: 0...8, single: true)
    var steering: [String]?
    @Parameter(
      "for each start, the angles of the steered torsions; left out, one start inside the state and one outside, at the middle; with several "
        + "states one inside each",
      unit: "rad", in: -360...360, count: 1...1000, single: true) var starts: [[Double]]?
    @Parameter("independent runs from each start", in: 1...10_000) var runs = 4
    @Parameter("lead the side chains too, so that the runs of a start begin at each of the staggered places in turn")
    var rotamers = true
    @Parameter("of each run", unit: "ps", in: .positive) var length = 1000.0
    @Parameter("between frames", unit: "ps", in: .positive) var saveInterval = 0.5
    @Parameter("of each run, before its first frame", unit: "ps", in: .atLeastZero) var equilibration = 20.0
    @Parameter(
      "of each run's way to its start. A fast pull turns stereocentres inside out: such a start is tried again in twice the time",
      unit: "ps", in: .atLeastZero) var steeringTime = 200.0
    @Parameter("of the wells that steer", unit: "kJ/mol/rad2", in: .positive) var steeringForce = 200.0
    @Parameter("to reach a start, each taking twice as long", in: 1...10) var attempts = 4
    let dynamics = DynamicsParameters(
      unchanged: "distribution of positions",
      rotamerMoves: (
        "about every 0.1 ps, and once before each frame,",
        "the frames' side chains come to rest sooner, but in time the runs are no plain dynamics any more"
      ))
  }

  static func check(_ stage: PlannedStage) throws {
    guard let molecule = MoleculeCheck.run(stage, needs: .dynamics), let states = try? molecule.states() else { return }
    let parameters = try stage.parameters(Parameters.self)
    parameters.dynamics.check(stage, molecule)
    guard let targets = stage.checking(.stage, { try SimulationTargets(parameters, molecule, states) }) else { return }
    let frames = Double(parameters.runs * targets.starts.count) * parameters.length / parameters.saveInterval
    // the frames stand in the artifact and in a NetCDF file beside it
    stage.writes(frames: frames, atoms: molecule.topology.atoms.count, bytesPerNumber: 8)
  }

  /// Throws `SimulateError`, `MolecularSystemError`, `SimulationError`, `OpenMMError`, `MoleculesError`, with advice where there is some.
  static func run(_ context: StageContext) throws {
    try withAdvice {
      let setup = try SimulateSetup(context, context.parameters(Parameters.self))
      let simulation = try setup.simulation()
      var frames = try SimulateFrames(context, setup: setup, simulation: simulation)
      context.logCost(of: simulation, most: false)
      let already = simulation.simulatedTime
      let watch = Stopwatch()
      try sample(context, simulation, &frames)
      let seconds = watch.seconds
      context.logSpeed(of: simulation, since: already, seconds: seconds)
      try setup.write(simulation, frames.coordinates, to: context)
      try context.write(output, simulation, moves: setup.moves, seconds: seconds)
    }
  }

  /// Advances to the end, with checkpoints by time.
  private static func sample(
    _ context: StageContext, _ simulation: LangevinSimulation, _ frames: inout SimulateFrames
  ) throws {
    guard !simulation.isFinished else { return }
    context.progress.begin("dynamics", total: Int(simulation.totalTime.rounded()), unit: "ps")
    defer { context.progress.end() }
    var clock = CheckpointClock(context)
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
      try clock.saveIfDue(force: simulation.isFinished) { try frames.savePart(simulation) }
    }
  }
}
