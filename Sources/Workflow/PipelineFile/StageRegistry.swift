/// What a pipeline file may hold: stage types, and the values that stand around the stages. The engine is handed one; it knows none of its
/// own.
public struct StageRegistry {
  public let types: [any StageType.Type]  // In the order given, for help texts
  public let shared: [SharedField]  // The values that all stages share
  public let settings: [ParameterField]  // Settings of a run, keys of the top level on which no stage's key depends
  private let byName: [String: any StageType.Type]

  public init(_ types: [any StageType.Type], shared: [SharedField] = [], settings: [ParameterField] = []) {
    (self.types, self.shared, self.settings) = (types, shared, settings)
    byName = Dictionary(types.map { ($0.type, $0) }, uniquingKeysWith: { first, _ in first })
  }

  public subscript(name: String) -> (any StageType.Type)? { byName[name] }

  var names: [String] { types.map { $0.type } }

  /// The keys of the top level that may be overridden by name.
  var topLevelKeys: [String] {
    (["name", "seed"] + settings.map(\.name) + shared.map(\.topLevelKey)).unique + ["matrix", "stages"]
  }

  /// The groups of shared values, in order.
  var sections: [String] { shared.compactMap(\.section).unique }

  func fields(in section: String) -> [SharedField] { shared.filter { $0.section == section } }
}

extension StageType {
  /// Every parameter with its default, under the values given: what `StageContext.values` would be for a file that says
  /// only those. Nil if a required parameter is missing. Inputs are strings here, paths are taken as they are.
  public static func resolvedParameters(_ given: [String: ParameterValue]) -> ParameterValue? {
    parameters.resolved(with: given)
  }
}
