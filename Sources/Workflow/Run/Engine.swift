import Artifacts
import Basics
import Foundation

/// What the face tells the engine about the libraries that take part; the engine itself knows none of them.
public struct RunEnvironment {
  public var versions: [String: String]
  public var libraries: [String: String]  // File and build of each, as loaded
  public var warnings: [String]  // What is not as it should be with them

  public init(versions: [String: String] = [:], libraries: [String: String] = [:], warnings: [String] = []) {
    (self.versions, self.libraries, self.warnings) = (versions, libraries, warnings)
  }
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
  /// Their warnings are told when it is first asked for.
  private(set) lazy var resolvedEnvironment: RunEnvironment = {
    let found = environment()
    for warning in found.warnings { console.line("warning: \(warning)") }
    return found
  }()

  /// `environment` is asked once, before the first stage runs. `worker` starts the processes of `RunOptions.jobs`.
  public init(
    pipeline: PipelineDefinition, folder: RunFolder, console: any RunDisplay,
    interruption: Interruption = Interruption(), worker: WorkerCommand? = nil,
    environment: @escaping () -> RunEnvironment = { RunEnvironment() }
  ) {
    (self.worker, self.pipeline, self.folder) = (worker, pipeline, folder)
    (self.console, self.interruption, self.environment) = (console, interruption, environment)
    assessor = StageAssessor(pipeline: pipeline, folder: folder)
    assessor.artifacts.report = { [console] in console.line("warning: \($0): \($1)") }
  }

  /// Every stage's state and why; runs and changes nothing. `forced` are names or patterns. Without `keys`, stages of which there is nothing
  /// yet have no key, and their input files are not read.
  public func assess(forced: [String] = [], keys: Bool = true) throws -> [StageAssessment] {
    let assessments = try assessor.assessAll(forced: try names(matching: forced), keys: keys)
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
        beforeStart: { [assessor] in
          assessor.files.save()
          assessor.artifacts.saveNowAndThen()
        })
    } else {
      executor = InProcess(execute: execute)
    }
    return try run(options, executor: executor)
  }

  func run(_ options: RunOptions, executor: any StageExecutor) throws -> RunOutcome {
    let selected = try selection(options)
    let forced = try names(matching: options.force).intersection(selected)
    try checkInputs(of: selected, given: selected)
    if let warning = folder.warning { console.line("warning: \(warning)") }
    if folder.mode != .shared { ArtifactFolder.removeLeftovers(in: folder.url) }
    assessor.files.beginRun()
    defer {
      assessor.files.endRun()
      assessor.save()
    }
    for name in forced { try markForced(name) }
    if folder.mode == .exclusive {
      RunOrigin.remember(pipeline, in: folder.url)
      folder.removeAllProgress()
      LastRun.forget(in: folder)
    }
    let schedule = Schedule(engine: self, selected: selected, options: options, executor: executor)
    do {
      let outcome = RunOutcome(stages: try schedule.run())
      if folder.mode == .exclusive { LastRun(outcome).note(in: folder) }
      return outcome
    } catch {
      if folder.mode == .exclusive { LastRun(error).note(in: folder) }
      throw error
    }
  }

  /// Inputs of these stages must be finished already, but for those that are `given`: they are made by then.
  func checkInputs(of selected: Set<String>, given: Set<String>) throws {
    for stage in pipeline.stages where selected.contains(stage.name) {
      for input in stage.keyInputs(in: pipeline).sorted() where !given.contains(input) {
        let isThere: Bool
        do { isThere = try FileSystem.exists(folder.artifact(input)) } catch {
          throw EngineError.unreachable(file: folder.artifact(input).path, reason: "\(error)")
        }
        guard isThere || assessor.removed[input] != nil else {
          throw EngineError.inputNotFinished(stage: stage.name, input: input)
        }
      }
    }
  }

  private func markForced(_ name: String) throws {
    let store = CheckpointStore(folder: folder.url, stage: name, key: "")
    try store.removeAll()
    do {
      guard try FileSystem.exists(folder.artifact(name)) || assessor.removed[name] != nil else { return }
      try FileSystem.write(Data(), to: folder.forcedMark(name))
    } catch { throw EngineError.folder(path: folder.forcedMark(name).path, reason: "cannot be written: \(error)") }
  }

  /// The stages, and those removed on purpose that they read: what has to be made so that these can run.
  func withRemovedInputs(of names: Set<String>) -> Set<String> {
    var (found, open) = (names, Array(names))
    while let name = open.popLast() {
      for input in pipeline[name]?.keyInputs(in: pipeline) ?? [] where assessor.removed[input] != nil {
        guard FileCalls.presence(folder.artifact(input).path) == .absent, found.insert(input).inserted else { continue }
        open.append(input)
      }
    }
    return found
  }
}

extension StageDefinition {
  func matches(_ pattern: String) -> Bool {
    if pattern == base || fnmatch(pattern, name, 0) == 0 { return true }
    return pattern.hasPrefix("@") && cell.contains { $0.label == pattern.dropFirst() }
  }
}
