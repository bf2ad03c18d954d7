import Basics
import Foundation
import Records

/// Energy models of two-dimensional systems whose density is known: how far they are from it, and what they look like beside it.
extension ReportedRun {
  /// Stages of one type with equal parameters: they differ in their seeds, and in the samples they were given.
  private func replicates() -> [[ReportedStage]] {
    var groups: [(parameters: String, stages: [ReportedStage])] = []
    for stage in all(ToyEnergyModelRecord.self) {
      let parameters = Self.parameters(stage)
      if let place = groups.firstIndex(where: { $0.parameters == parameters }) {
        groups[place].stages.append(stage)
      } else {
        groups.append((parameters, [stage]))
      }
    }
    return groups.map(\.stages)
  }

  /// A text that is equal for equal parameters: of the key's canonical JSON, sorted as that is.
  private static func parameters(_ stage: ReportedStage) -> String {
    var members = stage.parameters
    if members.isEmpty { return stage.name }
    // the name of another replicate's samples
    members["samples"] = nil
    guard let text = try? JSONSerialization.data(withJSONObject: members, options: .sortedKeys) else {
      return stage.name
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// What the names of `stages` have in common: "model@both" of "model@both-1" and "model@both-2".
  static func commonName(_ stages: [String]) -> String {
    guard let first = stages.first else { return "" }
    let common = stages.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
    guard stages.count > 1, let end = common.lastIndex(where: { "-@".contains($0) }) else { return common }
    return String(common[..<end])
  }

  /// KL divergences of equal runs, with their mean and spread, and unless it is for an artifact with the time that they took.
  func divergenceTable(timed: Bool = true) throws -> TextTable {
    var table = TextTable(
      title: "KL(truth || model) on the grid",
      columns: [
        "model", .init("runs", alignment: .right), .init("mean", unit: "nat"), .init("standard deviation", unit: "nat"),
        .init("smallest", unit: "nat"), .init("largest", unit: "nat"),
      ] + (timed ? [.init("mean time", alignment: .right)] : []))
    for stages in replicates() {
      let values = try stages.compactMap { try $0.number(Recorded.toyEnergyModel.divergence) }
      guard let low = values.min(), let high = values.max() else { continue }
      let mean = values.reduce(0, +) / Double(values.count)
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let seconds = stages.reduce(0) { $0 + $1.artifact.provenance.wallSeconds } / Double(stages.count)
      table.addRow(
        [
          Self.commonName(stages.map(\.name)), NumberText.count(values.count), NumberText.fixed(mean, 4),
          NumberText.fixed(values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : nil, 4),
          NumberText.fixed(low, 4), NumberText.fixed(high, 4),
        ] + (timed ? [NumberText.duration(seconds: seconds)] : []))
    }
    return table
  }

  func densitySection() throws -> Report.Section {
    let table = try divergenceTable()
    var figures: [Figure] = []
    var drawn: [[Double]] = []
    for stages in inFull.replicates() {
      // the run that is neither the best nor the worst
      let sorted = try stages.map { ($0, try $0.number(Recorded.toyEnergyModel.divergence) ?? .infinity) }.sorted {
        $0.1 < $1.1
      }
      let (stage, divergence) = sorted[(sorted.count - 1) / 2]
      guard let truth = try density(stage, Recorded.toyEnergyModel.trueLogDensity),
        let model = try density(stage, Recorded.toyEnergyModel.logDensity)
      else { continue }
      let top = truth.values.lazy.filter(\.isFinite).max() ?? 1
      if !drawn.contains(truth.values) {
        drawn.append(truth.values)
        figures.append(
          map(
            truth, top: top, id: "truth-\(stage.name)", title: "Truth",
            caption: "The density that samples were drawn from."))
      }
      figures.append(
        map(
          model, top: top, id: "density-\(stage.name)", title: "Model: \(stage.name)",
          caption: "KL \(NumberText.fixed(divergence, 4)) nat"
            + (stages.count > 1 ? ", the median of \(stages.count) runs." : ".") + " Colours end where the truth's do.")
      )
    }
    return Report.Section(
      title: "Densities",
      text: "Systems whose density is known. KL is taken over the points of a grid, both densities normalised there.",
      tables: [table], figures: figures)
  }

  private struct Density {
    let x, y, values: [Double]
  }

  private func density(_ stage: ReportedStage, _ field: Numbers<Double>) throws -> Density? {
    guard let x = try stage.numbers(Recorded.toyEnergyModel.x), let y = try stage.numbers(Recorded.toyEnergyModel.y),
      let logs = try stage.numbers(field), logs.count == x.count * y.count
    else { return nil }
    return Density(x: x, y: y, values: logs.map(exp))
  }

  private func map(_ density: Density, top: Double, id: String, title: String, caption: String) -> Figure {
    let width = density.x.count
    let rows = density.y.indices.map { Array(density.values[$0 * width..<($0 + 1) * width]) }
    return Figure(
      id: id, title: title, caption: caption, xAxis: .init(title: "x"), yAxis: .init(title: "y"),
      series: [.heatMap(x: density.x, y: density.y, z: rows, label: "density", range: 0...max(top, 1e-12))])
  }
}
