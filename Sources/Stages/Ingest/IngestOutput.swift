import Artifacts
import Foundation
import FreeEnergies
import Molecules
import Trajectories
import Workflow

/// Frames that were checked and prepared, as they go into the artifact.
struct IngestRows {
  var coordinates: [Float] = []
  var times: [Float] = []
  /// By torsion, rad.
  var angles: [[Double]] = []
  var files: [Int32] = []
  var frames: [Int64] = []
  var droppedFiles: [Int32] = []
  var droppedFrames: [Int64] = []
  var droppedReasons: [UInt8] = []
}

/// The frames artifact while it grows, and the parts of it that are saved on the way.
struct IngestOutput {
  private let context: StageContext
  private let writer: ArtifactWriter
  private let topology: Topology
  private let torsions: NamedTorsions
  private let files: [URL]
  private let hasTimes: Bool
  private var kept = 0
  private(set) var badCount = 0
  private var slow: SlowTorsionRecorder
  /// The first few bad frames, for messages.
  private var listed: [BadFrame] = []
  private static let listedAtMost = 10

  /// The part that is being written, if parts are wanted.
  private var part: ArtifactWriter?
  private var parts = 0

  init(
    context: StageContext, topology: Topology, torsions: NamedTorsions, files: [URL], hasTimes: Bool
  ) throws {
    self.context = context
    self.topology = topology
    self.torsions = torsions
    self.files = files
    self.hasTimes = hasTimes
    slow = SlowTorsionRecorder(topology)
    writer = context.output
    try MDTrajConvention.begin(writer, topologyJSON: topology.mdtrajJSON)
    try begin(writer)
    try writer.setAttribute("coordinates", "origin", "centre of mass")
    for (name, atoms) in zip(torsions.names, torsions.atoms) {
      try writer.setAttribute(Self.torsion(name), "atoms", atoms.map(String.init).joined(separator: ","))
    }
    try writer.write("results/files", strings: files.map(\.lastPathComponent))
    try writer.write("results/dropped/reason_names", strings: FrameFault.Reason.allCases.map(\.name))
  }

  private static func torsion(_ name: String) -> String { "results/torsions/\(name)" }

  /// Makes the empty streams, the same in the artifact and in a part of it.
  private func begin(_ writer: ArtifactWriter) throws {
    try writer.createAppendable(
      "coordinates", Float.self, rowShape: [topology.atoms.count, 3], units: "nanometers",
      dims: ["frame", "atom", "axis"])
    if hasTimes { try writer.createAppendable("time", Float.self, units: "picoseconds", dims: ["frame"]) }
    for name in torsions.names {
      try writer.createAppendable(Self.torsion(name), Double.self, units: "rad", dims: ["frame"])
    }
    try writer.createAppendable("results/source/file", Int32.self, dims: ["frame"])
    try writer.createAppendable("results/source/frame", Int64.self, dims: ["frame"])
    try writer.createAppendable("results/dropped/file", Int32.self, dims: ["dropped"])
    try writer.createAppendable("results/dropped/frame", Int64.self, dims: ["dropped"])
    try writer.createAppendable("results/dropped/reason", UInt8.self, dims: ["dropped"])
  }

  private func append(_ rows: IngestRows, to writer: ArtifactWriter) throws {
    try writer.append("coordinates", rows.coordinates)
    if hasTimes { try writer.append("time", rows.times) }
    for (name, angles) in zip(torsions.names, rows.angles) { try writer.append(Self.torsion(name), angles) }
    try writer.append("results/source/file", rows.files)
    try writer.append("results/source/frame", rows.frames)
    try writer.append("results/dropped/file", rows.droppedFiles)
    try writer.append("results/dropped/frame", rows.droppedFrames)
    try writer.append("results/dropped/reason", rows.droppedReasons)
  }

  /// Checks and prepares raw frames of a file, and writes the good ones; with `saving` also to a part, for `savePart`.
  mutating func add(
    _ raw: TrajectoryFrames, file: Int, checkedBy preparation: FramePreparation, saving: Bool
  ) throws {
    let (sound, bad) = raw.prepared(by: preparation, file: files[file].path)
    badCount += bad.count
    listed += bad.prefix(Self.listedAtMost - listed.count)
    var rows = IngestRows()
    rows.coordinates = sound.coordinates.map { Float($0) }
    if hasTimes { rows.times = sound.times.map { Float($0) } }
    rows.files = [Int32](repeating: Int32(file), count: sound.indices.count)
    rows.frames = sound.indices.map(Int64.init)
    rows.droppedFiles = [Int32](repeating: Int32(file), count: bad.count)
    rows.droppedFrames = bad.map { Int64($0.frame) }
    rows.droppedReasons = bad.map(\.fault.reason.rawValue)
    // of the coordinates as they are stored, so that whoever reads the file computes the same
    rows.angles = torsions.angles(rows.coordinates.map(Double.init), atoms: topology.atoms.count).map(\.angles)
    kept += rows.frames.count
    record(rows)
    try append(rows, to: writer)
    guard saving else { return }
    if part == nil {
      let fresh = try context.checkpoints.beginPart(parts)
      try begin(fresh)
      part = fresh
    }
    if let part { try append(rows, to: part) }
  }

  private mutating func record(_ rows: IngestRows) {
    slow.add(
      rows.coordinates, source: { Int(rows.files[$0]) }, time: { rows.times.isEmpty ? nil : Double(rows.times[$0]) })
  }

  // MARK: Parts

  /// Commits the part that holds what was added since the last one; `step` counts the frames that were read so far.
  mutating func savePart(step: Int) throws {
    guard let part else { return }
    try part.write("listed/frame", listed.map { Int64($0.frame) }, shape: [listed.count])
    try part.write("listed/reason", listed.map(\.fault.reason.rawValue), shape: [listed.count])
    try part.write("listed/file", strings: listed.map(\.file))
    try part.write("listed/detail", strings: listed.map(\.fault.detail))
    try context.checkpoints.commitPart(part, index: parts, step: step)
    self.part = nil
    parts += 1
  }

  /// Takes over the parts that an earlier run saved. Returns how many frames they stand for.
  mutating func resume() throws -> Int {
    var step = 0
    for saved in try context.checkpoints.parts() {
      let artifact = saved.artifact
      let count = try artifact.shape("results/source/frame").first ?? 0
      // in pieces: a part may be large
      for start in stride(from: 0, to: count, by: 65_536) {
        let range = start..<min(count, start + 65_536)
        var rows = IngestRows()
        rows.coordinates = try artifact.read("coordinates", as: Float.self, rows: range).values
        if hasTimes { rows.times = try artifact.read("time", as: Float.self, rows: range).values }
        rows.angles = try torsions.names.map {
          try artifact.read(Self.torsion($0), as: Double.self, rows: range).values
        }
        rows.files = try artifact.read("results/source/file", as: Int32.self, rows: range).values
        rows.frames = try artifact.read("results/source/frame", as: Int64.self, rows: range).values
        record(rows)
        try append(rows, to: writer)
      }
      var dropped = IngestRows()
      dropped.angles = torsions.names.map { _ in [] }
      dropped.droppedFiles = try artifact.read("results/dropped/file", as: Int32.self).values
      dropped.droppedFrames = try artifact.read("results/dropped/frame", as: Int64.self).values
      dropped.droppedReasons = try artifact.read("results/dropped/reason", as: UInt8.self).values
      try append(dropped, to: writer)
      kept += count
      badCount += dropped.droppedFrames.count
      let names = try (file: artifact.readStrings("listed/file"), detail: artifact.readStrings("listed/detail"))
      let frames = try artifact.read("listed/frame", as: Int64.self).values
      let reasons = try artifact.read("listed/reason", as: UInt8.self).values
      listed = frames.indices.map { index in
        BadFrame(
          file: names.file[index], frame: Int(frames[index]),
          fault: FrameFault(reason: .init(rawValue: reasons[index]) ?? .notFinite, detail: names.detail[index]))
      }
      parts += 1
      step = saved.step
    }
    return step
  }

  /// Throws `IngestError.badFrames` or `.nothingLeft` where the policy says so; else writes the counts.
  func finish(policy: IngestStage.Parameters.BadFrames) throws {
    if badCount > 0 {
      guard policy == .drop else {
        throw IngestError.badFrames(count: badCount, of: badCount + kept, listed: listed)
      }
      guard kept > 0 else { throw IngestError.nothingLeft(count: badCount, listed: listed) }
      let names = listed.prefix(3).map(\.description).joined(separator: "; ")
      context.warn(
        "\(badCount) of \(badCount + kept) frames were bad and were dropped: \(names)\(badCount > 3 ? "; ..." : "")")
    }
    try writer.writeScalar("results/frames", Int64(kept))
    try writer.writeScalar("results/dropped/count", Int64(badCount))
    let found = slow.finish()
    try found.write(to: writer)
    for warning in found.warnings("frames") { context.warn(warning) }
  }
}
