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
    let molecules: [MoleculeFigure]

    /// Tables without rows are left out.
    init(
      title: String, text: String, tables: [TextTable] = [], figures: [Figure] = [], molecules: [MoleculeFigure] = []
    ) {
      (self.title, self.text, self.figures, self.molecules) = (title, text, figures, molecules)
      self.tables = tables.filter { !$0.rows.isEmpty }
    }

    var isEmpty: Bool { tables.isEmpty && figures.isEmpty && molecules.isEmpty }
  }

  /// Samples of a torsion or several with their weights.
  public struct WeightedSamples {
    public let columns: [[Double]]  // [torsions][samples], rad
    public let weights: [Double]

    public init(columns: [[Double]], weights: [Double]) { (self.columns, self.weights) = (columns, weights) }
  }

  /// What artifacts mean, where it takes the science to tell: whoever makes the report knows. Each gives nil where it cannot say.
  public struct Readers {
    /// The molecule of a text in MDTraj's JSON, and a frame of it [atoms, 3], nm.
    public var molecule: (String, [Double]) -> MoleculeDrawing.Molecule? = { _, _ in nil }
    /// The state of each sample of a stage, by its place among the states, the rest last.
    public var states: (ReportedStage) throws -> [Int]? = { _ in nil }
    /// Samples of umbrella windows by these torsions, with the weights that undo the biases.
    public var windows: (ReportedStage, [String]) throws -> WeightedSamples? = { _, _ in nil }

    /// Whether a stage's words for its ensemble are those of a molecule with bonds held.
    public var isConstrained: (String) -> Bool = { _ in false }
    /// What a force field, as keys have it, puts around the molecule: "in OBC2 water without a surface term"; nil where it does not tell.
    public var surroundings: (String) -> String? = { _ in nil }

    public init() {}
  }

  /// What a stage warned of when it ran.
  public struct Warning: Equatable, Sendable {
    public let stage: String
    public let remark: Remark
  }

  public struct Options {
    public let title: String  // What the report is about; the run's name
    public let temperature: Double  // K
    /// The state of the free-energy difference, in words: "0 < phi < 2 rad", "alpha against beta".
    public let state: String
    public let torsion: String?  // Along which free energies are drawn: the state's; nil where it has none
    public let isOfNamedStates: Bool  // Whether differences are those of a pair of named states
    public let limits: Limits
    public let readers: Readers
    public let pipelineFile: String?  // As the user named it

    public init(
      title: String, temperature: Double, state: String, torsion: String?, isOfNamedStates: Bool = false,
      limits: Limits, readers: Readers = Readers(), pipelineFile: String? = nil
    ) {
      (self.title, self.temperature, self.state, self.torsion) = (title, temperature, state, torsion)
      (self.isOfNamedStates, self.limits, self.readers) = (isOfNamedStates, limits, readers)
      self.pipelineFile = pipelineFile
    }
  }

  public let options: Options
  /// The first sentences; nil where no stage asks for a free energy.
  public let verdict: Verdict?
  /// The gravest first, notes last.
  public let warnings: [Warning]
  /// The compared stages' answers side by side: the report's first table. Free-energy differences, where there are any.
  public let summary: TextTable
  public let untimedSummary: TextTable  // The same without what a clock gave, so that equal runs have equal artifacts
  /// dF of each pair of states by each stage, where there are several pairs: the tables above hold the first one alone.
  public let pairs: TextTable?
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
    let pairs = try run.pairSection()
    self.pairs = pairs.tables.first.flatMap {
      Set($0.rows.map { $0.prefix(2).joined(separator: "\n") }).count > 1 ? $0 : nil
    }
    let about = "\(NumberText.significant(options.temperature)) K, state \(options.state)"
    subtitle = known.rows.isEmpty ? "systems whose density is known" : about
    sections = try [
      run.freeEnergySection(), pairs, run.comparisonSection(), run.densitySection(),
      run.populationSection(), run.inFull.moleculeSection(),
      run.inFull.sampleSection(), run.energyModelSection(), run.perturbationSection(), run.cycleSection(),
      run.auditSection(),
      run.explorationSection(),
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
    let said = run.stages.flatMap { stage in
      stage.artifact.provenance.allRemarks.map { Warning(stage: stage.name, remark: $0) }
    }
    warnings = Remark.Gravity.allCases.flatMap { gravity in said.filter { $0.remark.gravity == gravity } }
    verdict = try run.verdict()
  }

  /// The verdict alone, without the pictures.
  public static func verdict(compared: [ReportedStage], options: Options) throws -> Verdict? {
    try ReportedRun(compared: compared, options: options).verdict()
  }

  /// The tables as an artifact keeps them, without what a clock gave: the answers, and those of all pairs.
  public var recordedTable: String {
    [untimedSummary, pairs].compactMap { $0?.rendered() }.joined(separator: "\n\n")
  }

  /// What is printed when the report is done: the verdict, warnings, the summary, and nothing that scrolls away.
  public var terminalText: String {
    let said = warnings.map { warning in
      "\(warning.remark.gravity == .note ? "note    " : "WARNING ") \(warning.stage): \(warning.remark.message)"
    }
    return [
      verdict?.terminalText, said.isEmpty ? nil : said.joined(separator: "\n"), summary.rendered(), pairs?.rendered(),
    ]
    .compactMap { $0 }.joined(separator: "\n\n")
  }
}

struct ReportedRun {
  let compared: [ReportedStage]
  let others: [ReportedStage]  // Those that give no free energy of their own: the `compare` and `explore` stages
  let options: Report.Options
  /// By the name of a stage, those of the compared ones (and references) that rest on it.
  let resting: [String: Set<String>]
  /// How many topologies the compared stages are of.
  let moleculeCount: Int
  let stages: [ReportedStage]  // Every stage that was reached, once, inputs before those that use them

  init(compared: [ReportedStage], options: Report.Options) {
    let others = [CompareRecord.stageType, ExploreRecord.stageType]
    self.compared = compared.filter { !others.contains($0.type) }
    self.others = compared.filter { others.contains($0.type) }
    self.options = options
    var seen: Set<String> = []
    stages = compared.flatMap(\.lineage).filter { seen.insert($0.name).inserted }
    var resting: [String: Set<String>] = [:]
    var molecules: Set<String> = []
    let shown = self.compared + Self.references(self.others, beside: self.compared)
    for stage in shown {
      for source in stage.lineage { resting[source.name, default: []].insert(stage.name) }
      if let topology = Self.topology(stage) { molecules.insert(topology) }
    }
    (self.resting, moleculeCount) = (resting, molecules.count)
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
