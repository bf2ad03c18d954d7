import Artifacts
import Basics
import Foundation

extension Engine {
  public struct Verification {
    public let file: String
    public let problem: String?  // Nil where the file is not damaged
    /// Nil where it was read and is sound; else why it is neither sound nor damaged: not this program's, changed, missing.
    public let note: String?

    public var wasRead: Bool { note == nil }
  }

  /// Reads every artifact and checkpoint of the run folder, and every input file whose digest is remembered, and compares
  /// it with its digest. What is not this program's is named, and is no damage.
  public func verify() -> [Verification] {
    let inputs = assessor.files.verify().map { Verification(file: $0.path, problem: $0.problem, note: nil) }
    assessor.files.save()
    let claims = FileClaims(folder, pipeline: pipeline)
    return inputs + contents().compactMap { verification($0, claims) } + missingSideFiles()
  }

  private func verification(_ name: String, _ claims: FileClaims) -> Verification? {
    switch claims.claim(name, verify: true) {
    case .artifact, .checkpoint, .sideFile: Verification(file: name, problem: nil, note: nil)
    case .broken(_, let reason): Verification(file: name, problem: reason, note: nil)
    case .changedSideFile: Verification(file: name, problem: nil, note: "changed since it was written")
    case .damaged: Verification(file: name, problem: nil, note: "set aside as damaged")
    case .foreign(let reason): Verification(file: name, problem: nil, note: "not this program's: \(reason)")
    case .temporary, .stageLock, .note: nil
    }
  }

  private func missingSideFiles() -> [Verification] {
    pipeline.stages.flatMap { stage -> [Verification] in
      let provenance = (try? Artifact.open(folder.artifact(stage.name), check: .nothing))?.provenance
      return (provenance?.sideFiles ?? [:]).keys.sorted().compactMap { name in
        guard FileCalls.presence(folder.url.appendingPathComponent(name).path) == .absent else { return nil }
        return Verification(file: name, problem: nil, note: "missing; made again by 'run'")
      }
    }
  }

  /// A file that `clean` would delete, and why.
  public struct Removable {
    public let url: URL
    public let bytes: Int
    public let reason: String
    let note: RemovedArtifact?  // What is kept of it
  }

  /// What `clean` finds in a run folder.
  public struct Upkeep {
    public internal(set) var removable: [Removable] = []
    public internal(set) var left: [(file: String, reason: String)] = []  // What is not to be deleted, and why
  }

  /// What may go, of what is this pipeline's: damaged files set aside, leftovers of killed runs, checkpoints of finished stages, artifacts of
  /// stages that the file no longer has, with the files that belong to them. With `all`, every artifact and checkpoint; with `intermediate`,
  /// finished artifacts that no final result needs any more; with `others`, artifacts of other pipeline files too. See `FileClaims`.
  public func upkeep(all: Bool = false, intermediate: Bool = false, others: Bool = false) throws -> Upkeep {
    let assessments = try assess()
    let claims = FileClaims(folder, pipeline: pipeline)
    let finished = Set(assessments.filter(\.isFinished).map(\.stage.name))
    let stages = Set(pipeline.stages.map(\.name))
    let notes = intermediate ? intermediates(assessments) : [:]
    var found = Upkeep()
    var going: Set<String> = []  // Stages whose artifacts go
    var sideFiles: [(name: String, stage: String)] = []
    func take(_ name: String, _ reason: String, note: RemovedArtifact? = nil) {
      let url = folder.url.appendingPathComponent(name)
      var status = stat()
      let bytes = lstat(url.path, &status) == 0 ? Int(status.st_size) : 0
      found.removable.append(Removable(url: url, bytes: bytes, reason: reason, note: note))
    }
    for name in contents() {
      switch claims.claim(name) {
      case .damaged: take(name, "damaged")
      case .temporary(_, true), .stageLock(nil): take(name, "left by a run that was killed")
      case .temporary(let host, false): found.left.append((name, "being written by a process on \(host)"))
      case .stageLock(let holder?): found.left.append((name, "in use: \(holder)"))
      case .artifact(let stage, let file?), .checkpoint(let stage, let file?):
        guard others else {
          found.left.append((name, "made by \(file)"))
          continue
        }
        take(name, "made by \(file)")
        going.insert(stage)
      case .artifact(let stage, nil):
        if !stages.contains(stage) {
          take(name, "artifact of a stage that is not in the file")
        } else if all {
          take(name, "artifact")
        } else if let note = notes[stage] {
          take(name, "intermediate: what was made from it is finished", note: note)
        } else {
          continue
        }
        going.insert(stage)
      case .checkpoint(let stage, nil):
        if finished.contains(stage) {
          take(name, "checkpoint of a finished stage")
        } else if !stages.contains(stage) {
          take(name, "checkpoint of a stage that is not in the file")
        } else if all {
          take(name, "checkpoint")
        }
      case .sideFile(let stage): sideFiles.append((name, stage))
      case .changedSideFile(let stage):
        found.left.append((name, "belongs to \(stage).h5, and was changed since it was written"))
      case .broken(let stage, let reason):
        found.left.append((name, stages.contains(stage) ? "damaged, 'run' sets it aside: \(reason)" : reason))
      case .foreign(let reason): found.left.append((name, "not this program's: \(reason)"))
      case .note: break
      }
    }
    // with their artifacts, and those of artifacts that are gone
    for (name, stage) in sideFiles {
      let isAlone = FileCalls.presence(folder.artifact(stage).path) == .absent && assessor.removed[stage] == nil
      if going.contains(stage) && notes[stage] == nil || isAlone { take(name, "belongs to \(stage).h5") }
    }
    return found
  }

  /// Finished stages from which everything was made that is made from them, other than what the last stages read to draw their files
  /// again.
  private func intermediates(_ assessments: [StageAssessment]) -> [String: RemovedArtifact] {
    let finished = Set(assessments.filter(\.isFinished).map(\.stage.name))
    var consumers: [String: [StageDefinition]] = [:]
    for stage in pipeline.stages {
      for input in stage.keyInputs(in: pipeline) { consumers[input, default: []].append(stage) }
    }
    var kept: Set<String> = []
    for stage in pipeline.stages where consumers[stage.name] == nil && !stage.type.sideFiles.isEmpty {
      kept.formUnion(stage.inputNames)
    }
    var found: [String: RemovedArtifact] = [:]
    // what cannot be made again, because its input is not there, stays; so everything below it can be made again
    for assessment in assessments
    where assessment.state == .upToDate && assessment.missingFiles.isEmpty && !kept.contains(assessment.stage.name) {
      guard let users = consumers[assessment.stage.name], users.allSatisfy({ finished.contains($0.name) }),
        let provenance = assessment.provenance
      else { continue }
      found[assessment.stage.name] = RemovedArtifact(
        key: provenance.key, canonical: provenance.canonical, digest: provenance.contentDigest,
        bytes: assessment.size ?? 0, date: Date())
    }
    return found
  }

  /// Deletes the files. The caller holds the folder's lock.
  public func remove(_ files: [Removable]) throws {
    let notes = files.compactMap { file in file.note.map { (file.url.deletingPathExtension().lastPathComponent, $0) } }
    // first: an artifact that is gone without a note is made again
    if !notes.isEmpty,
      !RemovedArtifact.note(Dictionary(notes.map { ($0, Optional($1)) }, uniquingKeysWith: { $1 }), in: folder)
    {
      throw EngineError.folder(
        path: folder.url.path, reason: "what is removed on purpose cannot be noted here, so nothing was deleted")
    }
    for file in files {
      do { try FileSystem.unlink(file.url) } catch {
        throw EngineError.folder(path: file.url.path, reason: "cannot be deleted: \(error)")
      }
    }
  }

  /// Throws `EngineError.notReplaceable` where a file that the user wants written would replace an input or a result of this pipeline.
  public func requireReplaceable(_ url: URL) throws {
    if let reason = FileClaims(folder, pipeline: pipeline).refusal(replacing: url) {
      throw EngineError.notReplaceable(file: url.relativePath, reason: reason)
    }
  }

  private func contents() -> [String] {
    let batches = Set(BatchSystems.all.map { $0.name.lowercased() })
    return ((try? FileManager.default.contentsOfDirectory(atPath: folder.url.path)) ?? []).sorted().filter {
      !batches.contains($0)
    }
  }

  // MARK: Other pipeline files

  /// What to say before results of another pipeline file of the same name are replaced: for the selected stages that have to run. Nil
  /// where nothing of another's is.
  public func otherFileWarning(_ selected: Set<String>, _ assessments: [StageAssessment]) -> String? {
    let origin = RunOrigin.read(folder.url)
    let recorded = origin.flatMap { origin in
      pipeline.otherFile(origin.relativeFile, from: folder.url)
        ?? (FileCalls.presence(RelativePath.absolute(origin.relativeFile, from: folder.url).path) == .absent
          ? pipeline.otherFile(origin.pipeline.file, from: folder.url) : nil)
    }
    let names = contents()
    for assessment in assessments where selected.contains(assessment.stage.name) && !assessment.isFinished {
      let provenance = assessment.provenance
      let hasCheckpoint = names.contains {
        $0.hasPrefix(assessment.stage.name + ".ckpt-") || $0.hasPrefix(assessment.stage.name + ".part-")
      }
      guard provenance != nil || hasCheckpoint else { continue }
      let other = provenance?.pipelineFile.map { pipeline.otherFile($0, from: folder.url) } ?? recorded
      if let other {
        return
          "\(folder.url.relativePath) holds results of \(Self.shown(other)), which would be replaced; give this file a name of its own, or --runs"
      }
    }
    return nil
  }

  static func shown(_ url: URL) -> String {
    let here = FileManager.default.currentDirectoryPath + "/"
    return url.path.hasPrefix(here) ? String(url.path.dropFirst(here.count)) : url.path
  }
}
