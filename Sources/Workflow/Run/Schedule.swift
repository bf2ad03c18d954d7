import Artifacts
import Basics
import Foundation

/// One run of a pipeline: decides about each stage as soon as its inputs are decided, and keeps the executor busy with those
/// that have to run.
final class Schedule {
  private let engine: Engine
  private let pipeline: PipelineDefinition
  private let selected: Set<String>
  private let options: RunOptions
  private let executor: any StageExecutor
  /// Each stage's inputs, direct and indirect, in the pipeline's order.
  private let needs: [[String]]

  private var outcomes: [String: StageOutcome] = [:]
  private var digests: [String: String] = [:]
  private var running: [String: StageJob] = [:]
  /// Stages that were running when an input of theirs was found damaged: what they give may be out of date.
  private var tainted: Set<String> = []
  private var undecided: [Int]
  private var stopped = false
  private var restarts = 0

  init(engine: Engine, selected: Set<String>, options: RunOptions, executor: any StageExecutor) {
    self.engine = engine
    self.selected = selected
    self.options = options
    self.executor = executor
    let pipeline = engine.pipeline
    self.pipeline = pipeline
    let order = Dictionary(pipeline.stages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    needs = pipeline.stages.map { stage in
      stage.keyInputs(in: pipeline).sorted { order[$0] ?? 0 < order[$1] ?? 0 }
    }
    undecided = Array(pipeline.stages.indices)
  }

  /// The outcome of every stage. Throws where nothing can go on; a stage's own failure is in its outcome.
  func run() throws -> [StageOutcome] {
    while true {
      try fill()
      if running.isEmpty { break }
      let (name, result) = try executor.next()
      try ended(name, result)
    }
    try FaultPoint.beforeNotes.pass()
    return pipeline.stages.compactMap { outcomes[$0.name] }
  }

  /// Decides what can be decided and starts what is ready, as far as there is room.
  private func fill() throws {
    var rest: [Int] = []
    for (place, index) in undecided.enumerated() {
      guard running.count < executor.capacity else {
        rest += undecided[place...]
        break
      }
      let stage = pipeline.stages[index]
      guard try consider(stage, index: index) else {
        rest.append(index)
        continue
      }
      if outcomes[stage.name] != nil { try FaultPoint.betweenStages.pass() }
    }
    undecided = rest
  }

  private func decide(
    _ stage: StageDefinition, _ result: StageOutcome.Result, _ reason: String = "", warnings: [String] = []
  ) {
    outcomes[stage.name] = StageOutcome(
      stage: stage.name, type: stage.type.type, result: result, reason: reason, digest: digests[stage.name],
      warnings: warnings)
    switch result {
    case .failed where !options.keepGoing: stopped = true
    case .interrupted: stopped = true
    default: break
    }
  }

  /// Decides about a stage or starts it; false while an input is open.
  private func consider(_ stage: StageDefinition, index: Int) throws -> Bool {
    guard selected.contains(stage.name) else {
      // what is there is used as it is
      if let artifact = try? engine.assessor.artifacts.open(stage.name) {
        digests[stage.name] = artifact.provenance.contentDigest
      }
      decide(stage, .notSelected, "not selected")
      return true
    }
    if stopped || engine.interruption.isRequested {
      decide(stage, .notRun("the run was stopped before it"))
      return true
    }
    for input in needs[index] where digests[input] == nil {
      guard outcomes[input] != nil else { return false }
      if selected.contains(input) {
        decide(stage, .notRun("'\(input)' is not finished"))
      } else {
        decide(stage, .failed("\(EngineError.inputNotFinished(stage: stage.name, input: input))"))
      }
      return true
    }
    let assessment: StageAssessment
    do {
      assessment = try engine.assessor.assess(stage, digests: digests)
    } catch let error as EngineError {
      decide(stage, .failed("\(error)"))
      return true
    }
    switch assessment.state {
    case .upToDate:
      digests[stage.name] = assessment.digest
      // left behind by a run that was killed just after it had finished the stage
      try? CheckpointStore(folder: engine.folder.url, stage: stage.name, key: "").removeAll()
      decide(
        stage, .skipped, Self.skipReason(assessment), warnings: assessment.provenance?.warnings ?? [])
    case .damaged(let reason):
      try setAside(stage.name, reason: reason)
      try start(stage, assessment, index: index)
    case .missing, .stale, .forced, .waiting: try start(stage, assessment, index: index)
    }
    return true
  }

  private static func skipReason(_ assessment: StageAssessment) -> String {
    guard let provenance = assessment.provenance else { return "up to date" }
    return "same key \(provenance.key.prefix(8)), artifact of \(provenance.end.formatted(.iso8601)) is sound"
  }

  private func setAside(_ stage: String, reason: String) throws {
    let target = try engine.folder.setAside(engine.folder.artifact(stage))
    engine.console.line("warning: \(stage): \(reason)")
    engine.console.line("warning: \(stage): the file is kept as \(target.lastPathComponent); the stage runs again")
  }

  private func start(_ stage: StageDefinition, _ assessment: StageAssessment, index: Int) throws {
    let resumed = assessment.checkpointStep.map { ", from the checkpoint of step \($0)" } ?? ""
    let threads = engine.threads(for: assessment, options)
    engine.console.line(
      "\(place(index)) \(stage.name) (\(stage.type.type)): \(assessment.state)\(resumed)")
    let job = StageJob(
      stage: stage, assessment: assessment, digests: digests.filter { needs[index].contains($0.key) },
      threads: threads, checkpointInterval: options.checkpointInterval)
    running[stage.name] = job
    do {
      try executor.start(job)
    } catch {
      running[stage.name] = nil
      decide(stage, .failed("\(error)"), "\(assessment.state)")
    }
  }

  private func place(_ index: Int) -> String { "[\(index + 1)/\(pipeline.stages.count)]" }

  private func ended(_ name: String, _ result: StageResult) throws {
    guard let job = running.removeValue(forKey: name),
      let index = pipeline.stages.firstIndex(where: { $0.name == name })
    else { return }
    let reason = "\(job.assessment.state)"
    switch result {
    case .finished(let digest, let seconds, let warnings):
      engine.assessor.artifacts.committed(name, digest: digest)
      engine.console.line("\(place(index)) \(name): done in \(NumberText.duration(seconds: seconds))")
      if tainted.remove(name) != nil {
        reopen([index])
        return
      }
      digests[name] = digest
      decide(job.stage, .ran(seconds: seconds), reason, warnings: warnings)
    case .interrupted: decide(job.stage, .interrupted, reason)
    case .failed(let error):
      engine.console.line("\(place(index)) \(name): failed")
      decide(job.stage, .failed(error), reason)
    case .damagedInput(let input, let damage):
      guard restarts < 3 * pipeline.stages.count else {
        decide(job.stage, .failed("\(DamagedInput(stage: input, reason: damage))"), reason)
        break
      }
      restarts += 1
      // it may be set aside and made again already, on behalf of another stage that reads it
      if digests[input] != nil { try setAside(input, reason: damage) }
      let followers = pipeline.descendants(of: [input])
      for follower in followers { digests[follower] = nil }
      tainted.formUnion(followers.intersection(running.keys))
      reopen(pipeline.stages.indices.filter { followers.contains(pipeline.stages[$0].name) } + [index])
      return
    }
    tainted.remove(name)
    try FaultPoint.betweenStages.pass()
  }

  /// Makes stages undecided again, other than those that are running.
  private func reopen(_ indices: [Int]) {
    let open = indices.filter { running[pipeline.stages[$0].name] == nil }
    for index in open { outcomes[pipeline.stages[index].name] = nil }
    undecided = Set(undecided + open).sorted()
  }
}
