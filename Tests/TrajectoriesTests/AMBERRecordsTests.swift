import Foundation
import NetCDF
import TestSupport
import Testing

@testable import Trajectories

/// Files of AMBER's NetCDF convention that real runs leave behind.
@Suite struct AMBERRecordsTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  /// Frames of two atoms with what `define` and `fill` add.
  @discardableResult
  private func write(
    _ name: String = "a.nc", frames: Int = 4, times: [Float]? = [0, 1, 2, 3], timeUnits: String? = "picosecond",
    define: (NetCDFFile) throws -> Void = { _ in }, fill: (NetCDFFile) throws -> Void = { _ in }
  ) throws -> URL {
    let file = try NetCDFFile.create(scratch.file(name))
    try file.addDimension("frame", length: nil)
    try file.addDimension("atom", length: 2)
    try file.addDimension("spatial", length: 3)
    try file.addVariable("time", type: .float32, dimensions: ["frame"])
    if let timeUnits { try file.setAttribute("units", .text(timeUnits), of: "time") }
    try file.addVariable("coordinates", type: .float32, dimensions: ["frame", "atom", "spatial"])
    try file.setAttribute("units", .text("angstrom"), of: "coordinates")
    try file.setAttribute("Conventions", .text("AMBER"))
    try file.setAttribute("ConventionVersion", .text("1.0"))
    try define(file)
    try file.endDefinitions()
    try file.write("coordinates", (0..<(6 * frames)).map { Float($0) }, start: [0, 0, 0], count: [frames, 2, 3])
    if let times { try file.write("time", times, start: [0], count: [times.count]) }
    try fill(file)
    try file.close()
    return scratch.file(name)
  }

  @Test(arguments: [[UInt8](repeating: 0, count: 4), [UInt8](repeating: 0xff, count: 4)])
  func framesAreCountedByTheLengthWhereTheHeaderDoesNotKnow(count: [UInt8]) throws {
    let url = try write(frames: 4)
    let sound = try AMBERTrajectory(url: url)
    let expected = try (sound.readFrames(0..<4), sound.readTimes(0..<4))
    #expect(sound.warnings.isEmpty)
    var data = try Data(contentsOf: url)
    data.replaceSubrange(4..<8, with: count)
    let other = scratch.file("open.nc")
    // the last record was being written
    try (data + Data(repeating: 7, count: 11)).write(to: other)
    let reader = try TrajectoryFile.open(other, expectedAtoms: 2)
    #expect(reader.frameCount == 4)
    #expect(try reader.readFrames(0..<4) == expected.0)
    #expect(try reader.readTimes(1..<3) == [1, 2] && expected.1 == [0, 1, 2, 3])
    #expect(reader.warnings.count == 1)
    #expect(reader.warnings[0].contains("left the number of frames open: 4 by the file's length"))

    data.replaceSubrange(4..<8, with: [0, 0, 0, 3])
    try data.write(to: other)
    let known = try AMBERTrajectory(url: other)
    #expect(known.frameCount == 3)
    #expect(known.warnings.count == 1 && known.warnings[0].contains("3 frames, its length of 4"))
  }

  @Test func timesThatWereNeverWrittenAreNone() throws {
    let none = try AMBERTrajectory(url: write(times: nil))
    #expect(!none.hasTimes)
    #expect(try none.readTimes(0..<4) == nil)
    #expect(none.warnings.count == 1 && none.warnings[0].contains("the times were never written"))
    let some = try AMBERTrajectory(url: write(times: [0, 1]))
    #expect(!some.hasTimes)
    #expect(some.warnings.count == 1)
    #expect(some.warnings[0].contains("the times of 2 frames, the first of frame 2, were never written"))
    let nan = try AMBERTrajectory(url: write(times: [0, 1, .nan, 3]))
    #expect(!nan.hasTimes)
  }

  @Test func timesWithoutAUnitArePicoseconds() throws {
    let reader = try AMBERTrajectory(url: write(timeUnits: nil))
    #expect(try reader.readTimes(0..<4) == [0, 1, 2, 3])
    #expect(reader.warnings.count == 1 && reader.warnings[0].contains("have no unit; taken as ps"))
  }

  // MARK: Temperatures

  @Test func temperaturesOfFramesAreRead() throws {
    let single = try write(
      define: {
        try $0.addVariable("temp0", type: .float64, dimensions: ["frame"])
      }, fill: { try $0.write("temp0", [300.0, 310, 300, 320], start: [0], count: [4]) })
    #expect(try AMBERTrajectory(url: single).readTemperatures(1..<4) == [310, 300, 320])
    #expect(try AMBERTrajectory(url: write("b.nc")).readTemperatures(0..<4) == nil)
    // two dimensions, of which the second is one of temperatures
    let values: [Double] = [7, 300, 7, 310, 7, 300, 7, 320]
    let several = try exchange("c.nc", types: [4, 1], values: values)
    let reader = try AMBERTrajectory(url: several)
    #expect(try reader.readTemperatures(0..<4) == [300, 310, 300, 320])
    let selection = try reader.selection(first: 1, stride: 2)
    #expect(try reader.temperatures(selection) == [310, 320] && reader.times(selection) == [1, 3])
  }

  private func exchange(_ name: String, types: [Float], values: [Double]?, indices: [Float]? = nil) throws -> URL {
    try write(
      name,
      define: {
        try $0.addDimension("remd_dimension", length: types.count)
        try $0.addVariable("remd_dimtype", type: .int32, dimensions: ["remd_dimension"])
        if values != nil { try $0.addVariable("remd_values", type: .float64, dimensions: ["frame", "remd_dimension"]) }
        if indices != nil { try $0.addVariable("remd_indices", type: .int32, dimensions: ["frame", "remd_dimension"]) }
      },
      fill: {
        try $0.write("remd_dimtype", types, start: [0], count: [types.count])
        if let values { try $0.write("remd_values", values, start: [0, 0], count: [4, types.count]) }
        if let indices { try $0.write("remd_indices", indices, start: [0, 0], count: [4, types.count]) }
      })
  }

  @Test func otherExchangesAreRefused() throws {
    let hamiltonians = try exchange("h.nc", types: [3, 1], values: [1, 300, 1, 300, 2, 300, 1, 300])
    let error = #expect(throws: TrajectoryError.self) { try AMBERTrajectory(url: hamiltonians) }
    #expect(
      error == .severalStates(file: hamiltonians.path, message: "Hamiltonians, which change at frame 2"))
    // indices of temperatures without the temperatures
    let unnamed = try exchange("i.nc", types: [1], values: nil, indices: [1, 2, 1, 1])
    expectError(saying: "several replicas' states", "change at frame 1") { try AMBERTrajectory(url: unnamed) }
    let same = try exchange("j.nc", types: [3], values: nil, indices: [2, 2, 2, 2])
    #expect(try AMBERTrajectory(url: same).readTemperatures(0..<4) == nil)
  }
}
