import ArgumentParser
import Artifacts
import Foundation
import Records
import Stages
import Workflow

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Print the reports' tables and say where their pages are; draws a missing page again.")

  @OptionGroup var pipeline: PipelineOptions

  func run() throws {
    let engine = try pipeline.engine()
    let assessments = try engine.assess().filter { $0.stage.type.type == ReportRecord.stageType }
    guard !assessments.isEmpty else {
      throw ValidationError("\(engine.pipeline.source) has no stage of type \(ReportRecord.stageType)")
    }
    for assessment in assessments {
      let name = assessment.stage.name
      let url = try pipeline.artifact(of: name, in: engine)
      if assessment.state != .upToDate { printError("\(name) is not up to date: \(assessment.state)") }
      let page = url.deletingPathExtension().appendingPathExtension("html")
      if assessment.state == .upToDate, !FileManager.default.fileExists(atPath: page.path) { try redraw(name) }
      print(try Artifact.open(url, verify: false).read(Recorded.report.table))
      if FileManager.default.fileExists(atPath: page.path) { print("page: \(page.relativePath)") }
    }
  }

  private func redraw(_ stage: String) throws {
    let definition = try pipeline.load()
    let folder = pipeline.folder(definition)
    try folder.lock(as: CommandLineText.command(["report"] + pipeline.words))
    var options = RunOptions()
    (options.only, options.force) = ([stage], [stage])
    let engine = Engine(
      pipeline: definition, folder: folder, console: Console(quiet: true), environment: Libraries.environment)
    for outcome in try engine.run(options).stages {
      if case .failed(let message) = outcome.result {
        throw EngineError.stageFailed(stage: outcome.stage, message: message)
      }
    }
  }
}
