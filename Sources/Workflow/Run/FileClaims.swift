import Artifacts
import Basics
import Foundation

/// Whose the files of a run folder are. This is the one place that decides whether a file may be replaced or deleted: it bears our seal and
/// our provenance, or is one of the notes and temporary files that the engine makes, and belongs to this pipeline.
struct FileClaims {
  enum Claim: Equatable {
    /// `otherFile`: the pipeline file that made it, if it is another one.
    case artifact(stage: String, otherFile: String?)
    case checkpoint(stage: String, otherFile: String?)
    case sideFile(of: String)  // Of the artifact of that stage, as it was written
    case changedSideFile(of: String)  // Has the name of one, and another content
    case damaged  // Set aside by the engine
    case temporary(host: String, isLeft: Bool)  // Being written, or left by a process that died
    case stageLock(holder: String?)
    case note  // The engine's
    /// Ought to be an artifact or a checkpoint of that stage, and is none any more.
    case broken(stage: String, reason: String)
    case foreign(String)  // Not this program's; why
  }

  private let folder: RunFolder
  private let pipeline: PipelineDefinition?
  private let stages: Set<String>
  private let notedSideFiles: [String: String]
  private let verified: [String: FileNote]

  /// Without a pipeline, artifacts of all pipelines are ours.
  init(_ folder: RunFolder, pipeline: PipelineDefinition? = nil) {
    (self.folder, self.pipeline) = (folder, pipeline)
    stages = Set(pipeline?.stages.map(\.name) ?? [])
    notedSideFiles = SharedNotes.read(SideFileWriter.notes(folder))
    verified = SharedNotes.read(folder.verified)
  }

  private static let notes: Set = [
    ".lock", RunFolder.leaseName, ".notes.lock", ".verified.json", ".inputs.json", ".sides.json", ".removed.json",
    ".pipeline.json", LastRun.name,
  ]

  /// With `verify`, every byte of artifacts is read.
  func claim(_ name: String, verify: Bool = false) -> Claim {
    let url = folder.url.appendingPathComponent(name)
    if Self.notes.contains(name) || name.hasPrefix(".") && name.hasSuffix(".forced") { return .note }
    if let temporary = FileSystem.Temporary(name) {
      return .temporary(host: temporary.host, isLeft: isLeft(temporary))
    }
    if StageProgress.isNote(name) {
      return folder.progress(note: name).map { .temporary(host: $0.host, isLeft: $0.isGone) } ?? .note
    }
    if name.hasPrefix(RunFolder.leaseName + "-") { return .note }
    if name.hasPrefix("."), name.hasSuffix(".lease") {
      return .stageLock(holder: Lease.holder(of: url, isLocked: false))
    }
    if name.hasPrefix("."), name.hasSuffix(".held") { return .stageLock(holder: StageLock.holder(of: url)) }
    if name.firstMatch(of: #/\.h5\.damaged(-\d+)?$/#) != nil {
      return Self.isSpoilt(url) ? .damaged : .foreign("it was set aside, and its content is not this program's")
    }
    if name.hasSuffix(".h5"), !name.hasPrefix(".") { return artifactClaim(name, url, verify: verify) }
    if let claim = sideFileClaim(name, url) { return claim }
    return .foreign("it is no artifact")
  }

  /// A process of this host is asked; of one elsewhere the folder's locks tell.
  private func isLeft(_ temporary: FileSystem.Temporary) -> Bool {
    if temporary.host == FileSystem.host { return temporary.isLeft }
    // one that cannot be looked at may be held
    let isThere = FileCalls.presence(folder.url.appendingPathComponent(".lock").path) == .there(isFolder: false)
    return folder.mode == .exclusive || folder.mode == nil && isThere && folder.holder() == nil
  }

  private func artifactClaim(_ name: String, _ url: URL, verify: Bool) -> Claim {
    let stem = String(name.dropLast(3))
    let isCheckpoint = stem.firstMatch(of: #/^(.+)\.(ckpt-(A|B|R1|R2)|part-\d+)$/#)
    let stage = isCheckpoint.map { String($0.1) } ?? stem
    do {
      let artifact = try Artifact.open(url, check: verify ? .content : isVerified(stage, url) ? .nothing : .seal)
      let provenance = artifact.provenance
      guard provenance.stage == stage, (isCheckpoint != nil) == (provenance.stageType == CheckpointStore.stageType)
      else {
        let what = "holds the \(provenance.stageType) of stage '\(provenance.stage)'"
        return stages.contains(stage) ? .broken(stage: stage, reason: what) : .foreign(what)
      }
      let other = otherFile(provenance)
      return isCheckpoint == nil
        ? .artifact(stage: stage, otherFile: other) : .checkpoint(stage: stage, otherFile: other)
    } catch {
      // what stands under the name of a stage of this file is a matter of the run's, which keeps it and says so
      if stages.contains(stage) || Self.bearsMark(url) { return .broken(stage: stage, reason: "\(error)") }
      return .foreign("it has no seal and no provenance of this program")
    }
  }

  /// Its artifact was verified, and nobody has touched it since.
  private func isVerified(_ stage: String, _ url: URL) -> Bool {
    url.lastPathComponent == "\(stage).h5" && verified[stage].map { $0.stamp == FileStamp(url) } == true
  }

  /// The name of the other pipeline file that made an artifact; nil where it was this one, or one that is gone.
  private func otherFile(_ provenance: Provenance) -> String? {
    guard let pipeline else { return nil }
    guard let path = provenance.pipelineFile else {
      // made before this was recorded: a stage of this file is this file's
      return stages.contains(provenance.stage) ? nil : "a pipeline file that is not recorded"
    }
    if let other = pipeline.otherFile(path, from: folder.url) { return Engine.shown(other) }
    // nobody can say whose a stage is that is not in this file, where the file that made it cannot be looked at
    let theirs = RelativePath.absolute(path, from: folder.url)
    guard !stages.contains(provenance.stage), !FileManager.default.isReadableFile(atPath: theirs.path) else {
      return nil
    }
    return "\(Engine.shown(theirs)), which cannot be read"
  }

  // MARK: Side files

  /// Whether the file is as this program has written it.
  func isOurs(sideFile url: URL) -> Bool {
    guard let digest = try? SideFileWriter.digest(url) else { return false }
    return notedSideFiles[url.lastPathComponent] == digest
      || recordedSideFiles(of: url)?[url.lastPathComponent] == digest
  }

  private func recordedSideFiles(of url: URL) -> [String: String]? {
    let artifact = url.deletingPathExtension().appendingPathExtension("h5")
    return (try? Artifact.open(artifact, check: .nothing))?.provenance.sideFiles
  }

  private func sideFileClaim(_ name: String, _ url: URL) -> Claim? {
    let stage = url.deletingPathExtension().lastPathComponent
    guard notedSideFiles[name] != nil || recordedSideFiles(of: url)?[name] != nil else { return nil }
    return isOurs(sideFile: url) ? .sideFile(of: stage) : .changedSideFile(of: stage)
  }

  // MARK: Files that a user names

  /// Why a file that the user wants written must not take the place of what is there; nil where it may. By identity and not by name: links
  /// and other paths lead to the same file.
  func refusal(replacing url: URL) -> String? {
    var status = stat()
    guard stat(url.path, &status) == 0 else { return nil }
    func isSame(_ path: String) -> Bool {
      var other = stat()
      return stat(path, &other) == 0 && other.st_ino == status.st_ino && other.st_dev == status.st_dev
    }
    if let origin = pipeline?.origin, origin.texts.keys.contains(where: isSame) { return "is the pipeline file" }
    for stage in pipeline?.stages ?? [] {
      guard let pipeline, let files = try? StageKey.files(of: stage, in: pipeline) else { continue }
      if files.contains(where: { isSame($0.path) }) { return "is an input of stage '\(stage.name)'" }
    }
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.url.path)) ?? []
    where isSame(folder.url.appendingPathComponent(name).path) {
      switch claim(name) {
      case .artifact(let stage, _), .checkpoint(let stage, _), .sideFile(let stage), .changedSideFile(let stage),
        .broken(let stage, _):
        return "is a result of stage '\(stage)'"
      case .note, .stageLock, .temporary: return "is one of the run's own files"
      case .damaged, .foreign: return nil
      }
    }
    if Self.bearsMark(url) { return "is a result of another run" }
    return nil
  }

  // MARK: Bytes

  /// Somewhere in the file stands what only this program writes. It reads the file and hands it to no library.
  private static func bearsMark(_ url: URL) -> Bool {
    guard let data = try? Data(contentsOf: url, options: .mappedIfSafe) else { return false }
    return isSealed(data)
      || data.range(of: Data("\"stageType\":".utf8)) != nil && data.range(of: Data("\"contentDigest\":".utf8)) != nil
  }

  private static func isSealed(_ data: Data) -> Bool {
    data.suffix(Seal.size).starts(with: Data("boltzmill seal".utf8))
  }

  /// A file that the engine has set aside, and in which nothing of anybody else's can be: empty, zeros, a link or folder that came in the
  /// way, or an HDF5 file with our mark or cut off before it.
  private static func isSpoilt(_ url: URL) -> Bool {
    var status = stat()
    guard lstat(url.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
    guard status.st_size > 0 else { return true }
    guard let data = try? Data(contentsOf: url, options: .mappedIfSafe) else { return false }
    // without its seal somebody has written into it
    if Self.isSealed(data) || data.allSatisfy({ $0 == 0 }) { return true }
    return data.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]) && isCutOff(data)
  }

  /// An HDF5 file of the store's format that is shorter than its first block says.
  private static func isCutOff(_ data: Data) -> Bool {
    let head = Array(data.prefix(48))
    guard head.count == 48 else { return true }
    guard head[8] >= 2, head[9] == 8 else { return false }
    let end = head[28..<36].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return end > UInt64(data.count)
  }
}
