import Artifacts
import Basics
import Foundation

/// The one way a stage is run, wherever that is: the digests of its inputs, its assessment, its work, its commit.
///
/// A run of the pipeline takes the steps one by one, because other stages are at work between them; the process of one stage
/// and a job of a cluster take them together, by `carryOut`. Whoever shares the run folder holds the stage's `StageLock`.
struct StageRun {
  enum Decision {
    case skip(StageAssessment)  // Finished; there is nothing to do
    case run(ReadyStage)
  }

  let engine: Engine
  let stage: StageDefinition
  let options: RunOptions
  var place = ""  // What stands before the stage's name in the lines about it: "[2/5] "
  /// The key that a run has decided on, which also has set aside what was damaged and says what happens: there is nothing left
  /// but to work, if the key is this one still. Nil: the decision is made here.
  var expectedKey: String?
  /// Somebody needs the artifact: it is made though it was removed on purpose.
  var isNeeded = false

  /// Whether the stage has to run, given its inputs' digests. What is damaged is moved out of its way. `begin` is called before
  /// the stage is announced. Throws what `begin` throws, and `EngineError`.
  func decide(_ digests: [String: String], begin: (StageAssessment) throws -> Void = { _ in }) throws -> Decision {
    let assessment = try engine.assessor.assess(stage, digests: digests)
    var threads = options.defaultThreads
    if let expectedKey {
      guard assessment.key == expectedKey else { throw EngineError.changedMeanwhile(stage: stage.name) }
    } else {
      switch assessment.state {
      case .upToDate:
        // left behind by a run that was killed just after it had finished the stage
        try? CheckpointStore(folder: engine.folder.url, stage: stage.name, key: "").removeAll()
        return .skip(assessment)
      case .removed where !isNeeded: return .skip(assessment)
      case .incomplete(let names) where engine.restore(names, of: stage):
        return .skip(try engine.assessor.assess(stage, digests: digests))
      default: break
      }
      if let file = assessment.missingFiles.first {
        throw EngineError.inputMissing(stage: stage.name, file: file.shown)
      }
      try begin(assessment)
      if case .damaged(let reason) = assessment.state { try engine.setAside(stage.name, reason: reason) }
      threads = engine.threads(for: assessment, options)
      let resumed = assessment.checkpointStep.map { ", from the checkpoint of step \($0)" } ?? ""
      say("\(stage.name) (\(stage.type.type)): \(assessment.state)\(resumed)")
      if let other = assessment.otherCheckpoint { say("warning: \(stage.name): \(other.replaced)") }
    }
    return .run(
      ReadyStage(
        stage: stage, assessment: assessment, digests: digests, threads: threads,
        checkpointInterval: options.checkpointInterval))
  }

  func ended(_ result: StageResult) {
    guard case .finished(let digest, let seconds, _) = result else { return }
    engine.assessor.artifacts.committed(stage.name, digest: digest)
    say("\(stage.name): done in \(NumberText.duration(seconds: seconds))")
  }

  /// All the steps, here and now. What goes wrong with the stage is in the result; throws what `begin` throws, other than
  /// `WorkflowInterruption`.
  func carryOut(begin: (StageAssessment) throws -> Void = { _ in }) throws -> StageResult {
    engine.assessor.files.beginRun()
    defer { engine.assessor.files.endRun() }
    do {
      switch try decide(inputDigests(), begin: begin) {
      case .skip(let assessment):
        say("\(stage.name): \(assessment.state)")
        return .finished(digest: assessment.digest ?? "", seconds: 0, remarks: [])
      case .run(let ready):
        let result = engine.execute(ready)
        ended(result)
        return result
      }
    } catch let error where error is DamagedInput || error is WorkflowInterruption || error is EngineError {
      return StageResult(error)
    }
  }

  /// The content digests of all stages that this one's key is made of. Throws `DamagedInput` or `EngineError`.
  func inputDigests() throws -> [String: String] {
    var digests: [String: String] = [:]
    for input in stage.keyInputs(in: engine.pipeline) {
      digests[input] = try engine.openFinished(input, for: stage.name).provenance.contentDigest
    }
    return digests
  }

  func say(_ text: String) {
    if expectedKey == nil { engine.console.line(place + text) }
  }
}

extension Engine {
  /// A finished stage's artifact; with `verified`, every byte of it is read again. Throws `EngineError` where it is missing or
  /// cannot be read now, `DamagedInput`.
  func openFinished(_ name: String, for stage: String, verified: Bool = false) throws -> Artifact {
    do {
      guard let artifact = try assessor.artifacts.open(name, always: verified) else {
        throw EngineError.inputNotFinished(stage: stage, input: name)
      }
      return artifact
    } catch let error as EngineError {
      throw error
    } catch let error as ArtifactError where !error.isDamage {
      throw EngineError.unreachable(file: folder.artifact(name).path, reason: "\(error)")
    } catch  where Artifact.saysThatItIsNotThere(error) {
      throw EngineError.listedAndNotThere(folder.artifact(name))
    } catch {
      throw DamagedInput(stage: name, reason: "\(error)")
    }
  }

  /// Writes files that belong to a finished stage again, where its type can make them of the artifact. False where the stage has to run.
  func restore(_ names: [String], of stage: StageDefinition) -> Bool {
    guard let artifact = try? openFinished(stage.name, for: stage.name), folder.mode != nil else { return false }
    for name in names {
      let ending = URL(fileURLWithPath: name).pathExtension
      guard let make = stage.type.sideFiles.first(where: { $0.ending == ending })?.restore else { return false }
      let url = folder.url.appendingPathComponent(name)
      do { try SideFileWriter(folder: folder).write(url, as: artifact) { try make(artifact, $0) } } catch {
        console.line("warning: \(stage.name): \(name) was not there any more, and cannot be written: \(error)")
        return false
      }
      console.line("\(stage.name): \(name) was not there any more and is written again")
    }
    return true
  }

  /// Moves a damaged artifact out of the way, keeping it, and says so.
  func setAside(_ stage: String, reason: String) throws {
    let target = try ArtifactFolder.setAside(folder.artifact(stage))
    console.line("warning: \(stage): \(reason)")
    console.line("warning: \(stage): the file is kept as \(target.lastPathComponent); the stage runs again")
  }

  /// The threads of a stage: as many as it was begun with, unless the options say otherwise.
  func threads(for assessment: StageAssessment, _ options: RunOptions) -> Int {
    let threads = options.defaultThreads
    guard let begun = assessment.checkpointThreads, begun != threads else { return threads }
    guard options.threads != nil else { return begun }
    console.line(
      "warning: \(assessment.stage.name): begun with \(begun) threads, goes on with \(threads): "
        + "the last digits of its result may differ from those of an undisturbed run")
    return threads
  }
}
