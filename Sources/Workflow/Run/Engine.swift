import Artifacts
import Basics
import Foundation

/// What the face tells the engine about the libraries that take part; the engine itself knows none of them.
public struct RunEnvironment {
  public var versions: [String: String]
  /// "cpu", "cuda: NVIDIA H100".
  public var device: String

  public init(versions: [String: String] = [:], device: String = "cpu") {
    self.versions = versions
    self.device = device
  }
}

/// What to run of a pipeline, and how.
public struct RunOptions {
  /// Only this stage and what needs it.
  public var from: String?
  /// Only this stage and what it needs.
  public var until: String?
  /// Only these stages; names may hold `*` and `?`.
  public var only: [String] = []
  /// Stages to run again though they are finished; names may hold `*` and `?`.
  public var force: [String] = []
  /// Goes on with stages that do not need a failed one.
  public var keepGoing = false
  public var threads = ProcessInfo.processInfo.activeProcessorCount
  /// In s.
  public var checkpointInterval = 60.0

  public init() {}
}

/// What became of one stage in a run.
public struct StageOutcome {
  public enum Result: Equatable {
    case skipped
    case ran(seconds: Double)
    case failed(String)
    case interrupted
    /// Not started: a stage it needs failed, or the run ended before.
    case notRun(String)
    case notSelected
  }

  public let stage: String
  public let type: String
  public let result: Result
  /// Why it ran or was skipped.
  public let reason: String
  public let digest: String?
  public let warnings: [String]
}

/// What became of a run.
public struct RunOutcome {
  public static let interruptedExitCode: Int32 = 75

  public let stages: [StageOutcome]

  /// 0 done, 1 a stage failed, 75 interrupted and resumable.
  public var exitCode: Int32 {
    if stages.contains(where: { if case .failed = $0.result { true } else { false } }) { return 1 }
    let open = stages.contains {
      switch $0.result {
      case .interrupted, .notRun: true
      default: false
      }
    }
    return open ? Self.interruptedExitCode : 0
  }
}

/// Runs a pipeline in its run folder: skips what is finished, runs the rest in order, commits each stage's artifact.
public final class Engine {
  public let pipeline: PipelineDefinition
  public let folder: RunFolder
  let console: Console
  private let environment: () -> RunEnvironment
  private let interruption: Interruption
  private let assessor: StageAssessor
  private lazy var resolvedEnvironment = environment()

  /// `environment` is asked once, before the first stage runs.
  public init(
    pipeline: PipelineDefinition, folder: RunFolder, console: Console, interruption: Interruption = Interruption(),
    environment: @escaping () -> RunEnvironment = { RunEnvironment() }
  ) {
    self.pipeline = pipeline
    self.folder = folder
    self.console = console
    self.interruption = interruption
    self.environment = environment
    assessor = StageAssessor(pipeline: pipeline, folder: folder)
  }

  /// Every stage's state and why; runs and changes nothing. `forced` are names or patterns.
  public func assess(forced: [String] = []) throws -> [StageAssessment] {
    let assessments = try assessor.assessAll(forced: try names(matching: forced))
    assessor.artifacts.save()
    return assessments
  }

  /// The stages that the options select. Throws `EngineError.unknownStage` or `.emptySelection`.
  public func selection(_ options: RunOptions) throws -> Set<String> {
    var selected = Set(pipeline.stages.map(\.name))
    func check(_ name: String) throws {
      if pipeline[name] == nil { throw EngineError.unknownStage(name, known: pipeline.stages.map(\.name)) }
    }
    if let from = options.from {
      try check(from)
      selected.formIntersection(pipeline.descendants(of: from))
    }
    if let until = options.until {
      try check(until)
      selected.formIntersection(pipeline.ancestors(of: until))
    }
    if !options.only.isEmpty { selected.formIntersection(try names(matching: options.only)) }
    guard !selected.isEmpty else { throw EngineError.emptySelection }
    return selected
  }

  private func names(matching patterns: [String]) throws -> Set<String> {
    var found: Set<String> = []
    for pattern in patterns {
      let matching = pipeline.stages.map(\.name).filter { fnmatch(pattern, $0, 0) == 0 }
      if matching.isEmpty { throw EngineError.unknownStage(pattern, known: pipeline.stages.map(\.name)) }
      found.formUnion(matching)
    }
    return found
  }

  /// Runs what has to run. The caller holds the folder's lock. Throws `EngineError` when the run cannot begin; what goes
  /// wrong in a stage is in the outcome.
  public func run(_ options: RunOptions = RunOptions()) throws -> RunOutcome {
    let selected = try selection(options)
    let forced = try names(matching: options.force).intersection(selected)
    try checkInputs(of: selected)
    ArtifactFolder.removeLeftovers(in: folder.url)
    defer { assessor.artifacts.save() }
    for name in forced { try markForced(name) }

    var outcomes: [String: StageOutcome] = [:]
    var digests: [String: String] = [:]
    var stopped = false
    var restarts = 0
    var index = 0
    while index < pipeline.stages.count {
      let stage = pipeline.stages[index]
      index += 1
      let outcome: StageOutcome
      do {
        outcome = try advance(
          stage, position: index, digests: &digests, outcomes: outcomes, selected: selected, stopped: stopped,
          options: options)
      } catch let damage as DamagedInput where restarts < 3 * pipeline.stages.count {
        // an input proved damaged: begin again at it
        restarts += 1
        try setAside(damage.stage, reason: damage.reason)
        let start = pipeline.stages.firstIndex { $0.name == damage.stage } ?? 0
        for later in pipeline.stages[start...] { digests[later.name] = nil }
        index = start
        continue
      }
      outcomes[stage.name] = outcome
      try FaultPoint.betweenStages.pass()
      switch outcome.result {
      case .failed where !options.keepGoing: stopped = true
      case .interrupted: stopped = true
      default: break
      }
      if interruption.isRequested, !isLast(index, selected) { stopped = true }
    }
    try FaultPoint.beforeNotes.pass()
    return RunOutcome(stages: pipeline.stages.compactMap { outcomes[$0.name] })
  }

  private func isLast(_ index: Int, _ selected: Set<String>) -> Bool {
    !pipeline.stages[index...].contains { selected.contains($0.name) }
  }

  /// Input stages that are left out of the selection must be finished already.
  private func checkInputs(of selected: Set<String>) throws {
    for stage in pipeline.stages where selected.contains(stage.name) {
      for input in stage.keyInputs(in: pipeline).sorted() where !selected.contains(input) {
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

  // MARK: One stage

  private struct DamagedInput: Error, CustomStringConvertible {
    let stage: String
    let reason: String
    var description: String { "the artifact of stage '\(stage)' is damaged again and again: \(reason)" }
  }

  private func advance(
    _ stage: StageDefinition, position: Int, digests: inout [String: String], outcomes: [String: StageOutcome],
    selected: Set<String>, stopped: Bool, options: RunOptions
  ) throws -> StageOutcome {
    func outcome(_ result: StageOutcome.Result, _ reason: String, _ warnings: [String] = []) -> StageOutcome {
      StageOutcome(
        stage: stage.name, type: stage.type.type, result: result, reason: reason, digest: digests[stage.name],
        warnings: warnings)
    }
    guard selected.contains(stage.name) else {
      // what is there is used as it is
      if let artifact = try? assessor.artifacts.open(stage.name) {
        digests[stage.name] = artifact.provenance.contentDigest
      }
      return outcome(.notSelected, "not selected")
    }
    if stopped || interruption.isRequested { return outcome(.notRun("the run was stopped before it"), "") }
    let needed = stage.keyInputs(in: pipeline)
    if let input = pipeline.stages.first(where: { needed.contains($0.name) && digests[$0.name] == nil })?.name {
      guard selected.contains(input) else {
        return outcome(.failed("\(EngineError.inputNotFinished(stage: stage.name, input: input))"), "")
      }
      return outcome(.notRun("'\(input)' is not finished"), "")
    }
    let assessment: StageAssessment
    do {
      assessment = try assessor.assess(stage, digests: digests)
    } catch let error as EngineError {
      return outcome(.failed("\(error)"), "")
    }
    let warnings = assessment.provenance?.warnings ?? []
    switch assessment.state {
    case .upToDate:
      digests[stage.name] = assessment.digest
      // left behind by a run that was killed just after it had finished the stage
      try? CheckpointStore(folder: folder.url, stage: stage.name, key: "").removeAll()
      return outcome(.skipped, Self.skipReason(assessment), warnings)
    case .damaged(let reason): try setAside(stage.name, reason: reason)
    case .missing, .stale, .forced, .waiting: break
    }
    let place = "[\(position)/\(pipeline.stages.count)]"
    let resumed = assessment.checkpointStep.map { ", from the checkpoint of step \($0)" } ?? ""
    console.line("\(place) \(stage.name) (\(stage.type.type)): \(assessment.state)\(resumed)")
    do {
      let finished = try execute(stage, assessment, digests: digests, options: options)
      digests[stage.name] = finished.digest
      console.line("\(place) \(stage.name): done in \(NumberText.duration(seconds: finished.seconds))")
      return outcome(.ran(seconds: finished.seconds), "\(assessment.state)", finished.warnings)
    } catch let damage as DamagedInput {
      throw damage
    } catch is WorkflowInterruption {
      return outcome(.interrupted, "\(assessment.state)")
    } catch {
      console.line("\(place) \(stage.name): failed")
      return outcome(.failed("\(error)"), "\(assessment.state)")
    }
  }

  private static func skipReason(_ assessment: StageAssessment) -> String {
    guard let provenance = assessment.provenance else { return "up to date" }
    return "same key \(provenance.key.prefix(8)), artifact of \(provenance.end.formatted(.iso8601)) is sound"
  }

  private func setAside(_ stage: String, reason: String) throws {
    let target = try folder.setAside(folder.artifact(stage))
    console.line("warning: \(stage): \(reason)")
    console.line("warning: \(stage): the file is kept as \(target.lastPathComponent); the stage runs again")
  }

  private func execute(
    _ stage: StageDefinition, _ assessment: StageAssessment, digests: [String: String], options: RunOptions
  ) throws -> (digest: String, seconds: Double, warnings: [String]) {
    guard let key = assessment.key, let canonical = assessment.canonical else {
      throw EngineError.inputNotFinished(stage: stage.name, input: stage.inputNames.first ?? "")
    }
    let inputs = try openInputs(of: stage, expecting: digests)
    let environment = resolvedEnvironment
    let seed = RandomStream.derivedSeed(pipeline.seed, [stage.name])
    let checkpoints = CheckpointStore(folder: folder.url, stage: stage.name, key: key) { [console] in
      console.line("warning: \(stage.name): \($0)")
    }
    try FaultPoint.beforeStage.pass()
    try folder.checkPlace()
    let start = Date()
    console.stage = stage.name
    defer { console.end() }
    let context = StageContext(
      stage: stage.name, seed: seed, values: stage.parameters, inputs: inputs,
      output: try ArtifactWriter(url: folder.artifact(stage.name)), checkpoints: checkpoints,
      temperature: stage.temperature, system: stage.system, progress: console, threads: options.threads,
      checkpointInterval: options.checkpointInterval, interruption: { [interruption] in interruption.isRequested },
      log: { [console] in console.line("\(stage.name): \($0)") })
    do {
      try stage.type.run(context)
    } catch {
      context.output.discard()
      throw error
    }
    try FaultPoint.afterWork.pass()
    try folder.checkPlace()
    let end = Date()
    let seconds = end.timeIntervalSince(start)
    let digest = try context.output.commit(
      provenance: Provenance(
        key: key, canonical: canonical, stage: stage.name, stageType: stage.type.type,
        stageVersion: stage.type.version, seed: seed, versions: environment.versions, device: environment.device,
        start: start, end: end, wallSeconds: seconds, warnings: context.warnings))
    try FaultPoint.afterArtifact.pass()
    assessor.artifacts.committed(stage.name, digest: digest)
    try? FileManager.default.removeItem(at: folder.forcedMark(stage.name))
    try checkpoints.removeAll()
    return (digest, seconds, context.warnings)
  }

  // MARK: Inputs

  /// The stage's inputs by slot, each with those inputs of its own that the stage type declares. Everything is verified.
  private func openInputs(
    of stage: StageDefinition, expecting digests: [String: String]
  ) throws -> [String: [StageInput]] {
    var opened: [String: Artifact] = [:]
    func artifact(_ name: String) throws -> Artifact {
      if let artifact = opened[name] { return artifact }
      do {
        guard let artifact = try assessor.artifacts.open(name, always: true) else {
          throw EngineError.inputNotFinished(stage: stage.name, input: name)
        }
        if let expected = digests[name], artifact.provenance.contentDigest != expected {
          throw EngineError.unreadableInput(file: artifact.url.path, reason: "was replaced during the run")
        }
        opened[name] = artifact
        return artifact
      } catch let error as EngineError {
        throw error
      } catch let error as ArtifactError where !error.isDamage {
        throw EngineError.unreachable(file: folder.artifact(name).path, reason: "\(error)")
      } catch {
        throw DamagedInput(stage: name, reason: "\(error)")
      }
    }
    func input(_ name: String, paths: [[String]]) throws -> StageInput {
      var inner: [String: [StageInput]] = [:]
      for slot in Set(paths.compactMap(\.first)) {
        let names = pipeline[name]?.inputs(slot) ?? []
        let rest = paths.filter { $0.first == slot }.map { Array($0.dropFirst()) }
        if !names.isEmpty { inner[slot] = try names.map { try input($0, paths: rest) } }
      }
      let type = pipeline[name]?.type.type ?? ""
      return StageInput(name: name, type: type, artifact: try artifact(name), inputs: inner)
    }
    var slots: [String: [StageInput]] = [:]
    for slot in stage.slots {
      let paths = stage.type.indirectInputs.filter { $0.first == slot.name }.map { Array($0.dropFirst()) }
      slots[slot.name] = try slot.stages.map { try input($0, paths: paths) }
    }
    return slots
  }
}
