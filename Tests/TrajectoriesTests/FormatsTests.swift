import Foundation
import Molecules
import TestSupport
import Testing

@testable import Trajectories

/// What went into the files of Fixtures/trajectories, which other programs wrote (Fixtures/make_trajectories.py).
struct WrittenFrames: Decodable {
  let atoms: Int
  /// nm, ps, degrees.
  let coordinates, times, lengths, angles, methanol, far: [Double]
  /// Whole numbers of 0.001 nm that MDTraj reads of XTC files; of `water` every 50th.
  let xtc, water: [Int]
  let waterSum: Int

  enum CodingKeys: String, CodingKey {
    case atoms, coordinates, times, lengths, angles, methanol, far, xtc, water
    case waterSum = "water_sum"
  }

  static func load() throws -> WrittenFrames {
    try JSONDecoder().decode(WrittenFrames.self, from: Data(contentsOf: file("frames.json")))
  }

  static func file(_ name: String) -> URL { Package.fixture("trajectories/\(name)") }
}

/// The largest difference; infinite where the counts differ or there is nothing.
func largestDifference(_ found: [Double], _ expected: [Double]) -> Double {
  guard found.count == expected.count, !found.isEmpty else { return .infinity }
  return zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
}

/// One file, and what it must give.
struct FormatCase: CustomTestStringConvertible, Sendable {
  enum Cells: Sendable { case none, absent, each, first, right }

  let file: String
  /// nm.
  let tolerance: Double
  /// First time and step, ps.
  let times: [Double]?
  let cells: Cells
  /// A word of each warning.
  var warnings: [String] = []

  var testDescription: String { file }

  static let all = [
    FormatCase(file: "mdtraj.dcd", tolerance: 1e-7, times: nil, cells: .each, warnings: ["no time step"]),
    FormatCase(file: "openmm.dcd", tolerance: 1e-7, times: [10, 2.5], cells: .each),
    FormatCase(file: "mdanalysis.dcd", tolerance: 1e-7, times: [0, 2.5], cells: .each),
    FormatCase(file: "big.dcd", tolerance: 1e-7, times: [10, 2.5], cells: .none),
    FormatCase(file: "mdtraj.xtc", tolerance: 5.01e-4, times: [10, 2.5], cells: .each),
    FormatCase(file: "openmm.xtc", tolerance: 5.01e-4, times: [10, 2.5], cells: .each),
    FormatCase(file: "coarse.xtc", tolerance: 5.01e-3, times: [0, 2.5], cells: .absent, warnings: ["rounded to 0.01"]),
    FormatCase(file: "mdtraj.trr", tolerance: 1e-7, times: [10, 2.5], cells: .each),
    FormatCase(
      file: "double.trr", tolerance: 1e-12, times: [10, 2.5], cells: .each,
      warnings: ["7 of 14 frames have no positions"]),
    FormatCase(file: "mdtraj.h5", tolerance: 1e-12, times: [10, 2.5], cells: .each),
    FormatCase(file: "bare.h5", tolerance: 1e-12, times: [10, 2.5], cells: .none),
    FormatCase(file: "mdtraj.nc", tolerance: 1e-7, times: [10, 2.5], cells: .each),
    FormatCase(file: "mdtraj.pdb", tolerance: 5.01e-5, times: nil, cells: .first),
    FormatCase(file: "openmm.pdb", tolerance: 5.01e-5, times: nil, cells: .first),
    FormatCase(file: "bare.pdb", tolerance: 5.01e-5, times: nil, cells: .none),
    FormatCase(file: "box.mdcrd", tolerance: 5.01e-5, times: nil, cells: .right, warnings: ["not its angles"]),
    FormatCase(file: "bare.mdcrd", tolerance: 5.01e-5, times: nil, cells: .none),
  ]
}

@Suite struct FormatsTests {
  @Test(arguments: FormatCase.all)
  func everyFormatGivesTheFramesThatWereWritten(_ expected: FormatCase) throws {
    let written = try WrittenFrames.load()
    // by content: under a name that tells nothing
    let scratch = try Scratch()
    let url = scratch.file("frames")
    try FileManager.default.copyItem(at: WrittenFrames.file(expected.file), to: url)
    let reader = try TrajectoryFile.open(url, expectedAtoms: 22)
    #expect(reader.frameCount == 7 && reader.atomCount == 22)
    #expect(largestDifference(try reader.readFrames(0..<7), written.coordinates) < expected.tolerance)
    #expect(reader.warnings.count == expected.warnings.count, "\(reader.warnings)")
    for (warning, words) in zip(reader.warnings, expected.warnings) { #expect(warning.contains(words)) }

    #expect(reader.hasTimes == (expected.times != nil))
    let times = try reader.readTimes(0..<7)
    if let start = expected.times?[0], let step = expected.times?[1] {
      #expect(largestDifference(times ?? [], (0..<7).map { start + step * Double($0) }) < 1e-5)
    } else {
      #expect(times == nil)
    }

    let cells = try reader.readCells(0..<7)
    if expected.cells == .none {
      #expect(cells == nil)
    } else if expected.cells == .absent {
      #expect(try #require(cells).map(\.isAbsent) == [Bool](repeating: true, count: 7))
    } else {
      let found = try #require(cells)
      let frames = (0..<7).map { expected.cells == .first ? 0 : $0 }
      let lengths = frames.flatMap { written.lengths[(3 * $0)..<(3 * $0 + 3)] }
      let angles = expected.cells == .right ? [Double](repeating: 90, count: 21) : written.angles
      #expect(largestDifference(found.flatMap(\.lengths), lengths) < 1e-6)
      #expect(largestDifference(found.flatMap(\.angles), angles) < 1e-4)
    }

    // by range, and beyond
    for (first, last, stride) in [(0, 6, 1), (1, 6, 2), (2, 5, 3), (0, 6, 5), (6, 6, 1)] {
      let frames = try reader.frames(try reader.selection(first: first, last: last, stride: stride))
      let indices = Array(Swift.stride(from: first, through: last, by: stride))
      #expect(frames.indices == indices)
      let wanted = indices.flatMap { written.coordinates[(66 * $0)..<(66 * $0 + 66)] }
      #expect(largestDifference(frames.coordinates, wanted) < expected.tolerance)
      #expect(frames.times.count == (expected.times == nil ? 0 : indices.count))
      if let times { #expect(frames.times == indices.map { times[$0] }) }
      if let cells { #expect(frames.cells == indices.map { cells[$0] }) }
    }
    #expect(throws: TrajectoryError.frameRange(file: url.path, requested: 5..<8, available: 7)) {
      try reader.readFrames(5..<8)
    }
  }

  @Test(arguments: [("mdtraj.rst7", true), ("bare.rst7", false), ("mdtraj.ncrst", true)])
  func restartsAreOneFrame(name: String, hasCell: Bool) throws {
    let written = try WrittenFrames.load()
    let reader = try TrajectoryFile.open(WrittenFrames.file(name), expectedAtoms: 22)
    #expect(reader.frameCount == 1 && reader.hasTimes && reader.warnings.isEmpty)
    #expect(largestDifference(try reader.readFrames(0..<1), Array(written.coordinates[132..<198])) < 1e-7)
    #expect(largestDifference(try reader.readTimes(0..<1) ?? [], [15]) < 1e-5)
    let cells = try reader.readCells(0..<1)
    #expect((cells != nil) == hasCell)
    if let cell = cells?.first {
      #expect(largestDifference(cell.lengths, Array(written.lengths[6..<9])) < 1e-6)
      #expect(largestDifference(cell.angles, Array(written.angles[6..<9])) < 1e-4)
    }
    #expect(throws: TrajectoryError.self) { try reader.readFrames(0..<2) }
  }

  /// MDTraj reads the same whole numbers of 0.001 nm.
  @Test func unpackedNumbersAreMDTrajs() throws {
    let written = try WrittenFrames.load()
    let reader = try XTCTrajectory(url: WrittenFrames.file("mdtraj.xtc"))
    #expect(try reader.readFrames(0..<7) == written.xtc.map { Double($0) / 1000 })
    // long runs of small differences
    let waters = try XTCTrajectory(url: WrittenFrames.file("water.xtc"))
    #expect(waters.atomCount == 2100 && waters.frameCount == 2)
    let numbers = try waters.readFrames(0..<2).map { Int(($0 * 1000).rounded()) }
    #expect(stride(from: 0, to: numbers.count, by: 50).map { numbers[$0] } == written.water)
    #expect(numbers.reduce(0, +) == written.waterSum)
    // ranges of more than 24 bits; float32 of the far half has steps of 0.002 nm
    let far = try XTCTrajectory(url: WrittenFrames.file("far.xtc")).readFrames(0..<1)
    #expect(largestDifference(Array(far[..<66]), Array(written.far[..<66])) < 5.01e-4)
    #expect(largestDifference(Array(far[66...]), Array(written.far[66...])) < 2.5e-3)
    // few atoms are not packed
    let methanol = try TrajectoryFile.open(WrittenFrames.file("methanol.xtc"), expectedAtoms: 6)
    #expect(largestDifference(try methanol.readFrames(0..<3), written.methanol) < 1e-9)
    #expect(try methanol.readTimes(0..<3) == [0, 1, 2])
  }

  @Test func boxesOfDCDFilesAreReadInAllTheirForms() {
    let degrees = DCDTrajectory.cell([30, 70, 31, 95, 80, 32])
    #expect(degrees == UnitCell(lengths: [3, 3.1, 3.2], angles: [80, 95, 70]))
    #expect(DCDTrajectory.cell([30, 0, 31, 0, 0, 32]) == UnitCell(lengths: [3, 3.1, 3.2], angles: [90, 90, 90]))
    // rows (28, -6, -6), (-6, 28, -6), (-6, -6, 28)
    let matrix = DCDTrajectory.cell([28, -6, 28, -6, -6, 28])
    for length in matrix.lengths { #expect(abs(length - 2.925748) < 1e-6) }
    // -300 / 856
    for angle in matrix.angles { #expect(abs(angle - 110.516) < 1e-3) }
  }

  // MARK: Damage

  /// A cut file is refused, or its whole frames are read with a warning: never fewer without a word.
  @Test(arguments: FormatCase.all.map(\.file))
  func aCutFileIsSeen(name: String) throws {
    let scratch = try Scratch()
    let data = try Data(contentsOf: WrittenFrames.file(name))
    let url = scratch.file("cut")
    var refused = 0
    let step = max(1, data.count / (name.hasSuffix("h5") ? 6 : 40))
    let usual = try TrajectoryFile.open(WrittenFrames.file(name), expectedAtoms: 22).warnings.count
    // behind the last model stand bonds
    let end = name.hasSuffix("pdb") ? data.range(of: Data("ENDMDL".utf8), options: .backwards)?.lowerBound : nil
    for length in stride(from: 0, to: min(end ?? .max, data.count - 200), by: step) {
      try data.prefix(length).write(to: url)
      do {
        let reader = try TrajectoryFile.open(url, expectedAtoms: 22)
        _ = try reader.readFrames(0..<reader.frameCount)
        // a text file may end between two frames, and frames follow each other without a count in GROMACS's
        #expect(reader.frameCount < 7, "\(name), \(length) bytes")
        let isBetween =
          name.hasSuffix("mdcrd") || name.hasSuffix("pdb") || name.hasSuffix("xtc") || name.hasSuffix("trr")
        #expect(isBetween || reader.warnings.count > usual, "\(name), \(length) bytes: \(reader.frameCount) frames")
      } catch is TrajectoryError { refused += 1 }
    }
    #expect(refused > 0)
  }

  @Test func partsOfFramesAreLeftOutWithAWarning() throws {
    let scratch = try Scratch()
    for name in ["mdtraj.xtc", "mdtraj.trr", "bare.mdcrd", "box.mdcrd", "bare.pdb"] {
      var data = try Data(contentsOf: WrittenFrames.file(name))
      if let end = data.range(of: Data("ENDMDL".utf8), options: .backwards) { data = data[..<end.lowerBound] }
      let url = scratch.file(name)
      try data.dropLast(150).write(to: url)
      let reader = try TrajectoryFile.open(url, expectedAtoms: 22)
      #expect(reader.frameCount == 6, "\(name)")
      #expect(reader.warnings.contains { $0.contains("not whole and is left out") }, "\(name): \(reader.warnings)")
    }
    var data = try Data(contentsOf: WrittenFrames.file("openmm.dcd"))
    let url = scratch.file("a.dcd")
    try data.dropLast(150).write(to: url)
    #expect(throws: TrajectoryError.truncated(file: url.path, promised: 7, present: 6)) { try DCDTrajectory(url: url) }
    // a writer that was killed before it wrote the number of frames
    for index in 8..<12 { data[index] = 0 }
    try data.dropLast(150).write(to: url)
    let reader = try DCDTrajectory(url: url)
    #expect(reader.frameCount == 6 && reader.warnings.count == 2)
  }

  @Test func wrongNumbersOfAtomsAreSaid() throws {
    let file = WrittenFrames.file("bare.mdcrd")
    #expect(throws: TrajectoryError.needsAtomCount(file: file.path)) { try TrajectoryFile.open(file) }
    for atoms in [21, 23, 10, 44] {
      expectError(saying: "line", "\(atoms) atoms") { try TrajectoryFile.open(file, expectedAtoms: atoms) }
    }
    expectError(saying: "has 22 atoms and the topology 21") {
      try TrajectoryFile.open(WrittenFrames.file("mdtraj.xtc"), expectedAtoms: 21)
    }
  }

  @Test func unevenModelsAreRefused() throws {
    let scratch = try Scratch()
    let text = try String(contentsOf: WrittenFrames.file("bare.pdb"), encoding: .utf8)
    let lines = text.components(separatedBy: "\n")
    let atoms = lines.indices.filter { lines[$0].hasPrefix("ATOM") }
    func write(_ change: (inout [String]) -> Void) throws -> URL {
      var changed = lines
      change(&changed)
      try scratch.write(changed.joined(separator: "\n"), to: "a.pdb")
      return scratch.file("a.pdb")
    }
    let fewer = try write { $0.remove(at: atoms[30]) }
    expectError(saying: "frame 1", "the model has 21 atoms, the first one 22") { try TrajectoryFile.open(fewer) }
    let swapped = try write { $0.swapAt(atoms[30], atoms[31]) }
    expectError(saying: "frame 1", "in another order") { try TrajectoryFile.open(swapped) }
    let windows = try write { $0 = $0.map { $0 + "\r" } }
    #expect(try TrajectoryFile.open(windows).frameCount == 7)
    let stars = try write {
      $0[atoms[30]] = String($0[atoms[30]].prefix(30)) + "   no.no" + $0[atoms[30]].dropFirst(38)
    }
    let reader = try TrajectoryFile.open(stars)
    expectError(saying: "frame 1", "columns 31-38") { try reader.readFrames(0..<7) }
  }

  /// A number that was too long for its columns spoils one frame.
  @Test func starsAreNoNumber() throws {
    let scratch = try Scratch()
    let text = try String(contentsOf: WrittenFrames.file("bare.mdcrd"), encoding: .utf8)
    var lines = text.components(separatedBy: "\n")
    lines[9] = "********" + lines[9].dropFirst(8)
    try scratch.write(lines.joined(separator: "\r\n"), to: "a.mdcrd")
    let frames = try TrajectoryFile.open(scratch.file("a.mdcrd"), expectedAtoms: 22).readFrames(0..<7)
    #expect(frames.indices.filter { frames[$0].isNaN } == [76])
  }
}
