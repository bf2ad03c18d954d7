import Foundation

/// Values of parameters, by what each may be.
extension PipelineChecker {
  /// The value of a field in a group: what is given, else its default. Nil after a reported problem.
  mutating func fieldValue(
    _ field: ParameterField, in node: ConfigurationNode, place: String, location: SourceLocation
  ) -> ParameterValue? {
    let inner =
      place.hasSuffix("'") || registry.sections.contains(place) ? "\(place): \(field.name)" : "\(place).\(field.name)"
    if let given = node[field.name] {
      if given.isNull, field.optional || (field.isRequired == false && field.kind.isObject) {
        return field.resolvedDefault
      }
      return value(given, field.kind, place: inner)
    }
    if let value = field.resolvedDefault { return value }
    if case .object = field.kind {  // names the required field inside
      return value(
        ConfigurationNode(content: .mapping([]), location: location, folder: node.folder), field.kind, place: inner)
    }
    report(location, .missingKey(field.name, place: place, help: field.help))
    return nil
  }

  private mutating func fieldValues(
    _ fields: [ParameterField], in node: ConfigurationNode, place: String
  ) -> ParameterValue {
    var values: [String: ParameterValue] = [:]
    for field in fields { values[field.name] = fieldValue(field, in: node, place: place, location: node.location) }
    return .object(values)
  }

  mutating func value(_ node: ConfigurationNode, _ kind: ParameterKind, place: String) -> ParameterValue? {
    func needed<Value>(_ value: Value?, _ expected: String) -> Value? {
      if value == nil { report(node.location, .wrong(place, node, expected)) }
      return value
    }
    func within<Bound>(_ range: ClosedRange<Bound>?, _ bound: Bound, _ value: ParameterValue) -> ParameterValue {
      if let range, !range.contains(bound) {
        report(node.location, .outOfRange(place: place, found: value.canonicalJSON, expected: Self.text(range)))
      }
      return value
    }
    switch kind {
    case .integer(let range): return needed(node.integer, "a whole number").map { within(range, $0, .integer($0)) }
    case .number(let range): return needed(node.number, "a number").map { within(range, $0, .number($0)) }
    case .boolean: return needed(node.bool, "true or false").map { .bool($0) }
    case .string: return needed(node.text, "a text").map { .string($0) }
    case .choice(let words):
      guard let text = needed(node.text, "one of \(words.joined(separator: ", "))") else { return nil }
      if !words.contains(text) { report(node.location, .unknownWord(place: place, found: text, known: words)) }
      return .string(text)
    case .path: return path(node, place: place)
    case .files: return files(node, place: place)
    case .fileOfFiles(let named): return fileOfFiles(node, named, place: place)
    case .list(let element, let acceptsSingle, let count):
      return list(node, element, acceptsSingle: acceptsSingle, count: count, place: place)
    case .object(let fields):
      guard needed(node.entries, "a group such as { \(fields.first?.name ?? "key"): ... }") != nil else { return nil }
      checkKeys(node, known: fields.map(\.name), place: place)
      return fieldValues(fields, in: node, place: place)
    case .map(let element, let example):
      guard let entries = needed(node.entries, "a group such as \(example)") else { return nil }
      var values: [String: ParameterValue] = [:]
      for entry in entries { values[entry.key] = value(entry.value, element, place: "\(place).\(entry.key)") }
      return .object(values)
    case .entries(let element, let example):
      guard let entries = needed(node.entries, "a group such as \(example)") else { return nil }
      return .list(
        entries.compactMap { entry in
          value(entry.value, element, place: "\(place).\(entry.key)").map { ["name": .string(entry.key), "value": $0] }
        })
    case .textOr(let inner): return node.text.map { .string($0) } ?? value(node, inner, place: place)
    case .checked(let inner, let expected, let isSound):
      let before = findings.count
      guard let value = value(node, inner, place: place) else { return nil }
      if findings.count == before, !isSound(value) {
        report(node.location, .outOfRange(place: place, found: value.canonicalJSON, expected: expected))
      }
      return value
    case .fileOrVariant(let variants): return fileOrVariant(node, variants, place: place)
    case .stage(let types): return inputs(node, types: types, words: [], place: place).first
    case .stageOrChoice(let types, let words): return inputs(node, types: types, words: words, place: place).first
    case .stages(let isTaken):
      let types = registry.types.filter(isTaken).map { $0.type }
      let elements = node.list ?? [node]
      if elements.isEmpty { report(node.location, .wrong(place, node, "a list of stages")) }
      return .list(elements.flatMap { inputs($0, types: types, words: [], place: place) })
    }
  }

  /// A file's path, a method's name, or a group that names a method and gives its parameters.
  private mutating func fileOrVariant(
    _ node: ConfigurationNode, _ variants: [ParameterVariant], place: String
  ) -> ParameterValue? {
    let names = variants.map(\.name)
    func variant(_ name: ConfigurationNode) -> ParameterVariant? { variants.first { $0.name == name.text } }
    guard node.entries != nil else {
      if let variant = variant(node) {
        if let defaults = variant.defaults { return variant.value(defaults) }
        let required = variant.parameters.filter(\.isRequired).map { "\($0.name): ..." }.joined(separator: ", ")
        report(
          node.location,
          .wrong(place, node, "a group { \(ParameterVariant.nameKey): \(variant.name), \(required) }"))
      } else if let text = node.text, !FileManager.default.fileExists(atPath: node.folder.file(text).path),
        Suggestion.nearest(to: text, among: names) != nil
      {
        report(node.location, .unknownWord(place: place, found: text, known: names + ["a file's path"]))
      } else {
        let file = path(node, place: place)
        let meant = variants.lazy.compactMap { variant in file?.string.flatMap(variant.value(ofFile:)) }
        return meant.first ?? file
      }
      return nil
    }
    guard let name = node[ParameterVariant.nameKey] else {
      let help = "one of " + names.joined(separator: ", ")
      report(node.location, .missingKey(ParameterVariant.nameKey, place: place, help: help))
      return nil
    }
    guard let variant = variant(name) else {
      let inner = "\(place).\(ParameterVariant.nameKey)"
      report(name.location, .unknownWord(place: inner, found: name.text ?? name.shown, known: names))
      return nil
    }
    checkKeys(
      node, known: [ParameterVariant.nameKey] + variant.parameters.map(\.name), place: "\(place) (\(variant.name))")
    return variant.value(fieldValues(variant.parameters, in: node, place: place))
  }

  /// All files that paths and patterns mean.
  private mutating func files(_ node: ConfigurationNode, place: String) -> ParameterValue? {
    let nodes = node.list ?? [node]
    if nodes.isEmpty { report(node.location, .wrong(place, node, "a list of files")) }
    return .list(
      nodes.flatMap { one -> [ParameterValue] in
        guard let text = one.text, text.contains(where: { "*?".contains($0) }), !one.folder.file(text).isFile else {
          return path(one, place: place).map { [$0] } ?? []
        }
        let found = FilePattern.files(one.folder.file(text).path)
        let pattern = one.folder.file(text).path
        if found.isEmpty { miss(pattern, one.location, text, place: place) }
        return found.isEmpty ? [.string(pattern)] : found.map { .string($0) }
      })
  }

  /// A file, and the files that stand in it.
  private mutating func fileOfFiles(
    _ node: ConfigurationNode, _ named: @Sendable (URL) throws -> [URL], place: String
  ) -> ParameterValue? {
    let before = findings.count
    guard let value = path(node, place: place), findings.count == before, let path = value.string else { return nil }
    do {
      guard !toleratesMissingFiles || URL(fileURLWithPath: path).isFile else { return value }
      for url in try named(URL(fileURLWithPath: path)) where !url.isFile {
        miss(url.path, node.location, url.path, place: "\(place): \(node.text ?? "")")
      }
    } catch {
      report(node.location, .syntax("\(place): \(error)"))
    }
    return value
  }

  private mutating func list(
    _ node: ConfigurationNode, _ element: ParameterKind, acceptsSingle: Bool, count: ClosedRange<Int>?, place: String
  ) -> ParameterValue? {
    guard let nodes = node.list ?? (acceptsSingle && !node.isNull ? [node] : nil) else {
      report(node.location, .wrong(place, node, "a list"))
      return nil
    }
    if let count, !count.contains(nodes.count) {
      report(
        node.location,
        .outOfRange(place: place, found: "a list of \(nodes.count)", expected: Self.text(count) + " values"))
    }
    return .list(
      nodes.enumerated().compactMap { index, node in
        value(node, element, place: nodes.count > 1 ? "\(place)[\(index)]" : place)
      })
  }

  mutating func path(_ node: ConfigurationNode, place: String) -> ParameterValue? {
    guard let text = node.text, !text.isEmpty, !text.utf8.contains(0) else {
      report(node.location, .wrong(place, node, "a file's path"))
      return nil
    }
    let url = node.folder.file(text)
    if !url.isFile { miss(url.path, node.location, text, place: place) }
    return .string(url.path)
  }

  /// The stages that a name means for the stage being checked (several only where it collects the cells of the matrix), or
  /// the word. Empty after a reported problem.
  private mutating func inputs(
    _ node: ConfigurationNode, types: [String], words: [String], place: String
  ) -> [ParameterValue] {
    guard let name = node.text else {
      report(node.location, .wrong(place, node, "a stage's name"))
      return []
    }
    if words.contains(name) {
      if isStage.contains(name) {
        report(node.location, .syntax("\(place): '\(name)' is a stage here and a word of its own; rename the stage"))
      }
      return [.string(name)]
    }
    guard inputCount <= Self.maximumInputs else { return [] }
    let found = expansion?.resolve(name, at: current?.coordinates ?? []) ?? []
    guard let first = found.first else {
      // a stage that is itself wrong is reported as such
      if let current, expansion?.instances.contains(where: { $0.base == name }) == true {
        let entries = expansion?.cell(of: current).map { "\($0.axis): \($0.label)" }.joined(separator: ", ") ?? ""
        report(
          node.location,
          .limit("\(place): '\(name)' is not run for \(entries): its 'where' leaves that out; leave it out here too"))
      } else if !isStage.contains(name) {
        report(node.location, .unknownStage(name, place: place, known: words + stageNames))
      }
      return []
    }
    if !types.isEmpty, !types.contains(first.type.type) {
      report(node.location, .wrongInputType(place: place, stage: name, found: first.type.type, expected: types + words))
    }
    inputCount += found.count
    if inputCount > Self.maximumInputs {
      report(node.location, .limit("more than \(Self.maximumInputs) inputs in all"))
      return []
    }
    return found.map { .string($0.name) }
  }

  /// In words: "above 0", "1 to 5".
  static func text<Bound>(_ range: ClosedRange<Bound>) -> String {
    func shown(_ bound: Bound) -> String {
      (bound as? Double).map { ParameterValue.number($0).canonicalJSON } ?? "\(bound)"
    }
    let lower = shown(range.lowerBound)
    let upper = shown(range.upperBound)
    let open = [Double.greatestFiniteMagnitude, .infinity].map { "\($0)" } + ["\(Int.max)"]
    if lower == "\(Double.leastNonzeroMagnitude)" {
      return open.contains(upper) ? "above 0" : "above 0, at most \(upper)"
    }
    if lower == upper { return "exactly \(lower)" }
    return open.contains(upper) ? "at least \(lower)" : "\(lower) to \(upper)"
  }
}

extension ParameterGroup {
  /// From values that stand in no pipeline file, checked as those of one are, with defaults filled in. `source` names where they stand in
  /// messages. Throws `PipelineFileError` with everything that is wrong, and `ParameterGroupError`.
  public init(checking values: [String: ParameterValue], of source: String) throws {
    let place = SourceLocation(source)
    let node = try YAMLDocument.parse(
      ParameterValue.object(values).canonicalJSON, folder: URL(fileURLWithPath: "/")
    ) { _, _ in place }
    var checker = PipelineChecker(registry: StageRegistry([]))
    let checked = checker.value(node, .object(Self.fields), place: source)
    guard let checked, checker.findings.isEmpty else { throw PipelineFileError(checker.findings) }
    try self.init(resolved: checked)
  }
}
