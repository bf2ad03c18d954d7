import Foundation

/// What a pipeline file may hold, for people: every stage type with its inputs and parameters, made from their declarations.
public struct StageDocument {
  private let registry: StageRegistry

  /// Markdown. `outputs` says of a stage type what its artifact holds, or where that stands.
  public static func text(_ registry: StageRegistry, outputs: (any StageType.Type) -> String?) -> String {
    let document = StageDocument(registry: registry)
    return
      ([document.opening, document.surroundings] + registry.types.map { document.stage($0, output: outputs($0)) })
      .map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
  }

  private var opening: [String] {
    let links = registry.types.map { "[`\($0.type)`](#\($0.type))" }
    return [
      "# Stage types", "",
      "Made from the declarations by `swift run pipeline schema --stages > docs/stages.md`; a test holds it against them. What a file is and when a stage",
      "runs again: [pipeline-file.md](pipeline-file.md). Names with a point are members of a group: `training.steps` is `training: { steps: 2000 }` in the file and",
      "`--set STAGE.training.steps=2000` for one run. Any value may be a placeholder of the [matrix](pipeline-file.md#one-file-many-runs-matrix), `${axis}`.",
      "",
      links.joined(separator: " · "),
    ]
  }

  private var surroundings: [String] {
    var lines = ["## Around the stages", ""]
    let fields = registry.settings + registry.shared.filter { $0.section == nil }.map(\.field)
    lines += table(fields.flatMap { rows($0, prefix: "") })
    for section in registry.sections {
      let fields = registry.fields(in: section).map(\.field)
      lines += ["", "Below `\(section):`", ""] + table(fields.flatMap { rows($0, prefix: "") })
      var told: Set<String> = []
      for variant in fields.flatMap({ variants($0.kind) })
      where !variant.parameters.isEmpty && told.insert(variant.name).inserted {
        lines += ["", "`{ method: \(variant.name), ... }`, \(variant.summary)", ""]
        lines += table(variant.parameters.flatMap { rows($0, prefix: "") })
      }
    }
    return lines
  }

  private func stage(_ type: any StageType.Type, output: String?) -> [String] {
    var lines = ["## \(type.type)", "", "\(sentence(type.summary))"]
    let inputs = type.parameters.filter(\.kind.isInput)
    let parameters = type.parameters.filter { !$0.kind.isInput }
    if !inputs.isEmpty {
      lines += ["", "| input | what it may be | default | what |", "|---|---|---|---|"]
      lines += inputs.map { row($0, name: $0.name) }
    }
    if !parameters.isEmpty { lines += [""] + table(parameters.flatMap { rows($0, prefix: "") }) }
    let known = registry.shared.map(\.name)
    func names(_ fields: [SharedField]) -> String {
      fields.filter { known.contains($0.name) }.map { field in
        "`\(field.section.map { "\($0)." } ?? "")\(field.name)`"
      }.joined(separator: ", ")
    }
    let reads = names(type.reads)
    var notes = reads.isEmpty ? [] : ["Reads \(reads)."]
    for (parameter, fields) in type.readsWith.sorted(by: { $0.key < $1.key }) where !names(fields).isEmpty {
      notes.append("With `\(parameter)` also \(names(fields)).")
    }
    if let output { notes.append(output) }
    return notes.isEmpty ? lines : lines + ["", notes.joined(separator: " ")]
  }

  private func sentence(_ text: String) -> String {
    text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")
  }

  private func table(_ rows: [String]) -> [String] {
    ["| parameter | what it may be | default | what |", "|---|---|---|---|"] + rows
  }

  /// A row, and one for each member of a group.
  private func rows(_ field: ParameterField, prefix: String) -> [String] {
    guard case .object(let members) = field.kind else { return [row(field, name: prefix + field.name)] }
    let name = prefix + field.name
    return ["| `\(name)` | group |  | \(escaped(field.help)) |"] + members.flatMap { rows($0, prefix: "\(name).") }
  }

  private func row(_ field: ParameterField, name: String) -> String {
    let standard: String
    if let value = field.defaultValue {
      standard = "`\(shown(field.kind.normalised(value)))`"
    } else {
      standard = field.optional ? "" : "needed"
    }
    let kind = words(field.kind) + (field.unit.map { "; \($0)" } ?? "")
    return "| `\(name)` | \(escaped(kind)) | \(standard) | \(escaped(field.help)) |"
  }

  private func escaped(_ text: String) -> String { text.replacingOccurrences(of: "|", with: "\\|") }

  private func shown(_ value: ParameterValue) -> String { value.string ?? value.canonicalJSON }

  private func variants(_ kind: ParameterKind) -> [ParameterVariant] {
    if case .fileOrVariant(let variants) = kind { variants } else { [] }
  }

  private func words(_ kind: ParameterKind) -> String {
    switch kind {
    case .integer(let range): return "whole number" + limits(range)
    case .number(let range): return "number" + limits(range)
    case .boolean: return "true or false"
    case .string: return "text"
    case .choice(let words): return code(words)
    case .path, .fileOfFiles: return "file"
    case .files: return "file, pattern, or a list of them"
    case .list(let element, let acceptsSingle, let count):
      let length = count.map { count in
        switch (count.lowerBound, count.upperBound) {
        case (let lower, let upper) where lower == upper: return "\(lower) times "
        case (1, Int.max), (0, _): return ""
        case (let lower, Int.max): return "at least \(lower) times "
        case (let lower, let upper): return upper > 99 ? "" : "\(lower) to \(upper) times "
        }
      }
      return "\(acceptsSingle ? "one, or " : "")a list: \(length ?? "")\(words(element))"
    case .object(let fields): return "group: " + code(fields.map(\.name))
    case .map(_, let example), .entries(_, let example): return "group such as `\(example)`"
    case .textOr(let inner): return "text, or \(words(inner))"
    case .checked(let inner, let expected, _): return "\(words(inner)) (\(expected))"
    case .fileOrVariant(let variants): return "file, or " + code(variants.map(\.name))
    case .stage(let types): return "a stage" + (types.isEmpty ? "" : " of \(code(types))")
    case .stageOrChoice(let types, let words): return "a stage of \(code(types)), or the word \(code(words))"
    case .stages(let isTaken): return "stages of " + code(registry.types.filter(isTaken).map { $0.type })
    }
  }

  private func limits<Bound>(_ range: ClosedRange<Bound>?) -> String {
    range.map { ", \(PipelineChecker.text($0))" } ?? ""
  }

  private func code(_ words: [String]) -> String { words.map { "`\($0)`" }.joined(separator: ", ") }
}
