/// A value of the pipeline file that stands around the stages and belongs to all of them: a key of the top level, or a member of a group
/// there. Stage types say which they read; only those are handed to them, and only those enter their keys.
public struct SharedField: Sendable {
  public let section: String?  // The group at the top level that holds it; nil for a key of the top level itself
  public let field: ParameterField
  public let isNeeded: Bool  // A stage that reads it cannot do without
  /// What a stage is handed where the file says nothing; null: nothing. It enters the key as if the file had said so.
  public let standIn: (@Sendable (Surroundings) -> ParameterValue)?

  /// The values that the stand-in is made of, for a stage whose parameters have these texts: where they differ between entries of a matrix, so
  /// does the stage. None where it may be taken once for all entries.
  public let standsFor: (@Sendable (_ text: (String) -> String?) -> [SharedField])?

  /// The name of another value in whose place this one stands: where the file gives that, this one is not read.
  public let yieldsTo: String?

  /// What another value of the same group makes of this one where it is left out: it is then as if the file had said so.
  public let made: Made?

  public struct Made: Sendable {
    /// The value that the file gives in this one's place.
    let from: String
    /// The file must not give both.
    let isInPlace: Bool
    /// What it throws is told to the user.
    let make: @Sendable (ParameterValue) throws -> ParameterValue

    public init(
      from field: SharedField, isInPlace: Bool = false,
      _ make: @escaping @Sendable (ParameterValue) throws -> ParameterValue
    ) {
      (from, self.isInPlace, self.make) = (field.name, isInPlace, make)
    }
  }

  /// What stands in a pipeline file around a value that it leaves out.
  public struct Surroundings {
    public let values: [String: ParameterValue]  // The shared values, by name
    public let stages: [StageDefinition]  // The stages of the same cell of the matrix; none while they are being read
    public let asking: StageDefinition?  // The stage that is handed the value; nil while it is being read
  }

  public init(
    in section: String? = nil, _ field: ParameterField, isNeeded: Bool = false,
    standIn: (@Sendable (Surroundings) -> ParameterValue)? = nil,
    standsFor: (@Sendable (_ text: (String) -> String?) -> [SharedField])? = nil, yieldsTo: String? = nil,
    made: Made? = nil
  ) {
    (self.section, self.field, self.isNeeded, self.standIn) = (section, field, isNeeded, standIn)
    (self.standsFor, self.yieldsTo, self.made) = (standsFor, yieldsTo, made)
  }

  public var name: String { field.name }
  /// The key of the top level under which it is found.
  var topLevelKey: String { section ?? name }
}
