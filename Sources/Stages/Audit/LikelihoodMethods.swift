import Artifacts
import Basics
import FreeEnergies
import Generative
import Records
import Workflow

/// Several ways to the likelihoods of the same samples, side by side.
struct LikelihoodMethods {
  private struct Row {
    var name: String
    var found: LogDensityComparison
    var meanError: Double  // Of `found`, less the constant that the method itself gives; NaN where it gives none
    var seconds: Double
  }

  private var rows: [Row] = []

  init(
    subset: AuditSubset, exact: LikelihoodEstimates, parameters: AuditStage.Parameters, _ context: StageContext
  ) throws {
    var options = Reweighting.Options()
    (options.bootstrapReplicates, options.seed) = (parameters.bootstrap, context.seed)
    /// `shift` is subtracted from ln q; NaN where the constant is not known.
    func add(_ name: String, _ likelihoods: LikelihoodEstimates, shift: Double = 0) throws {
      let found = try LogDensityComparison(
        estimates: likelihoods.estimates, exact: exact.estimates[0], reducedPotential: subset.reducedPotential,
        states: subset.states, noiseAngles: subset.torsions, options: options)
      rows.append(Row(name: name, found: found, meanError: found.errors.mean - shift, seconds: likelihoods.seconds))
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
    guard let model = subset.samples.reweighting.optionalInput(\ReweightStage.Inputs.density) else { return }
    let found = try subset.logDensities(EnergyModelArtifact.read(model))
    try add("energy-model", found, shift: .nan)
    for (name, constant) in [
      ("energy-model-absolute", Recorded.energyModel.priorOffset),
      ("energy-model-normalized", Recorded.energyModel.dataOffset),
    ] {
      if let shift = try model.artifact.readIfThere(constant) { try add(name, found, shift: shift) }
    }
  }

  func write(to writer: ArtifactWriter) throws {
    try writer.write(Recorded.audit.methodOrder, rows.map(\.name))
    for row in rows {
      let record = Recorded.audit.methods[row.name]
      try writer.write(
        (record.rmse, row.found.errors.rootMeanSquare), (record.meanError, row.meanError),
        (record.spearman, row.found.spearman), (record.effectiveFraction, row.found.reweighting.effectiveFraction),
        (record.deltaF, row.found.reweighting.deltaF), (record.deltaFError, row.found.reweighting.deltaFStandardError),
        (record.seconds, row.seconds))
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
