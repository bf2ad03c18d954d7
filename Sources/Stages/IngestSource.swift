import Artifacts
import Foundation
import Molecules
import Trajectories
import Workflow

/// Frames of one molecule in time order, as a file or a stage holds them.
protocol Recording {
  /// What messages and the artifact call it.
  var url: URL { get }
  var frameCount: Int { get }
  var atomCount: Int { get }
  var hasTimes: Bool { get }
  /// [frames, atoms, 3], nm.
  func readFrames(_ range: Range<Int>) throws -> [Double]
  /// ps
  func readTimes(_ range: Range<Int>) throws -> [Double]?
  func readCells(_ range: Range<Int>) throws -> [UnitCell]?
}

extension AMBERTrajectory: Recording {}

/// The frames of a simulate stage.
struct SimulatedFrames: Recording {
  let artifact: Artifact
  let frameCount: Int
  let atomCount: Int
  var url: URL { artifact.url }
  let hasTimes = true

  /// Throws `IngestError.otherMolecule`.
  init(_ input: StageInput, topology: Topology) throws {
    artifact = input.artifact
    let shape = try artifact.shape("coordinates")
    guard try artifact.readStrings("topology") == [topology.mdtrajJSON], shape.count == 3 else {
      throw IngestError.otherMolecule(stage: input.name)
    }
    frameCount = shape[0]
    atomCount = shape[1]
  }

  func readFrames(_ range: Range<Int>) throws -> [Double] {
    try artifact.read("coordinates", as: Double.self, rows: range).values
  }

  func readTimes(_ range: Range<Int>) throws -> [Double]? {
    try artifact.read("time", as: Double.self, rows: range).values
  }

  func readCells(_ range: Range<Int>) throws -> [UnitCell]? { nil }
}

extension IngestStage {
  /// What the stage was told to read. Throws `IngestError.source` unless it was told one thing.
  static func recordings(_ context: StageContext, _ parameters: Parameters, _ topology: Topology) throws
    -> [any Recording]
  {
    switch (parameters.trajectory, context.optionalInput("simulation")) {
    case (let files?, nil):
      return try files.map { path in
        let trajectory = try AMBERTrajectory(url: URL(fileURLWithPath: path), expectedAtoms: topology.atoms.count)
        for warning in trajectory.warnings { context.warn(warning) }
        return trajectory
      }
    case (nil, let simulation?): return [try SimulatedFrames(simulation, topology: topology)]
    case (let files, _): throw IngestError.source(both: files != nil)
    }
  }
}

/// One file and the frames taken of it.
struct IngestSource {
  let recording: any Recording
  /// Indices in the file.
  let frames: IngestSelection

  init(_ recording: any Recording, _ parameters: IngestStage.Parameters) throws {
    self.recording = recording
    let last = parameters.last ?? recording.frameCount - 1
    guard parameters.first <= last, last < recording.frameCount else {
      throw IngestError.frameRange(
        file: recording.url.path, first: parameters.first, last: last, available: recording.frameCount)
    }
    frames = IngestSelection(first: parameters.first, last: last, step: parameters.stride)
  }

  /// Raw frames of the given positions in `frames`.
  func read(_ part: Range<Int>) throws -> IngestChunk {
    var chunk = IngestChunk(atoms: recording.atomCount)
    // Close frames are read in one piece and picked from it, distant ones each by itself.
    if frames.step <= 4 {
      let span = frames[part.lowerBound]..<(frames[part.upperBound - 1] + 1)
      try chunk.append(recording, span, picking: frames.step)
    } else {
      for position in part {
        try chunk.append(recording, frames[position]..<(frames[position] + 1), picking: 1)
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

  mutating func append(_ recording: any Recording, _ span: Range<Int>, picking step: Int) throws {
    let width = 3 * atoms
    let all = try recording.readFrames(span)
    let times = try recording.readTimes(span)
    let cells = try recording.readCells(span)
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
