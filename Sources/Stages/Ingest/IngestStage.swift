import Foundation
import Molecules
import Records
import Trajectories
import Workflow

/// `ingest`: frames of one molecule from trajectories or from a simulation, checked, made whole and centred.
///
/// Reads in chunks: memory depends on the chunk, not on the trajectory. A large trajectory is saved in parts on the way, so that
/// a run that was killed goes on where the last part ends. The centre that lies at the origin is the centre of mass, in Double
/// before the rounding to Float32.
enum IngestStage: RecordedStage {
  static let version = 3
  static let summary =
    "Reads trajectories (\(formats)) or a simulation's frames, checks every one, makes molecules whole and centres them."
  static let reads: [SharedField] = SharedField.molecule + [.torsions, .heldForcefield, .heldTemperature]
  static let readsWith = [
    "constraints": [SharedField.optionalForcefield, .temperature], "forces": TargetForces.fields,
  ]
  static let consults: [SharedField] = SharedField.stateFields
  static let output = Recorded.ingest

  struct Inputs: StageInputs {
    let simulation = Input("a simulate stage, in place of files", of: SimulateStage.self, optional: true)
  }

  enum Forces: String, CaseIterable, ParameterType { case keep }
  enum BadFrames: String, CaseIterable, ParameterType { case refuse, drop }

  struct Parameters: ParameterGroup {
    @Parameter(
      "Trajectory file, or a list of them, read in this order. Known by its content: \(IngestStage.formats).",
      count: 1...Int.max, single: true)
    var trajectory: [InputFile]?
    @Parameter("Take every n-th frame of each file.", in: .count) var stride = 1
    @Parameter("First frame taken of each file, from 0.", in: 0...Int.max) var first = 0
    @Parameter("Last frame taken of each file; the file's last if left out.", in: 0...Int.max) var last: Int?
    @Parameter("What to do about frames that are not finite, have an inverted stereocentre or a broken bond.")
    var badFrames = BadFrames.refuse
    @Parameter(
      "What to do about bonds that constraints held at one length. flexible: draw each length anew from the law of its spring in "
        + "system.forcefield; rigid: keep each at its length, as a constant of the molecule; keep: leave the frames alone. Left out: flexible "
        + "where system.forcefield has springs for these bonds, rigid where it holds them by constraints, and without a force field ingest "
        + "stops and names them."
    )
    var constraints: IngestConstraints.Treatment?
    @Parameter("How far a bond may be from its length in the topology, relative.", in: 0.01...10)
    var bondTolerance = 0.3
    @Parameter(
      "keep: the force on each atom, by the force field of the dynamics (system.sampled_by, else system.forcefield), stands beside the "
        + "frames: a transferable-emulator needs it.")
    var forces: Forces?
    @Parameter("Frames held in memory at once; as many as fit into 8 MiB if left out. Changes no result.", in: .count)
    var chunkFrames: Int?
    @Parameter(
      "Temperature whose frames are taken, where the files hold those of several (replica exchange).", unit: "K",
      in: 1e-3...1e5)
    var temperatureOfFrames: Double?
  }

  /// What files may be.
  static let formats = TrajectoryFormat.all.map(\.name).joined(separator: ", ")

  /// Opens every trajectory and holds it against the molecule; its frames are not read.
  static func check(_ stage: PlannedStage) throws {
    let parameters = try stage.parameters(Parameters.self)
    let mayHold = parameters.constraints != nil && parameters.constraints != .flexible
    let system = MoleculeCheck.run(stage, needs: parameters.forces.map { _ in mayHold ? .rigidEnergies : .energies })
    let hasSimulation = !stage.inputs(\Inputs.simulation).isEmpty
    guard (parameters.trajectory == nil) == hasSimulation else {
      return stage.refuse("\(IngestError.source(both: hasSimulation))")
    }
    guard let system,
      let preparation = stage.checking(.shared(.topology), { try FramePreparation(topology: system.topology) })
    else { return }
    var frames = 0
    for file in parameters.trajectory ?? [] {
      let source = stage.checking(.parameter("trajectory")) {
        let reader = try IngestSource.open(file.url, system.molecule, preparation)
        return try IngestSource(reader, parameters)
      }
      frames += source?.frames.count ?? 0
    }
    stage.writes(frames: Double(frames), atoms: system.topology.atoms.count, bytesPerNumber: 4)
  }

  /// Whether bonds of a stage's frames may stay at one length: its file says so, or leaves it to a force field, and frames hold some.
  static func mayKeepBonds(_ stage: PlannedStage) -> Bool {
    guard let told = stage.values["constraints"]?.string else {
      return (stage.shared[SharedField.heldForcefield.name] ?? .null) != .null
    }
    return told == IngestConstraints.Treatment.rigid.rawValue
  }

  /// Throws `TrajectoryError`, `MoleculesError`, `MolecularSystemError`, `IngestError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    // held bonds go by the pipeline's force field, forces by that of the dynamics
    let hasOwn = (context.shared[SharedField.optionalForcefield.name] ?? .null) != .null
    let system = try MolecularSystem(context, forcefield: hasOwn ? .optionalForcefield : .heldForcefield)
    let topology = system.topology
    let preparation = try FramePreparation(topology: topology, bondTolerance: parameters.bondTolerance)
    let sources = try IngestSource.all(context, parameters, system.molecule, preparation)
    report(system.molecule, sources, to: context)
    let constraints = try IngestConstraints(context, parameters.constraints, sources, preparation, system)
    let forces = try parameters.forces.map { _ in try TargetForces.ofDynamics(context, rigid: constraints.rigid) }
    var output = try IngestOutput(
      context: context, system: system, constraints: constraints, forces: forces, torsions: system.namedTorsions(),
      files: sources.map(\.reader.url),
      hasTimes: sources.allSatisfy(\.reader.hasTimes))

    let total = sources.reduce(0) { $0 + $1.frames.count }
    let chunk = parameters.chunkFrames ?? max(1, (8 << 20) / (24 * (sources.map(\.allAtoms).max() ?? 1)))
    let saving = savesParts(frames: total, atoms: topology.atoms.count, interval: context.checkpointInterval)
    var completed = try output.resume()
    if completed > 0 { context.log("going on from frame \(completed) of \(total)") }
    var skipped = 0
    var clock = CheckpointClock(context)
    context.progress.begin("reading frames", total: total, unit: "frames")
    defer { context.progress.end() }
    for (fileIndex, source) in sources.enumerated() {
      let first = min(source.frames.count, completed - skipped)
      skipped += first
      for start in stride(from: first, to: source.frames.count, by: chunk) {
        let part = start..<min(start + chunk, source.frames.count)
        try output.add(
          source.read(part), file: fileIndex, checkedBy: preparation, saving: saving)
        completed += part.count
        skipped += part.count
        context.progress.update(
          completed: completed, metrics: output.badCount > 0 ? [("bad", "\(output.badCount)")] : [])
        if completed < total { try clock.saveIfDue { try output.savePart(step: completed) } }
      }
    }
    try output.finish(policy: parameters.badFrames)
  }

  /// Says what was made of the files, and what is left out of them.
  private static func report(_ molecule: Molecule, _ sources: [IngestSource], to context: StageContext) {
    for warning in molecule.warnings { context.warn(warning) }
    let atoms = molecule.topology.atoms.count
    guard let most = sources.map(\.allAtoms).max(), most > atoms || !molecule.kept.areAll else { return }
    let others = molecule.surroundings.map { " (\($0))" } ?? ""
    let first = molecule.kept.areAll ? "the first " : ""
    context.warn(
      "\(first)\(atoms) of \(max(most, molecule.kept.total)) atoms are the molecule, the others\(others) are left out: "
        + "populations of these frames are those in the trajectory's surroundings, and free energies by a force field are those of "
        + "the molecule alone, in its implicit solvent or in vacuum", .note)
  }

  /// Below this size of the coordinates a trajectory is read again faster than parts of it are worth. Bytes.
  static let smallTrajectory = 64 << 20

  /// Whether parts are saved on the way: for a large trajectory, or where checkpoints are asked for every moment.
  static func savesParts(frames: Int, atoms: Int, interval: Double) -> Bool {
    interval < 1 || Double(frames) * Double(12 * atoms) >= Double(smallTrajectory)
  }
}
