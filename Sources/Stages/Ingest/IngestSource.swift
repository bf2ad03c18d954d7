import Artifacts
import Foundation
import Molecules
import Records
import Trajectories
import Workflow

/// The frames of a simulate stage.
struct SimulatedFrames: TrajectoryReader {
  private let record = Recorded.simulate.trajectory
  let artifact: Artifact
  let frameCount, atomCount: Int
  var url: URL { artifact.url }
  let hasTimes = true

  /// Throws `IngestError.otherMolecule`.
  init(_ input: StageInput, topology: Topology) throws {
    artifact = input.artifact
    let shape = try artifact.shape(record.coordinates)
    guard try artifact.read(record.topology) == [topology.mdtrajJSON], shape.count == 3 else {
      throw IngestError.otherMolecule(stage: input.name)
    }
    frameCount = shape[0]
    atomCount = shape[1]
  }

  func readFrames(_ range: Range<Int>) throws -> [Double] {
    try artifact.read(record.coordinates, as: Double.self, rows: range).values
  }

  func readTimes(_ range: Range<Int>) throws -> [Double]? {
    try artifact.read(record.time, as: Double.self, rows: range).values
  }
}

/// One trajectory and the frames taken of it.
struct IngestSource {
  let reader: any TrajectoryReader
  let frames: FrameSelection
  /// Frames of another temperature are left out, K; nil takes all.
  var temperature: Double?

  /// What the stage was told to read. Everything is opened and checked before the first frame is read: a mistake in the last file
  /// shows at once.
  /// Throws `IngestError.source` unless the stage was told one thing, `IngestError.frameRange`, `TrajectoryError`.
  static func all(
    _ context: StageContext, _ parameters: IngestStage.Parameters, _ topology: Topology
  ) throws -> [Self] {
    let readers: [any TrajectoryReader]
    switch (parameters.trajectory, context.optionalInput(\IngestStage.Inputs.simulation)) {
    case (let files?, nil):
      readers = try files.map { file in
        let reader = try TrajectoryFile.open(file.url, expectedAtoms: topology.atoms.count)
        for warning in reader.warnings { context.warn(warning) }
        return reader
      }
    case (nil, let simulation?): readers = [try SimulatedFrames(simulation, topology: topology)]
    case (let files, _): throw IngestError.source(both: files != nil)
    }
    var sources = try readers.map { reader in
      do {
        return IngestSource(
          reader: reader,
          frames: try reader.selection(first: parameters.first, last: parameters.last, stride: parameters.stride))
      } catch TrajectoryError.selection(let file, let first, let last, let available) {
        throw IngestError.frameRange(file: file, first: first, last: last, available: available)
      }
    }
    let chosen = try chooseTemperature(sources, parameters.temperatureOfFrames)
    for index in sources.indices { sources[index].temperature = chosen }
    if parameters.trajectory != nil { try warnOfRepeatedFrames(sources, context) }
    return sources
  }
}
