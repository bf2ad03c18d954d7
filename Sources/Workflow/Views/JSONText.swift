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

  static func optional(_ text: String?) -> ParameterValue { text.map { .string($0) } ?? .null }
}
