import Basics
import Foundation
import Records

extension ReportedRun {
  /// Distances from a reference, and what the two sides cost.
  func comparisonSection() throws -> Report.Section {
    var distances = TextTable(
      title: "Distances from the reference",
      columns: [
        "stage", "samples", "reference", .init("dF error", unit: "kT"), .init("audited", unit: "kT"),
        .init("T-W2", unit: "rad"), .init("floor", unit: "rad"), .init("unweighted", unit: "rad"),
        .init("E-W2", unit: "kT"), .init("floor", unit: "kT"), .init("unweighted", unit: "kT"),
        .init("T-W2 as published", unit: "rad"),
      ])
    var costs = TextTable(
      title: "What they cost",
      columns: [
        "stage", .init("energies", alignment: .right), .init("reference's", alignment: .right),
        .init("plain MD for that error", unit: "ns"), .init("speed-up", alignment: .right),
        .init("time", alignment: .right), .init("reference's", alignment: .right),
        .init("plain MD's", alignment: .right),
      ])
    for stage in comparisons {
      let record = Recorded.compare
      func fixed(_ field: Number<Double>) throws -> String { try stage.fixed(field, 3) }
      distances.addRow([
        stage.name, stage.inputs["reweight"]?.name ?? "", stage.inputs["reference"]?.name ?? "",
        try Self.difference(stage, record.difference), try Self.difference(stage, record.audited),
        try fixed(record.torsionDistance), try fixed(record.torsionFloor), try fixed(record.torsionUnweighted),
        try fixed(record.energyDistance), try fixed(record.energyFloor), try fixed(record.energyUnweighted),
        try fixed(record.torsionPublished),
      ])
      let bound = try stage.number(record.exits) == 0 ? "> " : ""
      costs.addRow([
        stage.name, try stage.count(record.evaluations), try stage.count(record.evaluationsReference),
        bound + NumberText.significant(try stage.number(record.dynamicsTime).map { $0 / 1000 }, 3),
        try bound + stage.significant(record.speedUp, 3), try stage.duration(record.seconds),
        try stage.duration(record.secondsReference), try bound + stage.duration(record.dynamicsSeconds),
      ])
    }
    return Report.Section(
      title: "Against the reference",
      text:
        "W2 are exact 2-Wasserstein distances: of torsions on the torus, of energies along the line. The floor is that between two"
        + " halves of the reference, unweighted that of the samples as they were drawn. Energies count evaluations of the force field,"
        + " those of the dynamics that the emulator learned from among them; plain MD is what a single trajectory would need for the"
        + " same error of dF, from the rate at which the state was left.",
      tables: [distances, costs])
  }

  private static func difference(_ stage: ReportedStage, _ record: DifferenceRecord) throws -> String {
    guard let value = try stage.number(record.difference) else { return NumberText.absent }
    return try NumberText.fixed(value, 3) + " ± " + stage.fixed(record.standardError, 3)
  }
}
