import Foundation

/// A Swift type that a parameter may have.
public protocol ParameterType {
  /// What a range of it is made of; `Never` where there are none.
  associatedtype Bound: Comparable = Never
  static func kind(in range: ClosedRange<Bound>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind
  /// Nil for a value of another type.
  init?(_ value: ParameterValue)
  var parameterValue: ParameterValue { get }
  static var isOptional: Bool { get }
  /// What a parameter without a default has before the pipeline file is read.
  static var absent: Self? { get }
}

extension ParameterType {
  public static var isOptional: Bool { false }
  public static var absent: Self? { nil }
}

extension Int: ParameterType {
  public static func kind(in range: ClosedRange<Int>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    .integer(range)
  }
  public init?(_ value: ParameterValue) {
    guard case .integer(let integer) = value else { return nil }
    self = integer
  }
  public var parameterValue: ParameterValue { .integer(self) }
}

extension Double: ParameterType {
  public static func kind(in range: ClosedRange<Double>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    .number(range)
  }
  public init?(_ value: ParameterValue) {
    switch value {
    case .number(let number): self = number
    case .integer(let integer): self = Double(integer)
    default: return nil
    }
  }
  public var parameterValue: ParameterValue { .number(self) }
}

extension Bool: ParameterType {
  public static func kind(in range: ClosedRange<Never>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    .boolean
  }
  public init?(_ value: ParameterValue) {
    guard case .bool(let bool) = value else { return nil }
    self = bool
  }
  public var parameterValue: ParameterValue { .bool(self) }
}

extension String: ParameterType {
  public static func kind(in range: ClosedRange<Never>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    .string
  }
  public init?(_ value: ParameterValue) {
    guard case .string(let text) = value else { return nil }
    self = text
  }
  public var parameterValue: ParameterValue { .string(self) }
}

/// An existing file that a stage reads; its content enters the key.
public struct InputFile: ParameterType {
  /// Absolute.
  public let url: URL

  public static func kind(in range: ClosedRange<Never>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    .path
  }
  public init?(_ value: ParameterValue) {
    guard case .string(let path) = value else { return nil }
    url = URL(fileURLWithPath: path)
  }
  public var parameterValue: ParameterValue { .string(url.path) }
}

/// Enumerations of words: `enum Draw: String, CaseIterable, ParameterType`.
extension ParameterType where Self: RawRepresentable & CaseIterable, RawValue == String, Bound == Never {
  public static func kind(in range: ClosedRange<Never>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    .choice(allCases.map(\.rawValue))
  }
  public init?(_ value: ParameterValue) {
    guard case .string(let word) = value else { return nil }
    self.init(rawValue: word)
  }
  public var parameterValue: ParameterValue { .string(rawValue) }
}

extension Array: ParameterType where Element: ParameterType {
  public typealias Bound = Element.Bound
  public static func kind(in range: ClosedRange<Bound>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    let element = Element.kind(in: range, count: nil, single: single)
    // of a list of lists, the inner ones take a bare value
    if case .list = element { return .list(element, count: count) }
    return .list(element, acceptsSingle: single, count: count)
  }
  public init?(_ value: ParameterValue) {
    guard case .list(let values) = value else { return nil }
    self = []
    for value in values {
      guard let element = Element(value) else { return nil }
      append(element)
    }
  }
  public var parameterValue: ParameterValue { .list(map(\.parameterValue)) }
}

extension Optional: ParameterType where Wrapped: ParameterType {
  public typealias Bound = Wrapped.Bound
  public static func kind(in range: ClosedRange<Bound>?, count: ClosedRange<Int>?, single: Bool) -> ParameterKind {
    Wrapped.kind(in: range, count: count, single: single)
  }
  public init?(_ value: ParameterValue) {
    if value == .null {
      self = .none
    } else {
      guard let wrapped = Wrapped(value) else { return nil }
      self = .some(wrapped)
    }
  }
  public var parameterValue: ParameterValue { self?.parameterValue ?? .null }
  public static var isOptional: Bool { true }
  public static var absent: Wrapped?? { .some(.none) }
}

extension ClosedRange where Bound == Double {
  /// A number above zero.
  public static var positive: ClosedRange { Double.leastNonzeroMagnitude...Double.greatestFiniteMagnitude }
  /// Zero or above.
  public static var nonNegative: ClosedRange { 0...Double.greatestFiniteMagnitude }
}

extension ClosedRange where Bound == Int {
  /// One or above.
  public static var count: ClosedRange { 1...Int.max }
  /// Zero or above.
  public static var nonNegative: ClosedRange { 0...Int.max }
}
