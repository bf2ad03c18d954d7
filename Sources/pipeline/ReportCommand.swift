import ArgumentParser
import Artifacts
import Foundation
import Records
import Reports
import Stages
import Workflow

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Print the reports' verdicts and tables and say where their pages are; draws a missing page again.",
    discussion: """
      With --figures, each figure is also written as SVG and its numbers as CSV:
        pipeline report alanine.yaml --figures figures
      With --batch, a page of the matrix is written: a row for each combination, with links to their own pages:
        pipeline report dipeptides.yaml --batch dipeptides.html
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Option(
    help: ArgumentHelp(
      "Write each figure as SVG, and its numbers as CSV, into this folder (of several reports, into a folder of each in it).",
      valueName: "folder")) var figures: String?

  @Option(
    help: ArgumentHelp("Write a page of the whole batch, a row for each combination of the matrix.", valueName: "page"))
  var batch: String?

  func run() throws {
    let engine = try pipeline.engine()
    let all = try engine.assess(keys: false)
    let assessments = all.filter { $0.stage.type.type == ReportRecord.stageType }
    if let batch {
      try writeBatch(all, engine, to: URL(fileURLWithPath: batch))
      if assessments.allSatisfy({ $0.provenance == nil }) { return }
    }
    guard !assessments.isEmpty else {
      throw ValidationError("\(engine.pipeline.source) has no stage of type \(ReportRecord.stageType)")
    }
    for assessment in assessments {
      let name = assessment.stage.name
      // a page of a batch is of what there is
      if batch != nil, assessment.provenance == nil { continue }
      let url = try pipeline.artifact(of: name, in: engine)
      let page = url.deletingPathExtension().appendingPathExtension("html")
      var isDrawable = assessment.state == .upToDate && !assessment.lacksRemoved
      if case .incomplete = assessment.state { isDrawable = true }
      if !isDrawable || !assessment.missingFiles.isEmpty { printError("\(name): \(assessment.why)") }
      if isDrawable, !FileManager.default.fileExists(atPath: page.path) {
        // where nothing can be written, what was drawn into the table is still told
        do { try redraw(name) } catch { printError("the page cannot be drawn: \(error)") }
      }
      if isDrawable {
        let folder = figures.map { URL(fileURLWithPath: $0, isDirectory: true) }
        let own = assessments.count > 1 ? folder?.appendingPathComponent(name, isDirectory: true) : folder
        // where artifacts it was made from are gone, the table is still told
        do { try look(name, in: engine, figures: own) } catch let error where figures == nil {
          printError("\(name): no verdict: \(error)")
        }
      } else if figures != nil {
        printError("\(name): no figures are written")
      }
      print(try Artifact.open(url, verify: false).read(Recorded.report.table))
      if FileManager.default.fileExists(atPath: page.path) { print("page: \(page.relativePath)") }
    }
  }

  /// Prints the verdict, and writes the figures where a folder for them is given.
  private func look(_ stage: String, in engine: Engine, figures: URL?) throws {
    try engine.revisit(stage) { context in
      let (compared, options) = try ReportDrawing.material(context, title: engine.folder.url.lastPathComponent)
      if compared.count <= Self.mostWithVerdict, let verdict = try Report.verdict(compared: compared, options: options)
      {
        print(verdict.terminalText + "\n")
      }
      guard let figures else { return }
      let names = try ReportFigures(Report(compared: compared, options: options)).write(to: figures)
      print("figures: \(names.count) files in \(figures.relativePath)")
    }
  }

  /// Of more stages the page alone has a verdict: their artifacts are not all read for a few lines.
  private static let mostWithVerdict = 100

  private func writeBatch(_ assessments: [StageAssessment], _ engine: Engine, to page: URL) throws {
    let (definition, folder) = (engine.pipeline, engine.folder)
    guard let table = BatchTable(assessments, pipeline: definition, folder: folder, columns: StageCatalog.columns())
    else { throw ValidationError("\(definition.source) has no matrix, and so no batch to show") }
    let known = Dictionary(assessments.map { ($0.stage.name, $0) }, uniquingKeysWith: { first, _ in first })
    let rows = try table.rows.map { row -> BatchPage.Row in
      let stages = row.stages.compactMap { known[$0] }
      let open = stages.first { !$0.isFinished }
      let profiles = try stages.filter { $0.isFinished && !$0.lacksRemoved }.compactMap { stage -> BatchPage.Profile? in
        let url = folder.artifact(stage.stage.name)
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        return try BatchPage.Profile(of: Artifact.open(url, verify: false), stage: stage.stage.base)
      }
      let own = stages.last { $0.stage.type.type == ReportRecord.stageType }?.stage.name
      let report = own.map { folder.artifact($0).deletingPathExtension().appendingPathExtension("html") }
        .flatMap { FileManager.default.fileExists(atPath: $0.path) ? $0 : nil }
      return BatchPage.Row(
        cell: row.cell, state: row.state, isDone: row.isDone, why: open.map { "\($0.stage.name): \($0.why)" },
        values: row.values, seconds: row.seconds, profiles: profiles,
        page: report.map { RelativePath.of($0.path, from: page.deletingLastPathComponent()) })
    }
    let columns = table.columns.map { base, column in
      BatchPage.Column(
        title: "\(column.title) \(base)" + (column.unit.map { " / \($0)" } ?? ""), decimals: column.decimals)
    }
    let html = try BatchPage(title: definition.name, axes: table.axes, columns: columns, rows: rows).html()
    try Data(html.utf8).write(to: page, options: .atomic)
    print("page of the batch: \(page.relativePath)")
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
