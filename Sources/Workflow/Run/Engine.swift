import Artifacts
import Foundation

/// What the face tells the engine about the libraries that take part; the engine itself knows none of them.
public struct RunEnvironment {
  public var versions: [String: String]

  public init(versions: [String: String] = [:]) { self.versions = versions }
}

/// Runs a pipeline in its run folder: skips what is finished, runs the rest in order, commits each stage's artifact.
public final class Engine {
  public let pipeline: PipelineDefinition
  public let folder: RunFolder
  let console: any RunDisplay
  let interruption: Interruption
  let assessor: StageAssessor
  private let environment: () -> RunEnvironment
  private let worker: WorkerCommand?
  lazy var resolvedEnvironment = environment()

  /// `environment` is asked once, before the first stage runs. `worker` starts the processes of `RunOptions.jobs`.
  public init(
    pipeline: PipelineDefinition, folder: RunFolder, console: any RunDisplay,
    interruption: Interruption = Interruption(), worker: WorkerCommand? = nil,
    environment: @escaping () -> RunEnvironment = { RunEnvironment() }
  ) {
    (self.worker, self.pipeline, self.folder) = (worker, pipeline, folder)
    (self.console, self.interruption, self.environment) = (console, interruption, environment)
    assessor = StageAssessor(pipeline: pipeline, folder: folder)
  }

  /// Every stage's state and why; runs and changes nothing. `forced` are names or patterns.
  public func assess(forced: [String] = []) throws -> [StageAssessment] {
    let assessments = try assessor.assessAll(forced: try names(matching: forced))
    assessor.save()
    return assessments
  }

  /// The stages that the options select. A name is a stage's full name, its name in the file (all its cells of the matrix),
  /// a pattern with `*` and `?`, or `@label` for whatever belongs to that entry of the matrix. Throws
  /// `EngineError.unknownStage` or `.emptySelection`.
  public func selection(_ options: RunOptions) throws -> Set<String> {
    var selected = Set(pipeline.stages.map(\.name))
    if let from = options.from { selected.formIntersection(pipeline.descendants(of: try names(matching: [from]))) }
    if let until = options.until { selected.formIntersection(pipeline.ancestors(of: try names(matching: [until]))) }
    if !options.only.isEmpty { selected.formIntersection(try names(matching: options.only)) }
    guard !selected.isEmpty else { throw EngineError.emptySelection }
    return selected
  }

  public func names(matching patterns: [String]) throws -> Set<String> {
    var found: Set<String> = []
    for pattern in patterns {
      let matching = pipeline.stages.filter { $0.matches(pattern) }.map(\.name)
      if matching.isEmpty {
        throw EngineError.unknownStage(
          pattern, known: pattern.contains("@") ? pipeline.stages.map(\.name) : pipeline.bases)
      }
      found.formUnion(matching)
    }
    return found
  }

  /// Runs what has to run. The caller holds the folder's lock. Throws `EngineError` when the run cannot begin; what goes
  /// wrong in a stage is in the outcome.
  public func run(_ options: RunOptions = RunOptions()) throws -> RunOutcome {
    let executor: any StageExecutor
    if let jobs = options.jobs {
      guard let worker else { throw EngineError.noWorkers }
      executor = ChildProcesses(
        jobs: jobs, worker: worker, folder: folder, console: console, interruption: interruption,
        // so that the process need not read large inputs only to know their digests
        beforeStart: { [assessor] in assessor.save() })
    } else {
      executor = InProcess(execute: execute)
    }
    return try run(options, executor: executor)
  }

  func run(_ options: RunOptions, executor: any StageExecutor) throws -> RunOutcome {
    let selected = try selection(options)
    let forced = try names(matching: options.force).intersection(selected)
    try checkInputs(of: selected, given: selected)
    if folder.mode != .shared { ArtifactFolder.removeLeftovers(in: folder.url) }
    defer { assessor.save() }
    for name in forced { try markForced(name) }
    let schedule = Schedule(engine: self, selected: selected, options: options, executor: executor)
    return RunOutcome(stages: try schedule.run())
  }

  /// Inputs of these stages must be finished already, but for those that are `given`: they are made by then.
  func checkInputs(of selected: Set<String>, given: Set<String>) throws {
    for stage in pipeline.stages where selected.contains(stage.name) {
      for input in stage.keyInputs(in: pipeline).sorted() where !given.contains(input) {
        guard FileManager.default.fileExists(atPath: folder.artifact(input).path) else {
          throw EngineError.inputNotFinished(stage: stage.name, input: input)
        }
      }
    }
  }

  private func markForced(_ name: String) throws {
    let store = CheckpointStore(folder: folder.url, stage: name, key: "")
    try store.removeAll()
    if FileManager.default.fileExists(atPath: folder.artifact(name).path),
      !FileManager.default.createFile(atPath: folder.forcedMark(name).path, contents: nil)
    {
      throw EngineError.folder(path: folder.forcedMark(name).path, reason: "cannot be written")
    }
  }
}

extension StageDefinition {
  func matches(_ pattern: String) -> Bool {
    if pattern == base || fnmatch(pattern, name, 0) == 0 { return true }
    return pattern.hasPrefix("@") && cell.contains { $0.label == pattern.dropFirst() }
  }
}
