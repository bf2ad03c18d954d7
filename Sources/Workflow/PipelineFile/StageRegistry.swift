/// The stage types a pipeline file may use. The engine is handed one; it knows no stage type of its own.
public struct StageRegistry {
  /// In the order given, for help texts.
  public let types: [any StageType.Type]
  /// What `system.forcefield` may name instead of a file.
  public let forceFieldMethods: [ForceFieldMethod]
  private let byName: [String: any StageType.Type]

  public init(_ types: [any StageType.Type], forceFieldMethods: [ForceFieldMethod] = []) {
    self.types = types
    self.forceFieldMethods = forceFieldMethods
    byName = Dictionary(types.map { ($0.type, $0) }, uniquingKeysWith: { first, _ in first })
  }

  public subscript(name: String) -> (any StageType.Type)? { byName[name] }

  var names: [String] { types.map { $0.type } }
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
    default: return value
    }
  }
}

extension StageType {
  /// Every parameter with its default, under the values given: what `StageContext.values` would be for a file that says
  /// only those. Nil if a required parameter is missing. Inputs are strings here, paths are taken as they are.
  public static func resolvedParameters(_ given: [String: ParameterValue]) -> ParameterValue? {
    parameters.resolved(with: given)
  }
}
