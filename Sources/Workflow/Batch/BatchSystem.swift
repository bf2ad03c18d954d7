import Foundation

/// A batch system, as far as jobs of stages need one: it takes jobs and arrays of tasks that wait for each other, and says where
/// they are. What it is called with and what it answers is its own affair.
///
/// A further one is a type of its own, and an entry in `BatchSystems.all`.
protocol BatchSystem: Sendable {
  /// As people say it: "Slurm". In lower case it is the folder of its submissions, and its name in a profile.
  var name: String { get }
  var cancelProgram: String { get }  // The program that ends jobs, for messages
  /// What a profile may say of a job's resources, those of `BatchResources` among them.
  var fields: [ParameterField] { get }
  /// What is wrong with resources whose values are of the right kinds.
  func problems(in resources: BatchResources) -> [BatchResources.Problem]
  func summary(of resources: BatchResources) -> String  // Resources in a few words
  /// The job that this process is; nil where it is none of this system's.
  func place(in environment: [String: String]) -> JobPlace?

  func command(for job: BatchJob) throws -> [String]  // The command that submits the job. Throws `BatchError.badPath`.
  func condition(of job: BatchJob) -> String?  // What the job waits for, as `command` says it; nil if for nothing
  /// Submits it. Returns its number. It is in the queue, under its comment, before this returns.
  func submit(_ job: BatchJob) throws -> String
  func queue() throws -> [QueueEntry]  // All jobs of this user that it knows
  /// What it still knows, somewhere else, of tasks that left the queue: by `12` or `12_3`. Throws where that cannot be asked.
  func history(of jobs: [String]) throws -> [String: QueueEntry]
  /// Whether an error only says that the system did not answer, or not now: asked again, it may.
  func isPassing(_ error: BatchError) -> Bool
  func limits() -> BatchLimits  // What it takes, as far as it tells
  func cancel(_ numbers: [String]) throws  // Ends the jobs of these numbers, with all their tasks
  func standing(of job: String) -> JobStanding  // What is happening to a job that asks because it was told to stop
  /// Back to the queue, as it was submitted. It may end this process at any time after.
  func requeue(_ job: String) throws
}

/// How long an answer is waited for: the pauses between one question and the next, s.
struct BatchPatience: Sendable {
  var pauses: [Double] = [1, 2, 4, 8, 15, 30]
  var longestSilence = 86_400.0  // Of a queue on which `wait` waits
  var sleep: @Sendable (Double) -> Void = { usleep(UInt32($0 * 1e6)) }

  /// Calls until there is an answer; throws what the last call says.
  func ask<Value>(_ system: any BatchSystem, _ call: () throws -> Value) throws -> Value {
    for pause in pauses {
      do { return try call() } catch let error as BatchError where system.isPassing(error) { sleep(pause) }
    }
    return try call()
  }
}

/// What a batch system takes; nil where it does not say.
struct BatchLimits: Equatable {
  var largestArray: Int?  // The numbers of an array's tasks are below it
  var jobs: Int?  // At a time, of all users
  var ownJobs: Int?  // At a time, of this user

  static let usualArray = 1000

  /// What to say where so many tasks are to be submitted.
  func warnings(tasks: Int, given: Int?) -> [String] {
    var found: [String] = []
    if let given, let largestArray, given > largestArray {
      found.append("max_array of the profile is \(given), and the cluster takes arrays of \(largestArray) tasks")
    }
    if let most = [ownJobs, jobs].compactMap({ $0 }).min(), tasks > most {
      found.append(
        "\(tasks) tasks are submitted, and the cluster takes \(most)\(most == ownJobs ? " of one user" : "") at a time: submit a part "
          + "by --only and the rest when it is done, or give the profile 'unit:' an axis, so that a task runs several stages"
      )
    }
    return found
  }
}

enum BatchSystems { static let all: [any BatchSystem] = [Slurm()] }

struct BatchJob {
  /// What has to end well before its tasks begin.
  enum Dependency {
    case corresponding(job: String)  // For each task, the other job's task of the same number
    case all([(job: String, task: Int?)])  // For each task, all of these
  }

  let title: String  // As the queue shows it
  let comment: String  // By this it is found again in the queue
  let script: String  // The shell script that it runs
  let log: String  // Where a task's output is appended, without the ending: `.log`, for the task of an array `+3.log`.
  let workingFolder: String
  let tasks: [Int]  // The numbers of the array's tasks; none for a job that is no array
  let resources: BatchResources
  let dependencies: [Dependency]
}

/// Where a process stands in the queue.
struct JobPlace {
  let job: String  // `12` or `12_3`
  let task: Int?  // Within the array; nil for a job that is none

  static func name(_ number: String, task: Int?) -> String { number + (task.map { "_\($0)" } ?? "") }
}

/// What the batch system is doing with a running job.
enum JobStanding: Equatable {
  case running
  case overdue  // It is ending the job because its time is over or others come first
  case other(String)  // Something else, in its own words: the job was cancelled
  case unknown  // It could not be asked
}

struct QueueEntry: Equatable {
  enum State {
    case pending
    case running  // At work, or about to begin or to end
    case cancelled
    case notRun  // What it waits for did not end well
    case overdue, outOfMemory, nodeFailed, failed
    case ended  // For another reason
  }

  var job: String  // `12` or `12_3`
  var number: String  // The array's number, or the job's own
  var task: Int?
  var state: State
  var word: String  // The state in the system's words: "running", "configuring"
  var reason: String?  // Why it waits or has ended
  var since: String?  // The time of day at which it began
  var nodes: String?
  var comment = ""

  /// It waits or works.
  var isLive: Bool { state == .pending || state == .running }
}

struct BatchQueue {
  private(set) var entries: [String: [QueueEntry]]  // By the submission's identifier and the job's place in it

  init(_ entries: [QueueEntry] = []) {
    self.entries = Dictionary(
      grouping: entries.filter { $0.comment.hasPrefix(SubmissionRecord.commentMark + " ") }, by: \.comment)
  }

  /// The task's entry; that of the latest job, should there be several.
  func entry(_ record: SubmissionRecord, job: Int, task: Int?) -> QueueEntry? {
    entries[record.comment(of: job)]?.last { $0.task == task }
  }
}

public enum BatchError: Error, Equatable, CustomStringConvertible {
  case unavailable(program: String, reason: String)
  /// One of the system's programs did not do what it was asked.
  case refused(program: String, code: Int32, said: String)
  /// The program that submits answered something else than the number of a job.
  case unexpected(program: String, answer: String)
  case notSubmitted(folder: String)  // Nothing was submitted from this run folder
  case badRecord(file: String, reason: String, cancelProgram: String)
  case notAJob
  /// A stage waits in the queue with other parameters than the file has now.
  case queuedOtherwise(stage: String, job: String)
  case badPath(String, system: String)

  public var description: String {
    switch self {
    case .unavailable(let program, let reason): "\(program) cannot be run: \(reason)"
    case .refused(let program, let code, let said): "\(program) ended with code \(code) and said: \(said)"
    case .unexpected(let program, let answer): "\(program) answered \(answer.debugDescription), not the number of a job"
    case .notSubmitted(let folder): "nothing was submitted from \(folder)"
    case .badRecord(let file, let reason, let cancelProgram):
      "\(file) cannot be used: \(reason); if jobs of it are left, end them by \(cancelProgram); then delete it"
    case .notAJob: "this command is for the jobs that 'submit' makes"
    case .queuedOtherwise(let stage, let job):
      "stage '\(stage)' is in the queue already (job \(job)) with other parameters or inputs than it has now; "
        + "cancel first, then submit"
    case .badPath(let path, let system):
      "\(system) cannot write to \(path.debugDescription): no \\ and no line ends in its name, please"
    }
  }

  /// True where the user has to change the command; false where something failed.
  public var isUsage: Bool {
    switch self {
    case .notSubmitted, .notAJob, .queuedOtherwise, .badPath: true
    default: false
    }
  }
}
