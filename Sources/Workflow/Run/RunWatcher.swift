import Artifacts
import Basics
import Foundation

/// What there is to see of a run at one moment.
public struct RunSnapshot {
  public enum State: String, Sendable {
    case finished, running, pending, failed, interrupted, cancelled, gone, open

    var isDone: Bool { self == .finished }
    var isTrouble: Bool { [.failed, .gone, .cancelled].contains(self) }
  }

  public struct Row {
    public let stage, type: String
    public let state: State
    public let text: String  // Why, or where it is
    public let seconds: Double?  // That it took
    public let numbers: [String]  // Of its result
    public let progress: StageProgress?
    public let warnings: [(word: String, text: String)]  // "note" or "warning", and what it says
  }

  public var pipeline, folder: String
  public var holder: String?  // Who works in the folder
  public var rows: [Row]
  public var problem: String?  // Something that cannot be told now, and why
  public var isOver: Bool
  public var exitCode: Int32  // As the run's; as long as it goes on, what it would be if it ended here
  public var date: Date
}

/// Looks at a run in this or another process, or at the jobs of a cluster, and touches nothing.
public final class RunWatcher {
  private let makeEngine: () -> Engine
  private var engine: Engine
  private let columns: [BatchColumn]
  private let clock: () -> Double
  private let queueInterval: Double

  private var assessments: [StageAssessment] = []
  private var numbers: [String: [String]] = [:]
  private var last: LastRun?
  private var mark: [String]?  // Of the files that were there when the stages were looked at
  private var nextAssessment = -Double.infinity
  private var jobs: [String: JobStatus] = [:]
  private var jobsProblem: String?
  private var nextQueue = -Double.infinity
  private var silentSince: Double?
  private var stageProblem: String?
  /// s that a run is given to begin which is not there yet.
  public var patience = 5.0
  private var begun: Double?

  /// The stages are looked at by engines of their own, which remember nothing. `columns` are the numbers that are shown of results.
  public init(
    columns: [BatchColumn] = [], queueInterval: Double = 5,
    clock: @escaping () -> Double = { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 },
    makeEngine: @escaping () -> Engine
  ) {
    (self.columns, self.queueInterval, self.clock, self.makeEngine) = (columns, queueInterval, clock, makeEngine)
    engine = makeEngine()
  }

  /// Throws `EngineError` where the stages cannot be looked at the first time.
  public func look() throws -> RunSnapshot {
    let now = clock()
    let isFirst = begun == nil
    begun = begun ?? now
    // in this order: what ends between two questions is then seen as at work, and looked at again
    let holder = engine.folder.holder()
    let progress = engine.folder.progress()
    try assess(holder, progress, now, isFirst: isFirst)
    let batch = BatchRun(engine)
    if batch.hasSubmissions { ask(batch, now) }

    let rows = assessments.map { row($0, progress[$0.stage.name], isHeld: holder != nil) }
    let isQueued = jobs.values.contains(where: \.isOpen) || silentSince.map { now - $0 < 600 } == true
    let isFinished = rows.allSatisfy(\.state.isDone)
    // an end that was noted before is that of an earlier run, if one begins now
    let isBeginning = jobs.isEmpty && !isFinished && now - (begun ?? now) < patience
    let isOver = holder == nil && (isFinished || !isQueued && !isBeginning)
    return RunSnapshot(
      pipeline: engine.pipeline.name, folder: Engine.shown(engine.folder.url), holder: holder, rows: rows,
      problem: [stageProblem, jobsProblem].compactMap { $0 }.first, isOver: isOver,
      exitCode: exitCode(isFinished), date: Date())
  }

  private func exitCode(_ isFinished: Bool) -> Int32 {
    if let last { return last.exitCode }
    if isFinished { return 0 }
    return jobs.isEmpty
      ? RunOutcome.interruptedExitCode
      : SubmissionText.exitCode(assessments, jobs, selected: Set(engine.pipeline.stages.map(\.name)))
  }

  // MARK: Stages

  /// Looks at the stages where something has come or gone since, and at most a twentieth of the time.
  private func assess(
    _ holder: String?, _ progress: [String: StageProgress], _ now: Double, isFirst: Bool
  ) throws {
    last = LastRun.read(engine.folder)
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: engine.folder.url.path)) ?? [])
      .filter { $0.hasSuffix(".h5") && !$0.hasPrefix(".") && !$0.contains(".part-") }
    let running = progress.values.map { "\($0.stage) \($0.started) \($0.isGone)" }
    let present = names.sorted() + running.sorted() + [holder ?? "", last.map { "\($0.ended)" } ?? ""]
    guard present != mark, now >= nextAssessment || holder == nil else { return }
    mark = present
    let watch = Stopwatch()
    if !isFirst { engine = makeEngine() }
    do {
      assessments = try engine.assess(keys: false)
      stageProblem = nil
    } catch  where !isFirst {
      // what is being written this moment can be looked at the next
      (stageProblem, mark) = ("the stages cannot be looked at now: \(error)", nil)
    }
    readNumbers()
    nextAssessment = now + 20 * watch.seconds
  }

  private func readNumbers() {
    numbers = [:]
    for assessment in assessments where assessment.state == .upToDate {
      guard let found = engine.assessor.artifacts.numbers(assessment.stage.name, of: columns) else { continue }
      numbers[assessment.stage.name] = zip(columns, found).compactMap { column, found in
        guard let value = found.value, value.isFinite else { return nil }
        return "\(column.title) \(column.text(value, error: found.error))\(column.unit.map { " " + $0 } ?? "")"
      }
    }
  }

  private func ask(_ batch: BatchRun, _ now: Double) {
    guard now >= nextQueue else { return }
    let watch = Stopwatch()
    let found = batch.status()
    nextQueue = now + max(queueInterval, 20 * watch.seconds)
    jobsProblem = found.problem.map { "the queue is not known: \($0)" }
    if found.problem == nil {
      silentSince = nil
      jobs = found.stages
    } else {
      silentSince = silentSince ?? now
      // what is known of jobs stands until the queue answers again
      if jobs.isEmpty { jobs = found.stages }
    }
  }

  private func row(_ assessment: StageAssessment, _ progress: StageProgress?, isHeld: Bool) -> RunSnapshot.Row {
    let stage = assessment.stage
    let job = jobs[stage.name]
    let (state, text) = state(assessment, progress, job, isHeld: isHeld)
    return RunSnapshot.Row(
      stage: stage.name, type: stage.type.type, state: state, text: text,
      seconds: state == .finished ? assessment.provenance?.wallSeconds : nil,
      numbers: state == .finished ? numbers[stage.name] ?? [] : [], progress: state == .running ? progress : nil,
      warnings: progress?.said ?? (assessment.provenance?.allRemarks ?? []).map { ($0.word, $0.message) })
  }

  private func state(
    _ assessment: StageAssessment, _ progress: StageProgress?, _ job: JobStatus?, isHeld: Bool
  ) -> (RunSnapshot.State, String) {
    let why = assessment.why + (assessment.checkpointStep.map { " (checkpoint at step \($0))" } ?? "")
    if let progress, !progress.isGone { return (.running, progress.text) }
    if assessment.isFinished { return (.finished, assessment.state == .upToDate ? "" : why) }
    if let progress { return (.gone, "\(progress.text); \(why)") }
    switch job?.state {
    case .pending: return (.pending, job?.text ?? "")
    case .running: return (.running, job?.text ?? "")
    case .failed: return (.failed, job?.message ?? job?.text ?? "")
    case .interrupted: return (.interrupted, job?.text ?? "")
    case .cancelled: return (.cancelled, job?.text ?? "")
    case .notRun, .unknown, .finished, nil: break
    }
    if !isHeld, let error = last?.failures[assessment.stage.name] { return (.failed, error) }
    if !isHeld, last?.interrupted.contains(assessment.stage.name) == true { return (.interrupted, why) }
    return (.open, job.map { $0.text.isEmpty ? why : $0.text } ?? why)
  }
}
