import Artifacts
import Basics
import Foundation

public enum StageState: Equatable, CustomStringConvertible {
  case upToDate  // Finished with the present key, and sound
  case missing
  case stale([String])  // Finished, but with another key; what differs, most telling first
  case damaged(String)
  case incomplete([String])  // Finished and sound, but files that belong to it are not there any more
  /// Finished, and its artifact was removed on purpose: what was made from it needs it no longer.
  case removed(Date)
  case forced  // `--force`
  case waiting([String])  // The stages it reads will run first; whether it has to run depends on what they give

  public var word: String {
    switch self {
    case .upToDate: "up to date"
    case .missing: "missing"
    case .stale: "stale"
    case .damaged: "damaged"
    case .incomplete: "incomplete"
    case .removed: "removed"
    case .forced: "forced"
    case .waiting: "waiting"
    }
  }

  public var description: String {
    switch self {
    case .upToDate: "same key, sound artifact"
    case .missing: "no artifact yet"
    case .stale(let differences): differences.first ?? "made with another key"
    case .damaged(let reason): "damaged artifact: \(reason)"
    case .incomplete(let files): "\(files.joined(separator: ", ")) is not there any more"
    case .removed(let date): "removed on purpose on \(date.formatted(.iso8601)); made again when needed"
    case .forced: "forced"
    case .waiting(let names): "depends on the result of \(names.joined(separator: ", "))"
    }
  }
}

/// A checkpoint that was left by a run with other parameters.
public struct OtherCheckpoint: Equatable, Sendable, CustomStringConvertible {
  public let step: Int
  public let differences: [String]  // Between its parameters and the present ones; empty where they are not known

  /// Said of a stage that is to run.
  public var description: String {
    "a checkpoint at step \(step) of \(of) is there; it is replaced"
  }

  /// Said while the stage runs.
  var replaced: String { "a checkpoint at step \(step) of \(of) was there; it is replaced" }

  private var of: String {
    guard let first = differences.first else { return "other parameters" }
    let rest = differences.count > 1 ? " and \(differences.count - 1) more" : ""
    return "other parameters (\(first)\(rest))"
  }
}

public struct StageAssessment {
  public let stage: StageDefinition
  public let state: StageState
  public let key: String?  // Nil while a stage it reads has no content
  let canonical: String?
  public let provenance: Provenance?  // Of the artifact there is, whether up to date or stale
  public let size: Int?  // Bytes of the artifact's file
  public let checkpointStep: Int?  // The step of a usable checkpoint
  /// A checkpoint of other parameters, which a run of the stage replaces.
  public let otherCheckpoint: OtherCheckpoint?
  let checkpointThreads: Int?  // The threads that checkpoint was made with
  let olderKeys: Set<String>  // Of versions whose results and checkpoints stand
  let readings: [FileReading]  // The files that entered the key
  /// Its input files that are not there, so that a finished result cannot be compared with them.
  public let missingFiles: [PipelineDefinition.MissingFile]
  let remark: String?  // Something to know of an artifact that is up to date
  /// Files that belong to it cannot be made again without results that were removed on purpose.
  public let lacksRemoved: Bool
  let removed: RemovedArtifact?

  /// Nothing has to run for it.
  public var isFinished: Bool {
    switch state {
    case .upToDate, .removed: true
    default: false
    }
  }

  /// The digest of its content, where that is decided.
  var digest: String? {
    switch state {
    case .upToDate, .incomplete: provenance?.contentDigest
    case .removed: removed?.digest
    default: nil
    }
  }

  /// Why, in a line.
  public var why: String {
    let missing = missingFiles.map(\.shown).joined(separator: ", ")
    let isThere = provenance != nil && (isFinished || digest != nil)
    let absent =
      missing.isEmpty
      ? ""
      : isThere ? "; its input \(missing) is not there and was not compared" : "; its input \(missing) is missing"
    return state.description + absent + (remark.map { "; " + $0 } ?? "")
      + (otherCheckpoint.map { "; \($0)" } ?? "")
  }
}

/// What is left of an artifact that was removed on purpose: `.removed.json`, by stage.
struct RemovedArtifact: Codable, Equatable {
  var key: String
  var canonical: String
  var digest: String
  var bytes: Int
  var date: Date

  private static func file(_ folder: RunFolder) -> URL { folder.url.appendingPathComponent(".removed.json") }

  static func all(in folder: RunFolder) -> [String: RemovedArtifact] { SharedNotes.read(file(folder)) }

  /// False where it could not be noted.
  static func note(_ changes: [String: RemovedArtifact?], in folder: RunFolder) -> Bool {
    SharedNotes.merge(changes, into: file(folder))
  }
}

final class StageAssessor {
  let pipeline: PipelineDefinition
  let folder: RunFolder
  let artifacts: VerifiedArtifacts
  let files: FileDigests
  private(set) lazy var removed = RemovedArtifact.all(in: folder)

  init(pipeline: PipelineDefinition, folder: RunFolder) {
    (self.pipeline, self.folder) = (pipeline, folder)
    artifacts = VerifiedArtifacts(folder: folder)
    files = FileDigests(notes: folder.url.appendingPathComponent(".inputs.json"))
  }

  /// Writes what was learnt about artifacts and input files to the run folder.
  func save() {
    artifacts.save()
    files.save()
  }

  /// All stages, nothing being run: what a run would find. `forced` stages count as not finished. Without `keys`, stages of which there is
  /// nothing yet have none, so that their input files need not be read.
  func assessAll(forced: Set<String> = [], keys: Bool = true) throws -> [StageAssessment] {
    var digests: [String: String] = [:]
    return try pipeline.stages.map { stage in
      let assessment = try assess(stage, digests: digests, forced: forced.contains(stage.name), keys: keys)
      digests[stage.name] = assessment.digest
      return assessment
    }
  }

  /// One stage, given the content digests of the finished ones before it.
  func assess(
    _ stage: StageDefinition, digests: [String: String], forced: Bool = false, keys: Bool = true
  ) throws -> StageAssessment {
    if !keys, isUntouched(stage.name) { return untouched(stage) }
    let open = stage.keyInputs(in: pipeline).filter { digests[$0] == nil }
    var draft: StageKey
    do {
      draft = try StageKey(stage, in: pipeline, digests: digests, files: files)
    } catch EngineError.inputChanged(let file, nil) {
      throw EngineError.inputChanged(file: file, stage: stage.name)
    }
    let url = folder.artifact(stage.name)
    var remark: String?
    var lacksRemoved = false
    let size = Self.size(url)
    var provenance: Provenance?
    let state: StageState
    do {
      let found = try artifacts.provenance(stage.name)
      provenance = found?.provenance
      if found?.isSealed == false { remark = "another program opened it for writing: 'run' seals it again" }
      if let provenance { draft = draft.adopting(provenance.canonical) }
      if provenance == nil, size != nil {  // a link that leads nowhere
        state = .damaged("the file cannot be followed")
      } else if try forced || FileSystem.exists(folder.forcedMark(stage.name)) {
        state = provenance == nil ? .missing : .forced
      } else if let provenance, provenance.stage != stage.name || provenance.stageType == CheckpointStore.stageType {
        state = .damaged("the file holds the \(provenance.stageType) of stage '\(provenance.stage)'")
      } else if let provenance {
        let found = Self.state(provenance, draft, stage: stage, waitingFor: open, in: pipeline)
        let absent = found == .upToDate ? try absentSideFiles(provenance) : []
        let gone = absent.isEmpty ? [] : stage.keyInputs(in: pipeline).filter { isRemoved($0) }.sorted()
        state = absent.isEmpty || !gone.isEmpty ? found : .incomplete(absent)
        if !gone.isEmpty {
          lacksRemoved = true
          remark =
            "\(absent.joined(separator: ", ")) is not there, and needs \(gone.joined(separator: ", ")), which was removed on purpose"
        }
      } else {
        state = removedState(stage, &draft, waitingFor: open)
      }
    } catch let error as ArtifactError where !error.isDamage {
      throw EngineError.unreachable(file: url.path, reason: "\(error)")
    } catch  where Artifact.saysThatItIsNotThere(error) {
      throw EngineError.listedAndNotThere(url)
    } catch {
      state = .damaged("\(error)")
    }
    let key = open.isEmpty && (draft.missing.isEmpty || provenance != nil || removed[stage.name] != nil) ? draft : nil
    var checkpoint: (step: Int, threads: Int?)?
    var other: OtherCheckpoint?
    if let key, state != .upToDate {
      let store = CheckpointStore(folder: folder.url, stage: stage.name, key: key.hex, olderKeys: key.soundOlder)
      checkpoint = try? store.newest()
      if checkpoint == nil, let found = store.newestOfOthers() {
        let differences =
          found.canonical.isEmpty ? [] : key.differences(from: found.canonical, fields: stage.type.parameters)
        other = OtherCheckpoint(step: found.step, differences: differences)
      }
    }
    return StageAssessment(
      stage: stage, state: state, key: key?.hex, canonical: key?.canonical, provenance: provenance, size: size,
      checkpointStep: checkpoint?.step, otherCheckpoint: other, checkpointThreads: checkpoint?.threads,
      olderKeys: key?.soundOlder ?? [], readings: draft.readings, missingFiles: draft.missing, remark: remark,
      lacksRemoved: lacksRemoved, removed: removed[stage.name])
  }

  /// There is no artifact of the stage, no checkpoint, and no note.
  private func isUntouched(_ stage: String) -> Bool {
    guard removed[stage] == nil, Self.size(folder.artifact(stage)) == nil else { return false }
    return ["ckpt-A", "ckpt-B", "part-0"].allSatisfy {
      FileCalls.presence(folder.url.appendingPathComponent("\(stage).\($0).h5").path) == .absent
    }
  }

  private func untouched(_ stage: StageDefinition) -> StageAssessment {
    StageAssessment(
      stage: stage, state: .missing, key: nil, canonical: nil, provenance: nil, size: nil, checkpointStep: nil,
      otherCheckpoint: nil, checkpointThreads: nil, olderKeys: [], readings: [],
      missingFiles: StageKey.missing(of: stage, in: pipeline),
      remark: nil, lacksRemoved: false, removed: nil)
  }

  private func isRemoved(_ stage: String) -> Bool {
    removed[stage] != nil && FileCalls.presence(folder.artifact(stage).path) == .absent
  }

  private func absentSideFiles(_ provenance: Provenance) throws -> [String] {
    try (provenance.sideFiles ?? [:]).keys.sorted().filter {
      !(try FileSystem.exists(folder.url.appendingPathComponent($0)))
    }
  }

  /// The state of a stage without an artifact.
  private func removedState(_ stage: StageDefinition, _ key: inout StageKey, waitingFor open: Set<String>) -> StageState
  {
    guard let note = removed[stage.name], open.isEmpty else { return .missing }
    let adopted = key.adopting(note.canonical)
    guard note.key == adopted.hex || adopted.soundOlder.contains(note.key) else { return .missing }
    key = adopted
    return .removed(note.date)
  }

  func made(_ stage: String) {
    if removed.removeValue(forKey: stage) != nil { _ = RemovedArtifact.note([stage: nil], in: folder) }
  }

  /// Of the file itself, links not followed; nil where there is none.
  private static func size(_ url: URL) -> Int? {
    var status = stat()
    return lstat(url.path, &status) == 0 ? Int(status.st_size) : nil
  }

  private static func state(
    _ provenance: Provenance, _ key: StageKey, stage: StageDefinition, waitingFor open: Set<String>,
    in pipeline: PipelineDefinition
  ) -> StageState {
    guard open.isEmpty else {
      // whatever its inputs turn out to be, a changed parameter means that it runs
      let differences = key.differences(
        from: provenance.canonical, fields: stage.type.parameters, includingInputs: false)
      return differences.isEmpty ? .waiting(pipeline.stages.map(\.name).filter(open.contains)) : .stale(differences)
    }
    if provenance.key == key.hex || key.soundOlder.contains(provenance.key) { return .upToDate }
    return .stale(key.differences(from: provenance.canonical, fields: stage.type.parameters))
  }
}
