import Artifacts
import Basics
import Foundation
import Reports
import Workflow

/// `report`: the compared stages' answers side by side, printed and set as one offline HTML page, <stage>.html in the run folder.
///
/// The artifact holds the numbers of the first table, one row for each compared stage, under /results; what a stage does
/// not know is nan:
///
/// | path | what |
/// |---|---|
/// | stages [stages] | names |
/// | delta_f, delta_f_standard_error [stages] | kT |
/// | delta_f_interval [stages, 2] | 95 %, kT |
/// | ess_fraction, ess_fraction_truncated [stages] | Kish, of all samples |
/// | kl [stages] | nat, where a system of known density is among them |
/// | table | the table as it was printed, without times |
///
/// The page is drawn from artifacts alone; `pipeline report FILE` draws it again where it is missing.
public enum ReportStage: StageType {
  public static let type = "report"
  public static let version = 1
  public static let summary = "set the answers of stages side by side, on the terminal and on one HTML page"
  public static let reads: [SharedField] = [.temperature, .state]
  public static let indirectInputs: [InputPath] = [
    ["compare", "samples", "emulator", "frames"], ["compare", "density", "samples", "emulator", "frames"],
    ["compare", "reweight", "samples", "emulator", "frames"],
    ["compare", "reweight", "density", "samples", "emulator", "frames"], ["compare", "reference"],
  ]

  public static let parameters: [ParameterField] = [
    ParameterField(
      "compare", .stages(["reweight", "audit", "umbrella", CompareStage.type, ToyEnergyModelStage.type]),
      help: "stages to set side by side, in this order")
  ]

  public static func run(_ context: StageContext) throws {
    let compared = try context.inputs("compare").map(reported)
    let folder = context.output.url.deletingLastPathComponent()
    let state = context.system.state
    let options = Report.Options(
      title: folder.lastPathComponent, temperature: context.temperature,
      state:
        "\(NumberText.significant(state.from)) < \(state.torsion) < \(NumberText.significant(state.to)) rad",
      torsion: state.torsion)
    let report = try Report(compared: compared, options: options)

    let plotly = Plotly.script()
    if plotly == nil {
      context.log("plotly.min.js is not in .deps (./bootstrap fetches it): figures are static drawings")
    }
    let page = folder.appendingPathComponent("\(context.stage).html")
    do {
      try Data(ReportPage(report).html(plotly: plotly).utf8).write(to: page, options: .atomic)
    } catch let error as CocoaError {
      throw ReportStageError.unwritable(file: page.path, reason: error.localizedDescription)
    }

    try write(compared, table: report.untimedSummary.rendered(), to: context.output)
    context.log("\n\(report.terminalText)\n\npage: \(page.relativePath)")
  }

  private static func write(_ compared: [ReportedStage], table: String, to output: ArtifactWriter) throws {
    let count = compared.count
    try output.write("results/stages", strings: compared.map(\.name))
    for (name, units) in [
      ("delta_f", "kT"), ("delta_f_standard_error", "kT"), ("ess_fraction", nil), ("ess_fraction_truncated", nil),
    ] {
      let values = try compared.map { try $0.number("results/\(name)") ?? .nan }
      try output.write("results/\(name)", values, shape: [count], units: units, dims: ["stage"])
    }
    let intervals = try compared.flatMap { stage -> [Double] in
      try stage.interval("results/delta_f_interval").map { [$0.low, $0.high] } ?? [.nan, .nan]
    }
    try output.write("results/delta_f_interval", intervals, shape: [count, 2], units: "kT", dims: ["stage", "end"])
    if compared.contains(where: { $0.type == ToyEnergyModelStage.type }) {
      let values = try compared.map { try $0.number("results/kl") ?? .nan }
      try output.write("results/kl", values, shape: [count], units: "nat", dims: ["stage"])
    }
    try output.write("results/table", string: table)
  }

  /// An input with those of its inputs that this stage declares.
  private static func reported(_ input: StageInput) -> ReportedStage {
    var inputs: [String: ReportedStage] = [:]
    for slot in ["reweight", "reference", "samples", "density", "emulator", "frames"] {
      if let inner = input.optionalInput(slot) { inputs[slot] = reported(inner) }
    }
    return ReportedStage(name: input.name, type: input.type, artifact: input.artifact, inputs: inputs)
  }
}

/// The report could not be put where it belongs.
public enum ReportStageError: Error, CustomStringConvertible {
  case unwritable(file: String, reason: String)

  public var description: String {
    switch self {
    case .unwritable(let file, let reason):
      "\(file): cannot be written (\(reason)); make room or change its permissions and run again"
    }
  }
}
