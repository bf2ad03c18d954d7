import Basics
import Foundation
import Records

extension ReportedRun {
  /// What dynamics reached from the samples that the emulator never draws.
  func explorationSection() throws -> Report.Section {
    var verdicts = TextTable(
      title: "Regions that the emulator misses",
      columns: [
        "stage", "explores", "verdict", .init("missing", alignment: .right), .init("weight at least", unit: "%"),
        .init("came down", alignment: .right), .init("would have seen", unit: "%"),
        .init("samples worth", alignment: .right), .init("dynamics", unit: "ns"),
      ])
    var regions = TextTable(
      title: "Regions that dynamics reaches where hardly a sample lies",
      columns: [
        "stage", "region", "missing", .init("weight", unit: "%"), .init("95 % from", unit: "%"), .init("to", unit: "%"),
        .init("visits", alignment: .right), .init("samples there", alignment: .right),
        .init("their weight", unit: "%"), .init("worth", alignment: .right), .init("due", alignment: .right),
        .init("dF moves by", unit: "kT"),
      ])
    let record = Recorded.explore
    for stage in all(ExploreRecord.self) {
      verdicts.addRow([
        stage.name, stage.inputs["reweight"]?.name ?? "", try stage.artifact.readIfThere(record.verdict) ?? "",
        try stage.count(record.missing), small(try stage.number(record.missingWeight)),
        try stage.count(record.arrivals), small(try stage.number(record.smallestWeight)),
        try stage.fixed(record.effectiveSamples, 0),
        NumberText.significant(try stage.number(record.simulatedTime).map { $0 / 1000 }, 3),
      ])
      try addRegions(of: stage, to: &regions)
    }
    return Report.Section(
      title: "Exploration",
      text:
        "Dynamics began at the samples, drawn by their weights, at a ladder of temperatures. A region is missing where its frames at the"
        + " lowest temperature ask for effective samples that are not there. Its weight is the share of these frames; the lower bound holds also"
        + " where the walks have not come to rest, since all began at the samples. dF moves by at least what that bound brings. Came down: how"
        + " often a walk came from the highest temperature to the lowest. Would have seen: the weight that would not have been overlooked, if"
        + " no barrier kept the hottest walks from it; of what no walk reaches nothing is known.",
      tables: [verdicts, regions])
  }

  private func addRegions(of stage: ReportedStage, to table: inout TextTable) throws {
    let record = Recorded.explore.regions
    guard let names = try stage.texts(record.names), let missing = try stage.numbers(record.isMissing),
      let weights = try stage.numbers(record.weight), let bounds = try stage.numbers(record.bounds),
      let visits = try stage.numbers(record.visits), let drawn = try stage.numbers(record.drawn),
      let carried = try stage.numbers(record.samplesWeight), let effective = try stage.numbers(record.effective),
      let expected = try stage.numbers(record.expected), let shifts = try stage.numbers(record.shift),
      bounds.count == 2 * names.count, expected.count == 2 * names.count,
      [missing, weights, visits, drawn, carried, effective, shifts].allSatisfy({ $0.count == names.count })
    else { return }
    for (k, name) in names.enumerated() {
      table.addRow([
        stage.name, name, missing[k] > 0 ? "yes" : "not certain", small(weights[k]), small(bounds[2 * k]),
        small(bounds[2 * k + 1]), NumberText.fixed(visits[k], 1), NumberText.fixed(drawn[k], 0), small(carried[k]),
        NumberText.fixed(effective[k], 1), NumberText.fixed(expected[2 * k], 0),
        NumberText.fixed(shifts[k].isFinite ? shifts[k] : nil, 2),
      ])
    }
  }
}
