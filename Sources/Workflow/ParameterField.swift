/// What a parameter may be. A stage type states its parameters with these; validation, defaults, the JSON Schema for editors
/// and the printed help all come from them.
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
  /// With `acceptsSingle`, one bare value is taken as a list of one.
  case list(ParameterKind, acceptsSingle: Bool = false, count: ClosedRange<Int>? = nil)
  /// A group of further parameters; left out, it takes the defaults of its fields.
  case object([ParameterField])
  /// The name of a stage whose type is one of these (empty: any type). An input: allowed at the top level only.
  case stage([String])
  /// A stage as above, or one of the words.
  case stageOrChoice([String], words: [String])
  /// A list of stages; one bare name is taken as a list of one.
  case stages([String])

  /// A number above zero.
  public static let positive = ParameterKind.number(Double.leastNonzeroMagnitude...Double.greatestFiniteMagnitude)
  /// Zero or above.
  public static let nonNegative = ParameterKind.number(0...Double.greatestFiniteMagnitude)
  /// One or above.
  public static let count = ParameterKind.integer(1...Int.max)
}

/// One parameter of a stage type: its name in the pipeline file (snake_case), what it may be, its default and its help.
public struct ParameterField: Sendable {
  public let name: String
  public let kind: ParameterKind
  /// Taken where the file says nothing. Without one the parameter is required, unless it is `optional` or an object.
  public let defaultValue: ParameterValue?
  /// May be left out (or null), and is then absent for the stage: a Swift optional.
  public let optional: Bool
  /// As printed: "ps", "kJ/mol/rad2".
  public let unit: String?
  public let help: String

  public init(
    _ name: String, _ kind: ParameterKind, default defaultValue: ParameterValue? = nil, optional: Bool = false,
    unit: String? = nil, help: String
  ) {
    self.name = name
    self.kind = kind
    self.defaultValue = defaultValue
    self.optional = optional
    self.unit = unit
    self.help = help
  }
}
