/// What a pipeline file may hold: stage types, and the values that stand around the stages. The engine is handed one; it knows none of its
/// own.
public struct StageRegistry {
  /// In the order given, for help texts.
  public let types: [any StageType.Type]
  /// The values that all stages share.
  public let shared: [SharedField]
  /// Settings of a run, keys of the top level on which no stage's key depends.
  public let settings: [ParameterField]
  /// What a group of shared values is, by its key.
  private let byName: [String: any StageType.Type]

  public init(_ types: [any StageType.Type], shared: [SharedField] = [], settings: [ParameterField] = []) {
    self.types = types
    self.shared = shared
    self.settings = settings
    byName = Dictionary(types.map { ($0.type, $0) }, uniquingKeysWith: { first, _ in first })
  }

  public subscript(name: String) -> (any StageType.Type)? { byName[name] }

  var names: [String] { types.map { $0.type } }

  /// The keys of the top level that may be overridden by name.
  var topLevelKeys: [String] {
    var keys = ["name", "seed"] + settings.map(\.name)
    for key in shared.map(\.topLevelKey) where !keys.contains(key) { keys.append(key) }
    return keys + ["matrix", "stages"]
  }

  /// The groups of shared values, in order.
  var sections: [String] { shared.compactMap(\.section).reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }

  func fields(in section: String) -> [SharedField] { shared.filter { $0.section == section } }
}

extension StageType {
  /// Every parameter with its default, under the values given: what `StageContext.values` would be for a file that says
  /// only those. Nil if a required parameter is missing. Inputs are strings here, paths are taken as they are.
  public static func resolvedParameters(_ given: [String: ParameterValue]) -> ParameterValue? {
    parameters.resolved(with: given)
  }
}
