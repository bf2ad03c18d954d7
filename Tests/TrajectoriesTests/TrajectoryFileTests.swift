import Foundation
import Molecules
import NetCDF
import TestSupport
import Testing

@testable import Trajectories

/// XYZ, the plainest of formats: for each frame the number of atoms, a comment, and a line "C 0.0 0.0 0.0" (angstrom) per atom. All
/// that a further format takes.
private struct XYZTrajectory: TrajectoryReader {
  let url: URL
  let frameCount: Int
  let atomCount: Int
  let hasTimes = false
  private let coordinates: [Double]

  init(_ url: URL) throws {
    self.url = url
    let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    atomCount = Int(lines[0]) ?? 0
    frameCount = lines.count / (atomCount + 2)
    guard frameCount > 0 else { throw TrajectoryError.noFrames(file: url.path) }
    var coordinates: [Double] = []
    for (number, line) in lines.prefix(frameCount * (atomCount + 2)).enumerated()
    where number % (atomCount + 2) > 1 {
      for word in line.split(separator: " ").dropFirst() { coordinates.append((Double(word) ?? .nan) / 10) }
    }
    self.coordinates = coordinates
  }

  func readFrames(_ range: Range<Int>) throws -> [Double] {
    guard range.lowerBound >= 0, range.upperBound <= frameCount else {
      throw TrajectoryError.frameRange(file: url.path, requested: range, available: frameCount)
    }
    return Array(coordinates[(3 * atomCount * range.lowerBound)..<(3 * atomCount * range.upperBound)])
  }

  func readTimes(_ range: Range<Int>) throws -> [Double]? { nil }
}

private final class XYZWriter: TrajectoryWriter {
  private let url: URL
  private let atomCount: Int
  private var text = ""

  init(_ url: URL, atomCount: Int) {
    self.url = url
    self.atomCount = atomCount
  }

  func append(_ coordinates: [Double], times: [Double], cells: [UnitCell]?) throws {
    for frame in times.indices {
      text += "\(atomCount)\nt = \(times[frame]) ps\n"
      for atom in (frame * atomCount)..<((frame + 1) * atomCount) {
        text += "X " + coordinates[(3 * atom)..<(3 * atom + 3)].map { "\($0 * 10)" }.joined(separator: " ") + "\n"
      }
    }
  }

  func close() throws { try Data(text.utf8).write(to: url) }
}

extension TrajectoryFormat {
  fileprivate static let xyz = TrajectoryFormat(
    name: "XYZ", matches: { Int(String(decoding: $0.prefix { $0 != 0x0a }, as: UTF8.self)) != nil },
    open: { try XYZTrajectory($0) }, create: { url, atoms, _, _ in XYZWriter(url, atomCount: atoms) })
}

@Suite struct TrajectoryFileTests {
  private static let coordinates = (0..<(7 * 6)).map { Double($0) / 8 }
  private let formats = TrajectoryFormat.all + [.xyz]

  /// Seven frames of two atoms.
  private func write(_ url: URL, _ format: TrajectoryFormat) throws {
    try TrajectoryFile.write(to: url, format: format, atoms: 2, frames: 7) { range in
      (Array(Self.coordinates[(6 * range.lowerBound)..<(6 * range.upperBound)]), range.map(Double.init))
    }
  }

  @Test func aFormatIsKnownByItsContent() throws {
    let scratch = try Scratch()
    // names that tell the wrong thing
    let (amber, xyz) = (scratch.file("a.xyz"), scratch.file("b.nc"))
    try write(amber, .amberNetCDF)
    try write(xyz, .xyz)
    for (url, times) in [(amber, [3.0, 4]), (xyz, nil)] {
      let reader = try TrajectoryFile.open(url, expectedAtoms: 2, formats: formats)
      #expect(reader.frameCount == 7 && reader.atomCount == 2 && reader.hasTimes == (times != nil))
      let found = try reader.readFrames(0..<7)
      #expect(found.count == Self.coordinates.count)
      for (a, b) in zip(found, Self.coordinates) { #expect(abs(a - b) < 1e-6) }
      #expect(try reader.readTimes(3..<5) == times)
      #expect(try reader.readCells(0..<7) == nil)
      #expect(reader.warnings.isEmpty)
      #expect(throws: TrajectoryError.atomCount(file: url.path, found: 2, expected: 22)) {
        try TrajectoryFile.open(url, expectedAtoms: 22, formats: formats)
      }
    }
    expectError(
      saying: "is no trajectory that can be read here", "readable are MDTraj HDF5, AMBER NetCDF, DCD, XTC, TRR"
    ) {
      try TrajectoryFile.open(xyz)
    }
  }

  @Test(
    arguments: [
      ([], "empty"), (Array("LIGAND  1 made\nATOM\n".utf8), "text that begins with \"LIGAND  1 made\""),
      ([84, 0, 0, 0] + Array("VELD".utf8) + [0, 1], "a DCD file of velocities"),
      ([84, 0, 0, 0, 0, 0, 0, 0] + Array("CORD".utf8), "a DCD trajectory with records of 64 bits"),
      ([0x1f, 0x8b, 8], "compressed (gzip)"),
      (Array("CDF\u{3}".utf8), "binary data that begins with the bytes 43 44 46 03"),
      ([0x89, 0x48, 0, 1, 2, 3, 4, 5, 6], "binary data that begins with the bytes 89 48 00 01 02 03 04 05"),
    ] as [([UInt8], String)])
  func whatIsNoTrajectoryIsSaid(bytes: [UInt8], found: String) throws {
    let scratch = try Scratch()
    let url = scratch.file("a.nc")
    try Data(bytes).write(to: url)
    let error = #expect(
      throws: TrajectoryError.unknownFormat(file: url.path, found: found, readable: formats.map(\.name))
    ) { try TrajectoryFile.open(url, formats: formats) }
    #expect(
      error?.description
        == "\(url.path): is no trajectory that can be read here: it is \(found); readable are MDTraj HDF5, AMBER NetCDF, "
        + "DCD, XTC, TRR, AMBER mdcrd, AMBER restart, PDB, XYZ: convert it with a trajectory tool (cpptraj, MDTraj, MDAnalysis)"
    )
  }

  @Test func whatIsNotThereOrNoFileIsSaid() throws {
    let scratch = try Scratch()
    let missing = scratch.file("none.nc")
    #expect(throws: TrajectoryError.noSuchFile(file: missing.path)) { try TrajectoryFile.open(missing) }
    let error = #expect(throws: TrajectoryError.self) { try TrajectoryFile.open(scratch.url) }
    guard case .unreadable(scratch.url.path, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func aFormatThatIsOnlyReadIsNotWritten() throws {
    let scratch = try Scratch()
    let readOnly = TrajectoryFormat(name: "XYZ", matches: { _ in true }, open: { try XYZTrajectory($0) })
    #expect(
      throws: TrajectoryError.unwritable(file: scratch.file("a").path, reason: "XYZ is only read here")
    ) { try write(scratch.file("a"), readOnly) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
  }

  // MARK: Selections

  @Test func selectionsAreFirstStrideAndLast() throws {
    let scratch = try Scratch()
    try write(scratch.file("a.nc"), .amberNetCDF)
    let reader = try TrajectoryFile.open(scratch.file("a.nc"))
    for stride in 1...7 {
      for (first, last) in [(0, nil), (2, nil), (1, 5), (6, 6)] as [(Int, Int?)] {
        let expected = Array(Swift.stride(from: first, through: last ?? 6, by: stride))
        let selection = try reader.selection(first: first, last: last, stride: stride)
        #expect(selection.count == expected.count)
        let frames = try reader.frames(selection)
        #expect(frames.indices == expected && frames.times == expected.map(Double.init) && frames.cells.isEmpty)
        let wanted = expected.flatMap { Self.coordinates[(6 * $0)..<(6 * $0 + 6)] }
        #expect(frames.coordinates.count == wanted.count)
        for (a, b) in zip(frames.coordinates, wanted) { #expect(abs(a - b) < 1e-6) }
        // in pieces the same
        let split = expected.count / 2
        let (one, two) = try (reader.frames(selection, 0..<split), reader.frames(selection, split..<selection.count))
        #expect(one.coordinates + two.coordinates == frames.coordinates && one.indices + two.indices == expected)
      }
    }
    for (first, last) in [(0, 7), (7, nil), (4, 3), (-1, 3)] as [(Int, Int?)] {
      let error = #expect(
        throws: TrajectoryError.selection(
          file: reader.url.path, first: first, last: last ?? 6, available: 7)
      ) { try reader.selection(first: first, last: last) }
      #expect(
        error?.description
          == "\(reader.url.path): frames \(first) to \(last ?? 6) were asked for, the file has 0 to 6")
    }
  }

  @Test func framesArePreparedAndBadOnesNamed() throws {
    let water = try Topology(
      atoms: ["O", "H", "H"].map { .init(name: $0, element: $0, residueIndex: 0, serial: 1) },
      residues: [.init(name: "HOH", sequence: 1)], bonds: [.init(0, 1), .init(0, 2)],
      referenceCoordinates: [0, 0, 0, 0.0957, 0, 0, -0.024, 0.0927, 0])
    let reference = water.referenceCoordinates
    let cell = UnitCell(lengths: [1, 1, 1], angles: [90, 90, 90])
    var frames = TrajectoryFrames(atomCount: 3)
    frames.indices = [4, 6, 8, 10]
    frames.times = [0.4, 0.6, 0.8, 1]
    frames.cells = [cell, cell, UnitCell(lengths: [1, 1, 0], angles: [90, 90, 90]), cell]
    // the first hydrogen in the next box; no number; a flat box; as it was
    frames.coordinates = reference + [.nan] + reference.dropFirst() + reference + reference
    frames.coordinates[3] += 1
    let (sound, bad) = frames.prepared(by: try FramePreparation(topology: water), file: "w.nc")
    #expect(sound.indices == [4, 10] && sound.times == [0.4, 1] && sound.cells.isEmpty)
    #expect(sound.coordinates.count == 18)
    for k in 0..<9 { #expect(abs(sound.coordinates[k] - sound.coordinates[9 + k]) < 1e-15) }
    #expect(bad.map(\.frame) == [6, 8] && bad.map(\.fault.reason) == [.notFinite, .badCell])
    #expect(bad[0].description == "w.nc, frame 6: the position of O of HOH 1 is not finite")
  }
}
