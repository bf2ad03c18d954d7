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
  /// Of the trajectory, with those that are left out.
  var allAtoms: Int { (reader as? SelectedAtoms)?.allAtoms ?? reader.atomCount }

  /// What the stage was told to read. Everything is opened and checked before the first frame is read: a mistake in the last file
  /// shows at once.
  /// Throws `IngestError.source` unless the stage was told one thing, `IngestError.frameRange`, `TrajectoryError`.
  static func all(
    _ context: StageContext, _ parameters: IngestStage.Parameters, _ molecule: Molecule, _ preparation: FramePreparation
  ) throws -> [Self] {
    let topology = molecule.topology
    let readers: [any TrajectoryReader]
    switch (parameters.trajectory, context.optionalInput(\IngestStage.Inputs.simulation)) {
    case (let files?, nil):
      readers = try files.map { file in
        let reader = try open(file.url, molecule, preparation)
        for warning in reader.warnings { context.warn(warning) }
        return reader
      }
    case (nil, let simulation?): readers = [try SimulatedFrames(simulation, topology: topology)]
    case (let files, _): throw IngestError.source(both: files != nil)
    }
    var sources = try readers.map { try IngestSource($0, parameters) }
    let chosen = try chooseTemperature(sources, parameters.temperatureOfFrames)
    for index in sources.indices { sources[index].temperature = chosen }
    if parameters.trajectory != nil { try warnOfRepeatedFrames(sources, context) }
    return sources
  }

  /// Throws `IngestError.frameRange`.
  init(_ reader: any TrajectoryReader, _ parameters: IngestStage.Parameters) throws {
    self.reader = reader
    do {
      frames = try reader.selection(first: parameters.first, last: parameters.last, stride: parameters.stride)
    } catch TrajectoryError.selection(let file, let first, let last, let available) {
      throw IngestError.frameRange(file: file, first: first, last: last, available: available)
    }
  }

  /// Opens a file and takes the molecule's atoms of it. Throws `TrajectoryError`, `IngestError.surroundings`.
  static func open(
    _ file: URL, _ molecule: Molecule, _ preparation: FramePreparation
  ) throws -> any TrajectoryReader {
    try selected(TrajectoryFile.open(file, atomsIfUntold: molecule.kept.total), molecule, preparation)
  }

  /// The molecule's atoms of a trajectory that holds more. Where the topology knows nothing of the others, the molecule is taken to come
  /// first, if its bonds and its hand are found there.
  private static func selected(
    _ reader: any TrajectoryReader, _ molecule: Molecule, _ preparation: FramePreparation
  ) throws -> any TrajectoryReader {
    let (found, expected) = (reader.atomCount, molecule.topology.atoms.count)
    if found == expected { return reader }
    if found == molecule.kept.total { return SelectedAtoms(reader, molecule.kept.indices) }
    guard found > expected else {
      throw TrajectoryError.atomCount(file: reader.url.path, found: found, expected: expected)
    }
    let first = SelectedAtoms(reader, Array(0..<expected))
    let start = try first.frames(first.selection(last: min(first.frameCount, 20) - 1))
    guard molecule.kept.areAll, !start.prepared(by: preparation, file: reader.url.path).sound.indices.isEmpty,
      try standsAlone(reader, expected, frames: start.indices)
    else { throw IngestError.surroundings(file: reader.url.path, found: found, topology: molecule.kept.total) }
    return first
  }

  /// Nothing that is left out is as close to the first atoms as if it were bonded to them: a topology that lacks an atom is no solute.
  private static func standsAlone(_ reader: any TrajectoryReader, _ atoms: Int, frames: [Int]) throws -> Bool {
    let nearest = 0.13  // nm: longer than bonds to hydrogen, shorter than hydrogen bonds
    for frame in frames {
      let x = try reader.readFrames(frame..<frame + 1)
      for other in atoms..<reader.atomCount {
        for own in 0..<atoms {
          var square = 0.0
          for axis in 0..<3 {
            let d = x[3 * own + axis] - x[3 * other + axis]
            square += d * d
          }
          if square < nearest * nearest { return false }
        }
      }
    }
    return true
  }
}

/// Some atoms of a trajectory.
struct SelectedAtoms: TrajectoryReader {
  private let reader: any TrajectoryReader
  private let atoms: [Int]
  var url: URL { reader.url }
  var frameCount: Int { reader.frameCount }
  var atomCount: Int { atoms.count }
  var hasTimes: Bool { reader.hasTimes }
  var warnings: [String] { reader.warnings }
  /// Of the trajectory, with those that are left out.
  var allAtoms: Int { reader.atomCount }

  init(_ reader: any TrajectoryReader, _ atoms: [Int]) { (self.reader, self.atoms) = (reader, atoms) }

  func readFrames(_ range: Range<Int>) throws -> [Double] {
    let all = try reader.readFrames(range)
    let width = 3 * reader.atomCount
    var kept: [Double] = []
    kept.reserveCapacity(3 * atoms.count * range.count)
    for frame in 0..<range.count {
      for atom in atoms { kept += all[(frame * width + 3 * atom)..<(frame * width + 3 * atom + 3)] }
    }
    return kept
  }

  func readTimes(_ range: Range<Int>) throws -> [Double]? { try reader.readTimes(range) }
  func readCells(_ range: Range<Int>) throws -> [UnitCell]? { try reader.readCells(range) }
  func readTemperatures(_ range: Range<Int>) throws -> [Double]? { try reader.readTemperatures(range) }
}
