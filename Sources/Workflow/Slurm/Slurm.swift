import Foundation

/// Slurm: sbatch, squeue, scancel, scontrol and, where there is accounting, sacct.
struct Slurm: BatchSystem {
  var programs = BatchPrograms.installed("Slurm")

  let name = "Slurm"
  let cancelProgram = "scancel"

  func place(in environment: [String: String]) -> JobPlace? {
    guard let own = environment["SLURM_JOB_ID"] else { return nil }
    guard let array = environment["SLURM_ARRAY_JOB_ID"],
      let id = environment["SLURM_ARRAY_TASK_ID"].flatMap({ Int($0) })
    else { return JobPlace(job: own, task: nil) }
    return JobPlace(job: JobPlace.name(array, task: id), task: id)
  }

  func command(for job: BatchJob) throws -> [String] {
    for path in [job.log, job.workingFolder] where path.contains("\\") || path.contains(where: \.isNewline) {
      throw BatchError.badPath(path, system: name)
    }
    var words = ["sbatch", "--parsable", "--job-name=\(job.title)", "--comment=\(job.comment)"]
    if !job.tasks.isEmpty {
      words.append("--array=" + Self.range(job.tasks) + (job.resources.maxConcurrent.map { "%\($0)" } ?? ""))
    }
    if let condition = condition(of: job) { words += ["--dependency=\(condition)", "--kill-on-invalid-dep=yes"] }
    let file = job.log.replacingOccurrences(of: "%", with: "%%") + (job.tasks.isEmpty ? "" : "+%a") + ".log"
    words += ["--requeue", "--open-mode=append", "--output=\(file)", "--chdir=\(job.workingFolder)", "--ntasks=1"]
    return words + Self.words(job.resources) + [job.script]
  }

  /// The value of --dependency. Tasks are listed one by one: Slurm takes a whole array for failed as soon as a task of it was
  /// ever requeued.
  func condition(of job: BatchJob) -> String? {
    var (matching, others): ([String], [String]) = ([], [])
    for dependency in job.dependencies {
      switch dependency {
      case .corresponding(let job): matching.append(job)
      case .all(let tasks): others += tasks.map { JobPlace.name($0.job, task: $0.task) }
      }
    }
    let parts =
      (matching.isEmpty ? [] : ["aftercorr:" + matching.joined(separator: ":")])
      + (others.isEmpty ? [] : ["afterok:" + others.joined(separator: ":")])
    return parts.isEmpty ? nil : parts.joined(separator: ",")
  }

  /// Task numbers as Slurm writes them: 0-3,7.
  static func range(_ numbers: [Int]) -> String {
    var parts: [String] = []
    var index = 0
    let numbers = numbers.sorted()
    while index < numbers.count {
      var end = index
      while end + 1 < numbers.count, numbers[end + 1] == numbers[end] + 1 { end += 1 }
      parts.append(end == index ? "\(numbers[index])" : "\(numbers[index])-\(numbers[end])")
      index = end + 1
    }
    return parts.joined(separator: ",")
  }

  /// Nothing but the number, or number;cluster, is taken as it is. Where a site prints more, the queue tells, in which the job stands under
  /// its comment; what is printed is read only where the queue cannot be asked.
  func submit(_ job: BatchJob) throws -> String {
    let answer = try programs.answer(command(for: job))
    let printed = answer.output.trimmingCharacters(in: .whitespacesAndNewlines)
    if answer.code == 0, let found = printed.wholeMatch(of: Self.parsable) { return String(found.1) }
    if let entry = try? queue().last(where: { $0.comment == job.comment }) { return entry.number }
    guard answer.code == 0 else { throw programs.refusal("sbatch", answer) }
    for text in [answer.output, answer.errors] {
      if let number = Self.number(in: text) { return number }
    }
    throw BatchError.unexpected(program: "sbatch", answer: printed)
  }

  private static var parsable: Regex<(Substring, Substring)> { #/(\d+)(?:;[\w.-]+)?/# }

  /// The one number of a job that a text with banners holds; nil where there is none, or more than one that might be meant.
  static func number(in text: String) -> String? {
    let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    let said = lines.compactMap { $0.firstMatch(of: #/Submitted batch job (\d+)/#).map { String($0.1) } }.unique
    if said.count == 1 { return said[0] }
    let alone = lines.compactMap { $0.wholeMatch(of: parsable).map { String($0.1) } }.unique
    return said.isEmpty && alone.count == 1 ? alone[0] : nil
  }

  /// What Slurm's programs say when its controller is busy, restarts or cannot be reached.
  private static let passing = [
    "timed out", "unable to contact", "connection refused", "connection reset", "connection failure", "not connected",
    "zero bytes", "temporarily", "try again", "standby mode", "slurm_load_jobs error", "no route to host",
    "network is unreachable", "slurmdbd", "problem talking to the database", "unable to establish",
  ]

  func isPassing(_ error: BatchError) -> Bool {
    guard case .refused(let program, _, let said) = error else { return false }
    let text = said.lowercased()
    return program == "squeue" || Self.passing.contains { text.contains($0) }
  }

  func queue() throws -> [QueueEntry] {
    let text = try programs.output([
      "squeue", "--noheader", "--array", "--states=all", "--user=\(getuid())", "--format=%i|%F|%K|%T|%r|%S|%N|%k",
    ])
    return text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: "|", maxSplits: 7, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 8 else { return nil }
      let task = Int(fields[2])
      return QueueEntry(
        slurm: task == nil ? fields[0] : JobPlace.name(fields[1], task: task), number: fields[1], task: task,
        state: fields[3], reason: fields[4], start: fields[5], nodes: fields[6], comment: fields[7])
    }
  }

  /// A job's steps are listed too: on some sites only the step says that it had too little memory.
  func history(of jobs: [String]) throws -> [String: QueueEntry] {
    var found: [String: QueueEntry] = [:]
    var withoutMemory: Set<String> = []
    for some in Self.chunks(jobs) {
      let words = [
        "sacct", "--noheader", "--parsable2", "--format=JobID,State,Start,NodeList",
        "--jobs=\(some.joined(separator: ","))",
      ]
      let text = try programs.output(words)
      for line in text.split(separator: "\n") {
        let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 4, let state = fields[1].split(separator: " ").first else { continue }
        if let dot = fields[0].firstIndex(of: ".") {
          if state == "OUT_OF_MEMORY" { withoutMemory.insert(String(fields[0][..<dot])) }
          continue
        }
        let parts = fields[0].split(separator: "_")
        found[fields[0]] = QueueEntry(
          slurm: fields[0], number: parts.first.map(String.init) ?? fields[0],
          task: parts.count > 1 ? Int(parts[1]) : nil, state: String(state), reason: "", start: fields[2],
          nodes: fields[3])
      }
    }
    for job in withoutMemory where found[job]?.state == .failed { found[job]?.state = .outOfMemory }
    return found
  }

  /// Without accounting nothing is known of a user's own limit, and where the controller does not answer nothing at all.
  func limits() -> BatchLimits {
    var limits = BatchLimits()
    for line in ((try? programs.output(["scontrol", "show", "config"])) ?? "").split(whereSeparator: \.isNewline) {
      guard let found = line.firstMatch(of: #/^\s*(\w+)\s*=\s*(\d+)\s*$/#), let number = Int(found.2), number > 0 else {
        continue
      }
      switch found.1 {
      case "MaxArraySize": limits.largestArray = number
      case "MaxJobCount": limits.jobs = number
      default: break
      }
    }
    let words = [
      "sacctmgr", "--noheader", "--parsable2", "show", "associations", "user=\(NSUserName())", "format=MaxSubmitJobs",
    ]
    let own = ((try? programs.output(words)) ?? "").split(whereSeparator: \.isNewline)
    // one line for each account; which of them pays is Slurm's to say, and an account without a limit has none
    let numbers = own.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }.filter { $0 > 0 }
    if numbers.count == own.count { limits.ownJobs = numbers.max() }
    return limits
  }

  func cancel(_ numbers: [String]) throws {
    for some in Self.chunks(numbers) { _ = try programs.output(["scancel"] + some) }
  }

  func standing(of job: String) -> JobStanding {
    guard let answer = try? programs.output(["squeue", "--noheader", "--jobs=\(job)", "--format=%T|%r"]) else {
      return .unknown
    }
    // `COMPLETING TimeLimit`: Slurm is ending it, because its time is over
    let words = answer.split(separator: "\n").first?.split(separator: "|").map(String.init) ?? []
    let (state, reason) = (words.first ?? "", words.count > 1 ? words[1] : "")
    if ["TimeLimit", "Preempted"].contains(reason) || ["TIMEOUT", "PREEMPTED"].contains(state) { return .overdue }
    return state == "RUNNING" ? .running : .other("\(state) \(reason)")
  }

  func requeue(_ job: String) throws { _ = try programs.output(["scontrol", "requeue", job]) }

  /// So many words fit into one command.
  private static func chunks(_ words: [String]) -> [[String]] {
    stride(from: 0, to: words.count, by: 500).map { Array(words[$0..<min($0 + 500, words.count)]) }
  }
}

extension QueueEntry {
  private static let live: Set = [
    "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "REQUEUED", "REQUEUE_FED",
    "REQUEUE_HOLD", "SPECIAL_EXIT", "RESIZING", "STAGE_OUT", "RESV_DEL_HOLD",
  ]

  init(
    slurm job: String, number: String, task: Int?, state: String, reason: String, start: String, nodes: String,
    comment: String = ""
  ) {
    let meaning: State =
      switch state {
      case "PENDING": .pending
      case _ where Self.live.contains(state): .running
      case "CANCELLED": reason == "DependencyNeverSatisfied" ? .notRun : .cancelled
      case "TIMEOUT": .overdue
      case "OUT_OF_MEMORY": .outOfMemory
      case "NODE_FAIL", "BOOT_FAIL": .nodeFailed
      case "FAILED", "DEADLINE": .failed
      default: .ended
      }
    self.init(
      job: job, number: number, task: task, state: meaning, word: state.lowercased(),
      reason: reason == "None" ? nil : reason, since: start.split(separator: "T").last.map(String.init),
      nodes: nodes.isEmpty ? nil : nodes, comment: comment)
  }
}
