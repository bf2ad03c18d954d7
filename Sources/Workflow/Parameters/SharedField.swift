/// A value of the pipeline file that stands around the stages and belongs to all of them: a key of the top level, or a member of a group
/// there. Stage types say which they read; only those are handed to them, and only those enter their keys.
public struct SharedField: Sendable {
  public let section: String?  // The group at the top level that holds it; nil for a key of the top level itself
  public let field: ParameterField
  public let isNeeded: Bool  // A stage that reads it cannot do without

  public init(in section: String? = nil, _ field: ParameterField, isNeeded: Bool = false) {
    (self.section, self.field, self.isNeeded) = (section, field, isNeeded)
  }

  public var name: String { field.name }
  /// The key of the top level under which it is found.
  var topLevelKey: String { section ?? name }
}
