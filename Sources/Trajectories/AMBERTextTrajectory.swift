import Foundation
import Molecules

/// AMBER's text trajectory (mdcrd): a title, and for each frame the coordinates (angstrom) in lines of ten numbers of eight columns,
/// with or without a line of the three box edges. Frames are found once and read by range.
///
/// Such a file tells neither its number of atoms nor times nor the angles of a box.
/// Source: "AMBER trajectory format" of the AMBER file formats, FORTRAN format 10F8.3.
public final class AMBERTextTrajectory: TrajectoryReader {
  public let url: URL
  public let atomCount: Int
  public let hasTimes = false
  public let warnings: [String]
  public var frameCount: Int { offsets.count }

  private struct Line {
    var offset: Int
    var text: ArraySlice<UInt8>
    var isWhole: Bool
  }

  /// Whether a line behind a frame's coordinates is one of box edges: three numbers, with or without blanks between the columns. No frame
  /// of two atoms or more begins with so short a line.
  private static func isBox(_ line: Line) -> Bool {
    guard line.text.count < 6 * width, let edges = edges(line.text) else { return false }
    func decimals(_ index: Int) -> Int { edges[index].drop { $0 != UInt8(ascii: ".") }.count }
    return line.isWhole || decimals(0) == decimals(2)
  }

  /// The three fields of a line of box edges; nil where it is none.
  private static func edges(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>]? {
    let text = FixedColumns.trimmed(line)
    var fields = text.split(separator: 0x20)
    if fields.count != 3, text.count == 3 * width {
      fields = (0..<3).map { text[(text.startIndex + width * $0)..<(text.startIndex + width * ($0 + 1))] }
    }
    return fields.count == 3 && fields.allSatisfy { FixedColumns.number($0) != nil } ? fields : nil
  }

  private let file: FileBytes
  private let offsets: [Int]
  private let hasCell: Bool

  private static let width = 8
  private static let perLine = 10

  /// Opens a file and finds its frames. Throws `TrajectoryError`, `.needsAtomCount` where the number of atoms is nil.
  public init(url: URL, atomCount: Int?) throws {
    self.url = url
    let path = url.path
    guard let atomCount, atomCount > 0 else { throw TrajectoryError.needsAtomCount(file: path) }
    self.atomCount = atomCount
    let file = try FileBytes(url)
    self.file = file
    let lineCount = (3 * atomCount + Self.perLine - 1) / Self.perLine
    let lastCount = 3 * atomCount - Self.perLine * (lineCount - 1)
    guard atomCount > 1 else {
      throw TrajectoryError.unreadable(file: path, message: "of one atom, positions and boxes cannot be told apart")
    }
    var lines = TextLines(file)
    _ = try lines.next()  // the title
    var offsets: [Int] = []
    var (number, boxes) = (1, 0)
    var isCut = false
    var pending: Line?
    func next() throws -> Line? {
      if let kept = pending {
        pending = nil
        return kept
      }
      let offset = lines.offset
      guard let (line, isWhole) = try lines.next() else { return nil }
      number += 1
      return Line(offset: offset, text: FixedColumns.trimmed(line), isWhole: isWhole)
    }
    /// False where the file ends within the line.
    func isComplete(_ line: Line?, _ expected: Int) throws -> Bool {
      guard let line else { return false }
      if line.text.count == expected { return true }
      guard line.isWhole || line.text.count > expected else { return false }
      throw TrajectoryError.unreadable(
        file: path,
        message: "line \(number) is \(line.text.count) characters long where \(expected) belong to a frame of "
          + "\(atomCount) atoms; the file is of another number of atoms, or damaged")
    }
    // an empty line is an end and nothing else
    frames: while let first = try next(), !first.text.isEmpty {
      if first.text.starts(with: "REMD".utf8) || first.text.starts(with: "HREMD".utf8) {
        throw TrajectoryError.unreadable(
          file: path,
          message: "line \(number) is that of a replica exchange, whose frames are of several temperatures; sort them "
            + "with a trajectory tool")
      }
      for index in 0..<lineCount {
        let line = index == 0 ? first : try next()
        let numbers = index < lineCount - 1 ? Self.perLine : lastCount
        guard try isComplete(line, Self.width * numbers) else {
          isCut = true
          break frames
        }
      }
      offsets.append(first.offset)
      guard let following = try next() else { break }
      if boxes == offsets.count - 1, Self.isBox(following) { boxes += 1 } else { pending = following }
    }
    guard !offsets.isEmpty else { throw TrajectoryError.noFrames(file: path) }
    // a box may be missing where the file is cut off
    hasCell = boxes > 0
    if hasCell, boxes < offsets.count {
      guard boxes == offsets.count - 1 else {
        throw TrajectoryError.unreadable(
          file: path, message: "\(boxes) of \(offsets.count) frames have a box: the file is of another number of atoms")
      }
      offsets.removeLast()
      isCut = true
    }
    var warnings: [String] = []
    if isCut { warnings.append("\(path): the last frame is not whole and is left out: the file is cut off") }
    if hasCell { warnings.append("\(path): the file tells a box's edges and not its angles, taken as 90 degrees") }
    (self.offsets, self.warnings) = (offsets, warnings)
  }

  /// The numbers of a frame and of its box, angstrom.
  private func numbers(_ frame: Int) throws -> [Double] {
    let lineCount = (3 * atomCount + Self.perLine - 1) / Self.perLine
    let next = frame + 1 < offsets.count ? offsets[frame + 1] : file.size
    // blanks and CR may stand at the ends of lines
    let bytes = try file.readAtMost(
      offsets[frame], min(next - offsets[frame], (lineCount + 1) * (TextLines.longest + 2)))
    var found: [Double] = []
    let lines = bytes.split(separator: 0x0a, maxSplits: lineCount + 1)
    for (index, line) in lines.prefix(lineCount + (hasCell ? 1 : 0)).enumerated() {
      let numbers =
        index < lineCount
        ? FixedColumns.numbers(line, width: Self.width) : Self.edges(line)?.compactMap { FixedColumns.number($0) }
      guard let numbers else {
        throw TrajectoryError.damagedFrame(
          file: url.path, frame: frame,
          message: "\"\(String(decoding: line.prefix(80), as: UTF8.self))\" are no numbers")
      }
      found += numbers
    }
    guard found.count == 3 * atomCount + (hasCell ? 3 : 0)
    else {
      throw TrajectoryError.damagedFrame(file: url.path, frame: frame, message: "\(found.count) numbers are in it")
    }
    return found
  }

  public func readFrames(_ range: Range<Int>) throws -> [Double] {
    try check(range)
    return try range.flatMap { try numbers($0).prefix(3 * atomCount).map { $0 / 10 } }
  }

  public func readTimes(_ range: Range<Int>) throws -> [Double]? { nil }

  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    guard hasCell else { return nil }
    try check(range)
    return try range.map {
      UnitCell(lengths: try numbers($0).suffix(3).map { $0 / 10 }, angles: [90, 90, 90])
    }
  }
}

extension TrajectoryFormat {
  /// AMBER's text trajectories.
  public static let amberText = TrajectoryFormat(
    name: "AMBER mdcrd",
    matches: { start in
      guard let lines = FixedColumns.lines(ofStart: start), lines.count > 2 else { return false }
      return FixedColumns.isLine(lines[1], width: 8, decimals: 3, atMost: 10) && lines[1].count >= 48
    },
    openKnowing: { try AMBERTextTrajectory(url: $0, atomCount: $1) })
}
