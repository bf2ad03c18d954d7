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
    let assessments = try engine.assess(keys: false).filter { $0.stage.type.type == ReportRecord.stageType }
    guard !assessments.isEmpty else {
      throw ValidationError("\(engine.pipeline.source) has no stage of type \(ReportRecord.stageType)")
    }
    for assessment in assessments {
      let name = assessment.stage.name
      let url = try pipeline.artifact(of: name, in: engine)
      let page = url.deletingPathExtension().appendingPathExtension("html")
      var isDrawable = assessment.state == .upToDate && !assessment.lacksRemoved
      if case .incomplete = assessment.state { isDrawable = true }
      if !isDrawable || !assessment.missingFiles.isEmpty { printError("\(name): \(assessment.why)") }
      if isDrawable, !FileManager.default.fileExists(atPath: page.path) {
        // where nothing can be written, what was drawn into the table is still told
        do { try redraw(name) } catch { printError("the page cannot be drawn: \(error)") }
      }
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
