import Foundation

/// Where something stood: a place in a pipeline file, or an override given on the command line.
public struct SourceLocation: Equatable, Sendable, CustomStringConvertible {
  public let source: String  // The file as it shall be printed, or the override's text
  public let line: Int  // From 1; 0 where there are no lines (an override)
  public let column: Int

  public init(_ source: String, line: Int = 0, column: Int = 0) {
    (self.source, self.line, self.column) = (source, line, column)
  }

  public var description: String { line > 0 ? "\(source):\(line):\(column)" : source }
}

/// What can be wrong with a pipeline file. Each case carries the offending value.
public enum PipelineFileProblem: Equatable, Sendable, CustomStringConvertible {
  case unreadable(reason: String)
  case tooLarge(bytes: Int, limit: Int)
  case syntax(String)
  case limit(String)
  case duplicateKey(String)
  case unknownKey(String, place: String, known: [String])
  case missingKey(String, place: String, help: String)
  case wrongType(place: String, found: String, expected: String)
  case outOfRange(place: String, found: String, expected: String)
  case unknownWord(place: String, found: String, known: [String])
  case badName(String, what: String)
  case unknownStageType(String, known: [String])
  case unknownStage(String, place: String, known: [String])
  case wrongInputType(place: String, stage: String, found: String, expected: [String])
  case cycle([String])
  case missingFile(String, place: String)
  case badOverride(String)
  case missingShared(String, section: String?, stage: String)
  case circularExtends([String])
  case badPlaceholder(String)
  case badAxisName(String)
  case unknownAxis(String, place: String, known: [String])
  case emptyAxis(String)
  case unusedAxis(String, known: [String])
  case clashingEntries(axis: String, first: String, second: String, label: String)
  case clashingNames(String, first: String, second: String)
  case refused(String)  // By a stage type's own check

  public var description: String {
    switch self {
    case .unreadable(let reason): reason
    case .tooLarge(let bytes, let limit): "the file has \(bytes) bytes; a pipeline file may have at most \(limit)"
    case .syntax(let message): message
    case .limit(let message): message
    case .duplicateKey(let key): "'\(key)' is given twice"
    case .unknownKey(let key, let place, let known):
      "unknown key '\(key)' in \(place)" + Suggestion.text(for: key, among: known)
    case .missingKey(let key, let place, let help): "\(place) needs '\(key)' (\(help))"
    case .wrongType(let place, let found, let expected): "\(place): \(found) is not \(expected)"
    case .outOfRange(let place, let found, let expected): "\(place): \(found) is out of range: \(expected)"
    case .unknownWord(let place, let found, let known):
      "\(place): unknown value '\(found)'" + Suggestion.text(for: found, among: known)
    case .badName(let name, let what):
      "\(what) \(name.debugDescription) is not usable as a file name; "
        + "use letters, digits and _ @ . - only, beginning with a letter, a digit or _, at most 100, without .h5, .ckpt- and .part-"
    case .unknownStageType(let type, let known):
      "unknown stage type '\(type)'" + Suggestion.text(for: type, among: known)
    case .unknownStage(let name, let place, let known):
      "\(place): there is no stage '\(name)'" + Suggestion.text(for: name, among: known)
    case .wrongInputType(let place, let stage, let found, let expected):
      "\(place): stage '\(stage)' is of type \(found); needed: \(expected.joined(separator: " or "))"
    case .cycle(let names): "stages need each other in a circle: \(names.joined(separator: " -> "))"
    case .missingFile(let path, let place): "\(place): there is no file \(path)"
    case .badOverride(let message): message
    case .missingShared(let field, let section, let stage):
      "stage '\(stage)' needs '\(field)'" + (section.map { " in '\($0):'" } ?? "")
    case .circularExtends(let files): "'extends' goes in a circle: \(files.joined(separator: " -> "))"
    case .badPlaceholder(let text):
      "'\(text)' is no placeholder; write ${axis} or ${axis.key}, or $${ for the signs themselves"
    case .badAxisName(let name):
      "matrix: \(name.debugDescription) cannot be an axis; use letters, digits, _ and -, beginning with a letter or _"
    case .unknownAxis(let name, let place, let known):
      "\(place): the matrix has no axis '\(name)'" + Suggestion.text(for: name, among: known)
    case .emptyAxis(let axis): "matrix: axis '\(axis)' has no entries"
    case .unusedAxis(let axis, let known):
      "matrix: no stage depends on axis '\(axis)'; use ${\(axis)} in a parameter, or give a stage 'over: \(axis)'"
        + Suggestion.hint(for: axis, among: known)
    case .clashingEntries(let axis, let first, let second, let label):
      first == second
        ? "matrix: axis '\(axis)' has the entry '\(first)' twice"
        : "matrix: the entries '\(first)' and '\(second)' of axis '\(axis)' would both be called '\(label)' in stage names"
    case .clashingNames(let name, let first, let second):
      "two stages would be called '\(name)' (\(first) and \(second)); rename one, or an entry of the matrix"
    case .refused(let text): text
    }
  }
}

extension PipelineFileProblem {
  static func wrong(_ place: String, _ node: ConfigurationNode, _ expected: String) -> PipelineFileProblem {
    .wrongType(place: place, found: node.shown, expected: expected)
  }
}

/// Everything found wrong with a pipeline file, each with its place: `alanine.yaml:12:31: unknown key 'stpes' ...`.
public struct PipelineFileError: Error, Equatable, CustomStringConvertible {
  public struct Finding: Equatable, Sendable, CustomStringConvertible {
    public let location: SourceLocation
    public let problem: PipelineFileProblem
    public var description: String { "\(location): \(problem)" }
  }

  public let findings: [Finding]

  init(_ findings: [Finding]) { self.findings = findings }

  init(_ location: SourceLocation, _ problem: PipelineFileProblem) {
    findings = [Finding(location: location, problem: problem)]
  }

  /// As one reads the file; a file's findings stay together.
  var inOrder: PipelineFileError {
    var sources: [String] = []
    for finding in findings where !sources.contains(finding.location.source) { sources.append(finding.location.source) }
    return PipelineFileError(
      sources.flatMap { source in
        findings.filter { $0.location.source == source }
          .sorted { ($0.location.line, $0.location.column) < ($1.location.line, $1.location.column) }
      })
  }

  /// The first fifty findings, one a line.
  public var description: String {
    let rest = findings.count > 50 ? ["and \(findings.count - 50) more"] : []
    return (findings.prefix(50).map(\.description) + rest).joined(separator: "\n")
  }
}

/// The nearest known word to a mistyped one.
public enum Suggestion {
  /// "; did you mean 'steps'? (known: ...)"
  public static func text(for word: String, among known: [String]) -> String {
    var text = hint(for: word, among: known)
    if !known.isEmpty {
      let shown = known.prefix(20).joined(separator: ", ") + (known.count > 20 ? ", ..." : "")
      text += " (known: \(shown))"
    }
    return text
  }

  /// "; did you mean 'include'?", or nothing.
  static func hint(for word: String, among known: [String]) -> String {
    nearest(to: word, among: known).map { "; did you mean '\($0)'?" } ?? ""
  }

  /// Nil where none is near: a third of the letters may differ.
  public static func nearest(to word: String, among known: [String]) -> String? {
    guard word.count <= 100 else { return nil }
    let lowered = word.lowercased().replacingOccurrences(of: "-", with: "_")
    let scored = known.map { candidate in
      (candidate, distance(lowered, candidate.lowercased().replacingOccurrences(of: "-", with: "_")))
    }
    guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= (min(word.count, best.0.count) + 1) / 3 else {
      return nil
    }
    return best.0
  }

  /// Edit distance in which swapping two neighbours counts once (optimal string alignment).
  static func distance(_ first: String, _ second: String) -> Int {
    let a = Array(first)
    let b = Array(second)
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in 1...a.count {
      var row = [i] + Array(repeating: 0, count: b.count)
      for j in 1...b.count {
        row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { row[j] = min(row[j], beforeLast[j - 2] + 1) }
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }
}
