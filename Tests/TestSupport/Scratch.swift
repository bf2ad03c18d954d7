import Foundation
import Testing

/// A folder that is removed with the test.
public final class Scratch {
  public let url: URL

  public init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("boltzmill-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  public func file(_ name: String) -> URL { url.appendingPathComponent(name) }

  /// A folder inside, made where it is not there.
  public func folder(_ name: String) throws -> URL {
    try FileManager.default.createDirectory(at: file(name), withIntermediateDirectories: true)
    return file(name)
  }

  public func write(_ text: String, to name: String) throws { try Data(text.utf8).write(to: file(name)) }

  public var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }
}

/// Where the package keeps what tests read.
public enum Package {
  public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  public static let datasets = root.appendingPathComponent("datasets")
  public static let alanine = datasets.appendingPathComponent("alanine")

  public static func fixture(_ path: String) -> URL { root.appendingPathComponent("Tests/Fixtures/\(path)") }

  /// Dipeptides that are shipped: AC, ET, GN, IM, KS, NF, NY.
  public static func dipeptide(_ name: String) -> URL { datasets.appendingPathComponent("dipeptides/\(name)") }
}

extension Tag {
  /// More than five seconds on one quiet core.
  @Tag public static var slow: Tag
}
