import Foundation
import Workflow

/// Pieces of a pipeline file's text.
enum DraftText {
  /// A value as YAML has it on one line: plain where it is a plain word, else in quotes. "${" is written so that it stays.
  static func quoted(_ text: String) -> String {
    let safe = text.replacingOccurrences(of: "${", with: "$${")
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
    if safe.wholeMatch(of: #/[A-Za-z_./][A-Za-z0-9_./@+-]*/#) != nil, !words.contains(safe.lowercased()) { return safe }
    return "\""
      + safe.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
  }

  /// All digits that a temperature has, K.
  static func kelvin(_ value: Double) -> String { String(format: "%.9g", value) }

  /// The run's name, which becomes a folder's: what cannot stand in one becomes a hyphen.
  static func name(_ file: URL) -> String {
    let stem = file.deletingPathExtension().lastPathComponent
    let letters = stem.map { $0.isASCII && ($0.isLetter || $0.isNumber || "_@.-".contains($0)) ? $0 : "-" }
    let name = String(letters.drop { !($0.isLetter || $0.isNumber || $0 == "_") }.prefix(100))
    return name.isEmpty ? "own" : name
  }

  /// "[a, b]", or a single entry alone.
  static func list(_ entries: [String]) -> String {
    entries.count == 1 ? entries[0] : "[\(entries.joined(separator: ", "))]"
  }

  static func numbers(_ values: [Int]) -> String { "[\(values.map(String.init).joined(separator: ", "))]" }

  /// A line with its comment, if it has one.
  static func line(_ text: String, _ comment: String?) -> String { comment.map { "\(text)   # \($0)" } ?? text }

  /// How a file in `folder` names another: the shorter of the two ways.
  static func path(_ file: URL, from folder: URL) -> String {
    let (relative, absolute) = (RelativePath.of(file.path, from: folder), file.standardizedFileURL.path)
    return relative.hasPrefix("../../..") ? absolute : relative
  }
}

extension String {
  var nonEmpty: String? { isEmpty ? nil : self }
}
