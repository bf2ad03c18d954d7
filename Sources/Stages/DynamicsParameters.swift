import Artifacts
import Basics
import Dynamics
import ForceFields
import Foundation
import OpenMM
import Records
import Workflow

/// What every stage with dynamics is told, among its own keys.
struct DynamicsParameters: ParameterGroup {
  let langevin: LangevinParameters
  @Parameter var rotamerMoves: Bool?

  init() { self.init(unchanged: "distribution of positions", rotamerMoves: ("now and then", "no plain dynamics")) }

  /// `unchanged`: what masses do not enter. `moves`: when one is tried, and to what end.
  init(unchanged: String, rotamerMoves moves: (when: String, effect: String)) {
    langevin = LangevinParameters(unchanged: unchanged)
    _rotamerMoves = Parameter(
      "\(moves.when) one of the side chain's torsions tries to turn by about a third of a turn (any angle where it has no "
        + "staggered places), by Metropolis' rule: \(moves.effect). Off if left out")
  }

  /// Torsions named by four atoms in `besides` are not turned.
  func moves(of molecule: MolecularSystem, besides biased: [[Int]] = []) -> TorsionMoves {
    rotamerMoves == true ? TorsionMoves(sideChainsOf: molecule.topology, besides: biased) : .none
  }

  /// Throws `MoleculesError.hydrogenMass`.
  func settings(
    _ context: StageContext, _ molecule: MolecularSystem, _ system: System, external: ExternalForces?,
    moves: TorsionMoves
  ) throws -> DynamicsSettings {
    try langevin.settings(context, molecule, system, external: external, moves: moves)
  }

  /// Refuses what needs an OpenMM System where the force field has none.
  func check(_ stage: PlannedStage, _ molecule: MolecularSystem) {
    guard langevin.forces == .openmm, let external = try? molecule.externalForces() else { return }
    stage.refuse(
      "forces: openmm is for force fields that OpenMM runs; the forces here are by \(external.name): leave it out",
      at: .parameter("forces"))
  }
}

/// How Langevin dynamics runs, whatever its stage makes of it.
struct LangevinParameters: ParameterGroup {
  @Parameter("of the Langevin dynamics", unit: "ps", in: 1e-5...0.01) var timestep = 0.001
  @Parameter("of the Langevin dynamics", unit: "1/ps", in: .positive) var friction = 1.0
  @Parameter var hydrogenMass: Double?
  @Parameter(
    "auto: the built-in kernel where it covers the force field and agrees with OpenMM on the first frame, else OpenMM; "
      + "openmm: OpenMM's Reference platform always") var forces = Forces.auto
  private let standardHydrogenMass: Double?

  enum Forces: String, CaseIterable, ParameterType {
    case auto, openmm
  }

  init() { self.init(unchanged: "distribution of positions") }

  /// `unchanged`: what masses do not enter. `hydrogenMass`: dalton, where the file gives none and no bond is held.
  init(unchanged: String, timestep: Double = 0.001, hydrogenMass standard: Double? = nil) {
    let leftOut =
      standard.map { String(format: "%g if left out and no bond is held", $0) }
      ?? "3 with a timestep of 0.002; the force field's masses if left out"
    _hydrogenMass = Parameter(
      "makes every hydrogen this heavy at the cost of its neighbour, which changes no \(unchanged) and allows longer "
        + "timesteps: \(leftOut)", unit: "dalton", in: 1...5)
    standardHydrogenMass = standard
    _timestep.takeDefault(timestep)
  }

  /// Throws `MoleculesError.hydrogenMass`.
  func settings(
    _ context: StageContext, _ molecule: MolecularSystem, _ system: System, external: ExternalForces? = nil,
    moves: TorsionMoves
  ) throws -> DynamicsSettings {
    if system.constraintCount > 0, hydrogenMass != nil {
      context.warn(
        "hydrogen_mass beside constraints: what constrained dynamics samples depends on the masses, though little where bonds alone are held",
        .note
      )
    }
    let heavy = hydrogenMass ?? (system.constraintCount == 0 ? standardHydrogenMass : nil)
    return DynamicsSettings(
      temperature: molecule.temperature, timestep: timestep, friction: friction, threads: context.threads,
      seed: context.seed,
      masses: try heavy.map { try molecule.topology.repartitionedMasses(system.masses, hydrogenMass: $0) },
      plainForces: forces == .openmm, moves: moves.moves, externalForces: external)
  }
}

extension StageContext {
  /// Says what dynamics will cost where its forces are dear: `most`: whether it may end sooner.
  func logCost(of run: some DynamicsRun, most: Bool) {
    let timestep = run.dynamics.settings.timestep
    let steps = ((run.totalTime - run.simulatedTime) / timestep).rounded()
    guard let seconds = run.secondsPerStep, steps >= 1 else { return }
    let threads = max(1, run.dynamics.settings.threads)
    let wait = NumberText.duration(seconds: seconds * steps / Double(threads))
    log(
      "forces by \(run.forceProvider): \(NumberText.significant(1000 * seconds, 3)) ms a step on one thread; "
        + "\(most ? "at most " : "")\(NumberText.count(Int(steps))) steps of \(NumberText.significant(timestep)) ps are to do, "
        + "\(wait) on \(threads) \(threads == 1 ? "thread" : "threads, where as many walks go side by side")")
  }

  /// Says how quick the dynamics was since it stood at `already` ps.
  func logSpeed(of run: some DynamicsRun, since already: Double, seconds: Double) {
    let simulated = run.simulatedTime - already
    guard simulated > 0 else { return }
    log(
      "\(Int(simulated)) ps in \(String(format: "%.0f", seconds)) s, "
        + "\(Int(simulated / run.dynamics.settings.timestep / seconds)) steps/s, forces by \(run.forceProvider)"
        + (run.kernelRefusal.map { " (not by the built-in kernel: \($0))" } ?? ""))
  }

  /// Writes what the dynamics cost, and what became of its moves where there are any.
  func write(_ record: some DynamicsRecord, _ run: some DynamicsRun, moves: TorsionMoves, seconds: Double) throws {
    try output.write(record.simulatedTime, run.simulatedTime)
    try output.write(record.energyEvaluations, run.energyEvaluations)
    try output.write(record.seconds, seconds)
    guard !moves.names.isEmpty else { return }
    try output.write(record.moves.names, moves.names)
    try output.write(
      record.moves.acceptance,
      zip(run.work.movesTaken, run.work.movesTried).map { $1 > 0 ? Double($0) / Double($1) : 0 })
  }
}

/// What the artifacts of all stages with dynamics say of it.
protocol DynamicsRecord: Record {
  var simulatedTime: Number<Double> { get }
  var energyEvaluations: Number<Int> { get }
  var moves: TorsionMoveRecord { get }
  var seconds: Measured { get }
}

extension SimulateRecord: DynamicsRecord {}
extension UmbrellaRecord: DynamicsRecord {}
extension ExploreRecord: DynamicsRecord {}

extension Artifact {
  /// Checkpoints made before there were moves say nothing of them.
  func work(_ steps: Number<Int>, _ tried: Numbers<Int>, _ taken: Numbers<Int>) throws -> DynamicsWork {
    var work = DynamicsWork(moves: 0)
    work.steps = try read(steps)
    work.movesTried = try readIfThere(tried)?.values ?? []
    work.movesTaken = try readIfThere(taken)?.values ?? []
    return work
  }
}
