import Artifacts
import Basics
import Foundation
import Records

/// What a finished run has to say: tables and figures, drawn on a terminal or on one HTML page.
///
/// It computes nothing: each number of a table was written by the stage it belongs to, under the fixed names below
/// `/results`. Only pictures are binned and thinned, for the eye.
public struct Report {
  struct Section {
    let title, text: String
    let tables: [TextTable]
    let figures: [Figure]

    /// Tables without rows are left out.
    init(title: String, text: String, tables: [TextTable] = [], figures: [Figure] = []) {
      (self.title, self.text, self.figures) = (title, text, figures)
      self.tables = tables.filter { !$0.rows.isEmpty }
    }

    var isEmpty: Bool { tables.isEmpty && figures.isEmpty }
  }

  /// What a stage warned of when it ran.
  public struct Warning: Equatable, Sendable {
    public let stage: String
    public let message: String
  }

  public struct Options: Sendable {
    public let title: String  // What the report is about; the run's name
    public let temperature: Double  // K
    /// The state of the free-energy difference, in words: "0 < phi < 2 rad", "alpha against beta".
    public let state: String
    public let torsion: String?  // Along which free energies are drawn: the state's; nil where it has none
    public let isOfNamedStates: Bool  // Whether differences are those of a pair of named states

    public init(
      title: String, temperature: Double, state: String, torsion: String?, isOfNamedStates: Bool = false
    ) {
      (self.title, self.temperature, self.state, self.torsion) = (title, temperature, state, torsion)
      self.isOfNamedStates = isOfNamedStates
    }
  }

  public let options: Options
  public let warnings: [Warning]
  /// The compared stages' answers side by side: the report's first table. Free-energy differences, where there are any.
  public let summary: TextTable
  public let untimedSummary: TextTable  // The same without what a clock gave, so that equal runs have equal artifacts
  let subtitle: String  // What stands below the title
  let note: String?  // What the page leaves out
  let sections: [Section]
  /// Each stage with the canonical text that its key was made from; of many, the first ones.
  public let stages: [(name: String, canonical: String)]

  /// - Parameter compared: the stages whose answers stand side by side, in the order they are shown.
  /// - Throws: what reading a damaged artifact throws; pieces that were never written are left out.
  public init(compared: [ReportedStage], options: Options) throws {
    let run = ReportedRun(compared: compared, options: options)
    self.options = options
    let known = try run.freeEnergyTable()
    summary = try known.rows.isEmpty ? run.divergenceTable() : known
    untimedSummary = try known.rows.isEmpty ? run.divergenceTable(timed: false) : known
    let about = "\(NumberText.significant(options.temperature)) K, state \(options.state)"
    subtitle = known.rows.isEmpty ? "systems whose density is known" : about
    sections = try [
      run.freeEnergySection(), run.pairSection(), run.comparisonSection(), run.densitySection(),
      run.populationSection(),
      run.inFull.sampleSection(), run.energyModelSection(), run.auditSection(), run.explorationSection(),
      run.umbrellaSection(),
      run.inFull.trainingSection(), run.timingSection(), run.inFull.resultsSection(), run.inFull.provenanceSection(),
    ].filter { !$0.isEmpty }
    let shown = run.inFull
    note =
      shown.compared.count + shown.others.count == compared.count
      ? nil
      : "\(compared.count) stages are set side by side here. Tables of results hold them all; figures, times, single numbers, provenance"
        + " and parameters are those of the first \(ReportedRun.fullCount) and of the first reference. A page of fewer stages shows theirs."
    stages = shown.stages.map { ($0.name, $0.artifact.provenance.canonical) }
    warnings = run.stages.flatMap { stage in
      stage.artifact.provenance.warnings.map { Warning(stage: stage.name, message: $0) }
    }
  }

  /// What is printed when the report is done: warnings, the summary, and nothing that scrolls away.
  public var terminalText: String {
    let said = warnings.map { "WARNING  \($0.stage): \($0.message)" }
    return (said + (said.isEmpty ? [] : [""]) + [summary.rendered()]).joined(separator: "\n")
  }
}

struct ReportedRun {
  let compared: [ReportedStage]
  let others: [ReportedStage]  // Those that give no free energy of their own: the `compare` and `explore` stages
  let options: Report.Options
  let stages: [ReportedStage]  // Every stage that was reached, once, inputs before those that use them

  init(compared: [ReportedStage], options: Report.Options) {
    let others = [CompareRecord.stageType, ExploreRecord.stageType]
    self.compared = compared.filter { !others.contains($0.type) }
    self.others = compared.filter { others.contains($0.type) }
    self.options = options
    var seen: Set<String> = []
    stages = compared.flatMap(\.lineage).filter { seen.insert($0.name).inserted }
  }

  /// Of so many compared stages everything is shown. Of each further one only rows of tables are: a page of thousands has to open.
  static let fullCount = 32

  /// The first of the compared stages, with the first reference and what they were made from; where they are few, all.
  var inFull: ReportedRun {
    let all = compared + others
    guard all.count > Self.fullCount else { return self }
    let reference = umbrellas.first?.name
    let first = Set(compared.prefix(Self.fullCount).map(\.name) + [reference].compactMap { $0 })
    return ReportedRun(
      compared: compared.filter { first.contains($0.name) } + others.prefix(Self.fullCount), options: options)
  }

  func all<Output: StageRecord>(_: Output.Type) -> [ReportedStage] { stages.filter { $0.type == Output.stageType } }
  var comparisons: [ReportedStage] { others.filter { $0.type == CompareRecord.stageType } }
  var reweighted: [ReportedStage] { compared.filter { $0.type == ReweightRecord.stageType } }
  /// Windows are umbrella sampling too, whoever ran them.
  static let umbrellaTypes = [UmbrellaRecord.stageType, WindowsRecord.stageType]
  var umbrellas: [ReportedStage] { compared.filter { Self.umbrellaTypes.contains($0.type) } }

  /// The colour of a compared stage, the same in every figure.
  func colour(_ stage: ReportedStage) -> String {
    if stage.name == umbrellas.first?.name { return Palette.reference }
    let others = compared.filter { $0.name != umbrellas.first?.name }
    return Palette.stage(others.firstIndex { $0.name == stage.name } ?? 0)
  }
}
