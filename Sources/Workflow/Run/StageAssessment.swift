import Artifacts
import Foundation

public enum StageState: Equatable, CustomStringConvertible {
  case upToDate  // Finished with the present key, and sound
  case missing
  case stale([String])  // Finished, but with another key; what differs, most telling first
  case damaged(String)
  case forced  // `--force`
  case waiting([String])  // The stages it reads will run first; whether it has to run depends on what they give

  public var word: String {
    switch self {
    case .upToDate: "up to date"
    case .missing: "missing"
    case .stale: "stale"
    case .damaged: "damaged"
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
    case .forced: "forced"
    case .waiting(let names): "depends on the result of \(names.joined(separator: ", "))"
    }
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
  let checkpointThreads: Int?  // The threads that checkpoint was made with
  let olderKeys: Set<String>  // Of versions whose results and checkpoints stand

  var digest: String? { state == .upToDate ? provenance?.contentDigest : nil }
}

final class StageAssessor {
  let pipeline: PipelineDefinition
  let folder: RunFolder
  let artifacts: VerifiedArtifacts
  let files: FileDigests

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

  /// All stages, nothing being run: what a run would find. `forced` stages count as not finished.
  func assessAll(forced: Set<String> = []) throws -> [StageAssessment] {
    var digests: [String: String] = [:]
    return try pipeline.stages.map { stage in
      let assessment = try assess(stage, digests: digests, forced: forced.contains(stage.name))
      digests[stage.name] = assessment.digest
      return assessment
    }
  }

  /// One stage, given the content digests of the finished ones before it.
  func assess(_ stage: StageDefinition, digests: [String: String], forced: Bool = false) throws -> StageAssessment {
    let open = stage.keyInputs(in: pipeline).filter { digests[$0] == nil }
    let draft = try StageKey(stage, in: pipeline, digests: digests, files: files)
    let key = open.isEmpty ? draft : nil
    let url = folder.artifact(stage.name)
    let size = (try? FileManager.default.attributesOfItem(atPath: url.path))?[.size] as? Int
    var provenance: Provenance?
    let state: StageState
    do {
      provenance = try artifacts.open(stage.name)?.provenance
      if provenance == nil, size != nil {  // a link that leads nowhere
        state = .damaged("the file cannot be followed")
      } else if forced || FileManager.default.fileExists(atPath: folder.forcedMark(stage.name).path) {
        state = provenance == nil ? .missing : .forced
      } else if let provenance, provenance.stage != stage.name || provenance.stageType == CheckpointStore.stageType {
        state = .damaged("the file holds the \(provenance.stageType) of stage '\(provenance.stage)'")
      } else if let provenance {
        state = Self.state(provenance, draft, stage: stage, waitingFor: open, in: pipeline)
      } else {
        state = .missing
      }
    } catch let error as ArtifactError where !error.isDamage {
      throw EngineError.unreachable(file: url.path, reason: "\(error)")
    } catch {
      state = .damaged("\(error)")
    }
    var checkpoint: (step: Int, threads: Int?)?
    if let key, state != .upToDate {
      checkpoint = try? CheckpointStore(
        folder: folder.url, stage: stage.name, key: key.hex, olderKeys: key.soundOlder
      ).newest()
    }
    return StageAssessment(
      stage: stage, state: state, key: key?.hex, canonical: key?.canonical, provenance: provenance, size: size,
      checkpointStep: checkpoint?.step, checkpointThreads: checkpoint?.threads,
      olderKeys: key?.soundOlder ?? [])
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
