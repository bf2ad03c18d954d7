import ArgumentParser
import Foundation
import Stages
import Workflow

struct SubmitCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Submit the stages that have to run as jobs of a Slurm cluster.",
    discussion: """
      What is in the queue already is not submitted again. 'status' shows where the jobs are, 'watch' how far they get.

      Example: pipeline submit batch.yaml --profile slurm.yaml
      Example: pipeline submit batch.yaml --profile slurm.yaml --dry-run --verbose
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Option(
    help: "The profile: what jobs ask of the cluster; looked for here and in pipelines/.", completion: Completions.files
  )
  var profile: String
  @OptionGroup var work: WorkOptions
  @Flag(help: "Print the jobs, and submit nothing.") var dryRun = false
  @Flag(help: "With --dry-run: also their sbatch lines, and the scripts that they run.") var verbose = false
  @Flag(help: "Wait until all jobs have ended, then print what became of them; exit as 'run' does.") var wait = false
  @OptionGroup var results: JSONOption

  func validate() throws {
    if wait, dryRun { throw ValidationError("--wait and --dry-run exclude each other") }
  }

  func run() throws {
    try pipeline.needFile(for: "submit")
    let definition = try pipeline.load()
    let (file, shown) = try PipelineLoader.find(pipeline.file)
    let (profileFile, profileShown) = try PipelineLoader.find(profile)
    let request = BatchRun.Request(
      profile: try BatchProfileReader.read(
        profileFile, shownAs: profileShown, for: definition, registry: StageCatalog.registry), file: file,
      shownFile: shown, overrides: pipeline.overrides, options: work.options,
      program: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    let engine = Engine(pipeline: definition, folder: pipeline.folder(definition), console: Console())
    let (selected, assessments) = (try engine.selection(work.options), try engine.assess())
    try engine.requireFiles(of: selected, assessments, archived: work.archived)
    if let warning = engine.otherFileWarning(selected, assessments) { printError("warning: \(warning)") }
    // in a batch the other cells go on beside one that fails
    try engine.checkBeforehand(selected, assessments, keepGoing: !definition.axes.isEmpty)
    let batch = BatchRun(engine, profile: request.profile)
    let submission = try batch.submit(request, dryRun: dryRun)
    if results.json, !wait { results.print(SubmissionText.json(submission)) }
    if !results.json { print(SubmissionText.submission(submission, dryRun: dryRun, showsCommands: verbose)) }
    if !dryRun, !submission.jobs.isEmpty { printError("see: " + CommandLineText.command(["status"] + pipeline.words)) }
    guard wait else { return }
    let found = try batch.wait { printError($0) }
    let ended = try pipeline.engine()
    let outcome = try ended.assess()
    if results.json {
      let status = StatusTable.json(
        outcome, pipeline: ended.pipeline, batch: StatusCommand.batch(outcome, ended, found), jobs: found)
      results.print(SubmissionText.json(submission).with("status", status))
    } else {
      print(StatusCommand.text(outcome, ended, found))
    }
    let code = SubmissionText.exitCode(outcome, found, selected: try ended.selection(work.options))
    if code != 0 { throw ExitCode(code) }
  }
}

struct CancelCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "Cancel what of this run is in the queue of a Slurm cluster, and nothing else.",
    discussion: """
      Running stages save a checkpoint as far as they get; 'submit' goes on from there.

      Example: pipeline cancel batch.yaml
      """)

  @OptionGroup var pipeline: PipelineOptions
  @OptionGroup var results: JSONOption

  func run() throws {
    let numbers = try BatchRun(try pipeline.engine()).cancel()
    if results.json { return results.print(["cancelled": .list(numbers.map { .string($0) })]) }
    print(
      numbers.isEmpty
        ? "nothing of this run is in the queue" : "cancelled \(numbers.count) jobs: \(numbers.joined(separator: ", "))")
  }
}

/// One task of a submission, started by the batch system.
struct JobCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run-job", abstract: "Run the stages of one job that 'submit' made.", shouldDisplay: false)

  @Option var folder: String
  @Option var submission: Int
  @Option var job: Int

  func run() throws {
    ProcessEnvironment.prepare()
    let interruption = Interruption()
    interruption.observeSignals()
    let folder = RunFolder(URL(fileURLWithPath: folder, isDirectory: true))
    let run = try JobRun(folder: folder, submission: submission, job: job, interruption: interruption)
    let console = Console()
    let code = run.run(console: console) {
      let file = run.pipelineFile
      let definition = try PipelineLoader(registry: StageCatalog.registry, toleratesMissingFiles: true).load(
        file.url, shownAs: file.shown, overrides: file.overrides, workingFolder: file.workingFolder)
      return Engine(
        pipeline: definition, folder: folder, console: console, interruption: interruption,
        environment: Libraries.environment)
    }
    throw ExitCode(code)
  }
}
