import Artifacts
import Basics
import Foundation
import FreeEnergies
import Generative
import Workflow

/// Several ways to the likelihoods of the same samples, side by side.
///
/// Under results/methods: `order`, the names, and a group for each with rmse_log_density and mean_error (nat; against exact
/// trace, the mean removed from the former; an energy model known up to a constant has no mean error), spearman, ess_fraction,
/// delta_f and delta_f_standard_error (kT) of weights by this method alone, and seconds_per_likelihood, which for all but
/// the energy model includes that of the sample.
struct LikelihoodMethods {
  struct Row {
    var name: String
    var found: LogDensityComparison
    /// Of `found`, less the constant that the method itself gives; NaN where it gives none.
    var meanError: Double
    var seconds: Double
  }

  private(set) var rows: [Row] = []

  init(
    subset: AuditSubset, exact: LikelihoodEstimates, parameters: AuditStage.Parameters, _ context: StageContext
  ) throws {
    var options = Reweighting.Options()
    options.bootstrapReplicates = parameters.bootstrap
    options.seed = context.seed
    /// `shift` is subtracted from ln q; NaN where the constant is not known.
    func add(_ name: String, _ likelihoods: LikelihoodEstimates, shift: Double = 0) throws {
      let found = try LogDensityComparison(
        estimates: likelihoods.estimates, exact: exact.estimates[0], reducedPotential: subset.reducedPotential,
        angle: subset.stateAngle, state: subset.state, noiseAngles: subset.torsions, options: options)
      rows.append(
        Row(name: name, found: found, meanError: found.errors.mean - shift, seconds: likelihoods.seconds))
    }
    try add("exact-trace", exact)
    for (method, counts) in [
      (LogDensityMethod.hutchinson, parameters.hutchinsonProbes), (.stochasticTrace, parameters.stochasticProbes),
    ] {
      for probes in counts {
        let name = "\(method.rawValue)-\(probes)"
        try add(name, subset.logDensities(method, probes: probes, title: name, context))
      }
    }
    guard let input = subset.density else { return }
    let found = try subset.logDensities(EnergyModelArtifact.read(input))
    try add("energy-model", found, shift: .nan)
    for (name, path) in [
      ("energy-model-absolute", "results/prior_offset"), ("energy-model-normalized", "results/data_offset"),
    ] where input.artifact.exists(path) {
      try add(name, found, shift: input.artifact.scalar(path, as: Double.self))
    }
  }

  func write(to output: ArtifactWriter) throws {
    try output.write("results/methods/order", strings: rows.map(\.name))
    for row in rows {
      let group = "results/methods/\(row.name)"
      try output.writeScalar("\(group)/rmse_log_density", row.found.errors.rootMeanSquare, units: "nat")
      try output.writeScalar("\(group)/mean_error", row.meanError, units: "nat")
      try output.writeScalar("\(group)/spearman", row.found.spearman)
      try output.writeScalar("\(group)/ess_fraction", row.found.reweighting.effectiveFraction)
      try output.writeScalar("\(group)/delta_f", row.found.reweighting.deltaF, units: "kT")
      try output.writeScalar("\(group)/delta_f_standard_error", row.found.reweighting.deltaFStandardError, units: "kT")
      try output.writeMeasurement("\(group)/seconds_per_likelihood", row.seconds)
    }
  }

  var table: TextTable {
    var table = TextTable(
      title: "Likelihoods of the same samples",
      columns: [
        .init("method"), .init("RMSE", unit: "nat"), .init("mean error", unit: "nat"),
        .init("Spearman", alignment: .right), .init("ESS", unit: "%"), .init("dF", unit: "kT"),
        .init("error", unit: "kT"), .init("per likelihood", unit: "s"),
      ])
    for row in rows {
      table.addRow([
        row.name, NumberText.fixed(row.found.errors.rootMeanSquare, 3),
        NumberText.fixed(row.meanError.isNaN ? nil : row.meanError, 3),
        NumberText.fixed(row.found.spearman, 4), NumberText.fixed(100 * row.found.reweighting.effectiveFraction, 1),
        NumberText.fixed(row.found.reweighting.deltaF, 3),
        NumberText.fixed(row.found.reweighting.deltaFStandardError, 3),
        NumberText.significant(row.seconds, 3),
      ])
    }
    return table
  }
}
