import Artifacts
import Foundation

/// Opens artifacts of a run folder, reading every byte of one the first time and again whenever its file was touched.
///
/// What was verified is remembered in the run folder by the file's identity (inode, size, times), so that a rerun of a
/// finished pipeline need not read everything again. It is a cache: deleting it costs a verification.
final class VerifiedArtifacts {
  private let folder: RunFolder
  private var notes: [String: FileNote]
  private var changed: Set<String> = []
  /// Told of artifacts that were given their seal again.
  var report: ((_ stage: String, _ text: String) -> Void)?

  init(folder: RunFolder) {
    self.folder = folder
    notes = SharedNotes.read(folder.verified)
  }

  /// Opens the stage's artifact; nil if there is none. With `always`, verifies even what has not been touched since.
  /// Throws what is wrong with it.
  func open(_ stage: String, always: Bool = false) throws -> Artifact? {
    let url = folder.artifact(stage)
    guard let stamp = try FileStamp.look(url) else { return nil }
    let known = notes[stage].flatMap { $0.stamp == stamp ? $0.digest : nil }
    let artifact = try Artifact.open(url, check: known != nil && !always ? .nothing : .content)
    if let known, artifact.provenance.contentDigest != known {
      // as untouched as it looks, it is not what was verified: a clock that was set back, or notes of another folder
      try artifact.verify()
    }
    guard artifact.isSealed || seal(artifact, stage) else { return artifact }
    guard let stamp = artifact.isSealed ? stamp : FileStamp(url) else { return artifact }
    note(stage, FileNote(stamp: stamp, digest: artifact.provenance.contentDigest))
    return artifact
  }

  /// Where this process alone works in the folder. False where it may not write, or cannot: the content has proved itself all the same.
  private func seal(_ artifact: Artifact, _ stage: String) -> Bool {
    guard folder.mode == .exclusive, (try? artifact.sealAgain()) != nil else { return false }
    report?(
      stage,
      "another program has opened \(artifact.url.lastPathComponent) for writing, which cuts off its seal; its content is what was committed, and it is sealed again"
    )
    return true
  }

  func committed(_ stage: String, digest: String) {
    if let stamp = FileStamp(folder.artifact(stage)) { note(stage, FileNote(stamp: stamp, digest: digest)) }
  }

  private func note(_ stage: String, _ note: FileNote) {
    if notes.updateValue(note, forKey: stage) != note { changed.insert(stage) }
  }

  func save() {
    guard !changed.isEmpty else { return }
    if SharedNotes.merge(notes.filter { changed.contains($0.key) }, into: folder.verified) { changed = [] }
  }
}
