import ArgumentParser
import Foundation
import Workflow

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run the stages that are not finished or whose inputs or parameters changed.")

  @OptionGroup var pipeline: PipelineOptions

  @Flag(help: "Say what would run and why, and run nothing.") var dryRun = false

  @Option(help: ArgumentHelp("Only this stage and what needs it.", valueName: "stage")) var from: String?

  @Option(help: ArgumentHelp("Only this stage and what it needs.", valueName: "stage")) var until: String?

  @Option(
    help: ArgumentHelp(
      "Only these stages: full names, names in the file (every cell of the matrix), patterns with * and ?, or @entry.",
      valueName: "stage,..."))
  var only: [String] = []

  @Flag(help: "Run the selected stages again though they are finished.") var force = false

  @Flag(help: "After a failure go on with stages that do not need the failed one.") var keepGoing = false

  @Flag(help: "Print the result as JSON.") var json = false

  @Option(
    help: ArgumentHelp(
      "Run up to this many stages side by side, each in a process of its own: a crash ends that stage alone.",
      valueName: "number"))
  var jobs: Int?

  @Option(help: "Threads of each stage (default: the number of cores, divided by the jobs).") var threads: Int?

  @Option(help: ArgumentHelp("Time between checkpoints.", valueName: "seconds")) var checkpointInterval = 60.0

  func validate() throws {
    if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs must be 1 to 256") }
    if let threads, !(1...4096).contains(threads) { throw ValidationError("--threads must be 1 to 4096") }
    guard checkpointInterval.isFinite, checkpointInterval >= 0 else {
      throw ValidationError("--checkpoint-interval must be 0 s or more")
    }
  }

  func run() throws {
    let definition = try pipeline.load()
    let folder = pipeline.folder(definition)
    var options = RunOptions()
    options.from = from
    options.until = until
    options.only = Self.names(only)
    options.force = force ? ["*"] : []
    options.keepGoing = keepGoing
    options.checkpointInterval = checkpointInterval
    options.threads = threads
    options.jobs = jobs

    if dryRun {
      let engine = Engine(pipeline: definition, folder: folder, console: Console())
      let selected = try engine.selection(options)
      let assessments = try engine.assess(forced: force ? Array(selected) : [])
      print(
        json
          ? StatusTable.json(assessments, pipeline: definition).prettyJSON
          : StatusTable.dryRun(assessments, selected: selected))
      return
    }
    if try needsNumerics(definition, folder, options) { ProcessEnvironment.prepare() }
    let interruption = Interruption()
    interruption.observeSignals()
    try folder.lock(as: CommandLineText.command(["run"] + pipeline.words))
    let engine = Engine(
      pipeline: definition, folder: folder, console: Console(showsStages: jobs != nil), interruption: interruption,
      worker: StageCommand.worker(pipeline), environment: Libraries.environment)
    let outcome = try engine.run(options)
    let batch = BatchTable(outcome, pipeline: definition, folder: folder, columns: PipelineOptions.batchColumns)
    if json {
      print(StatusTable.json(outcome, pipeline: definition, batch: batch).prettyJSON)
    } else {
      print(StatusTable.summary(outcome) + (batch.map { "\n\n" + $0.text } ?? ""))
    }
    if outcome.exitCode != 0 {
      printError(try failureText(outcome, engine: engine, folder: folder))
      throw ExitCode(outcome.exitCode)
    }
  }

  /// False where every selected stage is finished: such a run only looks.
  private func needsNumerics(_ definition: PipelineDefinition, _ folder: RunFolder, _ options: RunOptions) throws
    -> Bool
  {
    let engine = Engine(pipeline: definition, folder: folder, console: Console(quiet: true))
    let selected = try engine.selection(options)
    return try force || engine.assess().contains { selected.contains($0.stage.name) && $0.state != .upToDate }
  }

  /// The errors, what is kept, and the command that goes on from there.
  private func failureText(_ outcome: RunOutcome, engine: Engine, folder: RunFolder) throws -> String {
    var lines: [String] = []
    for stage in outcome.stages {
      if case .failed(let error) = stage.result { lines.append("error: stage '\(stage.stage)': \(error)") }
      if stage.result == .interrupted { lines.append("interrupted in stage '\(stage.stage)'; its checkpoint is saved") }
    }
    if lines.isEmpty { lines.append("interrupted between two stages") }
    let assessments = try engine.assess()
    let finished = assessments.filter { $0.state == .upToDate }.map(\.stage.name)
    let checkpoints = assessments.compactMap { assessment in
      assessment.checkpointStep.map { "\(assessment.stage.name) up to step \($0)" }
    }
    let older = assessments.filter { $0.state != .upToDate && $0.provenance != nil }.map(\.stage.name)
    let kept =
      (finished.isEmpty ? [] : ["finished " + finished.joined(separator: ", ")]) + checkpoints
      + (older.isEmpty ? [] : ["older results of " + older.joined(separator: ", ")])
    lines.append(
      "kept in \(pipeline.runs)/\(engine.pipeline.name): \(kept.isEmpty ? "nothing yet" : kept.joined(separator: "; "))"
    )
    lines.append("resume with: " + CommandLineText.command(resumeWords))
    return lines.joined(separator: "\n")
  }

  /// Without --force: what was forced and is not finished is remembered in the run folder.
  private var resumeWords: [String] {
    var words = ["run"] + pipeline.words
    if let from { words += ["--from", from] }
    if let until { words += ["--until", until] }
    words += only.flatMap { ["--only", $0] }
    if keepGoing { words.append("--keep-going") }
    if json { words.append("--json") }
    if let jobs { words += ["--jobs", "\(jobs)"] }
    if let threads { words += ["--threads", "\(threads)"] }
    if checkpointInterval != 60 { words += ["--checkpoint-interval", "\(checkpointInterval)"] }
    return words
  }

  static func names(_ lists: [String]) -> [String] { lists.flatMap { $0.split(separator: ",").map(String.init) } }
}
