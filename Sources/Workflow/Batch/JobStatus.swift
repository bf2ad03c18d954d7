import Foundation

public struct JobStatus: Equatable {
  public enum State: String, Equatable {
    case pending, running, finished, failed
    case interrupted  // Stopped, resumable, and no longer in the queue
    case cancelled
    case notRun = "not run"  // A stage it needs did not finish
    case unknown  // Neither the queue nor the record says, or the queue could not be asked
  }

  let system: String  // The batch system's name
  public var state: State
  public var job: String  // `12` or `12_3`
  public var text: String  // In a few words: `running on n1 since 12:31`
  public var message: String?  // In full, where something went wrong
  public var node, reason: String?
  public var requeues: Int  // How often the job came back to the queue

  /// It is still in the queue.
  public var isOpen: Bool { state == .pending || state == .running }

  var json: ParameterValue {
    [
      "job": .string(job), "state": .string(state.rawValue), "text": .string(text), "message": .optional(message),
      "node": .optional(node), "reason": .optional(reason), "requeues": .integer(requeues),
    ]
  }

  /// What the queue, the note of the task and the record say together of one stage. `entry` is nil where the batch system
  /// has forgotten the job, or could not be asked: then `silence` says who does not answer.
  init(
    system: String, stage: String, entry: QueueEntry?, note: TaskNote?, number: String?, task: Int?,
    silence: String? = nil
  ) {
    self.system = system
    job = entry?.job ?? note?.job ?? number.map { JobPlace.name($0, task: task) } ?? ""
    let note = note?.job == job ? note : nil
    let own = note?.stages[stage]
    requeues = max(0, (note?.starts ?? 0) - 1)
    state = .unknown
    text = ""
    switch own?.state {
    case .finished:
      (state, text) = (.finished, "finished")
      return
    case .notRun where entry?.state != .pending:
      (state, text, message) = (.notRun, "not run: a stage it needs did not finish", own?.message)
      return
    case .failed where entry?.state != .pending:
      fail("failed", own?.message)
      return
    default: break
    }
    guard let entry else {
      if let silence, note?.state != .interrupted, note?.state != .failed {
        text = "not known: \(silence) does not answer"
      } else {
        forgotten(note, number)
      }
      return
    }
    if entry.isLive { alive(entry, note, own) } else { ended(entry, note) }
  }

  private mutating func fail(_ text: String, _ message: String?) {
    state = .failed
    self.message = message
    let line = message?.split(separator: "\n").first.map(String.init) ?? ""
    self.text = line.isEmpty ? text : "\(text): \(line.count > 60 ? line.prefix(57) + "..." : line)"
  }

  private mutating func alive(_ entry: QueueEntry, _ note: TaskNote?, _ own: TaskNote.Stage?) {
    reason = entry.reason
    if entry.state == .pending {
      state = .pending
      let back = note == nil ? "" : note?.starts == 1 ? "requeued, " : "requeued \(note?.starts ?? 0) times, "
      requeues = note?.starts ?? 0
      text = back + "pending" + (reason.map { " (\($0))" } ?? "")
      return
    }
    state = .running
    node = entry.nodes
    let place = node.map { " on \($0)" } ?? ""
    if note?.state == .waiting, let message = note?.message {
      text = "waiting\(place): \(message)"
    } else if note != nil, own == nil {
      text = "its job is at work\(place)"  // on another stage
    } else {
      text = entry.word + place + (entry.since.map { " since \($0)" } ?? "")
    }
    if requeues > 0 { text += requeues == 1 ? ", requeued" : ", requeued \(requeues) times" }
  }

  private mutating func ended(_ entry: QueueEntry, _ note: TaskNote?) {
    reason = entry.reason
    node = entry.nodes
    let place = node.map { " on \($0)" } ?? ""
    switch entry.state {
    case .notRun: (state, text) = (.notRun, "not run: a stage it needs did not finish")
    case .cancelled: (state, text) = (.cancelled, "cancelled")
    case .overdue:
      (state, text) = (.interrupted, "its time limit was over")
      message = "the time limit of job \(job) was over; submit again and it goes on from its checkpoint"
    case .outOfMemory: fail("failed", "its job had too little memory\(place)")
    case .nodeFailed: (state, text) = (.interrupted, "the node failed\(place)")
    case _ where note?.state == .interrupted: (state, text) = (.interrupted, note?.message ?? "interrupted")
    case .failed: fail("failed", note?.message ?? "its process was ended\(place) and said nothing; see the job's log")
    default: (state, text) = (.unknown, "ended (\(entry.word))")
    }
  }

  private mutating func forgotten(_ note: TaskNote?, _ number: String?) {
    switch note?.state {
    case .interrupted: (state, text) = (.interrupted, note?.message ?? "interrupted")
    case .failed: fail("failed", note?.message)
    case nil where number == nil: text = "was not submitted"
    case nil: text = "\(system) no longer knows"
    default: (state, text) = (.interrupted, "ended and said nothing")
    }
  }
}

extension BatchRun {
  /// Where every stage is that was submitted, by its latest submission. Where the queue cannot be asked, `problem` says why,
  /// and the states are what the tasks noted themselves.
  public func status() -> (stages: [String: JobStatus], problem: (any Error)?) {
    var queue: BatchQueue?
    var problem: (any Error)?
    do { queue = BatchQueue(try system.queue()) } catch { problem = error }
    var places: [String: Place] = [:]
    for number in store.numbers {
      let record: SubmissionRecord
      do { record = try store.read(number) } catch {
        problem = error  // nothing but where its jobs are depends on it
        continue
      }
      for (index, job) in record.jobs.enumerated() {
        for task in job.tasks {
          let note = store.readNote(store.note(number, job: job, task: task.id))
          let entry = queue?.entry(record, job: index, task: task.id)
          let place = Place(entry: entry, note: note, number: job.number, task: task.id)
          for stage in task.stages { places[stage] = place }
        }
      }
    }
    var silence = queue == nil ? "the queue" : nil
    if queue != nil {
      let unknown = Set(places.values.compactMap { $0.entry == nil && $0.note?.state != .finished ? $0.name : nil })
      var known: [String: QueueEntry] = [:]
      do { known = try unknown.isEmpty ? [:] : system.history(of: unknown.sorted()) } catch {
        // without accounting there is nothing to be known; accounting that is silent now may know
        if let error = error as? BatchError, system.isPassing(error) {
          silence = "the accounting"
          problem = problem ?? error
        }
      }
      if !known.isEmpty {
        for (stage, place) in places where place.entry == nil {
          places[stage]?.entry = place.name.flatMap { known[$0] }
        }
      }
    }
    var stages: [String: JobStatus] = [:]
    for (stage, place) in places {
      stages[stage] = JobStatus(
        system: system.name, stage: stage, entry: place.entry, note: place.note, number: place.number, task: place.task,
        silence: silence)
    }
    return (stages, problem)
  }

  private struct Place {
    var entry: QueueEntry?
    let note: TaskNote?
    let number: String?
    let task: Int?

    var name: String? { number.map { JobPlace.name($0, task: task) } }
  }
}
