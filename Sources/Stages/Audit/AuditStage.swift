import Artifacts
import Foundation
import FreeEnergies
import Generative
import Records
import Torch
import Workflow

/// `audit`: what a reweighting's cheap log-density did to its free energy, found by exact likelihoods on a random subset.
///
/// Each chosen sample is transported again from the prior point it came from, now with the exact trace; that the sample itself
/// comes back is checked. (Integrating back from the sample would be another map: fixed steps have no exact inverse.)
/// With `draw: weighted` the subset is drawn by weight, half from each state (`WeightedLikelihoodAudit`): the figures are over these
/// draws, both ess_fraction are of all samples, and Spearman, exact_delta_f and methods are left out. Of named states the first pair is
/// audited; samples in neither of its states are left out.
enum AuditStage: RecordedStage {
  static let version = 2
  static let summary = "check a reweighting's log-density against exact likelihoods, and correct its free energy"
  static let reads: [SharedField] = SharedField.molecule + [.temperature, .torsions] + SharedField.stateFields
  static let indirectInputs = [
    InputPath(\Inputs.reweight, \ReweightStage.Inputs.samples, \SampleStage.Inputs.emulator),
    InputPath(\Inputs.reweight, \ReweightStage.Inputs.density),
  ]
  static let output = Recorded.audit

  struct Inputs: StageInputs {
    let reweight = Input("the reweighting to audit", of: ReweightStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter("how many of its samples, drawn at random", in: 100...10_000_000) var samples = 2000
    @Parameter(
      "uniform: a random subset, which shows the log-density's errors everywhere; weighted: half from each state, in proportion to "
        + "the weights, which spends the exact likelihoods where the weight is and gives the free energy of all samples by "
        + "exact weights, also where few samples carry them. uniform if left out")
    var draw: Draw?
    @Parameter("replicates of the bootstrap", in: 10...100_000) var bootstrap = 500
    @Parameter("samples integrated together by exact trace", in: .count) var batch = 200
    @Parameter(
      "probes of the Hutchinson estimates that are set beside the other methods", in: 1...64, count: 0...16,
      single: true) var hutchinsonProbes = [1, 8]
    @Parameter("the same for stochastic-trace", in: 1...64, count: 0...16, single: true) var stochasticProbes = [2]
  }

  enum Draw: String, CaseIterable, ParameterType {
    case uniform, weighted
  }

  static let method: ((StageInput) throws -> String)? = {
    "audit of \($0.optionalInput(\Inputs.reweight)?.name ?? "a reweighting")"
  }

  static let columns = [
    BatchColumn(output.freeEnergy),
    BatchColumn("ESS", output.effectiveFraction, scale: 100, unit: "%", decimals: 1),
  ]

  /// Samples of fewer effective ones than this are warned of.
  private static let fewestEffective = 100.0

  static func check(_ stage: PlannedStage) throws {
    MoleculeCheck.run(stage)
    let samples = stage.inputs(\Inputs.reweight).flatMap { $0.inputs(\ReweightStage.Inputs.samples) }
    for annealed in samples where annealed.type == AnnealStage.self {
      stage.refuse(
        "the samples of '\(annealed.name)' were moved after they were drawn, so no transport leads to where they are; audit a reweighting "
          + "of the samples that it began with", at: .parameter("reweight"))
    }
  }

  /// Throws `AuditError`, and `FreeEnergiesError.emptyState` where the subset has no weight on one side of the state.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let samples = try AuditedSamples(context.input(\Inputs.reweight), context)
    let used = try samples.reweighting.artifact.read(Recorded.reweight.freeEnergy.deltaF)
    let draws =
      parameters.draw == .weighted
      ? try WeightedLikelihoodAudit.Draws(
        count: parameters.samples, logWeights: samples.logWeights, inside: samples.inside, seed: context.seed) : nil
    let subset = try AuditSubset(
      samples,
      draws?.distinct
        ?? LikelihoodAudit.subset(of: parameters.samples, logWeights: samples.logWeights, seed: context.seed))
    let exact = try subset.logDensities(.exactTrace, batch: parameters.batch, title: "exact likelihood", context)
    let writer = context.output
    if let draws {
      let audit = try WeightedLikelihoodAudit(
        used: samples.logDensity, logWeights: samples.logWeights, inside: samples.inside, draws: draws,
        exact: exact.estimates[0], exactLogWeights: subset.logWeights(exact))
      let (deltaF, error) = samples.isCarried ? (audit.deltaF, audit.standardError) : (.nan, .nan)
      try write(audit, deltaF: deltaF, standardError: error, subset, exact, to: writer)
      try writer.write(output.draws, draws.rows.joined().count)
      let (all, effective) = (samples.inside.count, audit.effectiveFractionExact * Double(samples.inside.count))
      if effective < fewestEffective {
        context.warn(
          "by exact weights the samples of '\(samples.reweighting.name)' are worth \(String(format: "%.0f", effective)) of \(all): the "
            + "audited dF may be off by more than its error",
          .grave, cure: "train the emulator longer or draw more samples")
      }
      report(audit, from: used, to: deltaF, error, subset, context)
    } else {
      var options = LikelihoodAudit.Options()
      (options.bootstrapReplicates, options.seed) = (parameters.bootstrap, context.seed)
      let audit = try LikelihoodAudit(
        used: subset.logDensity, exact: exact.estimates[0], logWeights: subset.logWeights,
        exactLogWeights: subset.logWeights(exact), inside: subset.inside, options: options)
      // what the log-density has wrong is taken out, and its error comes in
      let reweighting = samples.reweighting.artifact
      let error =
        try
        (reweighting.readIfThere(Recorded.reweight.samplingError)
        ?? reweighting.read(Recorded.reweight.freeEnergy.standardError))
      let audited = audit.audited(deltaF: used, standardError: error)
      try write(audit, deltaF: audited.value, standardError: audited.standardError, subset, exact, to: writer)
      try writer.write(output.spearman, audit.spearman)
      try writer.write(output.exactDeltaF, audit.exactDeltaF)
      try writer.write(output.exactDeltaFError, audit.exactDeltaFStandardError)
      let methods = try LikelihoodMethods(subset: subset, exact: exact, parameters: parameters, context)
      try methods.write(to: writer)
      context.log("\n" + methods.table.rendered())
      report(audit, from: used, to: audited.value, audited.standardError, subset, context)
    }
  }

  /// A correction of more than so many of its standard errors is a bias.
  static let largestBias = 3.0

  private static func report(
    _ audit: some LikelihoodAuditing, from deltaF: Double, to audited: Double, _ error: Double, _ subset: AuditSubset,
    _ context: StageContext
  ) {
    context.log(
      String(
        format: "dF %.3f corrected by %+.3f ± %.3f to %.3f ± %.3f kT; ln q off by %.3f nats rms", deltaF,
        audit.correction, audit.correctionStandardError, audited, error, audit.rootMeanSquare))
    if abs(audit.correction) > largestBias * audit.correctionStandardError {
      context.warn(
        "the log-density of '\(subset.samples.reweighting.name)' is biased between the states: exact likelihoods of \(subset.count) "
          + String(
            format: "samples move dF by %+.3f ± %.3f kT, to %.3f", audit.correction, audit.correctionStandardError,
            audited), cure: "the audited dF has the bias taken out; a longer trained energy model has less of it")
    }
  }

  private static func write(
    _ audit: some LikelihoodAuditing, deltaF: Double, standardError: Double, _ subset: AuditSubset,
    _ exact: LikelihoodEstimates, to writer: ArtifactWriter
  ) throws {
    try writer.write(
      (output.audited, subset.rows), (output.exactLogDensity, exact.estimates[0]), (output.freeEnergy.deltaF, deltaF),
      (output.freeEnergy.standardError, standardError))
    try writer.write(output.freeEnergy.interval, [-1.96, 1.96].map { deltaF + $0 * standardError })
    try writer.write(
      (output.correction, audit.correction), (output.correctionError, audit.correctionStandardError),
      (output.auditedSamples, subset.count), (output.rmse, audit.rootMeanSquare),
      (output.meanError, audit.meanError.value), (output.meanErrorError, audit.meanError.standardError),
      (output.stateNames, subset.samples.molecular.leadingNames), (output.stateBias, audit.stateBias),
      (output.stateBiasError, audit.stateBiasStandardError), (output.effectiveFraction, audit.effectiveFractionExact),
      (output.effectiveFractionUsed, audit.effectiveFraction), (output.reproductionError, exact.reproductionError))
  }
}

public enum AuditError: Error, CustomStringConvertible, Equatable {
  case noPrior(stage: String)
  case notReproduced(stage: String, difference: Double, row: Int)

  public var description: String {
    switch self {
    case .noPrior(let stage):
      "samples of '\(stage)' do not hold the prior points they came from (/prior); run that stage again"
    case .notReproduced(let stage, let difference, let row) where !difference.isFinite:
      "sample \(row) of '\(stage)', \(ReproductionError.nowhere); draw with more ode_steps"
    case .notReproduced(let stage, let difference, let row):
      "sample \(row) of '\(stage)', transported again from its prior point, ends \(difference) away from where it was; "
        + "the emulator or the integrator is not the one it was drawn with: run that stage again, or with tighter tolerances"
    }
  }
}
