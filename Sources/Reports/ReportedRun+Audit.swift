import Basics
import Foundation

extension ReportedRun {
  /// Log-densities against exact likelihoods on a subset: what they did to dF, and what other methods give on the same samples.
  func auditSection() throws -> Report.Section {
    var table = TextTable(
      title: "Log-densities that weights stand on, against exact likelihoods of some samples",
      columns: [
        .init("stage"), .init("audits"), .init("samples", alignment: .right), .init("RMSE", unit: "nat"),
        .init("Spearman", alignment: .right), .init("bias in state", unit: "nat"), .init("elsewhere", unit: "nat"),
        .init("correction", unit: "kT"), .init("ESS exact", unit: "%"), .init("as used", unit: "%"),
      ])
    var tables: [TextTable] = []
    for stage in all("audit") {
      let bias = try Self.withErrors(
        stage.numbers("results/state_bias"), stage.numbers("results/state_bias_standard_error"))
      let correction = try Self.withErrors(
        stage.number("results/correction").map { [$0] }, stage.number("results/correction_standard_error").map { [$0] })
      table.addRow([
        stage.name, stage.inputs["reweight"]?.name ?? "",
        NumberText.count(try stage.number("results/audited_samples").map { Int($0) }),
        NumberText.fixed(try stage.number("results/rmse_log_density"), 3),
        NumberText.fixed(try stage.number("results/spearman"), 4), bias.first ?? NumberText.absent,
        bias.dropFirst().first ?? NumberText.absent, correction.first ?? NumberText.absent,
        percent(try stage.number("results/ess_fraction")), percent(try stage.number("results/ess_fraction_used")),
      ])
      if let methods = try methodTable(stage) { tables.append(methods) }
    }
    return Report.Section(
      title: "Audit",
      text:
        "Samples were transported again from their prior points with the exact trace. The bias is the mean of ln q as it was"
        + " used minus the exact one, under the weights, the mean over all audited samples removed. A constant error changes"
        + " no free energy: RMSE is without it. Samples are drawn uniformly, or by their weights."
        + " Seconds of all methods but the energy model include drawing the sample.",
      tables: table.rows.isEmpty ? [] : [table] + tables, figures: [])
  }

  private func methodTable(_ stage: ReportedStage) throws -> TextTable? {
    guard let names = try stage.strings("results/methods/order") else { return nil }
    var table = TextTable(
      title: "Likelihoods of the same samples: \(stage.name)",
      columns: [
        .init("method"), .init("RMSE", unit: "nat"), .init("mean error", unit: "nat"),
        .init("Spearman", alignment: .right), .init("ESS", unit: "%"), .init("dF", unit: "kT"),
        .init("error", unit: "kT"), .init("per likelihood", unit: "s"),
      ])
    for name in names {
      let number = { (key: String) in try stage.number("results/methods/\(name)/\(key)").flatMap { $0.isNaN ? nil : $0 }
      }
      table.addRow([
        name, NumberText.fixed(try number("rmse_log_density"), 3), NumberText.fixed(try number("mean_error"), 3),
        NumberText.fixed(try number("spearman"), 4), percent(try number("ess_fraction")),
        NumberText.fixed(try number("delta_f"), 3), NumberText.fixed(try number("delta_f_standard_error"), 3),
        NumberText.significant(try number("seconds_per_likelihood"), 3),
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
