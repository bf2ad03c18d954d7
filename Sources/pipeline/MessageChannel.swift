import Foundation
import Workflow

/// Messages between `serve-emulator` and the program that started it; docs/python.md describes them.
///
/// A message is two UInt64 (bytes of the header, bytes of the numbers), a header of JSON, and Float64 numbers; all little-endian. What is too large
/// is refused before memory is taken for it.
struct MessageChannel {
  struct Message {
    let header, numbers: Data
  }

  /// Bytes of a header, and of the numbers of one message.
  static let (headerLimit, numbersLimit) = (1 << 20, 1 << 29)

  let input, output: FileHandle

  /// The process's own streams. What anything else prints goes to the standard error from here on. Throws `MessageError`.
  static func standard() throws -> MessageChannel {
    let kept = dup(STDOUT_FILENO)
    guard kept >= 0, dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 else { throw MessageError.noOutput(code: errno) }
    return MessageChannel(
      input: .standardInput, output: FileHandle(fileDescriptor: kept, closeOnDealloc: true))
  }

  /// Nil where the other side has closed its end. Throws `MessageError` for what is no message: nothing that follows can be told apart.
  func next() throws -> Message? {
    guard let sizes = try read(16, of: "the two lengths", mayEnd: true) else { return nil }
    let (header, numbers) = sizes.withUnsafeBytes {
      (
        UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)),
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
    guard header <= Self.headerLimit else {
      throw MessageError.tooLong("the header", bytes: header, most: Self.headerLimit)
    }
    guard numbers <= Self.numbersLimit else {
      throw MessageError.tooLong("the numbers", bytes: numbers, most: Self.numbersLimit)
    }
    return Message(
      header: try read(Int(header), of: "the header") ?? Data(),
      numbers: try read(Int(numbers), of: "the numbers") ?? Data())
  }

  /// In pieces, so that no more memory is taken than there are bytes.
  private func read(_ count: Int, of what: String, mayEnd: Bool = false) throws -> Data? {
    var data = Data()
    while data.count < count {
      guard let piece = try input.read(upToCount: min(count - data.count, 1 << 20)), !piece.isEmpty else {
        if mayEnd, data.isEmpty { return nil }
        throw MessageError.truncated(what, bytes: data.count, expected: count)
      }
      data += piece
    }
    return data
  }

  func send(_ header: ParameterValue, _ arrays: [[Double]] = []) throws {
    let header = Data(header.canonicalJSON.utf8)
    let sizes = [header.count, arrays.reduce(0) { $0 + 8 * $1.count }].map { UInt64($0).littleEndian }
    try output.write(contentsOf: sizes.withUnsafeBytes { Data($0) } + header)
    for array in arrays {
      try array.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: 1 << 24) {
          try output.write(contentsOf: Data(bytes[start..<min(start + 1 << 24, bytes.count)]))
        }
      }
    }
  }
}

/// What is wrong with a message, or with what it asks for.
enum MessageError: Error, CustomStringConvertible {
  case noOutput(code: Int32)
  case tooLong(String, bytes: UInt64, most: Int)
  case truncated(String, bytes: Int, expected: Int)
  case notJSON(String)
  case unknownRequest(String, known: [String])
  case shape(String, found: [Int], expected: String)
  case numbers(bytes: Int, expected: Int)
  case arrays([String], known: [String])

  var description: String {
    switch self {
    case .noOutput(let code): "the standard output cannot be kept: \(String(cString: strerror(code)))"
    case .tooLong(let what, let bytes, let most):
      "\(what) of the message would be \(bytes) bytes long, and \(most) are the most: ask for less at a time. What follows cannot be told "
        + "apart, and the program ends"
    case .truncated(let what, let bytes, let expected):
      "the message ends in \(what), after \(bytes) of \(expected) bytes; the program ends"
    case .notJSON(let reason): "the header is not JSON with request, seed, options and arrays: \(reason)"
    case .unknownRequest(let word, let known):
      "there is no request '\(word)'" + Suggestion.text(for: word, among: known)
    case .shape(let name, let found, let expected):
      "\(name) has the shape \(found), and \(expected) is needed"
    case .numbers(let bytes, let expected):
      "the arrays' shapes mean \(expected) bytes of Float64, and \(bytes) follow the header: their shapes are wrong"
    case .arrays(let found, let known):
      "the arrays are \(found.isEmpty ? "missing" : found.joined(separator: ", ")), and \(known.joined(separator: " and ")) are what this "
        + "request takes, each once"
    }
  }
}
