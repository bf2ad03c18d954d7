import Basics
import Foundation

extension ReportedRun {
  static let comparison = "compare"

  /// Distances from a reference, and what the two sides cost.
  func comparisonSection() throws -> Report.Section {
    var distances = TextTable(
      title: "Distances from the reference",
      columns: [
        .init("stage"), .init("samples"), .init("reference"), .init("dF error", unit: "kT"),
        .init("audited", unit: "kT"),
        .init("T-W2", unit: "rad"), .init("floor", unit: "rad"), .init("unweighted", unit: "rad"),
        .init("E-W2", unit: "kT"), .init("floor", unit: "kT"), .init("unweighted", unit: "kT"),
        .init("T-W2 as published", unit: "rad"),
      ])
    var costs = TextTable(
      title: "What they cost",
      columns: [
        .init("stage"), .init("energies", alignment: .right), .init("reference's", alignment: .right),
        .init("plain MD for that error", unit: "ns"), .init("speed-up", alignment: .right),
        .init("time", alignment: .right), .init("reference's", alignment: .right),
        .init("plain MD's", alignment: .right),
      ])
    for stage in comparisons {
      let number = { (key: String) in try stage.number("results/\(key)") }
      distances.addRow([
        stage.name, stage.inputs["reweight"]?.name ?? "", stage.inputs["reference"]?.name ?? "",
        try Self.difference(stage, ""), try Self.difference(stage, "audited/"),
        NumberText.fixed(try number("t_w2"), 3), NumberText.fixed(try number("t_w2_floor"), 3),
        NumberText.fixed(try number("t_w2_unweighted"), 3), NumberText.fixed(try number("e_w2"), 3),
        NumberText.fixed(try number("e_w2_floor"), 3), NumberText.fixed(try number("e_w2_unweighted"), 3),
        NumberText.fixed(try number("t_w2_published"), 3),
      ])
      let bound = try number("md/exits") == 0 ? "> " : ""
      costs.addRow([
        stage.name, NumberText.count(try number("cost/energy_evaluations").map { Int($0) }),
        NumberText.count(try number("cost/energy_evaluations_reference").map { Int($0) }),
        bound + NumberText.significant(try number("md/time").map { $0 / 1000 }, 3),
        bound + NumberText.significant(try number("md/speed_up"), 3),
        NumberText.duration(seconds: try number("cost/seconds")),
        NumberText.duration(seconds: try number("cost/seconds_reference")),
        bound + NumberText.duration(seconds: try number("md/seconds")),
      ])
    }
    return Report.Section(
      title: "Against the reference",
      text:
        "W2 are exact 2-Wasserstein distances: of torsions on the torus, of energies along the line. The floor is that between two"
        + " halves of the reference, unweighted that of the samples as they were drawn. Energies count evaluations of the force field,"
        + " those of the dynamics that the emulator learned from among them; plain MD is what a single trajectory would need for the"
        + " same error of dF, from the rate at which the state was left.",
      tables: distances.rows.isEmpty ? [] : [distances, costs], figures: [])
  }

  private static func difference(_ stage: ReportedStage, _ group: String) throws -> String {
    guard let value = try stage.number("results/\(group)delta_f_difference") else { return NumberText.absent }
    return NumberText.fixed(value, 3) + " ± "
      + NumberText.fixed(try stage.number("results/\(group)delta_f_error_standard_error"), 3)
  }
}
