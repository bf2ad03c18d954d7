import Foundation
import Molecules
import NetCDF

/// Writes a trajectory in AMBER's NetCDF convention 1.0 (64-bit offsets, float32, angstrom and ps).
public final class AMBERTrajectoryWriter: TrajectoryWriter {
  public let url: URL
  public let atomCount: Int
  public private(set) var frameCount = 0
  private let file: NetCDFFile
  private let hasCell: Bool

  /// Creates the file, replacing one that exists. `hasCell` adds a periodic box to every frame. Throws `NetCDFError`.
  public init(url: URL, atomCount: Int, hasCell: Bool = false, title: String = "") throws {
    (self.url, self.atomCount, self.hasCell) = (url, atomCount, hasCell)
    file = try NetCDFFile.create(url)
    try file.addDimension("frame", length: nil)
    try file.addDimension("spatial", length: 3)
    try file.addDimension("atom", length: atomCount)
    try file.addVariable("spatial", type: .character, dimensions: ["spatial"])
    try file.addVariable("time", type: .float32, dimensions: ["frame"])
    try file.setAttribute("units", .text("picosecond"), of: "time")
    try file.addVariable("coordinates", type: .float32, dimensions: ["frame", "atom", "spatial"])
    try file.setAttribute("units", .text("angstrom"), of: "coordinates")
    if hasCell {
      try file.addDimension("cell_spatial", length: 3)
      try file.addDimension("cell_angular", length: 3)
      try file.addDimension("label", length: 5)
      try file.addVariable("cell_spatial", type: .character, dimensions: ["cell_spatial"])
      try file.addVariable("cell_angular", type: .character, dimensions: ["cell_angular", "label"])
      try file.addVariable("cell_lengths", type: .float64, dimensions: ["frame", "cell_spatial"])
      try file.setAttribute("units", .text("angstrom"), of: "cell_lengths")
      try file.addVariable("cell_angles", type: .float64, dimensions: ["frame", "cell_angular"])
      try file.setAttribute("units", .text("degree"), of: "cell_angles")
    }
    for (name, text) in [
      ("title", title.isEmpty ? "trajectory" : title), ("application", "boltzmill"), ("program", "pipeline"),
      ("programVersion", "1"), ("Conventions", "AMBER"), ("ConventionVersion", "1.0"),
    ] { try file.setAttribute(name, .text(text)) }
    try file.endDefinitions()
    try file.write("spatial", text: "xyz")
    if hasCell {
      try file.write("cell_spatial", text: "abc")
      try file.write("cell_angular", text: "alphabeta gamma")
    }
  }

  /// Adds frames: coordinates [frames, atoms, 3] in nm, times in ps, and one box each if the file has boxes.
  ///
  /// Throws `TrajectoryError.incompleteFrames`, `NetCDFError`.
  public func append(_ coordinates: [Double], times: [Double], cells: [UnitCell]? = nil) throws {
    let frames = times.count
    guard coordinates.count == frames * atomCount * 3 else {
      throw TrajectoryError.incompleteFrames(
        file: url.path, message: "\(coordinates.count) coordinates are not \(frames) frames of \(atomCount) atoms")
    }
    guard (cells != nil) == hasCell, cells.map({ $0.count == frames }) ?? true else {
      throw TrajectoryError.incompleteFrames(
        file: url.path,
        message: "\(cells?.count ?? 0) boxes for \(frames) frames of a file \(hasCell ? "with" : "without") boxes")
    }
    guard frames > 0 else { return }
    try file.write(
      "coordinates", coordinates.map { Float($0 * 10) }, start: [frameCount, 0, 0], count: [frames, atomCount, 3])
    try file.write("time", times.map { Float($0) }, start: [frameCount], count: [frames])
    if let cells {
      try file.write(
        "cell_lengths", cells.flatMap { $0.lengths.map { $0 * 10 } }, start: [frameCount, 0], count: [frames, 3])
      try file.write("cell_angles", cells.flatMap(\.angles), start: [frameCount, 0], count: [frames, 3])
    }
    frameCount += frames
  }

  /// Writes everything out; nothing can be added afterwards. Throws `NetCDFError`.
  public func close() throws { try file.close() }
}
