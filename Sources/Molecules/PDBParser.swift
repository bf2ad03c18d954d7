import Foundation

/// The state of reading one PDB file, line by line.
struct PDBParser {
  /// An ATOM or HETATM record.
  struct Record {
    let line: Int
    let serial, name, alternate, residueName, sequence, insertion, chain, segment, element: String
    /// Whether the name begins in the first of its four columns, which the format keeps for elements of two letters.
    let startsInFirstColumn: Bool
    let position: [Double]  // nm
    let part: Int  // How many TER records stood before

    var place: [String] { [chain, sequence, insertion, segment, String(part)] }
  }

  let file: String
  private(set) var records: [Record] = []
  private(set) var connections: [(line: Int, serials: [String])] = []
  private(set) var cell: UnitCell?
  private(set) var warnings: [String] = []
  private var parts = 0
  private var inLaterModel = false

  init(file: String) { self.file = file }

  /// Lines end in LF, CR LF or CR. Throws `MoleculesError.malformed`, `.unreadable`.
  mutating func read(_ bytes: [UInt8]) throws {
    if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) {
      throw MoleculesError.unreadable(file: file, reason: "it is UTF-16 text; save it as plain text (ASCII or UTF-8)")
    }
    let text = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...]  // a byte-order mark
    var (start, number) = (text.startIndex, 0)
    while start < text.endIndex {
      let end = text[start...].firstIndex { $0 == 0x0a || $0 == 0x0d } ?? text.endIndex
      number += 1
      guard try consume(Array(text[start..<end]), number: number) else { return }
      let isPair = end + 1 < text.endIndex && text[end] == 0x0d && text[end + 1] == 0x0a
      start = end + (isPair ? 2 : 1)
    }
  }

  /// False when nothing further matters.
  private mutating func consume(_ line: [UInt8], number: Int) throws -> Bool {
    switch field(line, 1, 6).uppercased() {
    case "ATOM", "HETATM": if !inLaterModel { try readAtom(line, number) }
    case "TER": parts += 1
    case "ENDMDL": inLaterModel = true
    case "CONECT": readConnections(line, number)
    case "CRYST1": readCell(line)
    case "END": return false
    default: break
    }
    return true
  }

  /// Columns `from`...`to`, counted from 1 as the format does, without blanks around.
  private func field(_ line: [UInt8], _ from: Int, _ to: Int) -> String {
    guard from <= line.count else { return "" }
    return String(decoding: line[(from - 1)..<min(to, line.count)], as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func fail(_ number: Int, _ reason: String) -> MoleculesError { .malformed(file: file, line: number, reason: reason) }

  private mutating func readAtom(_ line: [UInt8], _ number: Int) throws {
    let name = field(line, 13, 16)
    guard !name.isEmpty else { throw fail(number, "columns 13-16 hold no atom name") }
    var position: [Double] = []
    for (axis, column) in [("x", 31), ("y", 39), ("z", 47)] {
      let text = field(line, column, column + 7)
      guard let value = Double(text), value.isFinite else {
        throw fail(number, "\"\(text)\" in columns \(column)-\(column + 7) is not a coordinate (\(axis), angstrom)")
      }
      position.append(value / 10)
    }
    records.append(
      Record(
        line: number, serial: field(line, 7, 11), name: name, alternate: field(line, 17, 17),
        // names of four letters reach into the column that the format leaves blank
        residueName: field(line, 18, 21), sequence: field(line, 23, 26), insertion: field(line, 27, 27),
        chain: field(line, 22, 22), segment: field(line, 73, 76), element: field(line, 77, 78),
        startsInFirstColumn: line[12] != UInt8(ascii: " "), position: position, part: parts))
  }

  private mutating func readConnections(_ line: [UInt8], _ number: Int) {
    let columns = stride(from: 7, through: 27, by: 5)
    connections.append((number, columns.map { field(line, $0, $0 + 4) }.filter { !$0.isEmpty }))
  }

  private mutating func readCell(_ line: [UInt8]) {
    let edges = [(7, 15), (16, 24), (25, 33)].compactMap { Double(field(line, $0.0, $0.1)) }
    let angles = [(34, 40), (41, 47), (48, 54)].compactMap { Double(field(line, $0.0, $0.1)) }
    if edges.count == 3, angles.count == 3 { cell = UnitCell(lengths: edges.map { $0 / 10 }, angles: angles) }
  }
}

/// Numbers in few columns: decimal, hybrid-36 (letters where decimal digits do not suffice) or hexadecimal, as VMD and
/// others write them.
enum PDBNumber {
  /// Nil where the text is none of these: stars, for one. `width`: of the columns.
  ///
  /// Hybrid-36: cci.lbl.gov/hybrid_36. A text of full width that begins with a letter of the alphabet is read as such; one of
  /// digits and letters that begins with a digit, as hexadecimal.
  static func value(_ text: String, width: Int) -> Int? {
    if let decimal = Int(text) { return decimal }
    guard let first = text.utf8.first, text.utf8.allSatisfy({ isLetter($0) || isDigit($0) }) else { return nil }
    if isLetter(first), text.utf8.count == width {
      let isUpper = first < UInt8(ascii: "a")
      guard text == (isUpper ? text.uppercased() : text.lowercased()), let digits = Int(text, radix: 36) else {
        return nil
      }
      let (power, decimal) = ((1..<width).reduce(1) { p, _ in p * 36 }, (0..<width).reduce(1) { p, _ in p * 10 })
      return digits - 10 * power + decimal + (isUpper ? 0 : 26 * power)
    }
    return Int(text, radix: 16)
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }
  private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
}
