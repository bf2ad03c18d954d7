import Foundation

/// What a declaration says of a parameter's values.
public struct ParameterLimits<Bound: Comparable> {
  var range: ClosedRange<Bound>?  // Of the number, or of a list's numbers
  var count: ClosedRange<Int>?  // How long a list may be
  var single: Bool  // Whether one bare value is a list of one

  public init(range: ClosedRange<Bound>? = nil, count: ClosedRange<Int>? = nil, single: Bool = false) {
    (self.range, self.count, self.single) = (range, count, single)
  }
}

/// A Swift type that a parameter may have.
public protocol ParameterType {
  /// What a range of it is made of; `Never` where there are none.
  associatedtype Bound: Comparable = Never
  static func kind(_ limits: ParameterLimits<Bound>) -> ParameterKind
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
  public static func kind(_ limits: ParameterLimits<Int>) -> ParameterKind { .integer(limits.range) }
  public init?(_ value: ParameterValue) {
    guard case .integer(let integer) = value else { return nil }
    self = integer
  }
  public var parameterValue: ParameterValue { .integer(self) }
}

extension Double: ParameterType {
  public static func kind(_ limits: ParameterLimits<Double>) -> ParameterKind { .number(limits.range) }
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
  public static func kind(_ limits: ParameterLimits<Never>) -> ParameterKind { .boolean }
  public init?(_ value: ParameterValue) {
    guard case .bool(let bool) = value else { return nil }
    self = bool
  }
  public var parameterValue: ParameterValue { .bool(self) }
}

extension String: ParameterType {
  public static func kind(_ limits: ParameterLimits<Never>) -> ParameterKind { .string }
  public init?(_ value: ParameterValue) {
    guard case .string(let text) = value else { return nil }
    self = text
  }
  public var parameterValue: ParameterValue { .string(self) }
}

/// An existing file that a stage reads; its content enters the key.
public struct InputFile: ParameterType {
  public let url: URL  // Absolute

  public static func kind(_ limits: ParameterLimits<Never>) -> ParameterKind { .path }
  public init?(_ value: ParameterValue) {
    guard case .string(let path) = value else { return nil }
    url = URL(fileURLWithPath: path)
  }
  public var parameterValue: ParameterValue { .string(url.path) }
}

/// Existing files that a stage reads, by paths or patterns; their contents enter the key, in this order.
public struct InputFiles: ParameterType {
  public let urls: [URL]  // Absolute

  public static func kind(_ limits: ParameterLimits<Never>) -> ParameterKind { .files }
  public init?(_ value: ParameterValue) {
    guard case .list(let paths) = value else { return nil }
    urls = paths.compactMap { $0.string.map { URL(fileURLWithPath: $0) } }
    guard urls.count == paths.count else { return nil }
  }
  public var parameterValue: ParameterValue { .list(urls.map { .string($0.path) }) }
}

/// Enumerations of words: `enum Draw: String, CaseIterable, ParameterType`.
extension ParameterType where Self: RawRepresentable & CaseIterable, RawValue == String, Bound == Never {
  public static func kind(_ limits: ParameterLimits<Never>) -> ParameterKind { .choice(allCases.map(\.rawValue)) }
  public init?(_ value: ParameterValue) {
    guard case .string(let word) = value else { return nil }
    self.init(rawValue: word)
  }
  public var parameterValue: ParameterValue { .string(rawValue) }
}

extension Array: ParameterType where Element: ParameterType {
  public typealias Bound = Element.Bound
  public static func kind(_ limits: ParameterLimits<Bound>) -> ParameterKind {
    let element = Element.kind(ParameterLimits(range: limits.range, single: limits.single))
    // of a list of lists, the inner ones take a bare value
    if case .list = element { return .list(element, count: limits.count) }
    return .list(element, acceptsSingle: limits.single, count: limits.count)
  }
  public init?(_ value: ParameterValue) {
    guard case .list(let values) = value else { return nil }
    self = values.compactMap { Element($0) }
    guard count == values.count else { return nil }
  }
  public var parameterValue: ParameterValue { .list(map(\.parameterValue)) }
}

/// Values by names of the user's choosing.
extension Dictionary: ParameterType where Key == String, Value: ParameterType {
  public typealias Bound = Value.Bound
  public static func kind(_ limits: ParameterLimits<Bound>) -> ParameterKind {
    .map(Value.kind(limits), example: "{ name: value }")
  }
  public init?(_ value: ParameterValue) {
    guard case .object(let named) = value else { return nil }
    self = named.compactMapValues { Value($0) }
    guard count == named.count else { return nil }
  }
  public var parameterValue: ParameterValue { .object(mapValues(\.parameterValue)) }
}

extension Optional: ParameterType where Wrapped: ParameterType {
  public typealias Bound = Wrapped.Bound
  public static func kind(_ limits: ParameterLimits<Bound>) -> ParameterKind { Wrapped.kind(limits) }
  public init?(_ value: ParameterValue) {
    let wrapped = Wrapped(value)
    guard value == .null || wrapped != nil else { return nil }
    self = value == .null ? .none : wrapped
  }
  public var parameterValue: ParameterValue { self?.parameterValue ?? .null }
  public static var isOptional: Bool { true }
  public static var absent: Wrapped?? { .some(.none) }
}

extension ClosedRange where Bound == Double {
  /// A number above zero.
  public static var positive: ClosedRange { Double.leastNonzeroMagnitude...Double.greatestFiniteMagnitude }
  /// Zero or above.
  public static var atLeastZero: ClosedRange { 0...Double.greatestFiniteMagnitude }
}

extension ClosedRange where Bound == Int {
  /// One or above.
  public static var count: ClosedRange { 1...Int.max }
  /// Zero or above.
  public static var zeroOrMore: ClosedRange { 0...Int.max }
}
