import Artifacts
import Basics
import Foundation
import Molecules
import Trajectories
import Workflow

/// `ingest`: frames of one molecule from AMBER NetCDF trajectories or from a simulation, checked, made whole and centred.
///
/// Reads in chunks: memory depends on the chunk, not on the trajectory. A large trajectory is saved in parts on the way, so that
/// a run that was killed goes on where the last part ends. Output: MDTraj's HDF5 trajectory convention 1.1
/// (/coordinates [frames, atoms, 3] float32 nm, /topology, /time where all files have times), and under /results:
///
/// | path | what |
/// |---|---|
/// | frames | frames taken over |
/// | files | names of the files, without folders |
/// | source/file, source/frame [frames] | index into `files`, and index in that file |
/// | torsions/NAME [frames] | rad in (-pi, pi] |
/// | slow_torsions/... | which torsions these frames do not sample, see `SlowTorsions` |
/// | dropped/count | frames left out; file, frame, reason [count] name them, reason_names [reasons] the reasons |
///
/// The centre that lies at the origin is the centre of mass (mass-weighted), in Double before the rounding to Float32.
enum IngestStage: StageType {
  static let type = "ingest"
  static let version = 2
  static let summary =
    "Reads AMBER NetCDF trajectories or a simulation's frames, checks every one, makes molecules whole and centres them."
  static let reads: [SharedField] = [.topology, .torsions]

  static let parameters: [ParameterField] = [
    ParameterField(
      "trajectory", .list(.path, acceptsSingle: true, count: 1...Int.max), optional: true,
      help: "AMBER NetCDF file, or a list of them, read in this order."),
    ParameterField(
      "simulation", .stage([SimulateStage.type]), optional: true, help: "a simulate stage, in place of files"),
    ParameterField("stride", .count, default: 1, help: "Take every n-th frame of each file."),
    ParameterField("first", .integer(0...Int.max), default: 0, help: "First frame taken of each file, from 0."),
    ParameterField(
      "last", .integer(0...Int.max), optional: true, help: "Last frame taken of each file; the file's last if left out."
    ),
    ParameterField(
      "bad_frames", .choice(["refuse", "drop"]), default: "refuse",
      help: "What to do about frames that are not finite, have an inverted stereocentre or a broken bond."),
    ParameterField(
      "bond_tolerance", .number(0.01...10), default: 0.3,
      help: "How far a bond may be from its length in the topology, relative."),
    ParameterField(
      "chunk_frames", .count, optional: true,
      help: "Frames held in memory at once; as many as fit into 8 MiB if left out. Changes no result."),
  ]

  struct Parameters: Decodable {
    enum BadFrames: String, Decodable { case refuse, drop }
    let trajectory: [String]?
    let simulation: String?
    let stride: Int
    let first: Int
    let last: Int?
    let badFrames: BadFrames
    let bondTolerance: Double
    let chunkFrames: Int?
  }

  /// Throws `TrajectoryError`, `MoleculesError`, `IngestError`.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let topology = try Topology.read(pdb: context.system.topology)
    let frames = try IngestFrames(topology: topology, tolerance: parameters.bondTolerance)
    // All files are opened and checked before the first frame is read: a mistake in the last one shows at once.
    let sources = try recordings(context, parameters, topology).map { try IngestSource($0, parameters) }
    var output = try IngestOutput(
      context: context, topology: topology, torsions: NamedTorsions(context.system, topology),
      files: sources.map(\.recording.url), hasTimes: sources.allSatisfy(\.recording.hasTimes))

    let total = sources.reduce(0) { $0 + $1.frames.count }
    let chunk = parameters.chunkFrames ?? max(1, (8 << 20) / (24 * max(1, topology.atoms.count)))
    let saving = savesParts(frames: total, atoms: topology.atoms.count, interval: context.checkpointInterval)
    var completed = try output.resume()
    if completed > 0 { context.log("going on from frame \(completed) of \(total)") }
    var skipped = 0
    var saved = Stopwatch()
    context.progress.begin("reading frames", total: total, unit: "frames")
    defer { context.progress.end() }
    for (fileIndex, source) in sources.enumerated() {
      let first = min(source.frames.count, completed - skipped)
      skipped += first
      for start in stride(from: first, to: source.frames.count, by: chunk) {
        let part = start..<min(start + chunk, source.frames.count)
        try output.add(source.read(part), file: fileIndex, checking: frames, saving: saving)
        completed += part.count
        skipped += part.count
        context.progress.update(
          completed: completed, metrics: output.badCount > 0 ? [("bad", "\(output.badCount)")] : [])
        guard completed < total else { break }
        let asked = context.interruptionRequested
        if asked || saved.seconds >= context.checkpointInterval {
          try output.savePart(step: completed)
          saved.restart()
          if asked { try context.checkInterruption() }
        }
      }
    }
    try output.finish(policy: parameters.badFrames)
  }
}

extension IngestStage {
  /// Below this size of the coordinates a trajectory is read again faster than parts of it are worth. Bytes.
  static let smallTrajectory = 64 << 20

  /// Whether parts are saved on the way: for a large trajectory, or where checkpoints are asked for every moment.
  static func savesParts(frames: Int, atoms: Int, interval: Double) -> Bool {
    interval < 1 || Double(frames) * Double(12 * atoms) >= Double(smallTrajectory)
  }
}
