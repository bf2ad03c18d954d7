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
    var rootMeanSquare: Double
    var meanError: Double
    var spearman: Double
    var effectiveFraction: Double
    var deltaF: Double
    var deltaFStandardError: Double
    var seconds: Double
  }

  private(set) var rows: [Row] = []

  init(
    subset: AuditSubset, exact: LikelihoodEstimates, parameters: AuditStage.Parameters, _ context: StageContext
  ) throws {
    let truth = exact.estimates[0]
    func add(_ name: String, _ found: LikelihoodEstimates, shift: Double = 0) throws {
      rows.append(
        try Self.row(name, found, shift: shift, truth: truth, subset, replicates: parameters.bootstrap, context.seed))
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

  /// `shift` is subtracted from ln q; NaN where the constant is not known.
  private static func row(
    _ name: String, _ found: LikelihoodEstimates, shift: Double, truth: [Double], _ subset: AuditSubset,
    replicates: Int, _ seed: UInt64
  ) throws -> Row {
    let mean = truth.indices.map { n in
      found.estimates.reduce(0) { $0 + $1[n] } / Double(found.estimates.count)
    }
    let errors = zip(mean, truth).map { $0 - $1 }
    let average = errors.reduce(0, +) / Double(errors.count)
    let variance = errors.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(errors.count)
    var options = Reweighting.Options()
    options.bootstrapReplicates = replicates
    options.seed = seed
    let result = try Reweighting(
      reducedPotential: subset.reducedPotential, logDensities: found.estimates, angle: subset.stateAngle,
      state: subset.state, noiseAngles: subset.torsions, options: options)
    return Row(
      name: name, rootMeanSquare: variance.squareRoot(), meanError: average - shift,
      spearman: spearmanCorrelation(mean, truth), effectiveFraction: result.effectiveFraction, deltaF: result.deltaF,
      deltaFStandardError: result.deltaFStandardError, seconds: found.seconds)
  }

  func write(to output: ArtifactWriter) throws {
    try output.write("results/methods/order", strings: rows.map(\.name))
    for row in rows {
      let group = "results/methods/\(row.name)"
      try output.writeScalar("\(group)/rmse_log_density", row.rootMeanSquare, units: "nat")
      try output.writeScalar("\(group)/mean_error", row.meanError, units: "nat")
      try output.writeScalar("\(group)/spearman", row.spearman)
      try output.writeScalar("\(group)/ess_fraction", row.effectiveFraction)
      try output.writeScalar("\(group)/delta_f", row.deltaF, units: "kT")
      try output.writeScalar("\(group)/delta_f_standard_error", row.deltaFStandardError, units: "kT")
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
        row.name, NumberText.fixed(row.rootMeanSquare, 3),
        NumberText.fixed(row.meanError.isNaN ? nil : row.meanError, 3),
        NumberText.fixed(row.spearman, 4), NumberText.fixed(100 * row.effectiveFraction, 1),
        NumberText.fixed(row.deltaF, 3), NumberText.fixed(row.deltaFStandardError, 3),
        NumberText.significant(row.seconds, 3),
      ])
    }
    return table
  }
}
