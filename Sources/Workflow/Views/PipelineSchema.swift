/// The JSON Schema (draft 7, which editors' YAML plugins read) of pipeline files, made from the stage types.
public struct PipelineSchema {
  private let registry: StageRegistry

  public static func schema(_ registry: StageRegistry) -> ParameterValue { PipelineSchema(registry: registry).schema }

  private var schema: ParameterValue {
    let uses = ParameterValue.list(registry.names.map { .string($0) })
    let alternatives = registry.types.map { type -> ParameterValue in
      [
        "if": ["properties": ["uses": ["const": .string(type.type)]]],
        "then": ["$ref": .string("#/definitions/\(type.type)")],
      ]
    }
    var definitions: [String: ParameterValue] = [:]
    for type in registry.types { definitions[type.type] = stage(type) }
    var properties: [String: ParameterValue] = [
      "name": ["type": "string", "description": "names the run folder; the file's name if left out"],
      "seed": ["type": "integer", "minimum": 0, "default": 0, "description": "every random stream comes from it"],
      "extends": ["type": "string", "description": "a pipeline file that this one changes"],
      "matrix": matrix,
      "stages": [
        "type": "object",
        "additionalProperties": [
          "type": "object", "required": ["uses"], "properties": ["uses": ["enum": uses]], "allOf": .list(alternatives),
        ],
      ],
    ]
    for field in registry.settings + registry.shared.filter({ $0.section == nil }).map(\.field) {
      properties[field.name] = property(field)
    }
    for section in registry.sections {
      let fields = registry.fields(in: section).map { ($0.name, property($0.field)) }
      properties[section] = .object(
        orPlaceholder([
          "type": "object", "additionalProperties": false,
          "properties": .object(Dictionary(fields, uniquingKeysWith: { first, _ in first })),
        ]))
    }
    return [
      "$schema": "http://json-schema.org/draft-07/schema#", "title": "boltzmill pipeline", "type": "object",
      "additionalProperties": false, "properties": .object(properties), "definitions": .object(definitions),
    ]
  }

  /// A file, a method's name, or a group with a method's parameters.
  private func fileOrVariant(_ variants: [ParameterVariant]) -> ParameterValue {
    let groups = variants.map { variant in
      object(
        variant.parameters, and: [ParameterVariant.nameKey: ["const": .string(variant.name)]],
        required: [ParameterVariant.nameKey], description: variant.summary)
    }
    return ["anyOf": .list([["type": "string"]] + groups)]
  }

  private var matrix: ParameterValue {
    let combinations: ParameterValue = [
      "type": "array", "items": ["type": "object", "minProperties": 1],
      "description": "combinations: an entry, by its name or value, for each axis",
    ]
    return [
      "type": "object",
      "description":
        "axes, each a list of entries or a group of entries by name; stages that use ${axis} are run for every entry",
      "properties": ["include": combinations, "exclude": combinations],
      "additionalProperties": ["type": ["array", "object"], "minItems": 1, "minProperties": 1],
    ]
  }

  /// The schema, or a text that is one placeholder: those keywords that speak of another type leave a text alone.
  private func orPlaceholder(_ schema: [String: ParameterValue]) -> [String: ParameterValue] {
    let pattern: ParameterValue = #"^\$\{[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*\}$"#
    var schema = schema
    if let type = schema["type"], type != "string" {
      schema["type"] = .list([type, "string"])
      schema["pattern"] = pattern
    } else if let words = schema.removeValue(forKey: "enum") {
      schema["anyOf"] = [["enum": words], ["type": "string", "pattern": pattern]]
    } else if case .list(let alternatives)? = schema["anyOf"] {
      schema["anyOf"] = .list(alternatives + [["type": "string", "pattern": pattern]])
    }
    return schema
  }

  private func stage(_ type: any StageType.Type) -> ParameterValue {
    let over: ParameterValue = [
      "type": ["string", "array"], "items": ["type": "string"],
      "description": "axes of the matrix to run the stage over though no parameter uses them",
    ]
    let condition: ParameterValue = [
      "type": "object", "minProperties": 1,
      "additionalProperties": ["type": ["string", "number", "boolean", "array"]],
      "description": "entries of the matrix that the stage is run for, by AXIS or AXIS.KEY: a value, or a list of them",
    ]
    return object(
      type.parameters, and: ["uses": ["const": .string(type.type)], "over": over, "where": condition],
      description: type.summary)
  }

  private func object(
    _ fields: [ParameterField], and further: [String: ParameterValue] = [:], required: [String] = [],
    description: String? = nil
  ) -> ParameterValue {
    var properties: [String: ParameterValue] = [:]
    for field in fields { properties[field.name] = property(field) }
    var schema: [String: ParameterValue] = [
      "type": "object", "additionalProperties": false, "properties": .object(properties.merging(further) { $1 }),
    ]
    let required = required + fields.filter(\.isRequired).map(\.name)
    if !required.isEmpty { schema["required"] = .list(required.map { .string($0) }) }
    if let description { schema["description"] = .string(description) }
    return .object(schema)
  }

  private func property(_ field: ParameterField) -> ParameterValue {
    guard case .object(let plain) = kind(field.kind) else { return .object([:]) }
    var members = orPlaceholder(plain)
    members["description"] = .string(field.help)
    if let value = field.defaultValue { members["default"] = field.kind.normalised(value) }
    if let unit = field.unit { members["x-unit"] = .string(unit) }
    return .object(members)
  }

  private func kind(_ kind: ParameterKind) -> ParameterValue {
    switch kind {
    case .integer(let range):
      var members: [String: ParameterValue] = ["type": "integer"]
      if let range {
        members["minimum"] = .integer(range.lowerBound)
        if range.upperBound != Int.max { members["maximum"] = .integer(range.upperBound) }
      }
      return .object(members)
    case .number(let range):
      var members: [String: ParameterValue] = ["type": "number"]
      if let range {
        if range.lowerBound == Double.leastNonzeroMagnitude {
          members["exclusiveMinimum"] = 0
        } else if range.lowerBound > -Double.greatestFiniteMagnitude {
          members["minimum"] = .number(range.lowerBound)
        }
        if range.upperBound < Double.greatestFiniteMagnitude { members["maximum"] = .number(range.upperBound) }
      }
      return .object(members)
    case .boolean: return ["type": "boolean"]
    case .string: return ["type": "string"]
    case .choice(let words): return ["enum": .list(words.map { .string($0) })]
    case .path, .fileOfFiles: return ["type": "string", "x-file": true]
    case .files:
      let one: ParameterValue = ["type": "string", "x-file": true]
      return ["anyOf": [one, ["type": "array", "items": one, "minItems": 1]]]
    case .list(let element, let acceptsSingle, let count):
      var members: [String: ParameterValue] = ["type": "array", "items": self.kind(element)]
      if let count {
        members["minItems"] = .integer(count.lowerBound)
        if count.upperBound != Int.max { members["maxItems"] = .integer(count.upperBound) }
      }
      return acceptsSingle ? ["anyOf": [self.kind(element), .object(members)]] : .object(members)
    case .object(let fields): return object(fields)
    case .map(let element, _), .entries(let element, _):
      return ["type": "object", "additionalProperties": self.kind(element)]
    case .textOr(let inner): return ["anyOf": [["type": "string"], self.kind(inner)]]
    case .checked(let inner, _, _): return self.kind(inner)
    case .fileOrVariant(let variants): return fileOrVariant(variants)
    case .stage(let types): return ["type": "string", "x-stage": .list(types.map { .string($0) })]
    case .stageOrChoice(let types, let words):
      return [
        "type": "string", "x-stage": .list(types.map { .string($0) }), "x-words": .list(words.map { .string($0) }),
      ]
    case .stages(let isTaken):
      let types = registry.types.filter(isTaken).map { $0.type }
      let one = ParameterValue.object(["type": "string", "x-stage": .list(types.map { .string($0) })])
      return ["anyOf": [one, ["type": "array", "items": one, "minItems": 1]]]
    }
  }
}
