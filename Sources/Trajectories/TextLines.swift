import Foundation

/// Lines of a text file, one after the other; lines end in LF or CR LF.
struct TextLines {
  private let file: FileBytes
  private var buffer: [UInt8] = []
  private var bufferStart = 0
  /// Where the next line begins, in bytes.
  private(set) var offset = 0

  private static let piece = 1 << 20
  /// No line of a format here is nearly so long.
  static let longest = 4096

  init(_ file: FileBytes) { self.file = file }

  /// The next line without its end; nil behind the last one. `isWhole` is false for a last line without an end.
  ///
  /// Throws `TrajectoryError.unreadable` at a line that is too long.
  mutating func next() throws -> (bytes: ArraySlice<UInt8>, isWhole: Bool)? {
    guard offset < file.size else { return nil }
    var begin = offset - bufferStart
    if begin + Self.longest > buffer.count, bufferStart + buffer.count < file.size {
      buffer = try file.readAtMost(offset, Self.piece)
      bufferStart = offset
      begin = 0
    }
    guard begin < buffer.count else { return nil }
    let found = buffer.withUnsafeBytes { bytes -> Int? in
      guard let base = bytes.baseAddress, let end = memchr(base + begin, 0x0a, buffer.count - begin) else { return nil }
      return UnsafeRawPointer(end) - base
    }
    var end = found ?? buffer.count
    guard end - begin < Self.longest else {
      throw TrajectoryError.unreadable(
        file: file.url.path, message: "a line of more than \(Self.longest) characters begins at byte \(offset)")
    }
    offset = bufferStart + end + (found == nil ? 0 : 1)
    if end > begin, buffer[end - 1] == 0x0d { end -= 1 }
    return (buffer[begin..<end], found != nil)
  }
}

/// Numbers in fixed columns of text.
enum FixedColumns {
  /// The number in a field, such as " -12.345", exactly rounded; nil where it is none. A field of stars, which stands for a number
  /// that was too long, is NaN.
  static func number(_ field: ArraySlice<UInt8>) -> Double? {
    var text = field
    while text.first == 0x20 || text.first == 0x09 { text = text.dropFirst() }
    while let last = text.last, last == 0x20 || last == 0x09 || last == 0x0d { text = text.dropLast() }
    guard let first = text.first else { return nil }
    if text.allSatisfy({ $0 == UInt8(ascii: "*") }) { return .nan }
    let isNegative = first == UInt8(ascii: "-")
    if isNegative || first == UInt8(ascii: "+") { text = text.dropFirst() }
    var (value, scale, digits) = (0, 1, 0)
    var isFraction = false
    for byte in text {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        digits += 1
        guard digits <= 15 else {
          return Double(String(decoding: field, as: UTF8.self).trimmingCharacters(in: .whitespaces))
        }
        value = 10 * value + Int(byte) - 0x30
        if isFraction { scale *= 10 }
      case UInt8(ascii: ".") where !isFraction: isFraction = true
      default: return Double(String(decoding: field, as: UTF8.self).trimmingCharacters(in: .whitespaces))
      }
    }
    guard digits > 0 else { return nil }
    // both are exact, so that their quotient is rounded once
    let magnitude = Double(value) / Double(scale)
    return isNegative ? -magnitude : magnitude
  }

  /// The numbers of a line in fields of one width; nil where one is none, or the last field is cut.
  static func numbers(_ line: ArraySlice<UInt8>, width: Int) -> [Double]? {
    let text = trimmed(line)
    guard text.count % width == 0 else { return nil }
    var numbers: [Double] = []
    for start in stride(from: text.startIndex, to: text.endIndex, by: width) {
      guard let number = number(text[start..<(start + width)]) else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  /// Without blanks at the end.
  static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = line
    while let last = text.last, last == 0x20 || last == 0x09 || last == 0x0d { text = text.dropLast() }
    return text
  }

  /// Whether a line is of numbers with `decimals` digits behind the point in fields of `width`, at most `atMost` of them.
  static func isLine(_ line: ArraySlice<UInt8>, width: Int, decimals: Int, atMost: Int) -> Bool {
    let text = Array(trimmed(line))
    guard !text.isEmpty, text.count % width == 0, text.count / width <= atMost else { return false }
    for start in stride(from: 0, to: text.count, by: width) {
      let field = text[start..<(start + width)]
      let isStars = field.allSatisfy { $0 == UInt8(ascii: "*") }
      guard isStars || (field[start + width - 1 - decimals] == UInt8(ascii: ".") && number(field) != nil)
      else { return false }
    }
    return true
  }

  /// The lines of a file's start, of which the last may be cut; nil where it is no text.
  static func lines(ofStart start: [UInt8]) -> [ArraySlice<UInt8>]? {
    guard start.allSatisfy({ $0 >= 0x20 || [0x09, 0x0a, 0x0d].contains($0) }) else { return nil }
    return start.split(separator: 0x0a, omittingEmptySubsequences: false)
  }
}
