import Artifacts
import Foundation

/// A run folder's jobs in a batch system: submits them, says where they are, cancels them.
public final class BatchRun {
  let engine: Engine
  let system: any BatchSystem
  let store: SubmissionStore
  var patience = BatchPatience()

  /// `engine` is of the pipeline and run folder in question. The batch system is the profile's; without one, that to which
  /// jobs were submitted from the folder.
  public convenience init(_ engine: Engine, profile: BatchProfile? = nil) {
    self.init(engine, profile: profile, systems: BatchSystems.all)
  }

  init(_ engine: Engine, profile: BatchProfile? = nil, systems: [any BatchSystem]) {
    let system = systems.first { system in
      profile.map { $0.system == system.name.lowercased() } ?? !SubmissionStore(engine.folder, system).numbers.isEmpty
    }
    (self.engine, self.system) = (engine, system ?? systems[0])
    store = SubmissionStore(engine.folder, self.system)
  }

  public var hasSubmissions: Bool { !store.numbers.isEmpty }

  public struct Request {
    public var profile: BatchProfile
    public var file: URL  // The pipeline file, absolute, and as the user named it
    public var shownFile: String
    public var overrides: [String]
    public var options: RunOptions
    public var program: String  // The program that jobs start
    public var workingFolder: String

    public init(
      profile: BatchProfile, file: URL, shownFile: String, overrides: [String] = [], options: RunOptions = RunOptions(),
      program: String, workingFolder: String = FileManager.default.currentDirectoryPath
    ) {
      (self.profile, self.file, self.shownFile, self.overrides) = (profile, file, shownFile, overrides)
      (self.options, self.program, self.workingFolder) = (options, program, workingFolder)
    }
  }

  public struct Submission {
    public struct Job {
      public let name: String
      public let number: String?  // The system's number; nil where nothing was submitted
      public let stages: [[String]]  // One list of stages for each task
      public let command: String  // The whole command
      public let script: String  // What it runs, line by line
      public let after, resources: String
    }

    public var jobs: [Job] = []
    /// Stages that were on their way already, each with its job.
    public var alreadyQueued: [(stage: String, job: String)] = []
    public var remarks: [String] = []  // Something to know: that the queue could not be asked
  }

  // MARK: Submit

  /// Makes the jobs of the selected stages that have to run and are not on their way. With `dryRun`, only says which.
  /// Throws `EngineError` where the selection is wrong or the folder is in use, `BatchError` where the batch system does
  /// not play along; jobs that were submitted before the error are in the record and are found by the next call.
  public func submit(_ request: Request, dryRun: Bool = false) throws -> Submission {
    let selected = try engine.selection(request.options)
    if !dryRun { try engine.folder.lock(as: "submitting jobs", mode: .shared) }
    defer { if !dryRun { engine.folder.unlock() } }
    let guardian = dryRun ? nil : try StageLock.submissions(of: engine.folder)
    defer { guardian?.release() }
    var submission = Submission()
    var queue = BatchQueue()
    do {
      queue = BatchQueue(try dryRun ? system.queue() : patience.ask(system) { try system.queue() })
    } catch let error as BatchError where dryRun {
      submission.remarks.append("the queue is not known: \(error)")
    }
    let queued = try queuedStages(queue)
    if let warning = engine.folder.warning { submission.remarks.append("warning: \(warning)") }
    let open = try engine.assess().filter { selected.contains($0.stage.name) && !$0.isFinished }.map(\.stage.name)
    let making = engine.withRemovedInputs(of: Set(open))
    let stages = engine.pipeline.stages.filter { making.contains($0.name) }
    var needed: Set<String> = []
    var definitions: [String: String] = [:]
    for stage in stages {
      let definition = try engine.definition(of: stage)
      if let place = queued[stage.name] {
        guard place.definition == definition else {
          throw BatchError.queuedOtherwise(stage: stage.name, job: place.entry.job)
        }
        submission.alreadyQueued.append((stage.name, place.entry.job))
        continue
      }
      needed.insert(stage.name)
      definitions[stage.name] = definition
    }
    try engine.checkInputs(of: needed, given: needed.union(queued.keys))
    guard !needed.isEmpty else { return submission }
    // a handful of tasks fits everywhere
    let limits = needed.count > 10 ? system.limits() : BatchLimits()
    var profile = request.profile
    profile.maximumArray = profile.maximumArray ?? limits.largestArray
    let plan = JobPlan(
      engine.pipeline, stages: needed,
      queued: queued.mapValues { JobPlan.TaskReference(job: .queued($0.entry.number), task: $0.entry.task) },
      profile: profile)
    guard !plan.jobs.isEmpty else { return submission }
    submission.remarks += limits.warnings(
      tasks: plan.jobs.reduce(0) { $0 + $1.tasks.count }, given: request.profile.maximumArray
    ).map { "warning: \($0)" }
    if !dryRun {
      RunOrigin.remember(engine.pipeline, in: engine.folder.url)
      LastRun.forget(in: engine.folder)
    }
    try carryOut(plan, request, definitions, dryRun: dryRun, into: &submission)
    return submission
  }

  private func carryOut(
    _ plan: JobPlan, _ request: Request, _ definitions: [String: String], dryRun: Bool,
    into submission: inout Submission
  ) throws {
    let number = (store.numbers.last ?? 0) + 1
    var record = SubmissionRecord(
      identifier: UUID().uuidString, date: Date(), program: request.program, file: request.file.path,
      shownFile: request.shownFile, overrides: request.overrides, workingFolder: request.workingFolder,
      threads: request.options.threads, checkpointInterval: request.options.checkpointInterval,
      jobs: plan.jobs.map { job in
        SubmissionRecord.Job(
          name: job.name, tasks: job.tasks.map { SubmissionRecord.Task(id: $0.id, stages: $0.stages) },
          cpus: job.resources.cpus, requeueLimit: job.resources.requeueLimit)
      }, definitions: definitions)
    // before the first job: whatever happens, none of them is without it
    if !dryRun { try store.write(record, number) }
    for (index, job) in plan.jobs.enumerated() {
      func name(_ job: JobPlan.TaskReference.Job) -> String {
        switch job {
        case .planned(let index): record.jobs[index].number ?? "<\(plan.jobs[index].name)>"
        case .queued(let number): number
        }
      }
      let place = store.place(number)
      let script = place.appendingPathComponent("\(job.name).sh")
      let batchJob = BatchJob(
        title: "\(engine.pipeline.name)/\(job.name)", comment: record.comment(of: index), script: script.path,
        log: place.appendingPathComponent(job.name).path, workingFolder: request.workingFolder,
        tasks: job.tasks.compactMap(\.id), resources: job.resources,
        dependencies: job.dependencies.map { $0.named(name) })
      let command = try system.command(for: batchJob)
      let text = ShellText.script(
        title: "\(job.name) of \(engine.pipeline.name), written by 'pipeline submit'",
        prologue: job.resources.prologue,
        command: [
          request.program, "run-job", "--folder", engine.folder.url.standardizedFileURL.path, "--submission",
          "\(number)", "--job", "\(index)",
        ])
      if !dryRun {
        do { try FileSystem.write(Data(text.utf8), to: script) } catch {
          throw EngineError.folder(path: script.path, reason: "cannot be written: \(error)")
        }
        record.jobs[index].number = try submitted(batchJob)
        try store.write(record, number)
      }
      submission.jobs.append(
        Submission.Job(
          name: job.name, number: record.jobs[index].number, stages: job.tasks.map(\.stages),
          command: command.map(ShellText.quoted).joined(separator: " "), script: text,
          after: system.condition(of: batchJob) ?? "",
          resources: system.summary(of: job.resources)))
    }
  }

  /// Submits a job, once: where the system did not answer, it may have taken the job all the same, so that the queue is looked through
  /// before it is asked again. Returns its number.
  private func submitted(_ job: BatchJob) throws -> String {
    for (attempt, pause) in patience.pauses.prefix(4).enumerated() {
      do {
        let number = try system.submit(job)
        return attempt == 0 ? number : try first(of: job, number)
      } catch let error as BatchError where system.isPassing(error) {
        // a busy system may put the job into its queue after it has stopped answering
        for wait in [pause, 2 * pause] {
          patience.sleep(wait)
          let entries = try patience.ask(system) { try system.queue() }.filter { $0.comment == job.comment }
          if let entry = entries.first { return entry.number }
        }
      }
    }
    return try first(of: job, system.submit(job))
  }

  /// Of a job that came into the queue late, after it was submitted once more, the first stays.
  private func first(of job: BatchJob, _ number: String) throws -> String {
    let queue = (try? patience.ask(system) { try system.queue() }) ?? []
    let numbers = queue.filter { $0.comment == job.comment && $0.isLive }.map(\.number).unique
      .sorted { ($0.count, $0) < ($1.count, $1) }
    if numbers.count > 1 { try patience.ask(system) { try system.cancel(Array(numbers.dropFirst())) } }
    return numbers.first ?? number
  }

  // MARK: Queue

  struct QueuedStage {
    let entry: QueueEntry
    let definition: String?
  }

  /// Every stage that waits or works in the queue.
  private func queuedStages(_ queue: BatchQueue) throws -> [String: QueuedStage] {
    var found: [String: QueuedStage] = [:]
    for number in store.numbers {
      let record = try store.read(number)
      for (index, job) in record.jobs.enumerated() {
        for task in job.tasks {
          guard let entry = queue.entry(record, job: index, task: task.id), entry.isLive else { continue }
          let note = store.readNote(store.note(number, job: job, task: task.id))
          for stage in task.stages {
            // one that has failed in a job that goes on with others is no longer on its way
            let state = note?.job == entry.job ? note?.stages[stage]?.state : nil
            guard state != .failed && state != .notRun || entry.state == .pending else { continue }
            found[stage] = QueuedStage(entry: entry, definition: record.definitions[stage])
          }
        }
      }
    }
    return found
  }

  /// The numbers of this run folder's jobs that are in the queue, cancelled. Others are left alone, whatever the records say:
  /// numbers are given again.
  public func cancel() throws -> [String] {
    guard hasSubmissions else { throw BatchError.notSubmitted(folder: engine.folder.url.path) }
    let guardian = try StageLock.submissions(of: engine.folder)
    defer { guardian.release() }
    let queue = BatchQueue(try patience.ask(system) { try system.queue() })
    var numbers: [String] = []
    for number in store.numbers {
      let record = try store.read(number)
      for index in record.jobs.indices {
        for entry in queue.entries[record.comment(of: index)] ?? [] where entry.isLive {
          if !numbers.contains(entry.number) { numbers.append(entry.number) }
        }
      }
    }
    try patience.ask(system) { try system.cancel(numbers) }
    return numbers
  }
}

extension StageLock {
  /// What keeps two commands from submitting or cancelling at the same time.
  static func submissions(of folder: RunFolder) throws -> StageLock {
    do {
      return try StageLock(folder, stage: "+submissions", as: "submitting or cancelling jobs")
    } catch EngineError.stageLocked(_, let holder) { throw EngineError.locked(folder: folder.url.path, holder: holder) }
  }
}

extension Engine {
  /// What a stage is to be, apart from the content of its inputs: its type, parameters, seed, and the files it reads.
  func definition(of stage: StageDefinition) throws -> String {
    try StageKey(stage, in: pipeline, digests: [:], files: assessor.files).hex
  }
}
