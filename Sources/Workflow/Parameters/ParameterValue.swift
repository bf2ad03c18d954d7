import Foundation

/// A parameter's value as a pipeline file can state it: the JSON kinds, with integers kept apart from other numbers.
public enum ParameterValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case list([ParameterValue])
  case object([String: ParameterValue])

  /// The member of an object, or nil.
  public subscript(key: String) -> ParameterValue? {
    if case .object(let members) = self { return members[key] }
    return nil
  }

  /// The elements of a list, or nil.
  public subscript(index: Int) -> ParameterValue? {
    if case .list(let elements) = self, elements.indices.contains(index) { return elements[index] }
    return nil
  }

  public var string: String? { if case .string(let value) = self { value } else { nil } }

  /// The one text of this value that keys are made of: JSON with sorted names, no spaces, and the shortest decimal that
  /// reads back as the same number, so that `300` and `300.0` are equal.
  public var canonicalJSON: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): String(value)
    case .number(let value): Self.text(of: value)
    case .string(let value): Self.quoted(value)
    case .list(let elements): "[" + elements.map(\.canonicalJSON).joined(separator: ",") + "]"
    case .object(let members): "{" + Self.texts(members).joined(separator: ",") + "}"
    }
  }

  private static func texts(_ members: [String: ParameterValue]) -> [String] {
    members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { "\(quoted($0)):\($1.canonicalJSON)" }
  }

  private static func text(of value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    return value.isFinite ? "\(value)" : "\"\(value)\""  // JSON has no infinities
  }

  private static func quoted(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}

extension ParameterValue: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    func decoded<T: Decodable>(_ make: (T) -> ParameterValue) -> ParameterValue? {
      (try? container.decode(T.self)).map(make)
    }
    let scalar: ParameterValue? =
      container.decodeNil() ? .null : decoded(Self.bool) ?? decoded(Self.integer) ?? decoded(Self.number)
    self =
      try scalar ?? decoded(Self.string) ?? decoded(Self.list)
      ?? .object(container.decode([String: ParameterValue].self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .list(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }
}

extension ParameterValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: ParameterValue...) { self = .list(elements) }
  public init(dictionaryLiteral elements: (String, ParameterValue)...) {
    self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
  }
}
