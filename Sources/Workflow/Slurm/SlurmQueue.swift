import Foundation

/// What Slurm says of one job or task.
struct QueueEntry: Equatable {
  /// `12` or `12_3`.
  var job: String
  /// The array's number, or the job's own.
  var number: String
  var task: Int?
  /// `PENDING`, `RUNNING`, ...
  var state: String
  var reason: String
  var start: String
  var nodes: String
  var comment: String

  private static let live: Set = [
    "PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "REQUEUED", "REQUEUE_FED",
    "REQUEUE_HOLD", "SPECIAL_EXIT", "RESIZING", "STAGE_OUT", "RESV_DEL_HOLD",
  ]

  /// It waits or works.
  var isLive: Bool { Self.live.contains(state) }
}

/// The jobs of this user that Slurm knows; it forgets finished ones after some minutes.
struct SlurmQueue {
  static let format = "%i|%F|%K|%T|%r|%S|%N|%k"

  /// By the submission's identifier and the job's place in it.
  private(set) var entries: [String: [QueueEntry]] = [:]

  init(_ programs: SlurmPrograms) throws {
    let text = try programs.output(
      "squeue", ["--noheader", "--array", "--states=all", "--user=\(getuid())", "--format=\(Self.format)"])
    self.init(text: text)
  }

  init(text: String = "") {
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|", maxSplits: 7, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 8, fields[7].hasPrefix(SubmissionRecord.commentMark + " ") else { continue }
      let task = Int(fields[2])
      let entry = QueueEntry(
        job: task.map { "\(fields[1])_\($0)" } ?? fields[0], number: fields[1], task: task, state: fields[3],
        reason: fields[4], start: fields[5], nodes: fields[6], comment: fields[7])
      entries[entry.comment, default: []].append(entry)
    }
  }

  /// The task's entry; that of the latest job, should there be several.
  func entry(_ record: SubmissionRecord, job: Int, task: Int?) -> QueueEntry? {
    entries[record.comment(of: job)]?.last { $0.task == task }
  }
  /// What Slurm's accounting, where there is one, still knows of tasks that the queue has forgotten, by `12` or `12_3`.
  static func accounting(_ jobs: [String], _ programs: SlurmPrograms) -> [String: QueueEntry] {
    var found: [String: QueueEntry] = [:]
    for start in stride(from: 0, to: jobs.count, by: 500) {
      let some = jobs[start..<min(start + 500, jobs.count)].joined(separator: ",")
      let words = [
        "--noheader", "--parsable2", "--allocations", "--format=JobID,State,Start,NodeList", "--jobs=\(some)",
      ]
      guard let text = try? programs.output("sacct", words) else { return found }
      for line in text.split(separator: "\n") {
        let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 4, let state = fields[1].split(separator: " ").first else { continue }
        let parts = fields[0].split(separator: "_")
        found[fields[0]] = QueueEntry(
          job: fields[0], number: parts.first.map(String.init) ?? fields[0],
          task: parts.count > 1 ? Int(parts[1]) : nil, state: String(state), reason: "", start: fields[2],
          nodes: fields[3], comment: "")
      }
    }
    return found
  }
}
