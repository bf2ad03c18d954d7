import Basics
import Foundation
import Records

extension ReportedRun {
  /// Log-densities against exact likelihoods on a subset: what they did to dF, and what other methods give on the same samples.
  func auditSection() throws -> Report.Section {
    var table = TextTable(
      title: "Log-densities that weights stand on, against exact likelihoods of some samples",
      columns: [
        "stage", "audits", .init("samples", alignment: .right), .init("RMSE", unit: "nat"),
        .init("Spearman", alignment: .right), .init("bias in state", unit: "nat"), .init("elsewhere", unit: "nat"),
        .init("correction", unit: "kT"), .init("ESS exact", unit: "%"), .init("as used", unit: "%"),
      ])
    var tables: [TextTable] = []
    let record = Recorded.audit
    let full = Set(inFull.stages.map(\.name))
    for stage in all(AuditRecord.self) {
      let bias = try Self.withErrors(stage.numbers(record.stateBias), stage.numbers(record.stateBiasError))
      let correction = try Self.withErrors(
        stage.number(record.correction).map { [$0] }, stage.number(record.correctionError).map { [$0] })
      table.addRow([
        stage.name, stage.inputs["reweight"]?.name ?? "", try stage.count(record.auditedSamples),
        try stage.fixed(record.rmse, 3), try stage.fixed(record.spearman, 4), bias.first ?? NumberText.absent,
        bias.dropFirst().first ?? NumberText.absent, correction.first ?? NumberText.absent,
        percent(try stage.number(record.effectiveFraction)), percent(try stage.number(record.effectiveFractionUsed)),
      ])
      if full.contains(stage.name), let methods = try methodTable(stage) { tables.append(methods) }
    }
    return Report.Section(
      title: "Audit",
      text:
        "Samples were transported again from their prior points with the exact trace. The bias is the mean of ln q as it was"
        + " used minus the exact one, under the weights, the mean over all audited samples removed. A constant error changes"
        + " no free energy: RMSE is without it. Samples are drawn uniformly, or by their weights."
        + " Seconds of all methods but the energy model include drawing the sample.",
      tables: [table] + tables)
  }

  private func methodTable(_ stage: ReportedStage) throws -> TextTable? {
    guard let names = try stage.texts(Recorded.audit.methodOrder) else { return nil }
    var table = TextTable(
      title: "Likelihoods of the same samples: \(stage.name)",
      columns: [
        "method", .init("RMSE", unit: "nat"), .init("mean error", unit: "nat"),
        .init("Spearman", alignment: .right), .init("ESS", unit: "%"), .init("dF", unit: "kT"),
        .init("error", unit: "kT"), .init("per likelihood", unit: "s"),
      ])
    for name in names {
      let method = Recorded.audit.methods[name]
      table.addRow([
        name, try stage.fixed(method.rmse, 3),
        NumberText.fixed(try stage.number(method.meanError).flatMap { $0.isNaN ? nil : $0 }, 3),
        try stage.fixed(method.spearman, 4), percent(try stage.number(method.effectiveFraction)),
        try stage.fixed(method.deltaF, 3), try stage.fixed(method.deltaFError, 3),
        NumberText.significant(try stage.number(method.seconds), 3),
      ])
    }
    return table
  }

  private static func withErrors(_ values: [Double]?, _ errors: [Double]?) throws -> [String] {
    guard let values else { return [] }
    return values.enumerated().map { place, value in
      let error = errors.flatMap { place < $0.count ? $0[place] : nil }
      return NumberText.fixed(value, 3) + (error.map { " ± " + NumberText.fixed($0, 3) } ?? "")
    }
  }
}
