import Artifacts
import Basics
import Foundation

/// An input that was finished proved damaged when a stage wanted to read it.
struct DamagedInput: Error, CustomStringConvertible {
  let stage, reason: String
  var description: String { "the artifact of stage '\(stage)' is damaged again and again: \(reason)" }
}

/// A stage that is ready to run.
struct ReadyStage {
  let stage: StageDefinition
  let assessment: StageAssessment
  let digests: [String: String]  // The content digests of the stages it reads
  let threads: Int
  let checkpointInterval: Double
}

/// What became of a stage that was run.
enum StageResult: Codable, Equatable {
  case finished(digest: String, seconds: Double, remarks: [Remark])
  /// Its checkpoint is saved.
  case interrupted
  case damagedInput(stage: String, reason: String)
  case failed(String)

  init(_ error: any Error) {
    switch error {
    case let damage as DamagedInput: self = .damagedInput(stage: damage.stage, reason: damage.reason)
    case is WorkflowInterruption: self = .interrupted
    default: self = .failed("\(error)")
    }
  }
}

/// Where ready stages are run.
protocol StageExecutor: AnyObject {
  /// How many stages may be under way.
  var capacity: Int { get }
  func start(_ stage: ReadyStage) throws
  /// Waits until one of the started stages has ended.
  func next() throws -> (stage: String, result: StageResult)
}

/// Runs a stage in this process, when its end is waited for.
final class InProcess: StageExecutor {
  let capacity = 1
  private let execute: (ReadyStage) -> StageResult
  private var ready: ReadyStage?

  init(execute: @escaping (ReadyStage) -> StageResult) { self.execute = execute }

  func start(_ stage: ReadyStage) { ready = stage }

  func next() throws -> (stage: String, result: StageResult) {
    guard let ready else { throw EngineError.noWorkers }
    self.ready = nil
    return (ready.stage.name, execute(ready))
  }
}

extension Engine {
  /// Runs a stage here and commits its artifact.
  func execute(_ ready: ReadyStage) -> StageResult { do { return try run(ready) } catch { return StageResult(error) } }

  private func run(_ ready: ReadyStage) throws -> StageResult {
    let stage = ready.stage
    guard let key = ready.assessment.key, let canonical = ready.assessment.canonical else {
      throw EngineError.inputNotFinished(stage: stage.name, input: stage.inputNames.first ?? "")
    }
    let inputs = try openInputs(of: stage, expecting: ready.digests)
    let environment = resolvedEnvironment
    let seed = RandomStream.derivedSeed(pipeline.seed, [stage.name])
    let checkpoints = CheckpointStore(
      folder: folder.url, stage: stage.name, key: key, olderKeys: ready.assessment.olderKeys
    ) { [console] in console.line("warning: \(stage.name): \($0)") }
    (checkpoints.threads, checkpoints.canonical) = (ready.threads, canonical)
    checkpoints.pipelineFile = pipeline.origin.map { RelativePath.of($0.file, from: folder.url) }
    let readings = ready.assessment.readings
    // before each checkpoint too: what is saved under a key was made of what is in the key
    checkpoints.beforeCommit = { [self] in
      try folder.checkPlace()
      try checkFiles(of: stage.name, readings)
    }
    try checkFiles(of: stage.name, readings)
    let sideFiles = SideFileWriter(folder: folder) { [console] in console.line("warning: \(stage.name): \($0)") }
    try FaultPoint.beforeStage.pass()
    try folder.checkPlace()
    let start = Date()
    let watch = Stopwatch()
    let progress = NotedProgress(
      console.progress(of: stage.name), stage: stage.name, in: folder, threads: ready.threads)
    defer { progress.close() }
    let context = StageContext(
      stage: stage.name, seed: seed, values: stage.parameters, inputs: inputs,
      output: try ArtifactWriter(url: folder.artifact(stage.name)), checkpoints: checkpoints,
      shared: stage.shared, settings: pipeline.settings, progress: progress, threads: ready.threads,
      checkpointInterval: ready.checkpointInterval,
      interruption: { [interruption] in interruption.isRequested },
      sideFiles: sideFiles, warned: progress.warn, log: { [console] in console.line("\(stage.name): \($0)") })
    do {
      try stage.type.run(context)
    } catch {
      context.output.discard()
      throw error
    }
    try FaultPoint.afterWork.pass()
    try folder.checkPlace()
    do { try checkFiles(of: stage.name, readings, content: true) } catch {
      context.output.discard()
      throw error
    }
    let end = Date()
    let seconds = watch.seconds
    var provenance = Provenance(
      key: key, canonical: canonical, stage: stage.name, stageType: stage.type.type,
      stageVersion: stage.type.version, seed: seed, versions: environment.versions, device: context.deviceName,
      threads: ready.threads, start: start, end: end, wallSeconds: checkpoints.earlierSeconds + seconds,
      warnings: context.warnings)
    provenance.pipelineFile = pipeline.origin.map { RelativePath.of($0.file, from: folder.url) }
    provenance.sideFiles = sideFiles.written
    provenance.remarks = context.remarks.isEmpty ? nil : context.remarks
    provenance.libraries = environment.libraries.isEmpty ? nil : environment.libraries
    let digest = try context.output.commit(provenance: provenance)
    try FaultPoint.afterArtifact.pass()
    assessor.made(stage.name)
    try? FileSystem.unlink(folder.forcedMark(stage.name))
    do { try checkpoints.removeAll() } catch let error as ArtifactError {
      console.line("warning: \(stage.name): finished, but a checkpoint of it is left: \(error)")
    }
    return .finished(digest: digest, seconds: seconds, remarks: context.remarks)
  }

  /// Hands what a finished stage was given to someone who looks at it again: parameters, inputs, shared values. What is written through
  /// the context does not stay. Throws what `look` throws, and `EngineError` for inputs that are not there.
  public func revisit<Seen>(_ name: String, _ look: (StageContext) throws -> Seen) throws -> Seen {
    guard let stage = pipeline[name] else {
      throw EngineError.unknownStage(name, known: pipeline.stages.map(\.name))
    }
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("boltzmill-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: scratch) }
    let output = try ArtifactWriter(url: scratch.appendingPathComponent("\(name).h5"))
    defer { output.discard() }
    let context = StageContext(
      stage: name, seed: RandomStream.derivedSeed(pipeline.seed, [name]), values: stage.parameters,
      inputs: try openInputs(of: stage, expecting: [:]), output: output,
      checkpoints: CheckpointStore(folder: scratch, stage: name, key: "") { _ in }, shared: stage.shared,
      settings: pipeline.settings)
    return try look(context)
  }

  /// Throws `EngineError.inputChanged` where a file is no longer what it was when it entered the stage's key.
  private func checkFiles(of stage: String, _ readings: [FileReading], content: Bool = false) throws {
    do { try assessor.files.check(readings, content: content) } catch EngineError.inputChanged(let file, _) {
      throw EngineError.inputChanged(file: file, stage: stage)
    }
  }

  /// The stage's inputs by slot, each with those inputs of its own that the stage type declares. Everything is verified, unless it is only
  /// looked at; with `only`, other inputs are left out.
  func openInputs(
    of stage: StageDefinition, expecting digests: [String: String], only: Set<String>? = nil, verified: Bool = true
  ) throws -> [String: [StageInput]] {
    var opened: [String: Artifact] = [:]
    func artifact(_ name: String) throws -> Artifact {
      if let artifact = opened[name] { return artifact }
      let artifact = try openFinished(name, for: stage.name, verified: verified)
      if let expected = digests[name], artifact.provenance.contentDigest != expected {
        throw EngineError.unreadableInput(file: artifact.url.path, reason: "was replaced during the run")
      }
      opened[name] = artifact
      return artifact
    }
    func input(_ name: String, paths: [[String]]) throws -> StageInput {
      var inner: [String: [StageInput]] = [:]
      for slot in Set(paths.compactMap(\.first)) {
        let names = pipeline[name]?.inputs(slot) ?? []
        let rest = paths.filter { $0.first == slot }.map { Array($0.dropFirst()) }
        if !names.isEmpty { inner[slot] = try names.map { try input($0, paths: rest) } }
      }
      let type = pipeline[name]?.type
      return StageInput(
        name: name, type: type?.type ?? "", stageType: type, artifact: try artifact(name), inputs: inner,
        lineageSeconds: { [self] in wallSeconds(upTo: name) })
    }
    var slots: [String: [StageInput]] = [:]
    for slot in stage.slots {
      let paths = stage.type.indirectInputs.map(\.slots).filter { $0.first == slot.name }.map { Array($0.dropFirst()) }
      let names = slot.stages.filter { only?.contains($0) ?? true }
      slots[slot.name] = try names.map { try input($0, paths: paths) }
    }
    return slots
  }
}
