import Artifacts
import Basics
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
    var found = FileNote(stamp: stamp, digest: artifact.provenance.contentDigest)
    let before = notes[stage].flatMap { $0.stamp == stamp && $0.digest == found.digest ? $0.content : nil }
    found.content = before ?? ArtifactNote(provenance: artifact.provenancePlace)
    note(stage, found)
    return artifact
  }

  /// As `open`, without opening the file where it is as it was when it was verified: a batch has thousands.
  func provenance(_ stage: String) throws -> (provenance: Provenance, isSealed: Bool)? {
    let url = folder.artifact(stage)
    guard let stamp = try FileStamp.look(url) else { return nil }
    if let note = notes[stage], note.stamp == stamp, let place = note.content?.provenance,
      let found = Artifact.provenance(of: url, at: place), found.contentDigest == note.digest
    {
      return (found, true)
    }
    return try open(stage).map { ($0.provenance, $0.isSealed) }
  }

  /// What columns show of an artifact, scaled, each with its standard error; nil where it cannot be opened.
  func numbers(_ stage: String, of columns: [BatchColumn]) -> [(value: Double?, error: Double?)]? {
    let paths = columns.flatMap { [$0.dataset] + [$0.error].compactMap { $0 } }.unique
    guard let found = numbers(stage, at: paths) else { return nil }
    let known = Dictionary(zip(paths, found), uniquingKeysWith: { $1 })
    return columns.map { column in
      func scaled(_ path: String?) -> Double? { path.flatMap { known[$0] ?? nil }.map { $0 * column.scale } }
      return (scaled(column.dataset), scaled(column.error))
    }
  }

  /// Numbers of an artifact, nil where it has none of that name; nil where it cannot be opened.
  func numbers(_ stage: String, at paths: [String]) -> [Double?]? {
    if paths.isEmpty { return [] }
    let url = folder.artifact(stage)
    let stamp = FileStamp(url)
    let asked = String(FileDigests.ofText(paths.joined(separator: "\n")).prefix(8))
    if let content = notes[stage].flatMap({ $0.stamp == stamp ? $0.content : nil }), content.asked == asked {
      return paths.map { content.numbers?[$0].flatMap(Double.init) }
    }
    guard let artifact = try? open(stage) else { return nil }
    let values = paths.map { path -> Double? in
      artifact.exists(path) ? try? artifact.scalar(path, as: Double.self) : nil
    }
    if var note = notes[stage], note.stamp == stamp, note.content != nil {
      let found = zip(paths, values).compactMap { path, value in value.map { (path, "\($0)") } }
      note.content?.numbers = found.isEmpty ? nil : Dictionary(found, uniquingKeysWith: { $1 })
      note.content?.asked = asked
      self.note(stage, note)
    }
    return values
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
    let url = folder.artifact(stage)
    guard let stamp = FileStamp(url) else { return }
    var found = FileNote(stamp: stamp, digest: digest)
    found.content = (try? Artifact.open(url, check: .nothing)).map { ArtifactNote(provenance: $0.provenancePlace) }
    note(stage, found)
  }

  private func note(_ stage: String, _ note: FileNote) {
    if notes.updateValue(note, forKey: stage) != note { changed.insert(stage) }
  }

  private var saving = Stopwatch()
  private var saveSeconds = 0.0

  /// Writes what was learnt, where that has not been done for a while: the notes of thousands of artifacts are written anew each time.
  func saveNowAndThen() {
    if saving.seconds > 20 * saveSeconds { save() }
  }

  func save() {
    guard !changed.isEmpty else { return }
    let watch = Stopwatch()
    defer {
      saveSeconds = watch.seconds
      saving.restart()
    }
    if SharedNotes.merge(notes.filter { changed.contains($0.key) }, into: folder.verified) { changed = [] }
  }
}
