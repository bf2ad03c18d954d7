import Artifacts
import Basics
import Foundation
import Molecules
import Trajectories
import Workflow

/// `ingest`: frames of one molecule from AMBER NetCDF trajectories, checked, made whole and centred.
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
/// | dropped/count | frames left out; file, frame, reason [count] name them, reason_names [reasons] the reasons |
///
/// The centre that lies at the origin is the centre of mass (mass-weighted), in Double before the rounding to Float32.
public enum IngestStage: StageType {
  public static let type = "ingest"
  public static let version = 1
  public static let summary =
    "Reads AMBER NetCDF trajectories, checks every frame, makes molecules whole and centres them."
  public static let systemFields: Set<SystemField> = [.topology, .torsions]

  public static let parameters: [ParameterField] = [
    ParameterField(
      "trajectory", .list(.path, acceptsSingle: true, count: 1...Int.max),
      help: "AMBER NetCDF file, or a list of them, read in this order."),
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
    let trajectory: [String]
    let stride: Int
    let first: Int
    let last: Int?
    let badFrames: BadFrames
    let bondTolerance: Double
    let chunkFrames: Int?
  }

  /// Throws `TrajectoryError`, `MoleculesError`, `IngestError`.
  public static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let topology = try Topology.read(pdb: context.system.topology)
    let frames = try IngestFrames(topology: topology, tolerance: parameters.bondTolerance)
    // All files are opened and checked before the first frame is read: a mistake in the last one shows at once.
    let sources = try parameters.trajectory.map { path in
      let trajectory = try AMBERTrajectory(url: URL(fileURLWithPath: path), expectedAtoms: topology.atoms.count)
      for warning in trajectory.warnings { context.warn(warning) }
      return try IngestSource(trajectory: trajectory, parameters)
    }
    var output = try IngestOutput(
      context: context, topology: topology, torsions: NamedTorsions(context.system, topology),
      files: sources.map(\.trajectory.url), hasTimes: sources.allSatisfy(\.trajectory.hasTimes))

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

/// One file and the frames taken of it.
struct IngestSource {
  let trajectory: AMBERTrajectory
  /// Indices in the file.
  let frames: IngestSelection

  init(trajectory: AMBERTrajectory, _ parameters: IngestStage.Parameters) throws {
    self.trajectory = trajectory
    let last = parameters.last ?? trajectory.frameCount - 1
    guard parameters.first <= last, last < trajectory.frameCount else {
      throw IngestError.frameRange(
        file: trajectory.url.path, first: parameters.first, last: last, available: trajectory.frameCount)
    }
    frames = IngestSelection(first: parameters.first, last: last, step: parameters.stride)
  }

  /// Raw frames of the given positions in `frames`.
  func read(_ part: Range<Int>) throws -> IngestChunk {
    var chunk = IngestChunk(atoms: trajectory.atomCount)
    // Close frames are read in one piece and picked from it, distant ones each by itself.
    if frames.step <= 4 {
      let span = frames[part.lowerBound]..<(frames[part.upperBound - 1] + 1)
      try chunk.append(trajectory, span, picking: frames.step)
    } else {
      for position in part {
        try chunk.append(trajectory, frames[position]..<(frames[position] + 1), picking: 1)
      }
    }
    return chunk
  }
}

/// The frames first, first + step, ... up to last, by position.
struct IngestSelection {
  let first: Int
  let last: Int
  let step: Int

  var count: Int { (last - first) / step + 1 }
  subscript(position: Int) -> Int { first + position * step }
}

/// Some raw frames of one file.
struct IngestChunk {
  let atoms: Int
  var indices: [Int] = []
  /// [frames, atoms, 3], nm.
  var coordinates: [Double] = []
  var times: [Double] = []
  var cells: [UnitCell] = []

  init(atoms: Int) { self.atoms = atoms }

  mutating func append(_ trajectory: AMBERTrajectory, _ span: Range<Int>, picking step: Int) throws {
    let width = 3 * atoms
    let all = try trajectory.readFrames(span)
    let times = try trajectory.readTimes(span)
    let cells = try trajectory.readCells(span)
    if step == 1 {
      coordinates += all
    }
    for offset in stride(from: 0, to: span.count, by: step) {
      indices.append(span.lowerBound + offset)
      if step > 1 { coordinates += all[(offset * width)..<((offset + 1) * width)] }
      if let times { self.times.append(times[offset]) }
      if let cells { self.cells.append(cells[offset]) }
    }
  }
}
