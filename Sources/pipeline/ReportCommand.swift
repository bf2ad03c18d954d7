import ArgumentParser
import Artifacts
import Foundation
import Records
import Reports
import Stages
import Workflow

struct ReportCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Print the reports' verdicts and tables and say where their pages are; draws a missing page again.",
    discussion: """
      Of a report that is not finished, it draws a page of what is (<stage>.partial.html), whether a run is at work or not.
      With --figures, each figure is also written as SVG and its numbers as CSV. With --batch, a page of the matrix is written: a row for each \
      combination, with links to their own pages.

      Example: pipeline report alanine.yaml
      Example: pipeline report alanine.yaml --figures figures
      Example: pipeline report dipeptides.yaml --batch dipeptides.html
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Option(
    help: ArgumentHelp(
      "Write each figure as SVG, and its numbers as CSV, into this folder (of several reports, into a folder of each in it).",
      valueName: "folder"), completion: .directory) var figures: String?
  @Option(
    help: ArgumentHelp("Write a page of the whole batch, a row for each combination of the matrix.", valueName: "page"),
    completion: .file())
  var batch: String?
  @OptionGroup var results: JSONOption

  private static let ending = "html"

  func run() throws {
    let engine = try pipeline.engine()
    let all = try engine.assess(keys: false)
    let reports = all.filter { $0.stage.type.type == ReportRecord.stageType }
    if batch == nil, reports.isEmpty {
      throw ValidationError("\(engine.pipeline.source) has no stage of type \(ReportRecord.stageType)")
    }
    var found: [ParameterValue] = []
    var standings: [String: Verdict.Standing] = [:]
    // a page of a batch is of what there is
    for report in reports where batch == nil || report.provenance != nil {
      let isFinished: Bool
      if case .incomplete = report.state { isFinished = true } else { isFinished = report.isFinished }
      let told = isFinished ? nil : try partial(report, all, engine)
      if told != nil, figures != nil {
        printError("\(report.stage.name): it is not finished, so no figures are written")
      }
      let folder = figures.map { URL(fileURLWithPath: $0, isDirectory: true) }
      let own = reports.count > 1 ? folder?.appendingPathComponent(report.stage.name, isDirectory: true) : folder
      found.append(try told ?? finished(report, engine, figures: own, &standings))
    }
    // last, so that it links to pages that were just drawn
    let table = try batch.map { try writeBatch(all, engine, standings, to: URL(fileURLWithPath: $0)) }
    results.print([
      "pipeline": .string(engine.pipeline.name), "reports": .list(found),
      "batch": .optional(batch.map { URL(fileURLWithPath: $0).relativePath }),
      "rows": table?.json ?? .list([]),
    ])
  }

  /// Notes what it says in a word.
  private func finished(
    _ report: StageAssessment, _ engine: Engine, figures: URL?, _ standings: inout [String: Verdict.Standing]
  ) throws -> ParameterValue {
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
    var verdict: Verdict?
    if isDrawable {
      // where artifacts it was made from are gone, the table is still told
      do { verdict = try look(name, in: engine, figures: figures, &standings) } catch let error where figures == nil {
        printError("\(name): no verdict: \(error)")
      }
    } else if figures != nil {
      printError("\(name): no figures are written")
    }
    standings[name] = verdict?.standing
    let isThere = FileManager.default.fileExists(atPath: page.path)
    return tell(
      name, verdict: verdict, table: try Artifact.open(url, verify: false).read(Recorded.report.table),
      page: isThere ? page : nil, missing: [], remark)
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
      report.stage.name, verdict: nil, table: try preview.artifact.read(Recorded.report.table), page: preview.file,
      missing: preview.missing, report.why)
  }

  private func tell(
    _ name: String, verdict: Verdict?, table: String, page: URL?, missing: [String], _ remark: String?
  ) -> ParameterValue {
    if !results.json {
      if let verdict { print(verdict.terminalText + "\n") }
      print(table)
      if !missing.isEmpty { print("not finished: \(missing.joined(separator: ", "))") }
      if let page { print("page: \(page.relativePath)") }
    }
    return [
      "stage": .string(name), "verdict": .optional(verdict?.terminalText),
      "standing": .optional(verdict?.standing.rawValue), "table": .string(table),
      "page": .optional(page?.relativePath),
      "missing": .list(missing.map { .string($0) }), "reason": .optional(remark),
    ]
  }

  /// The verdict; writes the figures where a folder for them is given.
  ///
  /// Of a page of a batch also the words of each row that the report is of, by the names of its stages: for rows without a report of their own.
  private func look(
    _ stage: String, in engine: Engine, figures: URL?, _ standings: inout [String: Verdict.Standing]
  ) throws -> Verdict? {
    var found: Verdict?
    var words: [String: Verdict.Standing] = [:]
    try engine.revisit(stage) { context in
      let (compared, options) = try ReportDrawing.material(context, title: engine.folder.url.lastPathComponent)
      if compared.count <= Self.mostWithVerdict {
        found = try Report.verdict(compared: compared, options: options)
      }
      let cells =
        batch == nil ? [:] : Dictionary(grouping: compared) { $0.name.split(separator: "@").dropFirst().joined() }
      for own in cells.values where cells.count > 1 {
        guard let word = try Report.verdict(compared: own, options: options)?.standing else { continue }
        for one in own { words[one.name] = word }
      }
      guard let figures else { return }
      let names = try ReportFigures(Report(compared: compared, options: options)).write(
        to: figures, check: engine.requireReplaceable)
      if !results.json { print("figures: \(names.count) files in \(figures.relativePath)") }
    }
    standings.merge(words) { $1 }
    return found
  }

  /// Of more stages the page alone has a verdict: their artifacts are not all read for a few lines.
  private static let mostWithVerdict = 100

  /// Returns the table of what is on the page.
  private func writeBatch(
    _ assessments: [StageAssessment], _ engine: Engine, _ standings: [String: Verdict.Standing], to page: URL
  ) throws -> BatchTable {
    let (definition, folder) = (engine.pipeline, engine.folder)
    guard var table = BatchTable(assessments, pipeline: definition, folder: folder, columns: StageCatalog.columns())
    else { throw ValidationError("\(definition.source) has no matrix, and so no batch to show") }
    let known = Dictionary(assessments.map { ($0.stage.name, $0) }, uniquingKeysWith: { first, _ in first })
    func report(of row: BatchTable.Row) -> String? {
      row.stages.last { known[$0]?.stage.type.type == ReportRecord.stageType }
    }
    // a report of its own, or the worst of what one of all says of its stages
    func standing(of row: BatchTable.Row) -> Verdict.Standing? {
      report(of: row).flatMap { standings[$0] } ?? row.stages.compactMap { standings[$0] }.max()
    }
    table.verdicts = table.rows.map { standing(of: $0)?.rawValue }
    let rows = try table.rows.map { row -> BatchPage.Row in
      let stages = row.stages.compactMap { known[$0] }
      let open = stages.first { !$0.isFinished }
      let profiles = try stages.filter { $0.isFinished && !$0.lacksRemoved }.compactMap { stage -> BatchPage.Profile? in
        let url = folder.artifact(stage.stage.name)
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        return try BatchPage.Profile(of: Artifact.open(url, verify: false), stage: stage.stage.base)
      }
      let own = report(of: row)
      let report = own.map { folder.artifact($0).deletingPathExtension().appendingPathExtension("html") }
        .flatMap { FileManager.default.fileExists(atPath: $0.path) ? $0 : nil }
      return BatchPage.Row(
        cell: row.cell, state: row.state, isDone: row.isDone, why: open.map { "\($0.stage.name): \($0.why)" },
        verdict: standing(of: row), values: row.values, errors: row.errors, seconds: row.seconds,
        profiles: profiles,
        page: report.map { RelativePath.of($0.path, from: page.deletingLastPathComponent()) })
    }
    let columns = table.columns.map { base, column in
      BatchPage.Column(
        title: "\(column.title) \(base)" + (column.unit.map { " / \($0)" } ?? ""), decimals: column.decimals)
    }
    let html = try BatchPage(title: definition.name, axes: table.axes, columns: columns, rows: rows).html()
    try engine.requireReplaceable(page)
    try FileSystem.write(Data(html.utf8), to: page)
    if !results.json { print("\n\(table.text)\npage of the batch: \(page.relativePath)") }
    return table
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
