import ArgumentParser
import Workflow

/// One stage, in the process that `run --jobs` starts for it.
struct StageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run-stage", abstract: "Run one stage for a run that waits for it.", shouldDisplay: false)

  @OptionGroup var pipeline: PipelineOptions
  @Option var stage: String
  @Option var key: String
  @Option var threads: Int
  @Option var checkpointInterval: Double

  static func worker(_ pipeline: PipelineOptions) -> WorkerCommand {
    { stage, key, threads, checkpointInterval in
      ["run-stage"] + pipeline.words + [
        "--stage", stage, "--key", key, "--threads", "\(threads)", "--checkpoint-interval", "\(checkpointInterval)",
      ]
    }
  }

  func run() throws {
    let interruption = Interruption()
    interruption.observeSignals(silent: true)
    let definition = try pipeline.load()
    let folder = pipeline.folder(definition)
    let worker = try Worker(folder: folder, interruption: interruption)
    let engine = Engine(
      pipeline: definition, folder: folder, console: worker, interruption: interruption,
      environment: Libraries.environment)
    var options = RunOptions()
    (options.threads, options.checkpointInterval) = (threads, checkpointInterval)
    throw ExitCode(worker.run(engine, stage: stage, key: key, options: options))
  }
}
