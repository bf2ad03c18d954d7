import Basics
import Foundation

public enum SubmissionText {
  /// `showsCommands`: of a dry run, the lines that would be handed to the batch system, each with the script that its job runs.
  public static func submission(_ submission: BatchRun.Submission, dryRun: Bool, showsCommands: Bool = false) -> String
  {
    var lines = submission.remarks
    if !submission.jobs.isEmpty {
      var table = TextTable(columns: [
        "job", "name", .init("tasks", alignment: .right), "stages", "after", "resources",
      ])
      for job in submission.jobs {
        table.addRow([
          job.number ?? NumberText.absent, job.name, "\(job.stages.count)", shown(job.stages.flatMap { $0 }),
          job.after.count > 60 ? job.after.prefix(57) + "..." : job.after, job.resources,
        ])
      }
      lines.append(table.rendered())
    }
    if dryRun, showsCommands {
      for job in submission.jobs {
        lines += ["", job.command]
        lines += job.script.split(separator: "\n").map { "    \($0)" }
      }
    }
    if dryRun, !showsCommands, !submission.jobs.isEmpty {
      lines.append("nothing was submitted; --verbose shows the lines and scripts that would be")
    }
    if !submission.alreadyQueued.isEmpty {
      let stages = submission.alreadyQueued.prefix(20).map { "\($0.stage) (\($0.job))" }.joined(separator: ", ")
      let rest = submission.alreadyQueued.count > 20 ? " and \(submission.alreadyQueued.count - 20) more" : ""
      lines.append("already in the queue, not submitted again: \(stages)\(rest)")
    }
    if submission.jobs.isEmpty {
      lines.append(submission.alreadyQueued.isEmpty ? "nothing has to run" : "nothing was left to submit")
    }
    return lines.joined(separator: "\n")
  }

  public static func json(_ submission: BatchRun.Submission) -> ParameterValue {
    [
      "jobs": .list(
        submission.jobs.map { job in
          [
            "job": .optional(job.number), "name": .string(job.name),
            "tasks": .list(job.stages.map { .list($0.map { .string($0) }) }), "command": .string(job.command),
            "script": .string(job.script),
            "after": .string(job.after), "resources": .string(job.resources),
          ]
        }),
      "already_queued": .list(
        submission.alreadyQueued.map { ["stage": .string($0.stage), "job": .string($0.job)] }),
      "remarks": .list(submission.remarks.map { .string($0) }),
    ]
  }

  private static func shown(_ stages: [String]) -> String {
    let text = stages.prefix(3).joined(separator: ", ")
    return stages.count > 3 ? "\(text), ... (\(stages.count))" : text
  }

  /// As a run's: 0 done, 1 a stage failed, 75 something is left to do.
  public static func exitCode(_ assessments: [StageAssessment], _ jobs: [String: JobStatus], selected: Set<String>)
    -> Int32
  {
    let open = assessments.filter { selected.contains($0.stage.name) && !$0.isFinished }
    if open.contains(where: { jobs[$0.stage.name]?.state == .failed }) { return 1 }
    return open.isEmpty ? 0 : RunOutcome.interruptedExitCode
  }
}

extension BatchRun {
  /// Waits until no job of this run folder is in the queue; says what is there whenever that changes. A queue that does not answer is asked
  /// again with growing pauses, a day long. Returns where every stage is in the end.
  @discardableResult
  public func wait(every seconds: Double = 5, _ say: (String) -> Void) throws -> [String: JobStatus] {
    var said = ""
    var (silence, pause) = (0.0, seconds)
    while true {
      let (stages, problem) = status()
      if let problem {
        guard let error = problem as? BatchError, system.isPassing(error), silence < patience.longestSilence else {
          throw problem
        }
        if silence == 0 { say("the queue does not answer (\(error)); it is asked again, and the jobs go on") }
        patience.sleep(pause)
        silence += pause
        pause = min(2 * pause, 300)
        continue
      }
      if silence > 0 { say("the queue answers again") }
      (silence, pause) = (0, seconds)
      let open = stages.values.filter(\.isOpen)
      if open.isEmpty { return stages }
      let running = open.filter { $0.state == .running }.count
      let finished = stages.values.filter { $0.state == .finished }.count
      let text = "\(open.count - running) stages pending, \(running) running, \(finished) finished"
      if text != said { say(text) }
      said = text
      patience.sleep(seconds)
    }
  }
}
