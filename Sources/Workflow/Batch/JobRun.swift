import Artifacts
import Foundation

/// One task of a submission, in the job that the batch system has started for it.
public final class JobRun {
  private let store: SubmissionStore
  private let folder: RunFolder
  private let system: any BatchSystem
  private let place: JobPlace
  private let record: SubmissionRecord
  private let job: SubmissionRecord.Job
  private let stages: [String]
  private let noteFile: URL
  private let lock = NSRecursiveLock()  // Guards the note and the requeue: the watcher is a thread of its own
  private var note: TaskNote
  private var markAtStart: String?
  private var wasRequeued = false
  private var isOver = false
  private let interruption: Interruption
  private var console: (any RunDisplay)?

  /// Throws `BatchError.notAJob` outside a job, `.badRecord` where the submission does not know of this one.
  public convenience init(folder: RunFolder, submission: Int, job: Int, interruption: Interruption) throws {
    try self.init(
      folder: folder, submission: submission, job: job, interruption: interruption,
      environment: ProcessInfo.processInfo.environment, systems: BatchSystems.all)
  }

  init(
    folder: RunFolder, submission: Int, job index: Int, interruption: Interruption, environment: [String: String],
    systems: [any BatchSystem]
  ) throws {
    let places = systems.lazy.compactMap { system in system.place(in: environment).map { (system, $0) } }
    guard let (system, place) = places.first else { throw BatchError.notAJob }
    store = SubmissionStore(folder, system)
    (self.folder, self.system, self.place, self.interruption) = (folder, system, place, interruption)
    record = try store.read(submission)
    guard record.jobs.indices.contains(index) else { throw store.bad(submission, "it has no job \(index)") }
    job = record.jobs[index]
    guard let task = job.tasks.first(where: { $0.id == place.task }) else {
      throw store.bad(submission, "job \(index) has no task \(place.task.map(String.init) ?? "")")
    }
    stages = task.stages
    noteFile = store.note(submission, job: job, task: place.task)
    let host = ProcessInfo.processInfo.hostName
    note = TaskNote(state: .running, job: place.job, host: host, since: Date())
    if let earlier = store.readNote(noteFile), earlier.job == place.job {
      (note.starts, note.fruitless, note.mark) = (earlier.starts, earlier.fruitless, earlier.mark)
      note.stages = earlier.stages
    }
    note.starts += 1
  }

  public var pipelineFile: (url: URL, shown: String, overrides: [String], workingFolder: URL) {
    (
      URL(fileURLWithPath: record.file), record.shownFile, record.overrides,
      URL(fileURLWithPath: record.workingFolder, isDirectory: true)
    )
  }

  /// Runs the task's stages that have to run. `makeEngine` loads the pipeline. Returns the exit code: 0 finished, 1 a stage
  /// failed, 75 interrupted.
  public func run(console: any RunDisplay, makeEngine: () throws -> Engine) -> Int32 {
    self.console = console
    watchTermination()
    defer {
      folder.unlock()
      lock.withLock { isOver = true }
    }
    do {
      try write()
      console.line("job \(place.job) on \(note.host), start \(note.starts): \(stages.joined(separator: ", "))")
      try waiting(for: "the run folder") { try folder.lock(as: "job \(place.job)", mode: .shared) }
      if let warning = folder.warning { console.line("warning: \(warning)") }
      let engine = try makeEngine()
      var failed: [String] = []
      var missing: Set<String> = []
      for name in stages {
        let inputs = engine.pipeline[name]?.keyInputs(in: engine.pipeline) ?? []
        if let input = stages.first(where: { missing.contains($0) && inputs.contains($0) }) {
          missing.insert(name)
          set(.notRun, of: name, "'\(input)' did not finish")
          continue
        }
        switch try run(name, engine) {
        case .finished: set(.finished, of: name)
        case .failed(let message):
          missing.insert(name)
          failed.append("\(name): \(message)")
          console.line("error: stage '\(name)': \(message)")
          set(.failed, of: name, message)
        case .interrupted: return interrupted(in: name, engine)
        case .damagedInput(let input, let reason):
          missing.insert(name)
          failed.append("\(name): the artifact of '\(input)' is damaged")
          console.line("error: stage '\(name)': the artifact of '\(input)' is damaged (\(reason)); submit again")
          set(.failed, of: name, "the artifact of '\(input)' is damaged: \(reason); submit again")
        }
      }
      return end(failed.isEmpty ? .finished : .failed, failed.isEmpty ? nil : failed.joined(separator: "; "))
    } catch is WorkflowInterruption { return interrupted(in: nil, nil) } catch {
      console.line("error: \(error)")
      return end(.failed, "\(error)")
    }
  }

  // MARK: Stages

  private func run(_ name: String, _ engine: Engine) throws -> StageResult {
    guard let stage = engine.pipeline[name], try engine.definition(of: stage) == record.definitions[name] else {
      return .failed("the pipeline file or a file it names has changed since the job was submitted; submit again")
    }
    let own = try waiting(for: "stage '\(name)'") {
      try StageLock(folder, stage: name, as: "job \(place.job), stage '\(name)'")
    }
    defer { own.release() }
    ArtifactFolder.removeLeftovers(in: folder.url, of: name)
    folder.removeProgress(name)
    var options = RunOptions()
    (options.threads, options.cores) = (record.threads, job.cpus ?? 1)
    options.checkpointInterval = record.checkpointInterval
    let result = try StageRun(engine: engine, stage: stage, options: options, isNeeded: true).carryOut { assessment in
      try begin(name, at: assessment.checkpointStep)
      if interruption.isRequested { throw WorkflowInterruption() }
    }
    engine.assessor.save()
    return result
  }

  /// Tries until whoever holds it lets go, or this job is asked to stop.
  private func waiting<Value>(for what: String, _ attempt: () throws -> Value) throws -> Value {
    var (said, pause) = (false, UInt32(200_000))
    while true {
      do {
        let value = try attempt()
        if said { change { $0.state = .running } }
        return value
      } catch let error as EngineError {
        switch error {
        case .locked, .stageLocked: break
        default: throw error
        }
        if !said {
          console?.line("waiting for \(what): \(error)")
          change { ($0.state, $0.message) = (.waiting, "\(error)") }
          said = true
        }
        if interruption.isRequested { throw WorkflowInterruption() }
        usleep(pause)
        pause = min(2_000_000, pause * 3 / 2)
      }
    }
  }

  // MARK: Progress

  private static func mark(_ stage: String, _ step: Int?) -> String { "\(stage) \(step ?? -1)" }

  /// Notes where the task stands. Throws where it has been started again and again at one place.
  private func begin(_ stage: String, at step: Int?) throws {
    let mark = Self.mark(stage, step)
    let isFirst = markAtStart == nil
    markAtStart = markAtStart ?? mark
    let limit = job.requeueLimit
    let fruitless = change { note in
      if isFirst { note.fruitless = note.mark == mark ? note.fruitless + 1 : 0 }
      note.mark = mark
      (note.state, note.message) = (.running, nil)
      note.stages[stage] = TaskNote.Stage(state: .running)
      return note.fruitless
    }
    if isFirst, fruitless > limit { throw Stuck(stage: stage, times: fruitless) }
  }

  private struct Stuck: Error, CustomStringConvertible {
    let stage: String
    let times: Int
    var description: String {
      "stage '\(stage)' was begun \(times + 1) times at the same place and did not get on; "
        + "give it more time, or a checkpoint interval that is shorter than its time, and submit again"
    }
  }

  private func interrupted(in stage: String?, _ engine: Engine?) -> Int32 {
    lock.lock()
    defer { lock.unlock() }
    engine?.assessor.save()
    if let stage { note.stages[stage] = TaskNote.Stage(state: .interrupted) }
    if wasRequeued { return RunOutcome.interruptedExitCode }
    if let stage, let engine, let definition = engine.pipeline[stage] {
      let digests = try? StageRun(engine: engine, stage: definition, options: RunOptions()).inputDigests()
      let step = (try? engine.assessor.assess(definition, digests: digests ?? [:]))?.checkpointStep
      if Self.mark(stage, step) == markAtStart, note.fruitless + 1 > job.requeueLimit {
        let error = Stuck(stage: stage, times: note.fruitless + 1)
        note.stages[stage] = TaskNote.Stage(state: .failed, message: "\(error)")
        console?.line("error: \(error)")
        return end(.failed, "\(error)")
      }
    }
    return requeue(onTermination: false)
  }

  // MARK: Requeue

  /// Back to the queue, unless somebody cancelled the job. The system ends this process at some time after it is asked.
  @discardableResult private func requeue(onTermination: Bool) -> Int32 {
    lock.lock()
    defer { lock.unlock() }
    guard !wasRequeued else { return RunOutcome.interruptedExitCode }
    var standing = system.standing(of: place.job)
    // whether the job was cancelled or its time is over is worth some of the seconds that are left
    for _ in 0..<3 where standing == .unknown && onTermination {
      sleep(1)
      standing = system.standing(of: place.job)
    }
    switch standing {
    case .overdue: break
    case .running where !onTermination, .unknown where !onTermination: break
    case .other(let words) where !onTermination: return end(.interrupted, "stopped (\(words))")
    default: return RunOutcome.interruptedExitCode
    }
    wasRequeued = true
    _ = end(.requeued, standing == .overdue ? "its time was over" : "saved a checkpoint before its time was over")
    console?.line("back to the queue")
    do { try BatchPatience(pauses: [1, 2, 4]).ask(system) { try system.requeue(place.job) } } catch {
      console?.line("error: \(error)")
      return end(.interrupted, "could not go back to the queue (\(error)); submit again")
    }
    return RunOutcome.interruptedExitCode
  }

  /// SIGTERM may be all the notice there is before the system kills: whether the stage can stop in time or not, the job goes back
  /// to the queue, if it is its time limit that is over.
  private func watchTermination() {
    let thread = Thread { [weak self] in
      while let self, !self.lock.withLock({ self.isOver }) {
        if self.interruption.wasTerminated {
          self.requeue(onTermination: true)
          return
        }
        usleep(100_000)
      }
    }
    thread.stackSize = 512 << 10
    thread.start()
  }

  // MARK: Note

  private func set(_ state: TaskNote.State, of stage: String, _ message: String? = nil) {
    change { $0.stages[stage] = TaskNote.Stage(state: state, message: message) }
  }

  private func end(_ state: TaskNote.State, _ message: String?) -> Int32 {
    change { ($0.state, $0.message) = (state, message) }
    switch state {
    case .finished: return 0
    case .failed: return 1
    default: return RunOutcome.interruptedExitCode
    }
  }

  @discardableResult private func change<Value>(_ edit: (inout TaskNote) -> Value) -> Value {
    lock.lock()
    defer { lock.unlock() }
    let value = edit(&note)
    // what cannot be noted does not end the work
    do { try write() } catch { console?.line("warning: \(error)") }
    return value
  }

  private func write() throws { try store.write(note, to: noteFile) }
}
