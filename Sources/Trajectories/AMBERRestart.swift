import Foundation
import Molecules

/// AMBER's text coordinates (inpcrd, rst7): one frame.
///
/// Source: "AMBER coordinate/restart file specification" of the AMBER file formats: a title; the number of atoms and perhaps a time (ps);
/// coordinates (angstrom), perhaps velocities, perhaps a box (edges and angles), all in FORTRAN format 6F12.7.
public struct AMBERRestart: TrajectoryReader {
  public let url: URL
  public let atomCount: Int
  public let frameCount = 1
  public let hasTimes: Bool
  private let coordinates: [Double]
  private let time: Double
  private let cell: UnitCell?

  private static let width = 12
  private static let perLine = 6

  /// Throws `TrajectoryError`.
  public init(url: URL) throws {
    self.url = url
    let path = url.path
    func refuse(_ message: String) -> TrajectoryError { .unreadable(file: path, message: message) }
    let file = try FileBytes(url)
    var lines = TextLines(file)
    _ = try lines.next()
    let words = try lines.next()?.bytes.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 }).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard let words, let count = words.first.flatMap({ Int($0) }), count > 0, count <= file.size / 24
    else { throw refuse("its second line tells no number of atoms, or more than it can hold") }
    atomCount = count
    let time = words.count > 1 ? Double(words[1]) : nil
    (hasTimes, self.time) = (time?.isFinite ?? false, time ?? 0)

    let lineCount = (3 * count + Self.perLine - 1) / Self.perLine
    var blocks: [[Double]] = []
    var number = 2
    while let (line, _) = try lines.next() {
      number += 1
      if FixedColumns.trimmed(line).isEmpty { continue }
      guard let numbers = FixedColumns.numbers(line, width: Self.width), numbers.count <= Self.perLine
      else { throw refuse("line \(number) is not of numbers of \(Self.width) columns") }
      blocks.append(numbers)
      guard blocks.count <= 2 * lineCount + 1 else { throw refuse("it goes on behind its box, at line \(number)") }
    }
    let found = blocks.prefix(lineCount).flatMap { $0 }
    guard found.count == 3 * count
    else { throw refuse("it holds \(found.count) coordinates for \(count) atoms: it is cut off, or damaged") }
    coordinates = found.map { $0 / 10 }
    let rest = Array(blocks.dropFirst(lineCount))
    if rest.isEmpty || (rest.count == lineCount && lineCount > 1) {
      cell = nil
    } else if rest.count == lineCount + 1 || (rest.count == 1 && lineCount > 1) {
      let box = rest.last ?? []
      guard box.count == 3 || box.count == 6 else { throw refuse("its last line is no box") }
      cell = UnitCell(lengths: box[..<3].map { $0 / 10 }, angles: box.count == 6 ? Array(box[3...]) : [90, 90, 90])
    } else {
      throw refuse(
        rest.count == 1
          ? "of \(count) atoms, velocities and a box cannot be told apart"
          : "\(rest.count) lines behind the coordinates are neither velocities nor a box")
    }
  }

  public func readFrames(_ range: Range<Int>) throws -> [Double] {
    try check(range)
    return range.isEmpty ? [] : coordinates
  }

  public func readTimes(_ range: Range<Int>) throws -> [Double]? {
    try check(range)
    return hasTimes ? range.map { _ in time } : nil
  }

  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    try check(range)
    return cell.map { cell in range.map { _ in cell } }
  }
}

extension TrajectoryFormat {
  /// AMBER's text coordinates.
  public static let amberRestart = TrajectoryFormat(
    name: "AMBER restart",
    matches: { start in
      guard let lines = FixedColumns.lines(ofStart: start), lines.count > 3 else { return false }
      let words = lines[1].split(whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d })
      guard let first = words.first, words.count <= 3, Int(String(decoding: first, as: UTF8.self)) != nil
      else { return false }
      return FixedColumns.isLine(lines[2], width: 12, decimals: 7, atMost: 6)
    },
    open: { try AMBERRestart(url: $0) })
}
