/// An input of a stage type: its slot is the name of the property that holds it.
///
///     struct Inputs: StageInputs {
///       let samples = Input("what to reweight", of: SampleStage.self)
///     }
public final class Input {
  let kind: ParameterKind
  let help: String
  let optional: Bool
  let standard: ParameterValue?

  private init(_ kind: ParameterKind, _ help: String, optional: Bool = false, default standard: String? = nil) {
    (self.kind, self.help, self.optional) = (kind, help, optional)
    self.standard = standard.map { .string($0) }
  }

  /// A stage of one of these types.
  public convenience init(_ help: String, of types: any StageType.Type..., optional: Bool = false) {
    self.init(.stage(types.map { $0.type }), help, optional: optional)
  }

  /// A stage of one of these types, or one of the words; the word `default` where the file says nothing.
  public convenience init(
    _ help: String, of types: any StageType.Type..., orWords words: [String], default standard: String? = nil
  ) {
    self.init(.stageOrChoice(types.map { $0.type }, words: words), help, default: standard)
  }

  /// Any number of stages, of those types that the condition takes.
  public convenience init(
    _ help: String, optional: Bool = false, eachOf isTaken: @escaping @Sendable (any StageType.Type) -> Bool
  ) { self.init(.stages(isTaken), help, optional: optional) }

  func field(_ name: String) -> ParameterField {
    ParameterField(name, kind, default: standard, optional: optional, help: help)
  }
}

/// What a stage type reads of other stages: a struct whose stored properties are `Input`s.
public protocol StageInputs {
  init()
}

extension StageInputs {
  static var fields: [ParameterField] {
    Mirror(reflecting: Self()).children.compactMap { label, value in
      (value as? Input)?.field(snakeCase(label ?? ""))
    }
  }

  /// The slot's name in the pipeline file.
  static func slot(_ path: KeyPath<Self, Input>) -> String {
    let inputs = Self()
    let wanted = inputs[keyPath: path]
    return snakeCase(Mirror(reflecting: inputs).children.first { ($0.value as? Input) === wanted }?.label ?? "")
  }
}

/// No inputs.
public struct NoInputs: StageInputs {
  public init() {}
}

/// An input of an input, and so on: `InputPath(\Inputs.samples, \SampleStage.Inputs.emulator)`.
public struct InputPath {
  public let slots: [String]

  public init<each Inputs: StageInputs>(_ path: repeat KeyPath<each Inputs, Input>) {
    var slots: [String] = []
    for part in repeat each path { slots.append(Self.slot(part)) }
    self.slots = slots
  }

  private static func slot<Inputs: StageInputs>(_ path: KeyPath<Inputs, Input>) -> String { Inputs.slot(path) }
}
