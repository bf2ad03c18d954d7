import Foundation

/// What a stage's result depends on, as one JSON text, and its SHA-256.
struct StageKey: Equatable {
  let canonical, hex: String
  let soundOlder: Set<String>  // Those that the stage would have by older versions of its type whose results stand
  let readings: [FileReading]  // The files whose content it holds
  /// Files that are not there, so that it is no key: see `adopting`.
  let missing: [PipelineDefinition.MissingFile]
  private let record: ParameterValue
  private let olderVersions: [Int]

  /// `digests` holds the content digests of all stages this one reads, directly or through its inputs.
  init(_ stage: StageDefinition, in pipeline: PipelineDefinition, digests: [String: String], files: FileDigests) throws
  {
    func reference(_ name: String) -> ParameterValue {
      ["stage": .string(name), "content": .string(digests[name] ?? "")]
    }
    let files = KeyFiles(files, pipeline.missingFiles)
    var inputs: [String: ParameterValue] = [:]
    for slot in stage.slots { inputs[slot.name] = .list(slot.stages.map(reference)) }
    for (path, names) in stage.indirectInputs(in: pipeline) where !names.isEmpty {
      inputs[path] = .list(names.map(reference))
    }
    // under the name that finished stages' keys have
    var system: [String: ParameterValue] = [:]
    for field in stage.type.reads(where: { stage.parameters[$0] ?? .null != .null }) {
      guard let value = stage.shared[field.name], value != .null else { continue }
      system[field.name] = try Self.keyed(value, field.field.kind, files)
    }
    let parameters = try Self.keyed(stage.parameters, .object(stage.type.parameters), files)
    self.init(
      [
        "stage": .string(stage.name), "type": .string(stage.type.type), "version": .integer(stage.type.version),
        "seed": .string(String(pipeline.seed)), "system": .object(system), "inputs": .object(inputs),
        "parameters": parameters,
      ], older: stage.type.soundVersions, readings: files.readings, missing: files.found)
  }

  /// The input files of a stage that are not there.
  static func missing(of stage: StageDefinition, in pipeline: PipelineDefinition) -> [PipelineDefinition.MissingFile] {
    guard !pipeline.missingFiles.isEmpty, let files = try? gathered(stage, pipeline) else { return [] }
    return files.found
  }

  /// The input files of a stage, as its values name them.
  static func files(of stage: StageDefinition, in pipeline: PipelineDefinition) throws -> [URL] {
    try gathered(stage, pipeline).urls
  }

  private static func gathered(_ stage: StageDefinition, _ pipeline: PipelineDefinition) throws -> KeyFiles {
    let files = KeyFiles(nil, pipeline.missingFiles)
    for field in stage.type.reads(where: { stage.parameters[$0] ?? .null != .null }) {
      if let value = stage.shared[field.name], value != .null { _ = try keyed(value, field.field.kind, files) }
    }
    _ = try keyed(stage.parameters, .object(stage.type.parameters), files)
    return files
  }

  private init(
    _ record: ParameterValue, older: [Int], readings: [FileReading], missing: [PipelineDefinition.MissingFile]
  ) {
    (self.record, olderVersions, self.readings, self.missing) = (record, older, readings, missing)
    canonical = record.canonicalJSON
    hex = FileDigests.ofText(canonical)
    soundOlder = Set(
      older.map { version in
        guard case .object(var members) = record else { return "" }
        members["version"] = .integer(version)
        return FileDigests.ofText(ParameterValue.object(members).canonicalJSON)
      })
  }

  static func == (first: StageKey, second: StageKey) -> Bool {
    first.canonical == second.canonical && first.soundOlder == second.soundOlder
  }

  // MARK: Files that are not there

  private static let missingMark = "missing:"

  /// The key with the digests that a finished artifact's key has for files that are not there now: what can still be compared is.
  func adopting(_ old: String) -> StageKey {
    guard !missing.isEmpty, let before = try? JSONDecoder().decode(ParameterValue.self, from: Data(old.utf8)) else {
      return self
    }
    return StageKey(Self.filled(record, from: before), older: olderVersions, readings: readings, missing: missing)
  }

  private static func filled(_ value: ParameterValue, from old: ParameterValue) -> ParameterValue {
    switch (value, old) {
    case (.string(let text), _) where text.hasPrefix(missingMark): return old
    case (.list(let values), .list(let olds)):
      // a pattern that finds nothing, or a file that names others
      if values.count == 1, values[0].string?.hasPrefix(missingMark) == true { return old }
      return values.count == olds.count ? .list(zip(values, olds).map { filled($0, from: $1) }) : value
    case (.object(let members), .object(let olds)):
      return .object(
        members.reduce(into: [:]) { found, member in
          found[member.key] = olds[member.key].map { filled(member.value, from: $0) } ?? member.value
        })
    default: return value
    }
  }

  /// The files that enter a key, gathered while it is made.
  private final class KeyFiles {
    private let digests: FileDigests?  // Nil where only the names are wanted
    private(set) var urls: [URL] = []
    private let missing: [[UInt8]: PipelineDefinition.MissingFile]
    private(set) var readings: [FileReading] = []
    private(set) var found: [PipelineDefinition.MissingFile] = []

    init(_ digests: FileDigests?, _ missing: [PipelineDefinition.MissingFile]) {
      self.digests = digests
      self.missing = Dictionary(missing.map { (Array($0.path.utf8), $0) }, uniquingKeysWith: { first, _ in first })
    }

    func isMissing(_ url: URL) -> Bool { missing[Array(url.path.utf8)] != nil }

    func text(_ url: URL) throws -> String {
      if let file = missing[Array(url.path.utf8)] {
        found.append(file)
        return StageKey.missingMark + file.path
      }
      urls.append(url)
      guard let reading = try digests?.reading(url) else { return "" }
      readings.append(reading)
      return "sha256:" + reading.digest
    }
  }

  /// Parameters as they enter the key: files by their content; inputs left out, because `inputs` has them; and what is not given and
  /// has no default, so that a type may gain such a parameter and its finished stages stay.
  private static func keyed(
    _ value: ParameterValue, _ kind: ParameterKind, _ files: KeyFiles
  ) throws -> ParameterValue {
    switch (kind, value) {
    case (.path, .string(let path)): return .string(try files.text(URL(fileURLWithPath: path)))
    case (.files, .list(let paths)): return .list(try paths.map { try keyed($0, .path, files) })
    case (.fileOfFiles(let named), .string(let path)):
      let url = URL(fileURLWithPath: path)
      let all = files.isMissing(url) ? [url] : try [url] + named(url)
      return .list(try all.map { .string(try files.text($0)) })
    case (.list(let element, _, _), .list(let values)): return .list(try values.map { try keyed($0, element, files) })
    case (.object(let fields), .object(let members)):
      var kept: [String: ParameterValue] = [:]
      for field in fields {
        guard let member = members[field.name], member != .null, field.kind.inputNames(member) == nil else { continue }
        kept[field.name] = try keyed(member, field.kind, files)
      }
      return .object(kept)
    case (.map(let element, _), .object(let members)):
      return .object(try members.mapValues { try keyed($0, element, files) })
    case (.checked(let kind, _, _), _): return try keyed(value, kind, files)
    case (.fileOrVariant(let variants), _):
      guard let (name, parameters) = value.variant, let variant = variants.first(where: { $0.name == name }) else {
        return try keyed(value, .path, files)
      }
      return variant.value(try keyed(parameters, .object(variant.parameters), files))
    default: return value
    }
  }

  /// What differs between the key of a finished artifact and this one, first the type and its version, then parameters in
  /// the order of their fields, then the rest. Each like "training.steps: 20000 -> 40000".
  func differences(from old: String, fields: [ParameterField], includingInputs: Bool = true) -> [String] {
    guard let before = try? JSONDecoder().decode(ParameterValue.self, from: Data(old.utf8)),
      let after = try? JSONDecoder().decode(ParameterValue.self, from: Data(canonical.utf8))
    else { return ["its key cannot be compared"] }
    func change(_ field: String, _ title: String) -> [String] {
      before[field] == after[field] ? [] : ["\(title): \(Self.shown(before[field])) -> \(Self.shown(after[field]))"]
    }
    if before["type"] != after["type"] { return change("type", "uses") }
    var found = change("version", "version of \(Self.shown(after["type"]))") + change("stage", "stage name")
    let slots = fields.filter { $0.kind.isInput }.map(\.name)
    Self.compare(
      before["parameters"]?.without(slots), after["parameters"]?.without(slots), path: "", kind: .object(fields),
      into: &found)
    if before["seed"] != after["seed"] {
      found.append("seed: \(before["seed"]?.string ?? "?") -> \(after["seed"]?.string ?? "?")")
    }
    Self.compare(before["system"], after["system"], path: "system", kind: nil, into: &found)
    if includingInputs { Self.compareInputs(before, after, slots: slots, into: &found) }
    return found
  }

  private static func compare(
    _ old: ParameterValue?, _ new: ParameterValue?, path: String, kind: ParameterKind?, into found: inout [String]
  ) {
    guard old != new else { return }
    switch (old, new) {
    case (.object(let before)?, .object(let after)?):
      var names: [String] = []
      var kinds: [String: ParameterKind] = [:]
      if case .object(let fields)? = kind {
        names = fields.map(\.name)
        kinds = Dictionary(fields.map { ($0.name, $0.kind) }, uniquingKeysWith: { first, _ in first })
      }
      names += Set(before.keys).union(after.keys).subtracting(names).sorted()
      for name in names {
        let inner = path.isEmpty ? name : "\(path).\(name)"
        compare(before[name], after[name], path: inner, kind: kinds[name], into: &found)
      }
    case (.list(let before)?, .list(let after)?) where before.count == after.count:
      let element: ParameterKind? = if case .list(let element, _, _)? = kind { element } else { nil }
      for index in before.indices {
        compare(before[index], after[index], path: "\(path)[\(index)]", kind: element, into: &found)
      }
    case (.string(let before)?, .string(let after)?) where before.hasPrefix("sha256:") && after.hasPrefix("sha256:"):
      found.append("\(path): the file's content changed")
    default: found.append("\(path): \(shown(old)) -> \(shown(new))")
    }
  }

  /// Inputs, and the words that stand in their place.
  private static func compareInputs(
    _ old: ParameterValue, _ new: ParameterValue, slots: [String], into found: inout [String]
  ) {
    guard case .object(let before)? = old["inputs"], case .object(let after)? = new["inputs"] else { return }
    func names(_ inputs: [String: ParameterValue], _ slot: String) -> [String] {
      guard case .list(let entries)? = inputs[slot] else { return [] }
      return entries.compactMap { $0["stage"]?.string }
    }
    func text(_ key: ParameterValue, _ inputs: [String: ParameterValue], _ slot: String) -> String {
      let names = names(inputs, slot)
      return names.isEmpty ? shown(key["parameters"]?[slot]) : names.joined(separator: ", ")
    }
    let rest = Set(before.keys).union(after.keys).subtracting(slots).sorted()
    for slot in slots + rest {
      let texts = (text(old, before, slot), text(new, after, slot))
      if texts.0 != texts.1 {
        found.append("\(slot): \(texts.0) -> \(texts.1)")
      } else if before[slot] != after[slot] {
        let names = names(after, slot)
        let changed = names.indices.filter { before[slot]?[$0] != after[slot]?[$0] }.map { "'\(names[$0])'" }
        found.append("\(slot): the content of \(changed.joined(separator: ", ")) changed")
      }
    }
  }

  private static func shown(_ value: ParameterValue?) -> String {
    guard let value else { return "none" }
    switch value {
    case .null: return "none"
    case .string(let text) where text.hasPrefix(missingMark): return "a file that is not there"
    case .string(let text): return text.hasPrefix("sha256:") ? "a file" : text
    default:
      let text = value.canonicalJSON
      return text.count > 80 ? text.prefix(77) + "..." : text
    }
  }
}

extension ParameterValue {
  fileprivate func without(_ names: [String]) -> ParameterValue {
    guard case .object(let members) = self else { return self }
    return .object(members.filter { !names.contains($0.key) })
  }
}

extension StageDefinition {
  /// The stages behind each declared path of slots and behind its beginnings, by the path's text ("samples.emulator"). An
  /// input that has no such slot contributes none.
  func indirectInputs(in pipeline: PipelineDefinition) -> [(path: String, stages: [String])] {
    let paths = type.indirectInputs.map(\.slots).filter { $0.count > 1 }.flatMap { path in
      (2...path.count).map { Array(path.prefix($0)) }
    }
    return paths.unique.map { path in
      let names = path.reduce([name]) { names, slot in names.flatMap { pipeline[$0]?.inputs(slot) ?? [] }.unique }
      return (path.joined(separator: "."), names)
    }
  }

  func keyInputs(in pipeline: PipelineDefinition) -> Set<String> {
    Set(inputNames).union(indirectInputs(in: pipeline).flatMap(\.stages))
  }
}
