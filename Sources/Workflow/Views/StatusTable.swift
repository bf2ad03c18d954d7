import Basics
import Foundation

/// States and outcomes of stages as tables for people and as JSON for scripts.
public enum StatusTable {
  /// `jobs` says where stages are on a cluster, `progress` how far those are that run.
  public static func text(
    _ assessments: [StageAssessment], jobs: [String: JobStatus] = [:], progress: [String: StageProgress] = [:]
  ) -> String {
    var table = TextTable(
      columns: [
        "stage", "type", "state", "why", "finished", .init("took", alignment: .right), .init("size", alignment: .right),
      ] + (jobs.first.map { [.init("job"), .init($0.value.system)] } ?? []))
    for assessment in assessments {
      let provenance = assessment.provenance
      let running = progress[assessment.stage.name]
      let state = running.map { $0.isGone ? assessment.state.word : "running" } ?? assessment.state.word
      table.addRow(
        [
          assessment.stage.name, assessment.stage.type.type, state,
          running.map { $0.isGone ? "\(why(assessment)); \($0.text)" : $0.text } ?? why(assessment),
          provenance.map { $0.end.formatted(.iso8601) } ?? NumberText.absent,
          NumberText.duration(seconds: provenance?.wallSeconds), bytes(assessment.size),
        ] + (jobs.isEmpty ? [] : [jobs[assessment.stage.name]?.job ?? "", jobs[assessment.stage.name]?.text ?? ""]))
    }
    let failures = assessments.compactMap { assessment -> String? in
      guard !assessment.isFinished, let job = jobs[assessment.stage.name], job.state == .failed else {
        return nil
      }
      return "error: stage '\(assessment.stage.name)' (job \(job.job)): \(job.message ?? job.text)"
    }
    let warnings = assessments.flatMap { assessment in
      let name = assessment.stage.name
      if let running = progress[name] { return running.said.map { "\($0.word): \(name): \($0.text)" } }
      return (assessment.provenance?.allRemarks ?? []).map { "\($0.word): \(name): \($0.message)" }
    }
    return ([table.rendered()] + warnings + failures).joined(separator: "\n")
  }

  public static func json(
    _ assessments: [StageAssessment], pipeline: PipelineDefinition, batch: BatchTable? = nil,
    jobs: [String: JobStatus] = [:], progress: [String: StageProgress] = [:], estimates: [String: TimeEstimate]? = nil
  ) -> ParameterValue {
    let stages = assessments.map { assessment -> ParameterValue in
      let provenance = assessment.provenance
      var members: [String: ParameterValue] = [
        "job": jobs[assessment.stage.name]?.json ?? .null, "progress": progress[assessment.stage.name]?.json ?? .null,
        "stage": .string(assessment.stage.name),
        "type": .string(assessment.stage.type.type), "cell": cell(assessment.stage),
        "state": .string(assessment.state.word), "reason": .string(assessment.why),
        "missing_inputs": .list(assessment.missingFiles.map { .string($0.shown) }),
        "key": .optional(assessment.key), "content_digest": .optional(provenance?.contentDigest),
        "end": .optional(provenance.map { $0.end.formatted(.iso8601) }),
        "wall_seconds": provenance.map { .number($0.wallSeconds) } ?? .null,
        "bytes": assessment.size.map { .integer($0) } ?? .null,
        "checkpoint_step": assessment.checkpointStep.map { .integer($0) } ?? .null,
        "warnings": .list((provenance?.warnings ?? []).map { .string($0) }),
      ]
      if let estimates { members["estimate"] = estimates[assessment.stage.name]?.json ?? .null }
      return .object(members)
    }
    return ["pipeline": .string(pipeline.name), "stages": .list(stages), "batch": batch?.json ?? .list([])]
  }

  /// Those of the selected stages that a run would run, or may run.
  public static func toRun(_ assessments: [StageAssessment], selected: Set<String>) -> [StageAssessment] {
    assessments.filter { assessment in
      guard selected.contains(assessment.stage.name) else { return false }
      return !assessment.isFinished
    }
  }

  /// `outlook`: about how long those of them will take that are to run.
  public static func dryRun(
    _ assessments: [StageAssessment], selected: Set<String>, outlook: TimeOutlook? = nil
  ) -> String {
    let total = outlook?.total
    var table = TextTable(
      columns: ["stage", "type", "action", "why"] + (total == nil ? [] : [.init("about", alignment: .right)]))
    for assessment in assessments {
      let action: String
      switch assessment.state {
      case _ where !selected.contains(assessment.stage.name): action = "leave"
      case .upToDate, .removed: action = "skip"
      case .waiting: action = "run, or skip if nothing changes"
      default: action = "run"
      }
      table.addRow(
        [assessment.stage.name, assessment.stage.type.type, action, why(assessment)]
          + (total == nil
            ? [] : [outlook?.estimates[assessment.stage.name]?.text ?? NumberText.absent]))
    }
    guard let outlook, !outlook.stages.isEmpty else { return table.rendered() }
    guard let total else {
      return table.rendered()
        + "\nno estimate of the time: no finished stage of this run or of those beside it is alike"
    }
    let lines =
      [table.rendered(), "\(total). It rests on:"] + outlook.bases
      + ["times depend on the machine, and on what else it does"]
    return lines.joined(separator: "\n")
  }

  public static func summary(_ outcome: RunOutcome) -> String {
    var table = TextTable(columns: ["stage", "type", "result", "why"])
    for stage in outcome.stages {
      let (result, why): (String, String)
      switch stage.result {
      case .skipped: (result, why) = ("skipped", stage.reason)
      case .ran(let seconds): (result, why) = ("ran, \(NumberText.duration(seconds: seconds))", stage.reason)
      case .failed(let error): (result, why) = ("failed", error.split(separator: "\n").first.map(String.init) ?? "")
      case .interrupted: (result, why) = ("interrupted", stage.reason)
      case .notRun(let reason): (result, why) = ("not run", reason)
      case .notSelected: (result, why) = ("left", stage.reason)
      }
      table.addRow([stage.stage, stage.type, result, why])
    }
    let warnings = outcome.stages.flatMap { stage in
      stage.remarks.filter { $0.gravity != .note }.map { "\($0.word): \(stage.stage): \($0.message)" }
    }
    // what is known and meant was said on the way
    let notes = outcome.stages.flatMap(\.remarks).filter { $0.gravity == .note }.count
    let rest = notes == 0 ? [] : ["\(notes) note\(notes == 1 ? "" : "s"), which 'status' shows"]
    return ([table.rendered()] + warnings + rest).joined(separator: "\n")
  }

  public static func json(
    _ outcome: RunOutcome, pipeline: PipelineDefinition, batch: BatchTable? = nil
  ) -> ParameterValue {
    let stages = outcome.stages.map { stage -> ParameterValue in
      var members: [String: ParameterValue] = [
        "stage": .string(stage.stage), "type": .string(stage.type), "reason": .string(stage.reason),
        "content_digest": .optional(stage.digest), "warnings": .list(stage.warnings.map { .string($0) }),
        "cell": pipeline[stage.stage].map(cell) ?? .object([:]),
      ]
      switch stage.result {
      case .skipped: members["result"] = "skipped"
      case .ran(let seconds):
        members["result"] = "ran"
        members["wall_seconds"] = .number(seconds)
      case .failed(let error):
        members["result"] = "failed"
        members["error"] = .string(error)
      case .interrupted: members["result"] = "interrupted"
      case .notRun(let reason):
        members["result"] = "not run"
        members["reason"] = .string(reason)
      case .notSelected: members["result"] = "not selected"
      }
      return .object(members)
    }
    return [
      "pipeline": .string(pipeline.name), "exit_code": .integer(Int(outcome.exitCode)), "stages": .list(stages),
      "batch": batch?.json ?? .list([]),
    ]
  }

  private static func cell(_ stage: StageDefinition) -> ParameterValue {
    .object(Dictionary(stage.cell.map { ($0.axis, .string($0.label)) }, uniquingKeysWith: { first, _ in first }))
  }

  /// Why stages run or not, for scripts.
  public static func explanations(_ assessments: [StageAssessment], pipeline: PipelineDefinition) -> ParameterValue {
    let stages = assessments.map { assessment -> ParameterValue in
      var differences: [String] = []
      if case .stale(let found) = assessment.state { differences = found }
      return [
        "stage": .string(assessment.stage.name), "state": .string(assessment.state.word),
        "reason": .string(assessment.why), "differences": .list(differences.map { .string($0) }),
        "key": .optional(assessment.key), "artifact_key": .optional(assessment.provenance?.key),
        "content_digest": .optional(assessment.provenance?.contentDigest),
        "checkpoint_step": assessment.checkpointStep.map { .integer($0) } ?? .null,
      ]
    }
    return ["pipeline": .string(pipeline.name), "stages": .list(stages)]
  }

  /// Why one stage runs or not, with every difference; with its keys where they are wanted.
  public static func explanation(_ assessment: StageAssessment, keys: Bool = true) -> String {
    let name = assessment.stage.name
    var lines: [String]
    switch assessment.state {
    case .upToDate: lines = ["\(name): up to date (\(assessment.why))"]
    case .removed: lines = ["\(name): \(assessment.why)"]
    case .stale(let differences): lines = ["\(name): runs"] + differences.map { "  \($0)" }
    case .waiting: lines = ["\(name): \(assessment.state)"]
    default: lines = ["\(name): runs (\(assessment.why))"]
    }
    if keys, let key = assessment.key { lines.append("  key \(key)") }
    if keys, let provenance = assessment.provenance {
      lines.append("  artifact: key \(provenance.key), content \(provenance.contentDigest)")
    }
    if let step = assessment.checkpointStep { lines.append("  resumes from the checkpoint of step \(step)") }
    return lines.joined(separator: "\n")
  }

  private static func why(_ assessment: StageAssessment) -> String {
    assessment.why + (assessment.checkpointStep.map { " (checkpoint at step \($0))" } ?? "")
  }

  static func bytes(_ count: Int?) -> String {
    guard let count else { return NumberText.absent }
    return switch count {
    case ..<1000: "\(count) B"
    case ..<1_000_000: NumberText.fixed(Double(count) / 1e3, 1) + " kB"
    case ..<1_000_000_000: NumberText.fixed(Double(count) / 1e6, 1) + " MB"
    default: NumberText.fixed(Double(count) / 1e9, 1) + " GB"
    }
  }
}
