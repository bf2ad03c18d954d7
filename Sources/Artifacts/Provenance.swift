import Basics
import Foundation

/// Where an artifact comes from: everything that decided its content, and how it was made.
public struct Provenance: Codable, Equatable, Sendable {
  public var key: String  // SHA-256 of `canonical`, hex
  public var canonical: String  // The canonical JSON that was hashed for the key
  public var stage: String
  public var stageType: String
  public var stageVersion: Int
  public var seed: UInt64
  /// SHA-256 over the artifact's logical content, hex. Filled in by `ArtifactWriter.commit`.
  public var contentDigest: String
  public var versions: [String: String]  // Versions of the libraries that took part, by name
  public var device: String
  /// How many threads the stage worked with: the last digits of a result may depend on it. Nil where nobody said.
  public var threads: Int?
  public var start: Date  // To the millisecond
  public var end: Date  // To the millisecond
  public var wallSeconds: Double  // Of all sittings that led to the artifact
  public var warnings: [String]
  /// The warnings once more, with how grave they are and what mends them. Nil in artifacts of older programs, and where there are none.
  public var remarks: [Remark]?
  /// What was measured with a clock, by dataset path. These values differ between equal runs and so stand here, under the
  /// record's checksum, and not in the content digest. Filled in by `ArtifactWriter.commit`.
  public var measurements: [String: Double] = [:]
  /// The pipeline file that made it, by its path as seen from the artifact's folder. Nil in artifacts of older programs.
  public var pipelineFile: String?
  /// Files that belong to the artifact and stand beside it (a report's page), by name: the SHA-256 of what was written. Nil in artifacts
  /// of older programs.
  public var sideFiles: [String: String]?
  /// The libraries as they were loaded, by name: file and build. Nil in artifacts of older programs.
  public var libraries: [String: String]?

  public init(
    key: String, canonical: String, stage: String, stageType: String, stageVersion: Int, seed: UInt64,
    contentDigest: String = "", versions: [String: String] = [:], device: String = "cpu",
    threads: Int? = nil, start: Date, end: Date, wallSeconds: Double, warnings: [String] = []
  ) {
    (self.key, self.canonical, self.seed, self.contentDigest) = (key, canonical, seed, contentDigest)
    (self.stage, self.stageType, self.stageVersion) = (stage, stageType, stageVersion)
    (self.versions, self.device, self.threads) = (versions, device, threads)
    self.start = Self.date(milliseconds: Self.milliseconds(start))
    self.end = Self.date(milliseconds: Self.milliseconds(end))
    self.wallSeconds = wallSeconds
    self.warnings = warnings
  }

  /// The warnings; those of older programs, of which nobody knows how grave they are, as warnings.
  public var allRemarks: [Remark] { remarks ?? warnings.map { Remark($0) } }

  /// The record as it is stored: JSON with sorted keys, times in UTC.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .custom { date, encoder in
      var container = encoder.singleValueContainer()
      try container.encode(Self.text(date))
    }
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  static func decode(_ json: String) throws -> Provenance {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .custom { decoder in
      let container = try decoder.singleValueContainer()
      let text = try container.decode(String.self)
      guard let date = Self.parse(text) else {
        throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is not a time")
      }
      return date
    }
    return try decoder.decode(Provenance.self, from: Data(json.utf8))
  }

  // Times are kept as whole milliseconds, so that what is read equals what was written.

  private static func milliseconds(_ date: Date) -> Int {
    Int(exactly: (date.timeIntervalSince1970 * 1000).rounded()) ?? 0
  }

  private static func date(milliseconds: Int) -> Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

  static func text(_ date: Date) -> String {
    let milliseconds = Self.milliseconds(date)
    let (seconds, remainder) = milliseconds.quotientAndRemainder(dividingBy: 1000)
    let stamp = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601).dropLast()  // without the Z
    let digits = String(abs(remainder))
    return "\(stamp).\(String(repeating: "0", count: 3 - digits.count))\(digits)Z"
  }

  private static func parse(_ text: String) -> Date? {
    guard text.hasSuffix("Z"), text.count > 5, let fraction = Int(text.dropLast().suffix(3)),
      let stamp = try? Date(String(text.dropLast(5)) + "Z", strategy: .iso8601)
    else { return nil }
    return date(milliseconds: Int(stamp.timeIntervalSince1970) * 1000 + fraction)
  }
}
