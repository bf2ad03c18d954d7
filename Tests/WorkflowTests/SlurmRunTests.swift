import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// Submitting, and the jobs themselves, with programs that only pretend to be Slurm's.
@Suite struct SlurmRunTests {
  /// Remembers what it was called with; answers what it is told to.
  private final class Pretence: @unchecked Sendable {
    private let lock = NSLock()
    private var _calls: [[String]] = []
    private var _queue = ""
    private var _failAfter = Int.max
    private var submitted = 0
    private var _state = "RUNNING|None\n"

    var calls: [[String]] { lock.withLock { _calls } }
    /// What squeue prints.
    var queue: String {
      get { lock.withLock { _queue } }
      set { lock.withLock { _queue = newValue } }
    }
    /// What squeue says of one job.
    var state: String {
      get { lock.withLock { _state } }
      set { lock.withLock { _state = newValue } }
    }
    /// sbatch refuses after so many jobs.
    var failAfter: Int {
      get { lock.withLock { _failAfter } }
      set { lock.withLock { _failAfter = newValue } }
    }

    var programs: BatchPrograms {
      BatchPrograms { program, words in
        self.lock.withLock {
          self._calls.append([program] + words)
          switch program {
          case "sbatch":
            guard self.submitted < self._failAfter else {
              return BatchPrograms.Answer(code: 1, errors: "sbatch: error: no\n")
            }
            self.submitted += 1
            // in the queue at once, whether its caller lives to read the number or not
            let comment = words.first { $0.hasPrefix("--comment=") }?.dropFirst(10) ?? ""
            let number = 100 + self.submitted
            let tasks = words.first { $0.hasPrefix("--array=") } == nil ? ["N/A"] : ["0", "1"]
            for task in tasks {
              let id = task == "N/A" ? "\(number)" : "\(number)_\(task)"
              self._queue += "\(id)|\(number)|\(task)|PENDING|Priority|N/A||\(comment)\n"
            }
            return BatchPrograms.Answer(code: 0, output: "\(number);mill\n")
          case "squeue":
            let isOne = words.contains { $0.hasPrefix("--jobs=") }
            return BatchPrograms.Answer(code: 0, output: isOne ? self._state : self._queue)
          default: return BatchPrograms.Answer(code: 0)
          }
        }
      }
    }

    func words(_ program: String) -> [[String]] { calls.filter { $0[0] == program }.map { Array($0.dropFirst()) } }
  }

  private struct Setting {
    let place: Workplace
    let slurm: Pretence
    let run: BatchRun
    let request: BatchRun.Request

    init(_ text: String = BatchSystemTests.text, profile: BatchProfile = BatchProfile()) throws {
      place = try Workplace()
      slurm = Pretence()
      run = BatchRun(place.engine(try place.load(text)), systems: [Slurm(programs: slurm.programs)])
      request = BatchRun.Request(
        profile: profile, file: place.folder.appendingPathComponent("test.yaml"), shownFile: "test.yaml",
        program: "/opt/pipeline", workingFolder: place.folder.path)
    }

    /// Runs a task as its job would. Returns the code it ends with.
    func job(
      _ index: Int, task: Int?, interruption: Interruption = Interruption(), submission: Int = 1
    ) throws -> Int32 {
      var environment = ["SLURM_JOB_ID": "999"]
      if let task {
        environment.merge(["SLURM_ARRAY_JOB_ID": "\(101 + index)", "SLURM_ARRAY_TASK_ID": "\(task)"]) { $1 }
      }
      let pipeline = try place.load()
      let folder = place.runFolder(pipeline)
      let job = try JobRun(
        folder: folder, submission: submission, job: index, interruption: interruption, environment: environment,
        systems: [Slurm(programs: slurm.programs)])
      let console = Console(isTerminal: false, clock: { 0 }, output: { [place] in place.lines.append($0) })
      return job.run(console: console) {
        Engine(pipeline: pipeline, folder: folder, console: console, interruption: interruption)
      }
    }

    func note(_ name: String) throws -> TaskNote {
      let store = run.store
      return try #require(store.readNote(store.place(1).appendingPathComponent("\(name).json")))
    }
  }

  @Test func whatWasSubmittedIsFoundAgainHoweverSubmittingEnded() throws {
    let setting = try Setting()
    setting.slurm.failAfter = 2
    #expect(throws: BatchError.refused(program: "sbatch", code: 1, said: "sbatch: error: no")) {
      _ = try setting.run.submit(setting.request)
    }
    // the record of the second job's number lost, as by a kill between sbatch's answer and the record
    let store = setting.run.store
    var record = try store.read(1)
    #expect(record.jobs.map(\.number) == ["101", "102", nil, nil])
    record.jobs[1].number = nil
    try store.write(record, 1)
    setting.slurm.failAfter = .max
    let second = try setting.run.submit(setting.request)
    #expect(second.alreadyQueued.map(\.stage) == ["start@AC", "count@AC", "start@ET", "count@ET"])
    #expect(second.alreadyQueued.map(\.job) == ["101_0", "102_0", "101_1", "102_1"])
    #expect(second.jobs.map(\.name) == ["train", "all"])
    #expect(second.jobs.map(\.after) == ["aftercorr:101", "afterok:103_0:103_1"])
    #expect(try setting.run.submit(setting.request).jobs.isEmpty)
    #expect(try setting.run.cancel() == ["101", "102", "103", "104"])
    #expect(setting.slurm.words("scancel") == [["101", "102", "103", "104"]])
  }

  @Test func othersJobsAreNotCancelled() throws {
    let setting = try Setting()
    #expect(throws: BatchError.notSubmitted(folder: setting.run.engine.folder.url.path)) {
      _ = try setting.run.cancel()
    }
    _ = try setting.run.submit(setting.request)
    // the same numbers, given to somebody else's jobs since
    setting.slurm.queue = "101_0|101|0|RUNNING|None|N/A|n1|(null)\n102|102|N/A|PENDING|None|N/A||boltzmill other 1\n"
    #expect(try setting.run.cancel().isEmpty)
    #expect(setting.slurm.words("scancel").isEmpty)
  }

  @Test func jobsDoTheirStagesInTheirOrder() throws {
    let setting = try Setting()
    _ = try setting.run.submit(setting.request)
    #expect(try setting.job(2, task: 0) == 1, "before its input")
    #expect(setting.place.lines.contains { $0.contains("stage 'train@AC' needs 'start@AC', which is not finished") })
    for (index, task) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, nil)] {
      #expect(try setting.job(index, task: task) == 0, "\(setting.place.lines)")
    }
    #expect(try setting.run.engine.assess().allSatisfy { $0.state == .upToDate })
    #expect(try setting.note("train+1").stages == ["train@ET": TaskNote.Stage(state: .finished)])
    let ran = RunLog.shared.take(setting.run.engine.folder.url)
    #expect(Set(ran) == Set(setting.run.engine.pipeline.stages.map(\.name)))
    #expect(try setting.job(0, task: 0) == 0, "once more: there is nothing to do")
    #expect(RunLog.shared.take(setting.run.engine.folder.url).isEmpty)
    #expect(throws: BatchError.self) { _ = try setting.job(0, task: 7) }
    #expect(throws: BatchError.notAJob) {
      _ = try JobRun(
        folder: setting.run.engine.folder, submission: 1, job: 0, interruption: Interruption(), environment: [:],
        systems: BatchSystems.all)
    }
  }

  @Test func aFileThatWasChangedSinceIsNotRun() throws {
    let setting = try Setting()
    _ = try setting.run.submit(setting.request)
    try setting.place.write(BatchSystemTests.text.replacingOccurrences(of: "of: start", with: "of: start, factor: 5"))
    #expect(try setting.job(0, task: 0) == 0, "this one is as it was")
    #expect(try setting.job(2, task: 0) == 1)
    #expect(try setting.note("train+0").message?.contains("changed since the job was submitted") == true)
  }

  @Test func aDamagedInputIsNamedAndLeftToItsOwnJob() throws {
    let setting = try Setting()
    _ = try setting.run.submit(setting.request)
    #expect(try setting.job(0, task: 0) == 0)
    let artifact = setting.run.engine.folder.artifact("start@AC")
    var data = try Data(contentsOf: artifact)
    data[data.count / 2] ^= 1
    try data.write(to: artifact)
    #expect(try setting.job(2, task: 0) == 1)
    #expect(try setting.note("train+0").message == "train@AC: the artifact of 'start@AC' is damaged")
    #expect(FileManager.default.fileExists(atPath: artifact.path), "not this job's to move")
    #expect(try setting.job(0, task: 0) == 0)
    #expect(FileManager.default.fileExists(atPath: artifact.path + ".damaged"))
    #expect(try setting.job(2, task: 0) == 0)
  }

  /// In a task of several stages a failure ends what needs it, and nothing else.
  @Test func aFailureInATaskLeavesItsOtherStagesAlone() throws {
    var profile = BatchProfile()
    profile.unit = .axis("system")
    let setting = try Setting(
      BatchSystemTests.text.replacingOccurrences(of: "of: start", with: "of: start, mode: fail, over: system")
        + "\n  last:  { uses: scale, of: train, over: system }\n", profile: profile)
    #expect(try setting.run.submit(setting.request).jobs.map(\.name) == ["system", "all"])
    #expect(try setting.job(0, task: 1) == 1)
    let note = try setting.note("system+1")
    #expect(note.state == .failed)
    #expect(note.message == "train@ET: told to fail")
    #expect(
      note.stages.mapValues(\.state) == [
        "start@ET": .finished, "count@ET": .finished, "train@ET": .failed, "last@ET": .notRun,
      ])
    setting.slurm.queue = ""
    let status = setting.run.status().stages
    #expect(status["train@ET"]?.text == "failed: told to fail")
    #expect(status["last@ET"]?.state == .notRun)
    #expect(status["last@AC"]?.text == "Slurm no longer knows")
  }

  /// A record that was spoilt hides where its jobs are, and nothing else.
  @Test func aSpoiltRecordIsNamed() throws {
    let setting = try Setting()
    _ = try setting.run.submit(setting.request)
    let file = setting.run.store.record(1)
    try Data("{".utf8).write(to: file)
    #expect(setting.run.status().problem.map { "\($0)" }?.contains("submission.json cannot be used: ") == true)
    expectError(saying: "submission.json cannot be used") { _ = try setting.run.submit(setting.request) }
    try FileManager.default.removeItem(at: file)
    #expect(try setting.run.submit(setting.request).jobs.count == 4)
  }

  // MARK: Requeue

  /// Counting stops at a step; it goes on from there, and the queue is asked only so often without progress.
  @Test func backToTheQueueWithProgressAndNotForeverWithout() throws {
    let setting = try Setting()
    _ = try setting.run.submit(setting.request)
    let folder = setting.run.engine.folder.url
    for (round, stop) in [3, 6].enumerated() {
      let interruption = Interruption()
      CountStage.hooks.set(folder) { if $0 == stop { interruption.request() } }
      #expect(try setting.job(1, task: 0, interruption: interruption) == 75)
      #expect(try setting.note("count+0").state == .requeued)
      #expect(try setting.note("count+0").starts == round + 1)
      #expect(try setting.note("count+0").fruitless == 0)
      #expect(setting.slurm.words("scontrol").last == ["requeue", "102_0"])
    }
    CountStage.hooks.set(folder) { _ in }
    // told to stop before it has done anything, again and again
    for round in 0..<4 {
      let interruption = Interruption()
      interruption.request()
      #expect(try setting.job(1, task: 0, interruption: interruption) == (round < 3 ? 75 : 1))
    }
    #expect(setting.slurm.words("scontrol").count == 5)
    let note = try setting.note("count+0")
    #expect(note.state == .failed)
    #expect(note.message?.contains("did not get on; give it more time") == true)
    // the same for a job that is killed without a word each time
    #expect(try setting.job(1, task: 0) == 1)
    #expect(try setting.note("count+0").message?.contains("was begun 5 times at the same place") == true)
  }

  @Test(arguments: [
    ("COMPLETING|None\n", 0, "stopped (COMPLETING None)"), ("COMPLETING|TimeLimit\n", 1, "its time was over"),
    ("RUNNING|None\n", 1, "saved a checkpoint before its time was over"),
  ]) func aCancelledJobDoesNotComeBack(state: String, requeues: Int, message: String) throws {
    let setting = try Setting()
    _ = try setting.run.submit(setting.request)
    setting.slurm.state = state
    let interruption = Interruption()
    CountStage.hooks.set(setting.run.engine.folder.url) { if $0 == 2 { interruption.request() } }
    #expect(try setting.job(1, task: 1, interruption: interruption) == 75)
    #expect(setting.slurm.words("scontrol").count == requeues)
    #expect(try setting.note("count+1").message == message)
  }

  @Test func aJobWaitsWhileARunHoldsTheFolder() throws {
    let setting = try Setting()
    _ = try setting.run.submit(setting.request)
    let other = setting.place.runFolder(try setting.place.load())
    try other.lock(as: "pipeline run test.yaml")
    DispatchQueue.global().asyncAfter(deadline: .now() + 0.5) { other.unlock() }
    #expect(try setting.job(0, task: 0) == 0)
    #expect(setting.place.lines.contains { $0.contains("waiting for the run folder") && $0.contains("pipeline run") })
    // told to stop while it waits
    try other.lock(as: "pipeline run test.yaml")
    let interruption = Interruption()
    interruption.request()
    #expect(try setting.job(0, task: 1, interruption: interruption) == 75)
    expectError(saying: "is in use by another run") { _ = try setting.run.submit(setting.request) }
  }

  // MARK: Status

  @Test func whatSlurmAndTheTasksSayTogether() throws {
    func status(_ state: String?, _ reason: String = "None", note: TaskNote? = nil) -> JobStatus {
      let entry = state.map {
        QueueEntry(
          slurm: "7_1", number: "7", task: 1, state: $0, reason: reason, start: "2026-01-02T03:04:05", nodes: "n1")
      }
      return JobStatus(system: "Slurm", stage: "a", entry: entry, note: note, number: "7", task: 1)
    }
    func note(_ state: TaskNote.State, starts: Int = 1, _ stages: [String: TaskNote.Stage] = [:]) -> TaskNote {
      TaskNote(
        state: state, job: "7_1", host: "n1", since: Date(), starts: starts, message: "why", stages: stages)
    }
    #expect(status("PENDING", "Resources").text == "pending (Resources)")
    #expect(
      status("PENDING", "BeginTime", note: note(.requeued, starts: 2)).text == "requeued 2 times, pending (BeginTime)")
    #expect(status("RUNNING").text == "running on n1 since 03:04:05")
    #expect(status("RUNNING", note: note(.running, ["b": .init(state: .running)])).text == "its job is at work on n1")
    #expect(status("RUNNING", note: note(.running, ["a": .init(state: .finished)])).state == .finished)
    #expect(status("RUNNING", note: note(.waiting)).text == "waiting on n1: why")
    #expect(status("CANCELLED", "DependencyNeverSatisfied").state == .notRun)
    #expect(status("CANCELLED").state == .cancelled)
    #expect(status("TIMEOUT").state == .interrupted)
    #expect(status("OUT_OF_MEMORY").text == "failed: its job had too little memory on n1")
    #expect(status("NODE_FAIL").text == "the node failed on n1")
    let failed = note(.failed, ["a": .init(state: .failed, message: "no weight\nat all")])
    #expect(status("FAILED", note: failed).text == "failed: no weight")
    #expect(status("FAILED", note: failed).message == "no weight\nat all")
    #expect(status("FAILED").message?.contains("said nothing") == true)
    #expect(status(nil, note: failed).state == .failed)
    #expect(status(nil).text == "Slurm no longer knows")
    #expect(status(nil, note: note(.running)).text == "ended and said nothing")
    // the note of an earlier job of that name says nothing of this one
    var old = failed
    old.job = "3_1"
    #expect(status("RUNNING", note: old).state == .running)
  }

  @Test func accountingFillsInWhatTheQueueForgot() throws {
    let programs = BatchPrograms { program, words in
      guard program == "sacct" else { return BatchPrograms.Answer(code: 1) }
      #expect(words.last == "--jobs=7_1,8")
      return BatchPrograms.Answer(code: 0, output: "7_1|CANCELLED by 0|2026-01-02T03:04:05|n1\n8|TIMEOUT|Unknown|n2\n")
    }
    let found = try Slurm(programs: programs).history(of: ["7_1", "8"])
    #expect(found["7_1"]?.state == .cancelled)
    #expect(found["7_1"]?.task == 1)
    #expect(found["8"]?.state == .overdue)
    #expect(found["8"]?.nodes == "n2")
  }
}
