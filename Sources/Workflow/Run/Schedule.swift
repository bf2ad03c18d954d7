import Basics
import Artifacts
import Foundation

/// One run of a pipeline: decides about each stage as soon as its inputs are decided, and keeps the executor busy with those
/// that have to run.
final class Schedule {
  private let engine: Engine
  private let pipeline: PipelineDefinition
  private let selected: Set<String>
  private let options: RunOptions
  private let executor: any StageExecutor
  private let needs: [[String]]  // Each stage's inputs, direct and indirect, in the pipeline's order

  private var outcomes: [String: StageOutcome] = [:]
  private var digests: [String: String] = [:]
  private var running: [String: ReadyStage] = [:]
  /// Stages that were running when an input of theirs was found damaged: what they give may be out of date.
  private var tainted: Set<String> = []
  private var undecided: [Int]
  private var stopped = false
  private var restarts = 0
  private let places: [String: Int]  // Of each stage in the pipeline's order
  private var removed: Set<String> = []  // Finished, with nothing but their digests left
  private var needed: Set<String> = []  // Those of them that a stage has to read
  private var revived: [Int] = []  // Of these, those that `fill` has not taken up yet

  init(engine: Engine, selected: Set<String>, options: RunOptions, executor: any StageExecutor) {
    (self.engine, self.selected, self.options, self.executor) = (engine, selected, options, executor)
    let pipeline = engine.pipeline
    self.pipeline = pipeline
    let order = Dictionary(pipeline.stages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    places = order
    needs = pipeline.stages.map { stage in stage.keyInputs(in: pipeline).sorted { order[$0] ?? 0 < order[$1] ?? 0 } }
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
    repeat {
      let more = revived
      revived = []
      reopen(more)
      try fillOnce()
    } while !revived.isEmpty
  }

  private func fillOnce() throws {
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
    _ stage: StageDefinition, _ result: StageOutcome.Result, _ reason: String = "", remarks: [Remark] = []
  ) {
    outcomes[stage.name] = StageOutcome(
      stage: stage.name, type: stage.type.type, result: result, reason: reason, digest: digests[stage.name],
      remarks: remarks)
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
      if let found = try? engine.assessor.artifacts.provenance(stage.name) {
        digests[stage.name] = found.provenance.contentDigest
      } else if let note = engine.assessor.removed[stage.name] {
        digests[stage.name] = note.digest
        removed.insert(stage.name)
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
    let decision: StageRun.Decision
    do {
      let known = needs[index].compactMap { name in digests[name].map { (name, $0) } }
      decision = try stageRun(index).decide(Dictionary(uniqueKeysWithValues: known)) { [self] _ in
        let gone = needs[index].filter(removed.contains)
        if !gone.isEmpty { throw NeedsRemoved(stages: gone) }
      }
    } catch let error as NeedsRemoved {
      return revive(error.stages, for: stage)
    } catch let error as EngineError {
      decide(stage, .failed("\(error)"))
      return true
    }
    switch decision {
    case .skip(let assessment):
      digests[stage.name] = assessment.digest
      if case .removed = assessment.state { removed.insert(stage.name) }
      decide(stage, .skipped, Self.skipReason(assessment), remarks: assessment.provenance?.allRemarks ?? [])
    case .run(let ready):
      running[stage.name] = ready
      do { try executor.start(ready) } catch {
        running[stage.name] = nil
        decide(stage, .failed("\(error)"), "\(ready.assessment.state)")
      }
    }
    return true
  }

  private struct NeedsRemoved: Error { let stages: [String] }

  /// Lets stages that were removed on purpose be made again, because this one has to read them. False while they are open; true where
  /// that is not to be: then this one has failed.
  private func revive(_ names: [String], for stage: StageDefinition) -> Bool {
    if let name = names.first(where: { !selected.contains($0) }) {
      decide(stage, .failed("\(EngineError.inputRemoved(stage: stage.name, input: name))"))
      return true
    }
    for name in names {
      removed.remove(name)
      needed.insert(name)
      digests[name] = nil
    }
    revived += pipeline.stages.indices.filter { names.contains(pipeline.stages[$0].name) }
    return false
  }

  private static func skipReason(_ assessment: StageAssessment) -> String {
    if case .removed = assessment.state { return "\(assessment.state)" }
    guard let provenance = assessment.provenance else { return "up to date" }
    return "same key \(provenance.key.prefix(8)), artifact of \(provenance.end.formatted(.iso8601)) is sound"
  }

  private func stageRun(_ index: Int) -> StageRun {
    StageRun(
      engine: engine, stage: pipeline.stages[index], options: options,
      place: "[\(index + 1)/\(pipeline.stages.count)] ", isNeeded: needed.contains(pipeline.stages[index].name))
  }

  private func ended(_ name: String, _ result: StageResult) throws {
    guard let ready = running.removeValue(forKey: name),
      let index = places[name]
    else { return }
    engine.folder.removeProgress(name)  // of a process that crashed
    let reason = "\(ready.assessment.state)"
    stageRun(index).ended(result)
    switch result {
    case .finished(let digest, let seconds, let remarks):
      if tainted.remove(name) != nil {
        reopen([index])
        return
      }
      digests[name] = digest
      decide(ready.stage, .ran(seconds: seconds), reason, remarks: remarks)
    case .interrupted: decide(ready.stage, .interrupted, reason)
    case .failed(let error):
      stageRun(index).say("\(name): failed")
      decide(ready.stage, .failed(error), reason)
    case .damagedInput(let input, let damage):
      guard restarts < 3 * pipeline.stages.count else {
        decide(ready.stage, .failed("\(DamagedInput(stage: input, reason: damage))"), reason)
        break
      }
      restarts += 1
      // it may be set aside and made again already, on behalf of another stage that reads it
      if digests[input] != nil { try engine.setAside(input, reason: damage) }
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
