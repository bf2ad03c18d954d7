import Foundation

/// What is wrong with a file that describes windows or holds their samples.
public enum WindowFileError: Error, Equatable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  /// A line (from 1) and what is wrong with it.
  case line(file: String, line: Int, String)
  /// The file as a whole.
  case content(file: String, String)

  public var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): cannot be read (\(reason))"
    case .line(let file, let line, let message): "\(file):\(line): \(message)"
    case .content(let file, let message): "\(file): \(message)"
    }
  }
}

/// Lines of a text file: line ends of any kind, a byte-order mark left out.
struct WindowLines {
  let file: String
  let lines: [Substring]

  /// Throws `WindowFileError.unreadable`, `.content` where the file is no text.
  init(_ url: URL) throws {
    file = url.lastPathComponent
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw WindowFileError.unreadable(file: file, reason: error.localizedDescription)
    }
    guard !data.contains(0) else { throw WindowFileError.content(file: file, "holds zero bytes: this is no text file") }
    var text = String(decoding: data, as: UTF8.self)[...]
    if text.hasPrefix("\u{FEFF}") { text = text.dropFirst() }
    lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
  }

  func fail(_ index: Int, _ message: String) -> WindowFileError { .line(file: file, line: index + 1, message) }
  func fail(_ message: String) -> WindowFileError { .content(file: file, message) }

  /// Words between blanks, tabs and commas.
  static func words(_ line: Substring) -> [Substring] { line.split { $0.isWhitespace || $0 == "," } }

  /// A number as C, Python or Fortran write it; nil for what is none, and for what is not finite.
  static func number(_ word: Substring) -> Double? {
    let value = Double(word) ?? Double(word.replacing("d", with: "e").replacing("D", with: "e"))
    return value.flatMap { $0.isFinite ? $0 : nil }
  }
}
