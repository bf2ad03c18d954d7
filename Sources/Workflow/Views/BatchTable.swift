import Artifacts
import Basics
import Foundation

/// A number that artifacts may hold and that the table of a batch shows: the engine itself knows no result by name.
public struct BatchColumn {
  public var title: String
  public var unit: String?
  public var dataset: String  // Of a scalar in the artifact
  public var scale: Double  // What it is multiplied by
  public var decimals: Int
  public var error: String?  // Dataset of its standard error

  public init(
    _ title: String, unit: String? = nil, dataset: String, scale: Double = 1, decimals: Int = 2, error: String? = nil
  ) {
    (self.title, self.unit, self.dataset, self.scale, self.decimals) = (title, unit, dataset, scale, decimals)
    self.error = error
  }

  /// "3.84 ± 0.02"; the error is left out where there is none.
  public func text(_ value: Double?, error: Double?) -> String {
    guard let value else { return NumberText.absent }
    let error = error.flatMap { $0.isFinite ? " ± " + NumberText.fixed($0, decimals) : nil } ?? ""
    return NumberText.fixed(value, decimals) + (value.isFinite ? error : "")
  }
}

/// The combinations of a pipeline's matrix, one a row: how far each has come, and what it has given.
public struct BatchTable {
  private enum Mark { case done, failed, interrupted, open }

  public struct Row {
    public let cell: [String]
    public let state: String
    public let values: [Double?]  // By column
    public let errors: [Double?]  // One standard error of each; nil where none is known
    public let seconds: Double?
    public let stages: [String]  // Names of those that are of this combination, in the order of the file
    public let isDone: Bool
  }

  private let pipeline: PipelineDefinition
  public let columns: [(base: String, column: BatchColumn)]
  public let rows: [Row]
  /// What each row's report says, in a word; nil where nobody asked. Of a row: nil where it has no finished report.
  public var verdicts: [String?]?
  public var axes: [String] { pipeline.axes }

  /// After a run. Nil for a pipeline without a matrix.
  public init?(_ outcome: RunOutcome, pipeline: PipelineDefinition, folder: RunFolder, columns: [BatchColumn]) {
    let marks = outcome.stages.map { stage -> (String, Mark) in
      switch stage.result {
      case .failed: (stage.stage, .failed)
      case .interrupted: (stage.stage, .interrupted)
      default: (stage.stage, stage.digest == nil ? .open : .done)
      }
    }
    self.init(marks, pipeline, folder, columns)
  }

  /// Without a run. `jobs` says what became of stages on a cluster. Nil for a pipeline without a matrix.
  public init?(
    _ assessments: [StageAssessment], pipeline: PipelineDefinition, folder: RunFolder, columns: [BatchColumn],
    jobs: [String: JobStatus] = [:]
  ) {
    let marks = assessments.map { assessment -> (String, Mark) in
      let name = assessment.stage.name
      if assessment.isFinished { return (name, .done) }
      return switch jobs[name]?.state {
      case .failed: (name, .failed)
      case .interrupted: (name, .interrupted)
      default: (name, .open)
      }
    }
    self.init(marks, pipeline, folder, columns)
  }

  private init?(
    _ marks: [(String, Mark)], _ pipeline: PipelineDefinition, _ folder: RunFolder, _ columns: [BatchColumn]
  ) {
    guard !pipeline.cells.isEmpty else { return nil }
    let marks = Dictionary(marks, uniquingKeysWith: { first, _ in first })
    var (values, errors): ([String: [Double?]], [String: [Double?]]) = ([:], [:])
    var seconds: [String: Double] = [:]
    let artifacts = VerifiedArtifacts(folder: folder)
    for stage in pipeline.stages where marks[stage.name] == .done && !stage.cell.isEmpty {
      guard let found = try? artifacts.provenance(stage.name),
        let numbers = artifacts.numbers(stage.name, of: columns)
      else { continue }
      (values[stage.name], errors[stage.name]) = (numbers.map(\.value), numbers.map(\.error))
      seconds[stage.name] = found.provenance.wallSeconds
    }
    artifacts.save()
    // a column for each stage of the file that gives such a number anywhere
    var bases: [String] = []
    var given: [String: Set<Int>] = [:]
    for stage in pipeline.stages {
      if given[stage.base] == nil { bases.append(stage.base) }
      let numbers = (values[stage.name] ?? []).enumerated().filter { $0.element != nil }.map(\.offset)
      given[stage.base, default: []].formUnion(numbers)
    }
    let places = bases.flatMap { base in (given[base] ?? []).sorted().map { (base: base, index: $0) } }
    self.pipeline = pipeline
    self.columns = places.map { ($0.base, columns[$0.index]) }
    // the stages of a cell are found by their names in the file and their entries
    var stages: [String: [[String]: StageDefinition]] = [:]
    var axes: [String: [Int]] = [:]
    for stage in pipeline.stages where !stage.cell.isEmpty {
      stages[stage.base, default: [:]][stage.cell.map(\.label)] = stage
      axes[stage.base] = stage.cell.compactMap { entry in pipeline.axes.firstIndex { $0 == entry.axis } }
    }
    rows = pipeline.cells.map { cell in
      let own = bases.compactMap { base in stages[base]?[(axes[base] ?? []).map { cell[$0] }] }
      let times = own.compactMap { seconds[$0.name] }
      func picked(_ numbers: [String: [Double?]]) -> [Double?] {
        places.map { place in own.first { $0.base == place.base }.flatMap { numbers[$0.name]?[place.index] } }
      }
      return Row(
        cell: cell, state: Self.state(own, marks), values: picked(values), errors: picked(errors),
        seconds: times.isEmpty ? nil : times.reduce(0, +), stages: own.map(\.name),
        isDone: own.allSatisfy { marks[$0.name] == .done })
    }
  }

  private static func state(_ stages: [StageDefinition], _ marks: [String: Mark]) -> String {
    if let failed = stages.first(where: { marks[$0.name] == .failed }) { return "failed: \(failed.base)" }
    if let stopped = stages.first(where: { marks[$0.name] == .interrupted }) { return "interrupted: \(stopped.base)" }
    let done = stages.filter { marks[$0.name] == .done }.count
    return done == stages.count ? "done" : "\(done) of \(stages.count)"
  }

  public var text: String {
    var table = TextTable(
      columns: pipeline.axes.map { .init($0) } + [.init("finished")]
        + (verdicts == nil ? [] : [.init("verdict")])
        + columns.map { .init("\($0.column.title) \($0.base)", unit: $0.column.unit, alignment: .right) }
        + [.init("time", alignment: .right)])
    for (place, row) in rows.enumerated() {
      table.addRow(
        row.cell + [row.state] + (verdicts.map { [$0[place] ?? NumberText.absent] } ?? [])
          + columns.indices.map { columns[$0].column.text(row.values[$0], error: row.errors[$0]) } + [
            NumberText.duration(seconds: row.seconds)
          ])
    }
    return table.rendered()
  }

  public var json: ParameterValue {
    .list(
      rows.enumerated().map { place, row in
        let cell = Dictionary(zip(pipeline.axes, row.cell.map { ParameterValue.string($0) }), uniquingKeysWith: { $1 })
        var results: [String: ParameterValue] = [:]
        for (place, (base, column)) in columns.enumerated() {
          func number(_ value: Double?) -> ParameterValue { value.map { .number($0 / column.scale) } ?? .null }
          results["\(base)/\(column.dataset)"] = number(row.values[place])
          if let error = column.error { results["\(base)/\(error)"] = number(row.errors[place]) }
        }
        var found: [String: ParameterValue] = [
          "cell": .object(cell), "state": .string(row.state), "results": .object(results),
          "wall_seconds": row.seconds.map { .number($0) } ?? .null,
        ]
        if let verdicts { found["verdict"] = .optional(verdicts[place]) }
        return .object(found)
      })
  }
}
