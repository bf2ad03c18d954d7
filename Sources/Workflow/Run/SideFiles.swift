import Artifacts
import Crypto
import Foundation

/// A file that a stage type writes beside its artifact, by its ending: `report.html` beside `report.h5`.
public struct SideFile: Sendable {
  public let ending: String
  /// Makes it again of the finished artifact, at a place of its own; nil where the stage has to run again for it.
  public let restore: (@Sendable (Artifact, URL) throws -> Void)?

  public init(_ ending: String, restore: (@Sendable (Artifact, URL) throws -> Void)? = nil) {
    (self.ending, self.restore) = (ending, restore)
  }
}

/// Puts side files into their places, and remembers what it has put there.
///
/// The digest of each stands in its artifact's provenance, by which it is known as ours ever after. It is noted in `.sides.json` before the
/// file takes its place, so that one whose artifact was never committed is known too.
public final class SideFileWriter {
  private let folder: RunFolder
  private let report: (String) -> Void
  private(set) var written: [String: String] = [:]  // Digests by name

  init(folder: RunFolder, report: @escaping (String) -> Void = { _ in }) {
    (self.folder, self.report) = (folder, report)
  }

  /// `fill` writes the file to the place that it is given. What stands in the way and is not ours is kept under another name.
  /// Throws what `fill` throws, and `ArtifactError.system`.
  func write(_ url: URL, as artifact: Artifact? = nil, _ fill: (URL) throws -> Void) throws {
    let temporary = FileSystem.temporary(for: url)
    defer { unlink(temporary.path) }
    try fill(temporary)
    let digest = try Self.digest(temporary)
    let claims = FileClaims(folder)
    if try FileSystem.exists(url), !claims.isOurs(sideFile: url) {
      let kept = try FileSystem.setAside(url, as: "kept")
      report(
        "\(url.lastPathComponent) was not written by this program, or was changed since; it is kept as \(kept.lastPathComponent)"
      )
    }
    _ = SharedNotes.merge([url.lastPathComponent: Optional(digest)], into: Self.notes(folder))
    try FileSystem.place(temporary, at: url)
    written[url.lastPathComponent] = digest
  }

  static func notes(_ folder: RunFolder) -> URL { folder.url.appendingPathComponent(".sides.json") }

  static func digest(_ url: URL) throws -> String {
    hex(SHA256.hash(data: try FileSystem.read(url)))
  }
}
