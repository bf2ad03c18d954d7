import Artifacts
import Foundation

/// Opens artifacts of a run folder, reading every byte of one the first time and again whenever its file was touched.
///
/// What was verified is remembered in the run folder by the file's identity (inode, size, times), so that a rerun of a
/// finished pipeline need not read everything again. It is a cache: deleting it costs a verification.
final class VerifiedArtifacts {
  private struct Stamp: Codable, Equatable {
    var inode: UInt64
    var size: Int
    var modified: [Int]
    var changed: [Int]
    var digest: String
  }

  private let folder: RunFolder
  private var stamps: [String: Stamp]
  private var changed: Set<String> = []

  init(folder: RunFolder) {
    self.folder = folder
    stamps = SharedNotes.read(folder.verified)
  }

  /// Opens the stage's artifact; nil if there is none. With `always`, verifies even what has not been touched since.
  /// Throws what is wrong with it.
  func open(_ stage: String, always: Bool = false) throws -> Artifact? {
    let url = folder.artifact(stage)
    guard var stamp = Self.stamp(url) else { return nil }
    stamp.digest = stamps[stage]?.digest ?? ""
    let isKnown = stamps[stage] == stamp
    let artifact = try Artifact.open(url, check: isKnown && !always ? .nothing : .content)
    if isKnown, artifact.provenance.contentDigest != stamp.digest {
      // as untouched as it looks, it is not what was verified: a clock that was set back, or notes of another folder
      try artifact.verify()
    }
    stamp.digest = artifact.provenance.contentDigest
    if stamps[stage] != stamp {
      stamps[stage] = stamp
      changed.insert(stage)
    }
    return artifact
  }

  /// A commit verifies what it wrote.
  func committed(_ stage: String, digest: String) {
    guard var stamp = Self.stamp(folder.artifact(stage)) else { return }
    stamp.digest = digest
    stamps[stage] = stamp
    changed.insert(stage)
  }

  func save() {
    guard !changed.isEmpty else { return }
    if SharedNotes.merge(stamps.filter { changed.contains($0.key) }, into: folder.verified) { changed = [] }
  }

  private static func stamp(_ url: URL) -> Stamp? {
    var status = stat()
    guard stat(url.path, &status) == 0 else { return nil }
    return Stamp(
      inode: UInt64(status.st_ino), size: status.st_size, modified: [status.st_mtim.tv_sec, status.st_mtim.tv_nsec],
      changed: [status.st_ctim.tv_sec, status.st_ctim.tv_nsec], digest: "")
  }
}
