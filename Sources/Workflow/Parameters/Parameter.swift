import Foundation

/// A parameter of a stage type, or of a group of parameters: one line gives its name, type, default, range, unit and help, and from it come
/// validation, schema and its place in the key.
///
///     @Parameter("samples per step", in: .count) var batch = 512
///     @Parameter("of each run", unit: "ps", in: .positive) var length: Double
///     @Parameter("makes every hydrogen this heavy", unit: "dalton", in: 1...5) var hydrogenMass: Double?
///
/// `hydrogenMass` in Swift is `hydrogen_mass` in the file. A parameter without a default is required; an optional one may be left out, and
/// then is no part of the key.
@propertyWrapper public struct Parameter<Value: ParameterType> {
  fileprivate final class Box {
    var value: Value?  // From the pipeline file
    var standard: Value?
    init(_ standard: Value?) { self.standard = standard }
  }

  fileprivate let box: Box
  private let help: String
  private let unit: String?
  private let kind: ParameterKind

  /// A parameter with a default. `range`: of the number, or of a list's numbers; `count`: how long a list may be; with `single`, one bare
  /// value is a list of one; `words`: what a text may be.
  public init(
    wrappedValue: Value, _ help: String, unit: String? = nil, in range: ClosedRange<Value.Bound>? = nil,
    count: ClosedRange<Int>? = nil, single: Bool = false, words: [String]? = nil
  ) {
    self.init(help, unit: unit, in: range, count: count, single: single, words: words)
    box.standard = wrappedValue
  }

  /// A required parameter, or an optional one.
  public init(
    _ help: String, unit: String? = nil, in range: ClosedRange<Value.Bound>? = nil, count: ClosedRange<Int>? = nil,
    single: Bool = false, words: [String]? = nil
  ) {
    box = Box(Value.absent)
    (self.help, self.unit) = (help, unit)
    kind = words.map { .choice($0) } ?? Value.kind(ParameterLimits(range: range, count: count, single: single))
  }

  /// The value of the file, or the default.
  public var wrappedValue: Value {
    guard let value = box.value ?? box.standard else {
      preconditionFailure("a required parameter is read before the pipeline file's values are there")
    }
    return value
  }

  /// Gives a group that is being made another default than its type has: `_steps.takeDefault(8000)`.
  public func takeDefault(_ value: Value) { box.standard = value }
}

/// Type-erased access to a parameter of a group, found by reflection.
protocol DeclaredParameter {
  func field(_ name: String) -> ParameterField
  /// Takes the value over; false where it is of another type.
  func assign(_ value: ParameterValue) -> Bool
}

extension Parameter: DeclaredParameter {
  func field(_ name: String) -> ParameterField {
    // a group's fields carry its defaults, which may differ from those of its type
    if let group = box.standard as? any ParameterGroup {
      return ParameterField(name, .object(group.fields), unit: unit, help: help)
    }
    let standard = Value.isOptional ? nil : box.standard?.parameterValue
    return ParameterField(name, kind, default: standard, optional: Value.isOptional, unit: unit, help: help)
  }

  func assign(_ value: ParameterValue) -> Bool {
    guard let value = Value(value) else { return false }
    box.value = value
    return true
  }
}

/// Parameters that belong together: a struct whose stored properties are `@Parameter`s. A stored property that is a group itself,
/// without `@Parameter`, has no name in the file: its parameters stand there beside the others.
public protocol ParameterGroup: ParameterType where Bound == Never {
  init()
}

extension ParameterGroup {
  /// In the order of their declarations.
  public static var fields: [ParameterField] { Self().fields }

  var fields: [ParameterField] { declared.map { $0.parameter.field($0.name) } }

  private var declared: [(name: String, parameter: any DeclaredParameter)] {
    Mirror(reflecting: self).children.flatMap { label, value -> [(name: String, parameter: any DeclaredParameter)] in
      if let group = value as? any ParameterGroup { return group.declared }
      return (value as? any DeclaredParameter).map { [(snakeCase((label ?? "").drop { $0 == "_" }), $0)] } ?? []
    }
  }

  /// The group with the values of a pipeline file, defaults filled in. Throws `ParameterGroupError`.
  public init(resolved values: ParameterValue) throws {
    self.init()
    for (name, parameter) in declared where !parameter.assign(values[name] ?? .null) {
      throw ParameterGroupError(group: "\(Self.self)", parameter: name, value: values[name] ?? .null)
    }
  }

  public init?(_ value: ParameterValue) {
    guard let group = try? Self(resolved: value) else { return nil }
    self = group
  }

  public var parameterValue: ParameterValue { fields.resolved(with: [:]) ?? .null }
  public static func kind(_ limits: ParameterLimits<Never>) -> ParameterKind { .object(fields) }
}

/// A value that passed the checks of the pipeline file is not of its parameter's type: a stage type that is declared wrongly.
public struct ParameterGroupError: Error, CustomStringConvertible {
  public let group, parameter: String
  public let value: ParameterValue
  public var description: String { "\(group): '\(parameter)' cannot be \(value.canonicalJSON)" }
}

/// No parameters.
public struct NoParameters: ParameterGroup {
  public init() {}
}

func snakeCase(_ name: some StringProtocol) -> String {
  var text = ""
  for character in name {
    if character.isUppercase, !text.isEmpty, text.last != "_" { text += "_" }
    text += character.lowercased()
  }
  return text
}
