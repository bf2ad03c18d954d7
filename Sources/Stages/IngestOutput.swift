import Artifacts
import Foundation
import Molecules
import Workflow

/// The frames artifact while it grows.
struct IngestOutput {
  private let context: StageContext
  private let writer: ArtifactWriter
  private let topology: Topology
  private let torsions: NamedTorsions
  private let files: [URL]
  private let hasTimes: Bool
  private var kept = 0
  private(set) var badCount = 0
  /// The first few bad frames, for messages.
  private var listed: [BadFrame] = []
  private static let listedAtMost = 10

  init(
    context: StageContext, topology: Topology, torsions: NamedTorsions, files: [URL], hasTimes: Bool
  ) throws {
    self.context = context
    self.topology = topology
    self.torsions = torsions
    self.files = files
    self.hasTimes = hasTimes
    writer = context.output
    try MDTrajConvention.begin(writer, topologyJSON: topology.mdtrajJSON)
    try writer.createAppendable(
      "coordinates", Float.self, rowShape: [topology.atoms.count, 3], units: "nanometers",
      dims: ["frame", "atom", "axis"])
    try writer.setAttribute("coordinates", "origin", "centre of mass")
    if hasTimes { try writer.createAppendable("time", Float.self, units: "picoseconds", dims: ["frame"]) }
    for (name, atoms) in zip(torsions.names, torsions.atoms) {
      let path = "results/torsions/\(name)"
      try writer.createAppendable(path, Double.self, units: "rad", dims: ["frame"])
      try writer.setAttribute(path, "atoms", atoms.map(String.init).joined(separator: ","))
    }
    try writer.createAppendable("results/source/file", Int32.self, dims: ["frame"])
    try writer.createAppendable("results/source/frame", Int64.self, dims: ["frame"])
    try writer.write("results/files", strings: files.map(\.lastPathComponent))
    try writer.createAppendable("results/dropped/file", Int32.self, dims: ["dropped"])
    try writer.createAppendable("results/dropped/frame", Int64.self, dims: ["dropped"])
    try writer.createAppendable("results/dropped/reason", UInt8.self, dims: ["dropped"])
    try writer.write("results/dropped/reason_names", strings: BadFrame.Reason.allCases.map(\.name))
  }

  /// Checks and prepares the frames of a chunk, and writes the good ones.
  mutating func add(_ chunk: IngestChunk, file: Int, checking frames: IngestFrames) throws {
    let width = 3 * topology.atoms.count
    var coordinates: [Float] = []
    coordinates.reserveCapacity(chunk.coordinates.count)
    var times: [Float] = []
    var sources: [Int64] = []
    var dropped: [Int64] = []
    var reasons: [UInt8] = []
    for (position, index) in chunk.indices.enumerated() {
      var frame = chunk.coordinates[(position * width)..<((position + 1) * width)]
      if let fault = frames.prepare(&frame, cell: chunk.cells.isEmpty ? nil : chunk.cells[position]) {
        badCount += 1
        if listed.count < Self.listedAtMost {
          listed.append(BadFrame(file: files[file].path, frame: index, reason: fault.reason, detail: fault.detail))
        }
        dropped.append(Int64(index))
        reasons.append(fault.reason.rawValue)
        continue
      }
      coordinates += frame.map { Float($0) }
      sources.append(Int64(index))
      if hasTimes { times.append(Float(chunk.times[position])) }
    }
    kept += sources.count
    try writer.append("coordinates", coordinates)
    if hasTimes { try writer.append("time", times) }
    // of the coordinates as they are stored, so that whoever reads the file computes the same
    for (name, angles) in torsions.angles(coordinates.map(Double.init), atoms: topology.atoms.count) {
      try writer.append("results/torsions/\(name)", angles)
    }
    try writer.append("results/source/file", [Int32](repeating: Int32(file), count: sources.count))
    try writer.append("results/source/frame", sources)
    try writer.append("results/dropped/file", [Int32](repeating: Int32(file), count: dropped.count))
    try writer.append("results/dropped/frame", dropped)
    try writer.append("results/dropped/reason", reasons)
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
  }
}
