import Artifacts
import ArgumentParser
import Foundation
import Stages
import Workflow

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show each stage's state, why, when it was finished, and its warnings.")

  @OptionGroup var pipeline: PipelineOptions

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let engine = try pipeline.engine()
    let assessments = try engine.assess()
    let slurm = SlurmRun(engine)
    let found = slurm.hasSubmissions ? slurm.status() : (stages: [:], remark: nil)
    if json {
      if let remark = found.remark { printError("the queue is not known: \(remark)") }
      print(
        StatusTable.json(
          assessments, pipeline: engine.pipeline, batch: Self.batch(assessments, engine, found.stages),
          jobs: found.stages
        ).prettyJSON)
      return
    }
    print(Self.text(assessments, engine, found.stages))
    if let remark = found.remark { print("the queue is not known: \(remark)") }
    if let holder = engine.folder.holder() { print("running: \(holder)") }
  }

  /// The table of stages and, for a matrix, that of its combinations.
  static func text(_ assessments: [StageAssessment], _ engine: Engine, _ jobs: [String: JobStatus]) -> String {
    StatusTable.text(assessments, folder: engine.folder, jobs: jobs)
      + (batch(assessments, engine, jobs).map { "\n\n" + $0.text } ?? "")
  }

  private static func batch(
    _ assessments: [StageAssessment], _ engine: Engine, _ jobs: [String: JobStatus]
  ) -> BatchTable? {
    BatchTable(
      assessments, pipeline: engine.pipeline, folder: engine.folder, columns: PipelineOptions.batchColumns, jobs: jobs)
  }
}

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Say why stages run or are skipped: the fields of their keys that differ.")

  @OptionGroup var pipeline: PipelineOptions

  @Argument(help: "Stages, by full names, names in the file or patterns; all of them if left out.")
  var stages: [String] = []

  func run() throws {
    let engine = try pipeline.engine()
    let wanted = try engine.names(matching: stages)
    for assessment in try engine.assess() where stages.isEmpty || wanted.contains(assessment.stage.name) {
      print(StatusTable.explanation(assessment))
    }
  }
}

struct GraphCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Show how the stages depend on each other.")

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, dot, mermaid }

  @OptionGroup var pipeline: PipelineOptions

  @Option(help: "text, dot (Graphviz) or mermaid.")
  var format = Format.text

  func run() throws {
    let definition = try pipeline.load()
    switch format {
    case .text: print(PipelineGraph.text(definition))
    case .dot: print(PipelineGraph.dot(definition))
    case .mermaid: print(PipelineGraph.mermaid(definition))
    }
  }
}

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Read every artifact and checkpoint again and compare it with its digest.")

  @OptionGroup var pipeline: PipelineOptions

  func run() throws {
    let found = try pipeline.engine().verify()
    for file in found { print(file.problem.map { "DAMAGED  \(file.file): \($0)" } ?? "sound    \(file.file)") }
    let damaged = found.filter { $0.problem != nil }
    print("\(found.count) files read, \(damaged.count) damaged")
    if !damaged.isEmpty {
      printError(
        "damaged artifacts are set aside and made again by: " + CommandLineText.command(["run"] + pipeline.words))
      throw ExitCode(1)
    }
  }
}

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what an artifact holds: names, types, shapes, units, small values.")

  @OptionGroup var pipeline: PipelineOptions

  @Argument(help: "The stage; left out where the file is an artifact itself.")
  var stage: String?

  func run() throws {
    if pipeline.file.hasSuffix(".h5"), stage == nil {
      print(try ArtifactInspection.text(Artifact.open(URL(fileURLWithPath: pipeline.file), verify: false)))
      return
    }
    let engine = try pipeline.engine()
    let known = engine.pipeline.stages.map(\.name)
    guard let stage else { throw ValidationError("name a stage: \(known.joined(separator: ", "))") }
    guard known.contains(stage) else { throw EngineError.unknownStage(stage, known: known) }
    let url = engine.folder.artifact(stage)
    guard FileManager.default.fileExists(atPath: url.path) else {
      throw EngineError.noArtifact(stage: stage, file: url.relativePath)
    }
    print(try ArtifactInspection.text(Artifact.open(url, verify: false)))
  }
}

struct CleanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clean",
    abstract: "List what a run folder no longer needs; delete it with --yes.",
    discussion:
      "Damaged files set aside, leftovers of killed runs, checkpoints of finished stages, artifacts of stages "
      + "that are not in the file. Nothing is deleted without --yes.")

  @OptionGroup var pipeline: PipelineOptions

  @Flag(help: "Every artifact and checkpoint.")
  var all = false

  @Flag(help: "Delete the files.")
  var yes = false

  func run() throws {
    let engine = try pipeline.engine()
    if yes, FileManager.default.fileExists(atPath: engine.folder.url.path) {
      try engine.folder.lock(as: CommandLineText.command(["clean"] + pipeline.words))
    }
    let files = try engine.removable(all: all)
    for file in files { print("\(file.url.lastPathComponent)  \(file.bytes) bytes  \(file.reason)") }
    if yes { try engine.remove(files) }
    let total = files.reduce(0) { $0 + $1.bytes }
    let advice = yes || files.isEmpty ? "" : "; nothing was deleted, --yes deletes them"
    print("\(files.count) files, \(total) bytes\(yes ? " deleted" : "")\(advice)")
  }
}

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.")

  func run() { print(PipelineSchema.schema(StageCatalog.registry).prettyJSON) }
}

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Print the reports' tables and say where their pages are; draws a missing page again.")

  @OptionGroup var pipeline: PipelineOptions

  func run() throws {
    let engine = try pipeline.engine()
    let assessments = try engine.assess().filter { $0.stage.type.type == ReportStage.type }
    guard !assessments.isEmpty else {
      throw ValidationError("\(engine.pipeline.source) has no stage of type \(ReportStage.type)")
    }
    for assessment in assessments {
      let name = assessment.stage.name
      let url = engine.folder.artifact(name)
      guard FileManager.default.fileExists(atPath: url.path) else {
        throw EngineError.noArtifact(stage: name, file: url.relativePath)
      }
      if assessment.state != .upToDate { printError("\(name) is not up to date: \(assessment.state)") }
      let page = url.deletingPathExtension().appendingPathExtension("html")
      if assessment.state == .upToDate, !FileManager.default.fileExists(atPath: page.path) { try redraw(name) }
      print(try Artifact.open(url, verify: false).readString("results/table"))
      if FileManager.default.fileExists(atPath: page.path) { print("page: \(page.relativePath)") }
    }
  }

  private func redraw(_ stage: String) throws {
    let definition = try pipeline.load()
    let folder = pipeline.folder(definition)
    try folder.lock(as: CommandLineText.command(["report"] + pipeline.words))
    var options = RunOptions()
    options.only = [stage]
    options.force = [stage]
    let engine = Engine(
      pipeline: definition, folder: folder, console: Console(quiet: true), environment: Libraries.environment)
    for outcome in try engine.run(options).stages {
      if case .failed(let message) = outcome.result {
        throw EngineError.stageFailed(stage: outcome.stage, message: message)
      }
    }
  }
}
