import Foundation

/// A piece of a pipeline file together with where it stood and the folder that its relative paths are relative to.
struct ConfigurationNode {
  enum Content {
    /// `plain` is false for quoted text, which is never a number, a truth value or null.
    case scalar(String, plain: Bool)
    case list([ConfigurationNode])
    case mapping([Entry])
  }

  struct Entry {
    let key: String
    let keyLocation: SourceLocation
    var value: ConfigurationNode
  }

  var content: Content
  let location: SourceLocation
  let folder: URL

  var entries: [Entry]? { if case .mapping(let entries) = content { entries } else { nil } }
  var list: [ConfigurationNode]? { if case .list(let nodes) = content { nodes } else { nil } }

  /// Text of any scalar but null.
  var text: String? {
    if case .scalar(let text, _) = content, !isNull { text } else { nil }
  }

  var isNull: Bool {
    if case .scalar(let text, plain: true) = content {
      ["", "~", "null", "Null", "NULL"].contains(text)
    } else {
      false
    }
  }

  var bool: Bool? {
    guard case .scalar(let text, plain: true) = content else { return nil }
    return ["true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false][text]
  }

  /// An integer; `100_000` and `1e5` are integers too.
  var integer: Int? {
    guard case .scalar(let text, plain: true) = content, let digits = Self.number(text) else { return nil }
    if let value = Int(digits) { return value }
    if digits.allSatisfy({ $0.isNumber || "+-".contains($0) }) { return nil }  // too large for an integer
    guard let value = Double(digits) else { return nil }
    return abs(value) <= 0x1p53 ? Int(exactly: value) : nil
  }

  /// A finite number.
  var number: Double? {
    guard case .scalar(let text, plain: true) = content, let digits = Self.number(text) else { return nil }
    return Double(digits).flatMap { $0.isFinite ? $0 : nil }
  }

  /// `text` without separators if it looks like a decimal number. Swift would also take "nan", "inf" and hexadecimals.
  private static func number(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    guard bytes.count <= 40, bytes.contains(where: { (48...57).contains($0) }) else { return nil }
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case 48...57, UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"):
        continue
      case UInt8(ascii: "_"):
        guard index > 0, index + 1 < bytes.count, (48...57).contains(bytes[index - 1]),
          (48...57).contains(bytes[index + 1])
        else { return nil }
      default: return nil
      }
    }
    guard bytes[0] != UInt8(ascii: "e"), bytes[0] != UInt8(ascii: "E") else { return nil }
    return text.replacingOccurrences(of: "_", with: "")
  }

  /// The node as an error message shows it.
  var shown: String {
    switch content {
    case .scalar(let text, let plain):
      if isNull { return "nothing" }
      let short = text.count > 40 ? text.prefix(40) + "..." : text[...]
      return plain ? "'\(short)'" : "the text '\(short)'"
    case .list(let nodes): return nodes.count == 1 ? "a list of one" : "a list of \(nodes.count)"
    case .mapping: return "a group of keys"
    }
  }

  /// Another content in this node's place.
  func with(_ content: Content) -> ConfigurationNode {
    ConfigurationNode(content: content, location: location, folder: folder)
  }

  subscript(key: String) -> ConfigurationNode? { entries?.first { $0.key == key }?.value }
  /// "network.type": an entry of an entry.
  func at(_ path: String) -> ConfigurationNode? {
    path.split(separator: ".").reduce(self) { $0?[String($1)] }
  }

  /// This node with `other` laid over it: groups are merged key by key, everything else is replaced. A key that `other`
  /// sets to null disappears, so that a file can drop what the file it extends has.
  func overlaid(with other: ConfigurationNode) -> ConfigurationNode {
    guard let base = entries, let top = other.entries else { return other }
    var merged: [Entry?] = base
    var places = Dictionary(base.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
    for entry in top {
      if let index = places[entry.key], let old = merged[index] {
        merged[index] =
          entry.value.isNull
          ? nil : Entry(key: entry.key, keyLocation: entry.keyLocation, value: old.value.overlaid(with: entry.value))
      } else {
        places[entry.key] = merged.count
        merged.append(entry)
      }
    }
    return other.with(.mapping(merged.compactMap { $0 }))
  }

  /// Sets the value at a path of keys, making groups on the way where there are none.
  mutating func set(_ path: ArraySlice<String>, to value: ConfigurationNode) {
    guard let key = path.first else {
      self = value
      return
    }
    var entries = entries ?? []
    let index: Int
    if let found = entries.firstIndex(where: { $0.key == key }) {
      index = found
    } else {
      let empty = ConfigurationNode(content: .mapping([]), location: value.location, folder: value.folder)
      entries.append(Entry(key: key, keyLocation: value.location, value: empty))
      index = entries.count - 1
    }
    entries[index].value.set(path.dropFirst(), to: value)
    content = .mapping(entries)
  }
}
