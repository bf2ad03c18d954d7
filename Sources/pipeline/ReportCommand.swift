import ArgumentParser
import Artifacts
import Foundation
import Records
import Stages
import Workflow

struct ReportCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Print the reports' tables and say where their pages are; draws a missing page again.",
    discussion: """
      Of a report that is not finished, it draws a page of what is (<stage>.partial.html), whether a run is at work or not.

      Example: pipeline report alanine.yaml
      """)

  @OptionGroup var pipeline: PipelineOptions
  @OptionGroup var results: JSONOption

  private static let ending = "html"

  func run() throws {
    let engine = try pipeline.engine()
    let assessments = try engine.assess(keys: false)
    let reports = assessments.filter { $0.stage.type.type == ReportRecord.stageType }
    guard !reports.isEmpty else {
      throw ValidationError("\(engine.pipeline.source) has no stage of type \(ReportRecord.stageType)")
    }
    var found: [ParameterValue] = []
    for report in reports {
      let isFinished: Bool
      if case .incomplete = report.state { isFinished = true } else { isFinished = report.isFinished }
      let told = isFinished ? nil : try partial(report, assessments, engine)
      found.append(try told ?? finished(report, engine))
    }
    results.print(["pipeline": .string(engine.pipeline.name), "reports": .list(found)])
  }

  private func finished(_ report: StageAssessment, _ engine: Engine) throws -> ParameterValue {
    let name = report.stage.name
    let url = try pipeline.artifact(of: name, in: engine)
    let page = url.deletingPathExtension().appendingPathExtension(Self.ending)
    var isDrawable = report.state == .upToDate && !report.lacksRemoved
    if case .incomplete = report.state { isDrawable = true }
    let remark = !isDrawable || !report.missingFiles.isEmpty ? report.why : nil
    if let remark { printError("\(name): \(remark)") }
    if isDrawable, !FileManager.default.fileExists(atPath: page.path) {
      // where nothing can be written, what was drawn into the table is still told
      do { try redraw(name) } catch { printError("the page cannot be drawn: \(error)") }
    }
    if isDrawable { engine.removePreview(name, keeping: Self.ending) }
    let isThere = FileManager.default.fileExists(atPath: page.path)
    return tell(
      name, table: try Artifact.open(url, verify: false).read(Recorded.report.table), page: isThere ? page : nil,
      missing: [], remark)
  }

  /// Nil where nothing of what it compares is finished.
  private func partial(_ report: StageAssessment, _ assessments: [StageAssessment], _ engine: Engine) throws
    -> ParameterValue?
  {
    let preview: Engine.Preview?
    do { preview = try engine.preview(report.stage, assessments, keeping: Self.ending) } catch {
      printError("\(report.stage.name): what is finished cannot be drawn: \(error)")
      return nil
    }
    guard let preview else { return nil }
    printError("\(report.stage.name): \(report.why)")
    return tell(
      report.stage.name, table: try preview.artifact.read(Recorded.report.table), page: preview.file,
      missing: preview.missing, report.why)
  }

  private func tell(_ name: String, table: String, page: URL?, missing: [String], _ remark: String?) -> ParameterValue {
    if !results.json {
      print(table)
      if !missing.isEmpty { print("not finished: \(missing.joined(separator: ", "))") }
      if let page { print("page: \(page.relativePath)") }
    }
    return [
      "stage": .string(name), "table": .string(table), "page": .optional(page?.relativePath),
      "missing": .list(missing.map { .string($0) }), "reason": .optional(remark),
    ]
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
