import ArgumentParser
import Basics
import Foundation
import Stages
import Workflow

/// Whether a command prints its results for people or for programs.
struct JSONOption: ParsableArguments {
  @Flag(help: "Print the result as JSON; docs/json.md has its keys.") var json = false

  /// Prints it, where JSON is wanted.
  func print(_ value: ParameterValue) {
    if json { Swift.print(value.prettyJSON) }
  }
}

/// A command that is about a pipeline file.
protocol PipelineCommand: ParsableCommand {
  var pipeline: PipelineOptions { get }
}

/// The pipeline file and what changes it: what nearly every command takes.
struct PipelineOptions: ParsableArguments {
  @Argument(
    help: "The pipeline file, looked for here and in pipelines/; to look at results also their run folder.",
    completion: Completions.files)
  var file: String
  @Option(
    name: .customLong("set"), help: ArgumentHelp("Override a value of the file.", valueName: "stage.parameter=value"))
  var overrides: [String] = []
  @Option(help: ArgumentHelp("The folder of all run folders.", valueName: "folder"), completion: .directory)
  var runs = "runs"

  /// Input files that are not there are no error here: see `PipelineDefinition.missingFiles`.
  func load(strictly: Bool = false) throws -> PipelineDefinition {
    let loader = PipelineLoader(registry: StageCatalog.registry, toleratesMissingFiles: !strictly)
    if let folder = runFolder {
      guard var origin = RunOrigin.read(folder)?.pipeline else {
        throw EngineError.folder(
          path: file, reason: "is a folder that does not say which pipeline file made it; name the pipeline file")
      }
      origin.overrides += overrides
      return try loader.load(origin)
    }
    let (url, shown) = try PipelineLoader.find(file)
    return try loader.load(url, shownAs: shown, overrides: overrides)
  }

  /// The run folder that is named in the place of a pipeline file: for looking, where nothing else is left.
  private var runFolder: URL? {
    if (try? PipelineLoader.find(file)) != nil { return nil }
    let url = URL(fileURLWithPath: file, isDirectory: true)
    return FileCalls.presence(url.path) == .there(isFolder: true) ? url : nil
  }

  /// Throws where a run folder is named and the pipeline file itself is needed.
  func needFile(for command: String) throws {
    guard runFolder != nil else { return }
    throw ValidationError("\(file) is a run folder, which can be looked at; '\(command)' needs the pipeline file")
  }

  func folder(_ pipeline: PipelineDefinition) -> RunFolder {
    if let runFolder { return RunFolder(runFolder) }
    return RunFolder(runs: URL(fileURLWithPath: runs, isDirectory: true), pipeline: pipeline)
  }

  func engine() throws -> Engine {
    let pipeline = try load()
    return Engine(pipeline: pipeline, folder: folder(pipeline), console: Console())
  }

  /// The file of a stage's artifact. Throws `EngineError` where there is no such stage, or nothing yet.
  func artifact(of stage: String, in engine: Engine) throws -> URL {
    let known = engine.pipeline.stages.map(\.name)
    guard known.contains(stage) else { throw EngineError.unknownStage(stage, known: known) }
    let url = engine.folder.artifact(stage)
    guard FileCalls.presence(url.path) != .absent else {
      throw EngineError.noArtifact(stage: stage, file: url.relativePath)
    }
    return url
  }

  /// The words that go on with the last run in the folder: the file itself where its folder was named, and that run's overrides where none
  /// are given here.
  func wordsOfRun(_ definition: PipelineDefinition) -> [String] {
    guard let last = RunOrigin.read(folder(definition).url)?.pipeline, last.file == definition.origin?.file else {
      return words
    }
    var found = self
    if runFolder != nil { found.file = last.shown }
    found.overrides = overrides.isEmpty || runFolder != nil ? last.overrides + overrides : overrides
    return found.words
  }

  /// The words that select the same file, overrides and folder.
  var words: [String] { [file] + overrides.flatMap { ["--set", $0] } + (runs == "runs" ? [] : ["--runs", runs]) }
}

/// Which stages, by how many threads, and how often they save: what the commands that let stages work take.
struct WorkOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Only these stages: full names, names in the file (every cell of the matrix), patterns with * and ?, or @entry.",
      valueName: "stage,..."), completion: Completions.selections) var only: [String] = []
  @Option(
    help: "Threads of each stage (default: of 'run' the cores, divided by the jobs; of 'submit' the profile's cpus).")
  var threads: Int?
  @Option(help: ArgumentHelp("Time between checkpoints.", valueName: "seconds")) var checkpointInterval = 60.0
  @Flag(help: "Take finished stages as they are where their input files are not there any more to be compared.")
  var archived = false

  func validate() throws {
    if let threads, !(1...4096).contains(threads) { throw ValidationError("--threads must be 1 to 4096") }
    guard checkpointInterval.isFinite, checkpointInterval >= 0 else {
      throw ValidationError("--checkpoint-interval must be 0 s or more")
    }
  }

  var options: RunOptions {
    var options = RunOptions()
    options.only = only.flatMap { $0.split(separator: ",").map(String.init) }
    (options.threads, options.checkpointInterval) = (threads, checkpointInterval)
    return options
  }

  /// The words for threads and checkpoints, but for what goes without saying.
  var words: [String] {
    (threads.map { ["--threads", "\($0)"] } ?? [])
      + (checkpointInterval == 60 ? [] : ["--checkpoint-interval", "\(checkpointInterval)"])
      + (archived ? ["--archived"] : [])
  }
}

/// The program and its arguments as the user would type them again.
enum CommandLineText {
  private static var isInPackage: Bool {
    var folder = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    while true {
      if FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) { return true }
      let above = folder.deletingLastPathComponent()
      if above.path == folder.path { return false }
      folder = above
    }
  }

  static func command(_ words: [String]) -> String {
    let name = CommandLine.arguments.first ?? "pipeline"
    let built = name.contains("/release/") ? "swift run -c release pipeline" : "swift run pipeline"
    // `swift run` works where the package is the working folder, or one of those above it. It starts the program in the folder of the
    // platform; whoever has its path under .build/debug typed that, or an alias of it
    let isTyped = ["/.build/debug/", "/.build/release/"].contains(where: name.contains)
    let program = name.contains("/.build/") && !isTyped && isInPackage ? built : ShellText.quoted(name)
    return ([program] + words.map(ShellText.quoted)).joined(separator: " ")
  }
}

func printError(_ text: String) { StandardError.write(text + "\n") }
