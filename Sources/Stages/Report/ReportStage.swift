import Artifacts
import Basics
import Foundation
import Records
import Reports
import Workflow

/// `report`: the compared stages' answers side by side, printed and set as one offline HTML page, <stage>.html in the run folder.
///
/// The page is drawn from artifacts alone; `pipeline report FILE` draws it again where it is missing.
enum ReportStage: RecordedStage {
  static let version = 1
  static let summary = "set the answers of stages side by side, on the terminal and on one HTML page"
  static let reads: [SharedField] = [.temperature] + SharedField.stateFields
  static let output = Recorded.report
  static let sideFiles = [SideFile("html")]
  static var indirectInputs: [InputPath] {
    let (compared, samples, density) = (\Inputs.compare, \ReweightStage.Inputs.samples, \ReweightStage.Inputs.density)
    let (emulator, frames) = (\SampleStage.Inputs.emulator, \EmulatorStage.Inputs.frames)
    // explorations and comparisons name their reweighting by the same slot
    let carried = (\AnnealStage.Inputs.samples, \AnnealStage.Inputs.density)
    let (modelled, audited) = (\EnergyModelStage.Inputs.samples, \AuditStage.Inputs.reweight)
    return [
      InputPath(compared, samples, emulator, frames), InputPath(compared, density, modelled, emulator, frames),
      InputPath(compared, samples, carried.0, emulator, frames),
      InputPath(compared, samples, carried.1, modelled, emulator, frames),
      InputPath(compared, audited, samples, emulator, frames),
      InputPath(compared, audited, density, modelled, emulator, frames),
      InputPath(compared, \CompareStage.Inputs.reference),
    ]
  }

  struct Inputs: StageInputs {
    let compare = Input("stages to set side by side, in this order", eachOf: { StageCatalog.isCompared($0) })
  }

  static func run(_ context: StageContext) throws {
    let missing = context.missingInputs
    let lack = missing.isEmpty ? "" : ", without \(missing.joined(separator: ", ")): not finished"
    let (compared, options) = try ReportDrawing.material(
      context, title: context.output.url.deletingLastPathComponent().lastPathComponent + lack)
    let report = try Report(compared: compared, options: options)

    let plotly = Plotly.script()
    if plotly == nil {
      context.log("plotly.min.js is not in .deps (./bootstrap fetches it): figures are static drawings")
    }
    let page = try context.writeSideFile("html", Data(ReportPage(report).html(plotly: plotly).utf8))
    try write(compared, table: report.recordedTable, to: context.output)
    context.log("\n\(report.terminalText)\n\npage: \(page.relativePath)")
  }

  private static func write(_ compared: [ReportedStage], table: String, to writer: ArtifactWriter) throws {
    let (answer, weights) = (Recorded.reweight.freeEnergy, Recorded.reweight)
    func column(_ field: Number<Double>) throws -> [Double] { try compared.map { try $0.number(field) ?? .nan } }
    try writer.write(output.stages, compared.map(\.name))
    try writer.write(output.deltaF, column(answer.deltaF))
    try writer.write(output.standardError, column(answer.standardError))
    try writer.write(output.effectiveFraction, column(weights.effectiveFraction))
    try writer.write(output.effectiveFractionTruncated, column(weights.effectiveFractionTruncated))
    let intervals = try compared.flatMap { stage -> [Double] in
      try stage.interval(answer.interval).map { [$0.low, $0.high] } ?? [.nan, .nan]
    }
    try writer.write(output.interval, intervals, shape: [compared.count, 2])
    if compared.contains(where: { $0.type == ToyEnergyModelRecord.stageType }) {
      try writer.write(output.divergence, column(Recorded.toyEnergyModel.divergence))
    }
    try writer.write(output.table, table)
  }
}
