import Foundation
import Molecules
import NetCDF
import TestSupport
import Testing

@testable import Trajectories

@Suite struct AMBERTrajectoryTests {
  /// Writes a small trajectory by hand, so that every part can be made wrong.
  private func write(
    _ url: URL, frames: Int = 4, atoms: Int = 2, conventions: String? = "AMBER", version: String? = "1.0",
    units: String? = "angstrom", timeUnits: String = "picosecond", scale: [Double]? = nil, spatial: Int = 3,
    order: [String] = ["frame", "atom", "spatial"], cellNumbers: Int? = nil, format: NetCDFFile.Format = .classic64
  ) throws {
    let file = try NetCDFFile.create(url, format: format)
    try file.addDimension("frame", length: nil)
    try file.addDimension("atom", length: atoms)
    try file.addDimension("spatial", length: spatial)
    try file.addVariable("time", type: .float32, dimensions: ["frame"])
    try file.setAttribute("units", .text(timeUnits), of: "time")
    try file.addVariable("coordinates", type: .float32, dimensions: order)
    if let units { try file.setAttribute("units", .text(units), of: "coordinates") }
    if let scale { try file.setAttribute("scale_factor", .numbers(scale), of: "coordinates") }
    if let cellNumbers {
      for (variable, dimension, unit) in [
        ("cell_lengths", "cell_spatial", "angstrom"), ("cell_angles", "cell_angular", "degree"),
      ] {
        try file.addDimension(dimension, length: cellNumbers)
        try file.addVariable(variable, type: .float64, dimensions: ["frame", dimension])
        try file.setAttribute("units", .text(unit), of: variable)
      }
    }
    if let conventions { try file.setAttribute("Conventions", .text(conventions)) }
    if let version { try file.setAttribute("ConventionVersion", .text(version)) }
    try file.endDefinitions()
    try file.write("time", (0..<frames).map { Float($0) * 0.5 }, start: [0], count: [frames])
    let lengths = ["frame": frames, "atom": atoms, "spatial": spatial]
    let count = order.map { lengths[$0] ?? 0 }
    try file.write(
      "coordinates", (0..<(frames * atoms * spatial)).map { Float($0) },
      start: [0, 0, 0], count: count)
    try file.close()
  }

  @Test func writtenFramesComeBackInNanometres() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.nc")
    let writer = try AMBERTrajectoryWriter(url: url, atomCount: 2, hasCell: true)
    let cell = UnitCell(lengths: [2, 2.5, 3], angles: [90, 100, 110])
    let coordinates = (0..<18).map { Double($0) * 0.125 }
    try writer.append(Array(coordinates[0..<12]), times: [0, 0.5], cells: [cell, cell])
    try writer.append(Array(coordinates[12...]), times: [1], cells: [cell])
    expectError(saying: "3 coordinates are not 1 frames of 2 atoms") {
      try writer.append([1, 2, 3], times: [1], cells: [cell])
    }
    expectError(saying: "0 boxes for 3 frames of a file with boxes") {
      try writer.append(coordinates, times: [1, 2, 3])
    }
    try writer.close()
    let trajectory = try TrajectoryFile.open(url, expectedAtoms: 2)
    #expect(trajectory.frameCount == 3)
    #expect(trajectory.atomCount == 2)
    #expect(trajectory.warnings.isEmpty)
    let read = try trajectory.readFrames(0..<3)
    for (a, b) in zip(read, coordinates) { #expect(abs(a - b) < 1e-7) }
    #expect(try trajectory.readFrames(2..<3).count == 6)
    #expect(try trajectory.readTimes(1..<3) == [0.5, 1])
    let cells = try #require(try trajectory.readCells(0..<3))
    #expect(zip(cells[2].lengths, cell.lengths).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(cells[2].angles == cell.angles)
    #expect(throws: TrajectoryError.frameRange(file: url.path, requested: 2..<4, available: 3)) {
      try trajectory.readFrames(2..<4)
    }
  }

  @Test(arguments: [NetCDFFile.Format.classic64, .netCDF4])
  func scaleFactorIsApplied(format: NetCDFFile.Format) throws {
    let scratch = try Scratch()
    try write(scratch.file("a.nc"), scale: [0.25], format: format)
    let trajectory = try AMBERTrajectory(url: scratch.file("a.nc"))
    let last = try trajectory.readFrames(3..<4)[5]
    #expect(abs(last - 23 * 0.25 * 0.1) < 1e-12)
    #expect(try trajectory.readCells(0..<1) == nil)
  }

  @Test func departuresFromTheConventionAreNamed() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.nc")
    let path = url.path
    func expect(_ error: TrajectoryError, _ write: () throws -> Void) throws {
      try write()
      #expect(throws: error) { try TrajectoryFile.open(url, expectedAtoms: 2) }
      #expect("\(error)".hasPrefix(path))
    }
    try expect(.wrongConvention(file: path, found: "CF-1.8")) { try write(url, conventions: "CF-1.8") }
    // a restart has no frames
    try expect(
      .wrongShape(file: path, variable: "coordinates", found: "(frame, atom, spatial)", expected: "(atom, spatial)")
    ) { try write(url, conventions: "AMBERRESTART") }
    try expect(.wrongConvention(file: path, found: nil)) { try write(url, conventions: nil) }
    try expect(.wrongUnits(file: path, variable: "coordinates", found: "nanometer", expected: "angstrom")) {
      try write(url, units: "nanometer")
    }
    try expect(.wrongUnits(file: path, variable: "coordinates", found: nil, expected: "angstrom")) {
      try write(url, units: nil)
    }
    try expect(.wrongUnits(file: path, variable: "time", found: "fs", expected: "picosecond")) {
      try write(url, timeUnits: "fs")
    }
    try expect(.badScaleFactor(file: path, variable: "coordinates", found: "0.0")) { try write(url, scale: [0]) }
    try expect(.badScaleFactor(file: path, variable: "coordinates", found: "1.0,2.0")) {
      try write(url, scale: [1, 2])
    }
    try expect(.atomCount(file: path, found: 3, expected: 2)) { try write(url, atoms: 3) }
    try expect(.noFrames(file: path)) { try write(url, frames: 0) }
    try expect(
      .wrongShape(
        file: path, variable: "coordinates", found: "(frame, spatial, atom)", expected: "(frame, atom, spatial)")
    ) { try write(url, order: ["frame", "spatial", "atom"]) }
    try expect(
      .wrongShape(file: path, variable: "coordinates", found: "[4, 2, 2]", expected: "[frames, atoms, 3]")
    ) { try write(url, spatial: 2) }
    try expect(.wrongShape(file: path, variable: "cell_lengths", found: "[4, 2]", expected: "[frames, 3]")) {
      try write(url, cellNumbers: 2)
    }

    try write(url, conventions: "CF-1.8, AMBER", version: "1.1")
    #expect(try AMBERTrajectory(url: url).warnings.count == 1)
  }

  /// The library shares a file that is open already, also with the process that tries it.
  @Test func aFileMayBeOpenTwice() throws {
    let scratch = try Scratch()
    let url = scratch.file("twice.nc")
    try write(url, format: .netCDF4)
    let first = try TrajectoryFile.open(url, expectedAtoms: 2)
    let second = try TrajectoryFile.open(url, expectedAtoms: 2)
    #expect(try first.readFrames(0..<4) == second.readFrames(0..<4))
  }

  @Test func missingAndForeignFilesAreNamed() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.nc")
    #expect(throws: TrajectoryError.noSuchFile(file: url.path)) { try AMBERTrajectory(url: url) }
    try Data("text".utf8).write(to: url)
    let error = #expect(throws: TrajectoryError.self) { try AMBERTrajectory(url: url) }
    guard case .unreadable = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aCutOffFileNamesBothFrameCounts() throws {
    let scratch = try Scratch()
    let url = scratch.file("a.nc")
    try write(url, frames: 100)
    let data = try Data(contentsOf: url)
    try data.prefix(data.count - 40 * 28 + 1).write(to: url)
    #expect(throws: TrajectoryError.truncated(file: url.path, promised: 100, present: 60)) {
      try AMBERTrajectory(url: url)
    }
    try write(url, frames: 100, format: .netCDF4)
    let second = try Data(contentsOf: url)
    try second.prefix(second.count / 2).write(to: url)
    #expect(throws: TrajectoryError.self) { try AMBERTrajectory(url: url) }
  }

  /// Values that MDTraj printed for the same file.
  @Test func realTrajectory() throws {
    let trajectory = try TrajectoryFile.open(
      Package.alanine.appendingPathComponent("alanine-left.nc"), expectedAtoms: 22)
    #expect(trajectory.frameCount == 16_000)
    #expect(try trajectory.readCells(0..<1) == nil)
    let first = try trajectory.readFrames(0..<1)
    let expected = [-0.083516556, -0.1026456, 0.32535608, 0.016853794, -0.081760585, 0.29263334]
    for (a, b) in zip(first, expected) { #expect(abs(a - b) < 2e-8) }
    let times = try #require(try trajectory.readTimes(0..<3))
    for (a, b) in zip(times, [0.6, 1.2, 1.8]) { #expect(abs(a - b) < 1e-6) }
  }
}
