import Foundation

/// A text of a pipeline file, taken apart at its placeholders: `${axis}` and `${axis.key}`; `$${` stands for `${` itself.
struct Template {
  struct Placeholder: Equatable {
    let axis: String
    let keys: [String]  // The keys after the axis; none for the entry itself
    let written: String  // As it stands in the file, with `${` and `}`
  }

  enum Piece: Equatable {
    case text(String)
    case placeholder(Placeholder)
  }

  let pieces: [Piece]

  var placeholders: [Placeholder] {
    pieces.compactMap { if case .placeholder(let placeholder) = $0 { placeholder } else { nil } }
  }

  /// The placeholder that is the whole text, if it is one.
  var only: Placeholder? { pieces.count == 1 ? placeholders.first : nil }

  /// Cheap: most texts have none.
  static func isNeeded(_ text: String) -> Bool { text.utf8.contains(UInt8(ascii: "$")) && text.contains("${") }

  /// Nil with the offending piece in `wrong` where a placeholder is not closed or not a path of words.
  init?(_ text: String, wrong: inout String) {
    var pieces: [Piece] = []
    var plain = ""
    var rest = text[...]
    while let start = rest.range(of: "${") {
      if rest[..<start.lowerBound].hasSuffix("$") {
        plain += rest[..<start.lowerBound].dropLast() + "${"
        rest = rest[start.upperBound...]
        continue
      }
      plain += rest[..<start.lowerBound]
      guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
        wrong = String(rest[start.lowerBound...].prefix(40))
        return nil
      }
      let written = String(rest[start.lowerBound...end])
      let words = rest[start.upperBound..<end].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      guard words.allSatisfy(Self.isWord) else {
        wrong = String(written.prefix(80))
        return nil
      }
      if !plain.isEmpty { pieces.append(.text(plain)) }
      plain = ""
      pieces.append(
        .placeholder(Placeholder(axis: words[0], keys: Array(words.dropFirst()), written: String(written.prefix(80)))))
      rest = rest[rest.index(after: end)...]
    }
    plain += rest
    if !plain.isEmpty || pieces.isEmpty { pieces.append(.text(plain)) }
    self.pieces = pieces
  }

  /// Letters, digits, _ and -, beginning with a letter or _.
  static func isWord(_ word: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool {
      (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
    }
    guard let first = word.utf8.first, word.utf8.count <= 100, isLetter(first) else { return false }
    return word.utf8.allSatisfy { isLetter($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
  }
}

/// Puts the values of one cell of the matrix in the place of placeholders.
struct Substitution {
  let entries: [String: Matrix.Entry]  // The cell's entry of each axis
  let axes: [String]  // Every axis, for messages
  private(set) var findings: [PipelineFileError.Finding] = []
  private(set) var values = 0  // Values made so far; a small file must not become a huge one

  static let longestText = 4096

  /// The node with its placeholders replaced. What cannot be replaced is in `findings` and left as it is.
  mutating func apply(_ node: ConfigurationNode) -> ConfigurationNode {
    values += 1
    switch node.content {
    case .scalar(let text, let plain):
      guard Template.isNeeded(text) else { return node }
      var wrong = ""
      guard let template = Template(text, wrong: &wrong) else {
        report(node, .badPlaceholder(wrong))
        return node
      }
      if let only = template.only { return resolve(only, at: node) ?? node }
      return spliced(template, at: node, plain: plain)
    case .list(let nodes): return node.with(.list(nodes.map { apply($0) }))
    case .mapping(let entries):
      let replaced = entries.map { entry in
        ConfigurationNode.Entry(key: entry.key, keyLocation: entry.keyLocation, value: apply(entry.value))
      }
      return node.with(.mapping(replaced))
    }
  }

  private mutating func report(_ node: ConfigurationNode, _ problem: PipelineFileProblem) {
    findings.append(PipelineFileError.Finding(location: node.location, problem: problem))
  }

  /// The value behind a placeholder, where it stood: its own place and folder stay with it.
  private mutating func resolve(_ placeholder: Template.Placeholder, at node: ConfigurationNode) -> ConfigurationNode? {
    guard let entry = entries[placeholder.axis] else {
      report(node, .unknownAxis(placeholder.axis, place: placeholder.written, known: axes))
      return nil
    }
    var value = entry.value
    for (depth, key) in placeholder.keys.enumerated() {
      if depth == 0, key == "name", value["name"] == nil { return entry.name }
      guard let inner = value[key] else {
        let known = (value.entries?.map(\.key) ?? []) + (depth == 0 ? ["name"] : [])
        report(
          node,
          .unknownKey(
            ([placeholder.axis] + placeholder.keys).joined(separator: "."),
            place: "entry '\(entry.name.text ?? entry.label)' of axis '\(placeholder.axis)'",
            known: known.map { ([placeholder.axis] + placeholder.keys.prefix(depth) + [$0]).joined(separator: ".") }))
        return nil
      }
      value = inner
    }
    values += value.size
    return value
  }

  private mutating func spliced(_ template: Template, at node: ConfigurationNode, plain: Bool) -> ConfigurationNode {
    var text = ""
    for piece in template.pieces {
      switch piece {
      case .text(let part): text += part
      case .placeholder(let placeholder):
        guard var value = resolve(placeholder, at: node) else { return node }
        if placeholder.keys.isEmpty, value.entries != nil, let entry = entries[placeholder.axis] { value = entry.name }
        guard let part = value.text else {
          report(node, .wrong(placeholder.written, value, "a word inside a longer text"))
          return node
        }
        text += part
      }
      guard text.utf8.count <= Self.longestText else {
        report(node, .limit("a text with its placeholders replaced has more than \(Self.longestText) bytes"))
        return node
      }
    }
    return node.with(.scalar(text, plain: plain))
  }
}

extension ConfigurationNode {
  /// How many values it is made of.
  var size: Int {
    switch content {
    case .scalar: 1
    case .list(let nodes): nodes.reduce(1) { $0 + $1.size }
    case .mapping(let entries): entries.reduce(1) { $0 + $1.value.size }
    }
  }

  /// Every placeholder in it. Malformed ones are left for `Substitution` to report.
  var placeholders: [Template.Placeholder] {
    switch content {
    case .scalar(let text, _):
      var wrong = ""
      return Template.isNeeded(text) ? Template(text, wrong: &wrong)?.placeholders ?? [] : []
    case .list(let nodes): return nodes.flatMap(\.placeholders)
    case .mapping(let entries): return entries.flatMap(\.value.placeholders)
    }
  }
}
