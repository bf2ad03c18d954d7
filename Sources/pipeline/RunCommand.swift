import ArgumentParser
import Basics
import Records
import Stages
import Workflow

struct RunCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run the stages that are not finished or whose inputs or parameters changed.",
    discussion: """
      'watch' shows a run from another terminal.

      --set changes a value for this run alone: what is finished with another is replaced. --dry-run shows it first.

      Example: pipeline run alanine.yaml --set emulator.training.steps=500 --dry-run
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Flag(help: "Say what would run and why, and run nothing.") var dryRun = false
  @Option(
    help: ArgumentHelp("Only this stage and what needs it.", valueName: "stage"), completion: Completions.selections)
  var from: String?
  @Option(
    help: ArgumentHelp("Only this stage and what it needs.", valueName: "stage"), completion: Completions.selections)
  var until: String?
  @OptionGroup var work: WorkOptions
  @Flag(help: "Run the selected stages again though they are finished.") var force = false
  @Flag(help: "After a failure go on with stages that do not need the failed one.") var keepGoing = false
  @OptionGroup var results: JSONOption
  @Option(
    help: ArgumentHelp(
      "Run up to this many stages side by side, each in a process of its own: a crash ends that stage alone.",
      valueName: "number")) var jobs: Int?

  func validate() throws {
    if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs must be 1 to 256") }
  }

  func run() throws {
    try pipeline.needFile(for: "run")
    let definition = try pipeline.load()
    let folder = pipeline.folder(definition)
    var options = work.options
    (options.from, options.until, options.jobs) = (from, until, jobs)
    (options.force, options.keepGoing) = (force ? ["*"] : [], keepGoing)

    if dryRun {
      let engine = Engine(pipeline: definition, folder: folder, console: Console())
      let selected = try engine.selection(options)
      let assessments = try engine.assess(forced: force ? Array(selected) : [])
      try engine.requireFiles(of: selected, assessments, archived: true)
      if let warning = engine.otherFileWarning(selected, assessments) { printError("warning: \(warning)") }
      try engine.checkBeforehand(selected, assessments, keepGoing: options.keepGoing)
      let outlook = StageCatalog.estimates(engine).of(StatusTable.toRun(assessments, selected: selected))
      let found = StatusTable.json(assessments, pipeline: definition, estimates: outlook.estimates)
      return print(
        results.json ? found.prettyJSON : StatusTable.dryRun(assessments, selected: selected, outlook: outlook))
    }
    let looking = Engine(pipeline: definition, folder: folder, console: Console())
    let selected = try looking.selection(options)
    let assessments = try looking.assess(forced: force ? Array(selected) : [], keys: false)
    try looking.requireFiles(of: selected, assessments, archived: work.archived)
    if let warning = looking.otherFileWarning(selected, assessments) { printError("warning: \(warning)") }
    if let note = replacement(selected, assessments) { printError(note) }
    // a run in which every selected stage is finished only looks
    if assessments.contains(where: { selected.contains($0.stage.name) && !$0.isFinished }) {
      ProcessEnvironment.prepare()
      try looking.checkBeforehand(selected, assessments, keepGoing: options.keepGoing)
      let running = StatusTable.toRun(assessments, selected: selected)
      if let total = StageCatalog.estimates(looking).of(running).total {
        printError("time: \(total); 'run --dry-run' says what that rests on")
      }
    }
    let interruption = Interruption()
    interruption.observeSignals(
      farewell: "stopped at once; what the last checkpoints hold is kept. resume with: "
        + CommandLineText.command(resumeWords))
    try folder.lock(as: CommandLineText.command(["run"] + pipeline.words))
    let engine = Engine(
      pipeline: definition, folder: folder, console: Console(showsStages: jobs != nil), interruption: interruption,
      worker: StageCommand.worker(pipeline), environment: Libraries.environment)
    let outcome = try engine.run(options)
    let batch = BatchTable(outcome, pipeline: definition, folder: folder, columns: StageCatalog.columns())
    if results.json {
      print(StatusTable.json(outcome, pipeline: definition, batch: batch).prettyJSON)
    } else {
      print(StatusTable.summary(outcome) + (batch.map { "\n\n" + $0.text } ?? ""))
      if batch == nil, outcome.stages.contains(where: { $0.type == ReportRecord.stageType && $0.digest != nil }) {
        print("the verdict again: " + CommandLineText.command(["report"] + pipeline.words))
      }
      if batch != nil {
        let page = pipeline.words + ["--batch", "\(definition.name).html"]
        print("a page of these, which can be sorted: " + CommandLineText.command(["report"] + page))
      }
    }
    if outcome.exitCode != 0 {
      printError(try failureText(outcome, engine: engine, folder: folder))
      throw ExitCode(outcome.exitCode)
    }
  }

  /// What is finished and is made again because of --set, and how long it took; nil where there is nothing of the kind.
  private func replacement(_ selected: Set<String>, _ assessments: [StageAssessment]) -> String? {
    guard !pipeline.overrides.isEmpty else { return nil }
    let replaced = assessments.filter { assessment in
      if case .stale = assessment.state { return selected.contains(assessment.stage.name) }
      return false
    }
    guard !replaced.isEmpty else { return nil }
    let told = replaced.prefix(4).map { assessment in
      let took = assessment.provenance.map { ", took \(NumberText.duration(seconds: $0.wallSeconds))" } ?? ""
      return "\(assessment.stage.name) (\(assessment.state)\(took))"
    }
    let rest = replaced.count > told.count ? ", and \(replaced.count - told.count) more" : ""
    return "note: --set replaces finished results: \(told.joined(separator: ", "))\(rest); "
      + "without it, the next run makes them as the file says"
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
    let finished = assessments.filter(\.isFinished).map(\.stage.name)
    let checkpoints = assessments.compactMap { assessment in
      assessment.checkpointStep.map { "\(assessment.stage.name) up to step \($0)" }
    }
    let older = assessments.filter { !$0.isFinished && $0.provenance != nil }.map(\.stage.name)
    let kept =
      (finished.isEmpty ? [] : ["finished " + finished.joined(separator: ", ")]) + checkpoints
      + (older.isEmpty ? [] : ["older results of " + older.joined(separator: ", ")])
    let things = kept.isEmpty ? "nothing yet" : kept.joined(separator: "; ")
    lines.append("kept in \(pipeline.runs)/\(engine.pipeline.name): \(things)")
    lines.append("resume with: " + CommandLineText.command(resumeWords))
    return lines.joined(separator: "\n")
  }

  /// Without --force: what was forced and is not finished is remembered in the run folder.
  private var resumeWords: [String] {
    var words = ["run"] + pipeline.words
    if let from { words += ["--from", from] }
    if let until { words += ["--until", until] }
    words += work.only.flatMap { ["--only", $0] }
    if keepGoing { words.append("--keep-going") }
    if results.json { words.append("--json") }
    if let jobs { words += ["--jobs", "\(jobs)"] }
    return words + work.words
  }
}
