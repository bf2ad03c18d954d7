import Basics
import Artifacts
import Foundation
import FreeEnergies
import Generative
import Molecules
import Records
import Trajectories
import Workflow

/// Frames that were checked and prepared, as they go into the artifact.
private struct IngestRows {
  var coordinates: [Float] = []
  /// kJ/mol/nm; empty where nobody asked.
  var forces: [Float] = []
  var times: [Float] = []
  /// By torsion, rad.
  var angles: [[Double]] = []
  var files: [Int32] = []
  var frames: [Int] = []
  var droppedFiles: [Int32] = []
  var droppedFrames: [Int] = []
  var droppedReasons: [UInt8] = []
}

/// The frames artifact while it grows, and the parts of it that are saved on the way.
struct IngestOutput {
  private let record = IngestStage.output
  private let listedRecord = Recorded.ingestPart
  private let context: StageContext
  private let topology: Topology
  private let torsions: NamedTorsions
  private let files: [URL]
  private let hasTimes: Bool
  private let constraints: IngestConstraints
  private let forces: BoltzmannForces?
  private var occupancy: StateCount?
  private var kept = 0
  private(set) var badCount = 0
  private var slow: SlowTorsionRecorder
  /// The first few bad frames, for messages.
  private var listed: [BadFrame] = []
  private static let listedAtMost = 10

  private var part: ArtifactWriter?  // The part that is being written, if parts are wanted
  private var parts = 0

  private var writer: ArtifactWriter { context.output }
  private var angles: [Numbers<Double>] { torsions.names.map { record.trajectory.torsions.angles[$0] } }

  init(
    context: StageContext, system: MolecularSystem, constraints: IngestConstraints, forces: BoltzmannForces?,
    torsions: NamedTorsions, files: [URL],
    hasTimes: Bool
  ) throws {
    (self.context, self.topology, self.torsions, self.files) = (context, system.topology, torsions, files)
    (self.hasTimes, self.constraints, self.forces) = (hasTimes, constraints, forces)
    occupancy = StateCount(system)
    slow = SlowTorsionRecorder(topology)
    try MDTrajConvention.begin(writer, topologyJSON: topology.mdtrajJSON)
    try begin(writer)
    try writer.write(record.trajectory.origin, "centre of mass")
    for (name, atoms) in zip(torsions.names, torsions.atoms) {
      try writer.write(record.trajectory.torsions.atoms[name], atoms.map(String.init).joined(separator: ","))
    }
    try writer.write(record.files, files.map(\.lastPathComponent))
    try writer.write(record.reasonNames, FrameFault.Reason.allCases.map(\.name))
    if let ensemble = constraints.ensemble { try writer.write(record.constraints, ensemble.rawValue) }
    if let rigid = constraints.rigid {
      let atoms = rigid.bonds.flatMap { [$0.first, $0.second] }
      try writer.write(record.heldBonds, atoms, shape: [rigid.bonds.count, 2])
      try writer.write(record.heldLengths, rigid.lengths)
    }
  }

  /// Makes the empty streams, the same in the artifact and in a part of it.
  private func begin(_ writer: ArtifactWriter) throws {
    try writer.begin(record.trajectory.coordinates, rowShape: [topology.atoms.count, 3])
    if forces != nil { try writer.begin(record.forces, rowShape: [topology.atoms.count, 3]) }
    if hasTimes { try writer.begin(record.trajectory.time) }
    for field in angles { try writer.begin(field) }
    try writer.begin(record.sourceFile)
    try writer.begin(record.sourceFrame)
    try writer.begin(record.droppedFile)
    try writer.begin(record.droppedFrame)
    try writer.begin(record.droppedReason)
  }

  private func append(_ rows: IngestRows, to writer: ArtifactWriter) throws {
    try writer.append(record.trajectory.coordinates, rows.coordinates)
    if forces != nil { try writer.append(record.forces, rows.forces) }
    if hasTimes { try writer.append(record.trajectory.time, rows.times) }
    for (field, values) in zip(angles, rows.angles) { try writer.append(field, values) }
    try writer.append(record.sourceFile, rows.files)
    try writer.append(record.sourceFrame, rows.frames)
    try writer.append(record.droppedFile, rows.droppedFiles)
    try writer.append(record.droppedFrame, rows.droppedFrames)
    try writer.append(record.droppedReason, rows.droppedReasons)
  }

  /// Checks and prepares raw frames of a file, and writes the good ones; with `saving` also to a part, for `savePart`.
  mutating func add(_ raw: TrajectoryFrames, file: Int, checkedBy preparation: FramePreparation, saving: Bool) throws {
    var (sound, bad) = raw.prepared(by: preparation, file: files[file].path)
    try constraints.apply(to: &sound, source: file, file: files[file].lastPathComponent)
    badCount += bad.count
    listed += bad.prefix(Self.listedAtMost - listed.count)
    var rows = IngestRows(
      coordinates: sound.coordinates.map { Float($0) }, times: hasTimes ? sound.times.map { Float($0) } : [],
      files: [Int32](repeating: Int32(file), count: sound.indices.count), frames: sound.indices,
      droppedFiles: [Int32](repeating: Int32(file), count: bad.count), droppedFrames: bad.map(\.frame),
      droppedReasons: bad.map(\.fault.reason.rawValue))
    // of the coordinates as they are stored, so that whoever reads the file computes the same
    let stored = rows.coordinates.map(Double.init)
    rows.angles = torsions.angles(stored, atoms: topology.atoms.count).map(\.angles)
    if let forces { rows.forces = try forces.evaluate(stored).forces.map { Float($0) } }
    kept += rows.frames.count
    watchTorsions(rows)
    try append(rows, to: writer)
    guard saving else { return }
    if part == nil {
      let fresh = try context.checkpoints.beginPart(parts)
      try begin(fresh)
      part = fresh
    }
    if let part { try append(rows, to: part) }
  }

  private mutating func watchTorsions(_ rows: IngestRows) {
    occupancy?.add(rows.coordinates)
    slow.add(
      rows.coordinates, source: { Int(rows.files[$0]) }, time: { rows.times.isEmpty ? nil : Double(rows.times[$0]) })
  }

  /// Commits the part that holds what was added since the last one; `step` counts the frames that were read so far.
  mutating func savePart(step: Int) throws {
    guard let part else { return }
    try part.write(
      (listedRecord.frame, listed.map(\.frame)), (listedRecord.reason, listed.map(\.fault.reason.rawValue)),
      (listedRecord.file, listed.map(\.file)), (listedRecord.detail, listed.map(\.fault.detail)))
    try context.checkpoints.commitPart(part, index: parts, step: step)
    self.part = nil
    parts += 1
  }

  /// Takes over the parts that an earlier run saved. Returns how many frames they stand for.
  mutating func resume() throws -> Int {
    var step = 0
    for saved in try context.checkpoints.parts() {
      let artifact = saved.artifact
      let count = try artifact.shape(record.sourceFrame).first ?? 0
      // in pieces: a part may be large
      for start in stride(from: 0, to: count, by: 65_536) {
        let range = start..<min(count, start + 65_536)
        let rows = IngestRows(
          coordinates: try artifact.read(record.trajectory.coordinates, rows: range).values,
          forces: forces == nil ? [] : try artifact.read(record.forces, rows: range).values,
          times: hasTimes ? try artifact.read(record.trajectory.time, rows: range).values : [],
          angles: try angles.map { try artifact.read($0, rows: range).values },
          files: try artifact.read(record.sourceFile, rows: range).values,
          frames: try artifact.read(record.sourceFrame, rows: range).values)
        watchTorsions(rows)
        try append(rows, to: writer)
      }
      let dropped = IngestRows(
        angles: angles.map { _ in [] }, droppedFiles: try artifact.read(record.droppedFile).values,
        droppedFrames: try artifact.read(record.droppedFrame).values,
        droppedReasons: try artifact.read(record.droppedReason).values)
      try append(dropped, to: writer)
      kept += count
      badCount += dropped.droppedFrames.count
      let names = try (file: artifact.read(listedRecord.file), detail: artifact.read(listedRecord.detail))
      let frames = try artifact.read(listedRecord.frame).values
      let reasons = try artifact.read(listedRecord.reason).values
      listed = frames.indices.map { index in
        BadFrame(
          file: names.file[index], frame: frames[index],
          fault: FrameFault(reason: .init(rawValue: reasons[index]) ?? .notFinite, detail: names.detail[index]))
      }
      parts += 1
      step = saved.step
    }
    return step
  }

  /// Throws `IngestError.badFrames` or `.nothingLeft` where the policy says so; else writes the counts.
  func finish(policy: IngestStage.BadFrames) throws {
    if badCount > 0 {
      guard policy == .drop else { throw IngestError.badFrames(count: badCount, of: badCount + kept, listed: listed) }
      guard kept > 0 else { throw IngestError.nothingLeft(count: badCount, listed: listed) }
      let names = listed.prefix(3).map(\.description).joined(separator: "; ")
      context.warn(
        "\(badCount) of \(badCount + kept) frames were bad and were dropped: \(names)\(badCount > 3 ? "; ..." : "")",
        cure: "look at them before believing the others; results/dropped lists all of them")
    }
    try writer.write(record.frames, kept)
    if let forces { try writer.write(record.forcesTemperature, forces.temperature) }
    try writer.write(record.droppedCount, badCount)
    let found = slow.finish()
    try found.write(to: writer)
    for warning in found.warnings("frames", mended: true, called: torsions.called) { context.warn(warning) }
    if let occupancy {
      if let summary = occupancy.summary { context.log(summary) }
      for warning in occupancy.warnings { context.warn(warning) }
    }
  }
}

/// How many frames lie in each of the states that free energies will be asked of.
private struct StateCount {
  private let states: MolecularStates
  private var counts: [Int]

  /// Nil where the molecule has no such states.
  init?(_ system: MolecularSystem) {
    guard let states = try? system.states() else { return nil }
    (self.states, counts) = (states, states.set.names.map { _ in 0 })
  }

  mutating func add(_ coordinates: [Float]) {
    for (state, count) in states.assignment(of: coordinates.map(Double.init)).counts.enumerated() {
      counts[state] += count
    }
  }

  private var total: Int { counts.reduce(0, +) }

  /// "frames by state: alpha 120 (60.0 %), rest 80 (40.0 %)"; nil for the short form's two.
  var summary: String? {
    guard !states.isShort, total > 0 else { return nil }
    let parts = zip(states.set.names, counts).map {
      "\($0) \($1) (\(String(format: "%.1f", 100 * Double($1) / Double(total))) %)"
    }
    return "frames by state: " + parts.joined(separator: ", ")
  }

  var warnings: [Remark] {
    guard total > 0 else { return [] }
    return states.asked.filter { counts[$0] == 0 }.map { empty in
      Remark(
        "none of the \(total) frames lies in \(states.called(empty)): "
          + "an emulator of them knows nothing of it, and no free energy of the state can rest on its samples", .grave,
        cure: "add frames of it (a simulate stage may start there)")
    }
  }
}
