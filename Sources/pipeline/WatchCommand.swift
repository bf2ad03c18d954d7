import ArgumentParser
import Foundation
import Stages
import Workflow

struct WatchCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Watch a run, here, in another process or on a cluster, until it ends.",
    discussion: """
      Stages, their progress, losses and numbers so far, and warnings, on one screen; without a terminal a line for each change. \
      It touches nothing: q or Ctrl-C leaves, and the run goes on.

      Ends with the run's exit code: 0 done, 1 a stage failed, 75 interrupted or killed, and also 75 where you left before its end.

      Example: pipeline watch alanine.yaml
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Option(help: ArgumentHelp("Time between two looks.", valueName: "seconds")) var interval = 1.0

  func validate() throws {
    guard interval.isFinite, (0.05...3600).contains(interval) else {
      throw ValidationError("--interval must be 0.05 to 3600 s")
    }
  }

  func run() throws {
    let interruption = Interruption()
    interruption.observeSignals(silent: true)  // first of all: Ctrl-C may come before anything is read
    let definition = try watched()
    let watcher = RunWatcher(columns: StageCatalog.columns()) {
      Engine(pipeline: definition, folder: pipeline.folder(definition), console: Console(quiet: true))
    }
    var run = try watcher.look()
    let screen = Terminal.output.isCapable ? TerminalScreen() : nil
    defer { screen?.leave() }
    var (last, isLeft) = (RunSnapshot?.none, false)
    while true {
      let isWritten =
        screen.map { $0.draw(view.screen(run, footer: "q or Ctrl-C leaves; the run goes on")) }
        ?? write(WatchView.changes(from: last, to: run))
      isLeft = !isWritten || interruption.isRequested
      if isLeft || run.isOver { break }
      let key = screen == nil ? nil : TerminalScreen.key(within: interval)
      if screen == nil { _ = poll(nil, 0, Int32(interval * 1000)) }
      isLeft = key == "q" || key == "Q" || key == TerminalScreen.controlC || interruption.isRequested
      if isLeft { break }
      last = run
      run = try watcher.look()
    }
    screen?.leave()
    if screen != nil, !isLeft { _ = write(view.screen(run, footer: "").dropLast()) }
    guard run.isOver else { throw ExitCode(RunOutcome.interruptedExitCode) }
    if run.exitCode != 0 {
      let words = pipeline.wordsOfRun(definition)
      printError("nothing is running; where it stands: " + CommandLineText.command(["status"] + words))
      printError("go on with: " + CommandLineText.command(["run"] + words))
      throw ExitCode(run.exitCode)
    }
  }

  /// As the run that is at work has read it, with its overrides, where none are given here.
  private func watched() throws -> PipelineDefinition {
    let definition = try pipeline.load()
    let folder = pipeline.folder(definition)
    guard pipeline.overrides.isEmpty, folder.holder() != nil, let origin = RunOrigin.read(folder.url)?.pipeline,
      origin.file == definition.origin?.file, !origin.overrides.isEmpty
    else { return definition }
    let loader = PipelineLoader(registry: StageCatalog.registry, toleratesMissingFiles: true)
    return (try? loader.load(origin)) ?? definition
  }

  /// For the terminal as large as it is now.
  private var view: WatchView {
    let (columns, rows) = Terminal.output.size
    return WatchView(columns: columns, rows: rows, hasColours: Terminal.output.hasColours)
  }

  private func write(_ lines: some Sequence<String>) -> Bool {
    TerminalScreen.write(lines.map { $0 + "\n" }.joined())
  }
}
