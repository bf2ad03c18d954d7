import Foundation
import Molecules

/// A PDB file of one or several models, each a frame; they are found once and read by range. There are no times.
///
/// Every model must have the atoms of the first, by name and residue, in the same order. Models end with ENDMDL or END. A CRYST1 record
/// holds for the models behind it, up to the next; one of 1 angstrom stands for no box.
/// Source: wwPDB format 3.3.
public final class PDBTrajectory: TrajectoryReader {
  public let url: URL
  public let atomCount: Int
  public let hasTimes = false
  public let warnings: [String]
  public var frameCount: Int { frames.count }

  private struct Frame {
    /// From the first atom's line to the end of the last one's.
    var offset, end: Int
    /// Index of the last box before the frame's end; nil for none.
    var cell: Int?
  }

  private let file: FileBytes
  private let frames: [Frame]
  private let cells: [UnitCell]

  /// Opens a file and finds its models. Throws `TrajectoryError`.
  public init(url: URL) throws {
    self.url = url
    let path = url.path
    let file = try FileBytes(url)
    self.file = file
    var lines = TextLines(file)
    var (frames, cells, warnings): ([Frame], [UnitCell], [String]) = ([], [], [])
    var (firstAtoms, firstNames): (Int?, UInt64) = (nil, 0)
    var (atoms, names, begin, end) = (0, Self.seed, 0, 0)
    var alternate: UInt8?
    var (isModel, isShort) = (false, false)

    func close(isWhole: Bool) throws {
      defer { (atoms, names, alternate, isShort) = (0, Self.seed, nil, false) }
      guard atoms > 0 else { return }
      func damaged(_ message: String) -> TrajectoryError {
        .damagedFrame(file: path, frame: frames.count, message: message)
      }
      if let firstAtoms, !isWhole, atoms < firstAtoms || isShort {
        warnings.append("\(path): the last model is not whole and is left out: the file is cut off")
        return
      }
      guard !isShort else { throw damaged("the line of an atom ends before its coordinates do") }
      if let firstAtoms, atoms != firstAtoms {
        throw damaged("the model has \(atoms) atoms, the first one \(firstAtoms)")
      }
      guard firstAtoms == nil || names == firstNames
      else { throw damaged("the atoms of the model are other ones than the first model's, or in another order") }
      if firstAtoms == nil { (firstAtoms, firstNames) = (atoms, names) }
      frames.append(Frame(offset: begin, end: end, cell: cells.isEmpty ? nil : cells.count - 1))
    }

    while true {
      let offset = lines.offset
      guard var (line, _) = try lines.next() else { break }
      // a byte-order mark
      let mark = offset == 0 && line.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
      line = line.dropFirst(mark)
      switch Self.record(line) {
      case .atom:
        if atoms == 0 { begin = offset + mark }
        end = lines.offset
        atoms += 1
        if line.count < 54 { isShort = true }
        for byte in Self.columns(line, 13...16) + Self.columns(line, 18...20) {
          names = (names ^ UInt64(byte)) &* Self.prime
        }
        if let letter = Self.columns(line, 17...17).first, letter != 0x20 {
          guard alternate == nil || alternate == letter else {
            throw TrajectoryError.unreadable(
              file: path,
              message: "atoms have alternate locations (frame \(frames.count)); keep one of them in the file")
          }
          alternate = letter
        }
      case .box:
        let numbers = [7...15, 16...24, 25...33, 34...40, 41...47, 48...54].map {
          FixedColumns.number(Self.columns(line, $0))
        }
        guard numbers.allSatisfy({ $0 != nil })
        else { throw TrajectoryError.unreadable(file: path, message: "its CRYST1 record at byte \(offset) is damaged") }
        let values = numbers.compactMap { $0 }
        cells.append(
          values[..<3] == [1, 1, 1]
            ? UnitCell(lengths: [0, 0, 0], angles: [90, 90, 90])
            : UnitCell(lengths: values[..<3].map { $0 / 10 }, angles: Array(values[3...])))
      case .model:
        try close(isWhole: true)
        isModel = true
      case .end:
        try close(isWhole: true)
        isModel = false
      case .other: break
      }
    }
    try close(isWhole: !isModel && firstAtoms == nil)
    guard let firstAtoms, !frames.isEmpty else { throw TrajectoryError.noFrames(file: path) }
    (self.frames, self.warnings, atomCount) = (frames, warnings, firstAtoms)
    self.cells = cells.allSatisfy(\.isAbsent) ? [] : cells
  }

  private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325
  private static let prime: UInt64 = 0x100_0000_01b3

  private enum Record { case atom, box, model, end, other }

  private static func record(_ line: ArraySlice<UInt8>) -> Record {
    if line.starts(with: "ATOM  ".utf8) || line.starts(with: "HETATM".utf8) { return .atom }
    if line.starts(with: "CRYST1".utf8) { return .box }
    if line.starts(with: "MODEL ".utf8) { return .model }
    if line.starts(with: "ENDMDL".utf8) { return .end }
    let word = FixedColumns.trimmed(line)
    return word.elementsEqual("END".utf8) ? .end : .other
  }

  /// Columns counted from 1, as many of them as the line has.
  private static func columns(_ line: ArraySlice<UInt8>, _ range: ClosedRange<Int>) -> ArraySlice<UInt8> {
    let start = min(line.endIndex, line.startIndex + range.lowerBound - 1)
    return line[start..<min(line.endIndex, line.startIndex + range.upperBound)]
  }

  public func readFrames(_ range: Range<Int>) throws -> [Double] {
    try check(range)
    var coordinates: [Double] = []
    coordinates.reserveCapacity(range.count * atomCount * 3)
    for index in range {
      let frame = frames[index]
      for line in try file.read(frame.offset, frame.end - frame.offset).split(separator: 0x0a)
      where Self.record(line) == .atom {
        for field in [31...38, 39...46, 47...54] {
          guard let value = FixedColumns.number(Self.columns(line, field)) else {
            throw TrajectoryError.damagedFrame(
              file: url.path, frame: index,
              message: "columns \(field.lowerBound)-\(field.upperBound) hold no number: "
                + String(decoding: line.prefix(80), as: UTF8.self))
          }
          coordinates.append(value / 10)
        }
      }
    }
    guard coordinates.count == range.count * atomCount * 3
    else { throw TrajectoryError.unreadable(file: url.path, message: "it has changed since it was opened") }
    return coordinates
  }

  public func readTimes(_ range: Range<Int>) throws -> [Double]? { nil }

  public func readCells(_ range: Range<Int>) throws -> [UnitCell]? {
    guard !cells.isEmpty else { return nil }
    try check(range)
    return frames[range].map { frame in
      frame.cell.map { cells[$0] } ?? UnitCell(lengths: [0, 0, 0], angles: [90, 90, 90])
    }
  }
}

extension TrajectoryFormat {
  /// PDB files, a frame for each model.
  public static let pdb = TrajectoryFormat(
    name: "PDB",
    matches: { start in
      let text = start.starts(with: [0xef, 0xbb, 0xbf]) ? Array(start.dropFirst(3)) : start
      guard let lines = FixedColumns.lines(ofStart: text) else { return false }
      let records = [
        "HEADER", "TITLE", "COMPND", "SOURCE", "KEYWDS", "EXPDTA", "AUTHOR", "REMARK", "CRYST1", "MODEL", "ATOM",
        "HETATM",
        "SEQRES", "OBSLTE", "CAVEAT", "NUMMDL",
      ]
      guard let first = lines.first(where: { !FixedColumns.trimmed($0).isEmpty }) else { return false }
      let word = FixedColumns.trimmed(first.prefix(6))
      return records.contains { word.elementsEqual($0.utf8) }
    },
    open: { try PDBTrajectory(url: $0) })
}
