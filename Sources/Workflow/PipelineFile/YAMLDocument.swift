import Foundation
import Yams

/// Reads YAML into configuration nodes, with places and with limits that no honest pipeline file comes near.
enum YAMLDocument {
  static let maximumBytes = 256 << 10
  static let maximumNodes = 50_000
  static let maximumDepth = 64

  /// Reads a file. Throws `PipelineFileError`.
  static func read(_ url: URL, shownAs name: String) throws -> ConfigurationNode {
    try parse(text(of: url, shownAs: name), folder: url.deletingLastPathComponent()) {
      SourceLocation(name, line: $0, column: $1)
    }
  }

  /// The text of a file. Throws `PipelineFileError`.
  static func text(of url: URL, shownAs name: String) throws -> String {
    let place = SourceLocation(name)
    func failure(_ problem: PipelineFileProblem) -> PipelineFileError { PipelineFileError(place, problem) }
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw failure(.unreadable(reason: "cannot be read: \(String(cString: strerror(errno)))"))
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw failure(.unreadable(reason: "is not a regular file"))
    }
    guard status.st_size <= maximumBytes else { throw failure(.tooLarge(bytes: status.st_size, limit: maximumBytes)) }
    let data: Data
    do { data = try handle.read(upToCount: maximumBytes) ?? Data() } catch {
      throw failure(.unreadable(reason: "cannot be read: \(error)"))
    }
    guard let text = String(data: data, encoding: .utf8) else { throw failure(.syntax("the file is not UTF-8 text")) }
    return text
  }

  /// Parses a text whose places are named by `locate` (line, column).
  static func parse(
    _ text: String, folder: URL, locate: @escaping (Int, Int) -> SourceLocation
  ) throws -> ConfigurationNode {
    guard text.utf8.count <= maximumBytes else {
      throw PipelineFileError(locate(1, 1), .tooLarge(bytes: text.utf8.count, limit: maximumBytes))
    }
    if aliasInKey(text) {
      throw PipelineFileError(locate(1, 1), .limit("lists, groups or aliases as keys cannot be used beside aliases"))
    }
    // Composing recurses once per level of nesting (at most 1,000 in libyaml): on a stack that is certain to be large enough.
    return try onLargeStack {
      do {
        guard let root = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot() else {
          throw PipelineFileError(locate(1, 1), .syntax("the file is empty"))
        }
        var converter = Converter(folder: folder, locate: locate)
        return try converter.convert(root, depth: 0)
      } catch let error as YamlError {
        throw translated(error, locate)
      }
    }
  }

  private struct Converter {
    let folder: URL
    let locate: (Int, Int) -> SourceLocation
    var nodes = 0

    mutating func convert(_ node: Node, depth: Int) throws -> ConfigurationNode {
      let location = place(node)
      nodes += 1
      guard nodes <= maximumNodes else {
        throw PipelineFileError(location, .limit("more than \(maximumNodes) values (aliases counted as often as used)"))
      }
      guard depth <= maximumDepth else {
        throw PipelineFileError(location, .limit("nested more than \(maximumDepth) levels deep"))
      }
      switch node {
      case .scalar(let scalar):
        let plain = scalar.style == .plain || scalar.style == .any
        return make(.scalar(scalar.string, plain: plain && scalar.tag != Tag(.str)), location)
      case .sequence(let sequence):
        var list: [ConfigurationNode] = []
        for element in sequence { list.append(try convert(element, depth: depth + 1)) }
        return make(.list(list), location)
      case .mapping(let mapping): return make(.mapping(try entries(mapping, depth: depth)), location)
      case .alias: throw PipelineFileError(location, .syntax("an alias without its anchor"))
      }
    }

    /// The entries of a mapping; those of `<<` (one mapping or a list of them) come in where the mapping has none itself.
    private mutating func entries(_ mapping: Node.Mapping, depth: Int) throws -> [ConfigurationNode.Entry] {
      var own: [ConfigurationNode.Entry] = []
      var merged: [ConfigurationNode.Entry] = []
      var mergedNames: Set<String> = []
      for (key, value) in mapping {
        guard case .scalar(let scalar) = key else {
          throw PipelineFileError(place(key), .syntax("a key must be a word"))
        }
        let converted = try convert(value, depth: depth + 1)
        if scalar.string == "<<", scalar.style == .plain {
          for source in converted.list ?? [converted] {
            guard let entries = source.entries else {
              throw PipelineFileError(source.location, .wrong("<<", source, "a group"))
            }
            for entry in entries where mergedNames.insert(entry.key).inserted { merged.append(entry) }
          }
        } else {
          own.append(ConfigurationNode.Entry(key: scalar.string, keyLocation: place(key), value: converted))
        }
      }
      let names = Set(own.map(\.key))
      return own + merged.filter { !names.contains($0.key) }
    }

    private func make(_ content: ConfigurationNode.Content, _ location: SourceLocation) -> ConfigurationNode {
      ConfigurationNode(content: content, location: location, folder: folder)
    }

    private func place(_ node: Node) -> SourceLocation { locate(node.mark?.line ?? 1, node.mark?.column ?? 1) }
  }

  private static func translated(_ error: YamlError, _ locate: (Int, Int) -> SourceLocation) -> PipelineFileError {
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let text = [context?.text, problem].compactMap { $0 }.joined(separator: ": ")
      return PipelineFileError(locate(mark.line, mark.column), .syntax("not valid YAML: \(text)"))
    case .duplicatedKeysInMapping(let duplicates, let context):
      return PipelineFileError(
        locate(context.mark.line, context.mark.column), .duplicateKey(duplicates.sorted().first ?? ""))
    case .reader(let problem, let offset, _, let yaml):
      let before = yaml.prefix(offset ?? 0)
      let line = before.reduce(1) { $1.isNewline ? $0 + 1 : $0 }
      let column = before.reversed().prefix { !$0.isNewline }.count + 1
      return PipelineFileError(locate(line, column), .syntax("not valid YAML: \(problem)"))
    default: return PipelineFileError(locate(1, 1), .syntax("not valid YAML: \(error)"))
    }
  }

  /// Whether a text that uses aliases could also have a list, a group or an alias as a key. Yams compares keys while it
  /// composes, before any limit of ours, and comparing such keys can take exponential time.
  static func aliasInKey(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 10 || byte == 13 }
    func startsToken(_ index: Int) -> Bool {
      index == 0 || isSpace(bytes[index - 1]) || "[]{},:?-\"'".utf8.contains(bytes[index - 1])
    }
    // colonNext[i]: from byte i on, after blanks and comments, comes a colon
    var colonNext = [Bool](repeating: false, count: bytes.count + 1)
    var lineEnd = bytes.count
    for index in bytes.indices.reversed() {
      switch bytes[index] {
      case 10:
        lineEnd = index
        colonNext[index] = colonNext[index + 1]
      case 32, 9, 13: colonNext[index] = colonNext[index + 1]
      case UInt8(ascii: "#"): colonNext[index] = colonNext[lineEnd]
      default: colonNext[index] = bytes[index] == UInt8(ascii: ":")
      }
    }
    var hasAlias = false
    var suspicious = false
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "*") where startsToken(index):
        hasAlias = true
        var end = index + 1
        while end < bytes.count, !isSpace(bytes[end]), !",[]{}:".utf8.contains(bytes[end]) { end += 1 }
        if colonNext[end] { suspicious = true }
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        if colonNext[index + 1] { suspicious = true }
      case UInt8(ascii: "?") where startsToken(index) && (index + 1 == bytes.count || isSpace(bytes[index + 1])):
        suspicious = true
      default: continue
      }
      if hasAlias && suspicious { return true }
    }
    return false
  }

  private static func onLargeStack<Value>(_ work: @escaping () throws -> Value) throws -> Value {
    let box = ResultBox<Value>()
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
      box.result = Result { try work() }
      done.signal()
    }
    thread.stackSize = 16 << 20
    thread.start()
    done.wait()  // orders the thread's write before the read below
    guard let result = box.result else {
      throw PipelineFileError(SourceLocation("the parser"), .unreadable(reason: "did not run"))
    }
    return try result.get()
  }
}
