import Foundation

/// What a parameter may be: validation, defaults, the JSON Schema for editors and the printed help all come from it. Stage types do
/// not write these down: `@Parameter` and `Input` make them.
public indirect enum ParameterKind: Sendable {
  case integer(ClosedRange<Int>? = nil)
  /// A finite number; an integer is accepted as one.
  case number(ClosedRange<Double>? = nil)
  case boolean
  case string
  /// One of the words.
  case choice([String])
  /// An existing input file, relative to the pipeline file. The stage gets its absolute path as a string; its content's
  /// digest, never its path, enters the key.
  case path
  /// Existing input files: paths, or patterns with * and ? that stand for all files they fit, in the order of the numbers in their names.
  case files
  /// An input file that names further ones, which the function finds in it: their content enters the key too.
  case fileOfFiles(@Sendable (URL) throws -> [URL])
  /// With `acceptsSingle`, one bare value is taken as a list of one.
  case list(ParameterKind, acceptsSingle: Bool = false, count: ClosedRange<Int>? = nil)
  /// A group of further parameters; left out, it takes the defaults of its fields.
  case object([ParameterField])
  /// Values by names of the user's choosing. `example` is for messages: "{ a: 1 }".
  case map(ParameterKind, example: String)
  /// As `map`, of names whose order counts: what the stage gets is a list of groups `{ name, value }`.
  case entries(ParameterKind, example: String)
  /// A text, or a value of the inner kind, which is none.
  case textOr(ParameterKind)
  /// A file's path, the name of one of the variants, or a group `{ method: NAME, ... }` with a variant's parameters.
  case fileOrVariant([ParameterVariant])
  /// As the inner kind, with a further condition; `expected` says what it wants.
  case checked(ParameterKind, expected: String, @Sendable (ParameterValue) -> Bool)
  /// The name of a stage whose type is one of these (empty: any type). An input: allowed at the top level only.
  case stage([String])
  /// A stage as above, or one of the words.
  case stageOrChoice([String], words: [String])
  /// A list of stages of those types that the condition takes; one bare name is taken as a list of one.
  case stages(@Sendable (any StageType.Type) -> Bool)
}

/// One parameter as a pipeline file knows it: its name there (snake_case), what it may be, its default and its help.
public struct ParameterField: Sendable {
  public let name: String
  public let kind: ParameterKind
  /// Taken where the file says nothing. Without one the parameter is required, unless it is `optional` or an object.
  public let defaultValue: ParameterValue?
  public let optional: Bool  // May be left out (or null), and is then absent for the stage: a Swift optional
  public let unit: String?  // As printed: "ps", "kJ/mol/rad2"
  public let help: String

  public init(
    _ name: String, _ kind: ParameterKind, default defaultValue: ParameterValue? = nil, optional: Bool = false,
    unit: String? = nil, help: String
  ) {
    (self.name, self.kind, self.defaultValue, self.optional, self.unit) = (name, kind, defaultValue, optional, unit)
    self.help = help
  }
}

/// A method that may stand in the place of a file: as a bare word, or as a group `{ method: NAME, ... }` with parameters of its own.
public struct ParameterVariant: Sendable {
  public let name: String  // The bare word, and the value of `method`
  public let summary: String  // One line for help and schema
  public let parameters: [ParameterField]
  public let file: BareFile?

  /// Files that mean this method where they stand by themselves: `system.prmtop` is then `{ method: NAME, parameter: system.prmtop }`,
  /// and the method's other parameters have their defaults, in the key too.
  public struct BareFile: Sendable {
    public let parameter: String
    public let isMeant: @Sendable (URL) -> Bool

    public init(parameter: String, isMeant: @escaping @Sendable (URL) -> Bool) {
      (self.parameter, self.isMeant) = (parameter, isMeant)
    }
  }

  public init(_ name: String, summary: String, parameters: [ParameterField], file: BareFile? = nil) {
    (self.name, self.summary, self.parameters, self.file) = (name, summary, parameters, file)
  }

  /// The value of a file that stands by itself, where it means this method.
  func value(ofFile path: String) -> ParameterValue? {
    guard let file, file.isMeant(URL(fileURLWithPath: path)) else { return nil }
    return parameters.resolved(with: [file.parameter: .string(path)]).map(value)
  }

  /// The key of a group that names the method, and the one under which its resolved parameters stand.
  static let (nameKey, parametersKey) = ("method", "parameters")

  /// The value that stands for this method with these parameters.
  func value(_ parameters: ParameterValue) -> ParameterValue {
    [Self.nameKey: .string(name), Self.parametersKey: parameters]
  }

  /// Nil for a method with a required parameter, which a bare word cannot give.
  var defaults: ParameterValue? { parameters.resolved(with: [:]) }
}

extension ParameterValue {
  /// The method and the parameters that a value of kind `fileOrVariant` names; nil for a file.
  public var variant: (name: String, parameters: ParameterValue)? {
    guard let name = self[ParameterVariant.nameKey]?.string, let parameters = self[ParameterVariant.parametersKey]
    else { return nil }
    return (name, parameters)
  }
}

extension ParameterField {
  /// The field's value where the file says nothing; nil if it is required. An object's is made of its fields' defaults.
  var resolvedDefault: ParameterValue? {
    if let defaultValue { return kind.normalised(defaultValue) }
    if optional { return .null }
    if case .object(let fields) = kind { return fields.resolved(with: [:]) }
    return nil
  }

  var isRequired: Bool { resolvedDefault == nil }
}

extension [ParameterField] {
  /// `given` with defaults filled in; nil if a required field is missing.
  func resolved(with given: [String: ParameterValue]) -> ParameterValue? {
    var values: [String: ParameterValue] = [:]
    for field in self {
      guard let value = given[field.name].map(field.kind.normalised) ?? field.resolvedDefault else { return nil }
      values[field.name] = value
    }
    return .object(values)
  }
}

extension ParameterKind {
  /// The one form of a value that means the same: an integer where a number belongs becomes a number, a bare value where
  /// a list belongs becomes a list of one, and what an object leaves out is filled in.
  func normalised(_ value: ParameterValue) -> ParameterValue {
    switch (self, value) {
    case (.number, .integer(let integer)): return .number(Double(integer))
    case (.list(let kind, _, _), .list(let values)): return .list(values.map(kind.normalised))
    case (.list(let kind, acceptsSingle: true, _), _) where value != .null: return .list([kind.normalised(value)])
    case (.stages, .string): return .list([value])
    case (.object(let fields), .object(let members)): return fields.resolved(with: members) ?? value
    case (.map(let kind, _), .object(let members)): return .object(members.mapValues(kind.normalised))
    case (.entries(let kind, _), .list(let entries)):
      return .list(
        entries.map { entry in
          guard let name = entry["name"], let value = entry["value"] else { return entry }
          return ["name": name, "value": kind.normalised(value)]
        })
    case (.textOr(let kind), _) where value.string == nil: return kind.normalised(value)
    case (.checked(let kind, _, _), _): return kind.normalised(value)
    default: return value
    }
  }

  var isObject: Bool { if case .object = self { true } else { false } }

  var isInput: Bool {
    switch self {
    case .stage, .stageOrChoice, .stages: true
    default: false
    }
  }

  /// The stages that a value of this kind names; nil if this is no input, or a word instead of one, or left out.
  func inputNames(_ value: ParameterValue) -> [String]? {
    switch self {
    case .stage: return value.string.map { [$0] }
    case .stageOrChoice(_, let words): return value.string.flatMap { words.contains($0) ? nil : [$0] }
    case .stages:
      guard case .list(let names) = value else { return nil }
      return names.compactMap(\.string)
    default: return nil
    }
  }
}
