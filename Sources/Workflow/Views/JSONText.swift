import Foundation

extension ParameterValue {
  /// JSON for people and scripts: indented, names sorted.
  public var prettyJSON: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let data = try? encoder.encode(self) else { return canonicalJSON }
    return String(decoding: data, as: UTF8.self)
  }

  /// An object with one member more.
  public func with(_ key: String, _ value: ParameterValue) -> ParameterValue {
    guard case .object(var members) = self else { return self }
    members[key] = value
    return .object(members)
  }

  public static func optional(_ text: String?) -> ParameterValue { text.map { .string($0) } ?? .null }
}
