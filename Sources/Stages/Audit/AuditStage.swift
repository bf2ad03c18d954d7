import Artifacts
import Basics
import Foundation
import FreeEnergies
import Generative
import Molecules
import Torch
import Workflow

/// `audit`: what a reweighting's cheap log-density did to its free energy, found by exact likelihoods on a random subset.
///
/// Each chosen sample is transported again from the prior point it came from, now with the exact trace; that the sample itself
/// comes back is checked. (Integrating back from the sample would be another map: fixed steps have no exact inverse.)
/// With `draw: weighted` the subset is drawn by weight, half from each state (`WeightedLikelihoodAudit`): the figures below are over
/// these draws, both ess_fraction are of all samples, and Spearman, exact_delta_f and methods are left out.
///
/// | path, under /results | what |
/// |---|---|
/// | delta_f, delta_f_interval [2], delta_f_standard_error | of all samples, corrected by the subset; kT |
/// | correction, correction_standard_error | what was added; kT |
/// | audited_samples, rmse_log_density, spearman | of ln q as it was used against the exact one, mean removed; nat |
/// | mean_error, mean_error_standard_error | used minus exact, nat; of an energy model's ln q before any absolute constant |
/// | state_names, state_bias, state_bias_standard_error [states] | mean error under the weights, that of all samples removed; nat |
/// | ess_fraction, ess_fraction_used | Kish, of the subset, by exact weights and by those that were used |
/// | exact_delta_f, exact_delta_f_standard_error | of the subset alone, kT |
/// | reproduction_error | largest difference of a latent coordinate from the stored one |
/// | methods/order, methods/NAME/... | other ways to the same likelihoods, see `LikelihoodMethods`; not of weighted draws |
/// | draws | weighted draws: how many, repeated ones included |
/// | /audited [audited_samples], /exact_log_density | rows of the samples, and their ln q |
enum AuditStage: StageType {
  static let type = "audit"
  static let version = 1
  static let summary = "check a reweighting's log-density against exact likelihoods, and correct its free energy"
  static let reads: [SharedField] = [.topology, .temperature, .torsions, .state]
  static let indirectInputs: [InputPath] = [["reweight", "samples", "emulator"], ["reweight", "density"]]

  static let parameters: [ParameterField] = [
    ParameterField("reweight", .stage(["reweight"]), help: "the reweighting to audit"),
    ParameterField(
      "samples", .integer(100...10_000_000), default: 2000, help: "how many of its samples, drawn at random"),
    ParameterField(
      "draw", .choice(Draw.allCases.map(\.rawValue)), optional: true,
      help:
        "uniform: a random subset, which shows the log-density's errors everywhere; weighted: half from each state, in proportion to "
        + "the weights, which spends the exact likelihoods where the weight is and gives the free energy of all samples by "
        + "exact weights, also where few samples carry them. uniform if left out"),
    ParameterField("bootstrap", .integer(10...100_000), default: 500, help: "replicates of the bootstrap"),
    ParameterField("batch", .count, default: 200, help: "samples integrated together by exact trace"),
    ParameterField(
      "hutchinson_probes", .list(.integer(1...64), acceptsSingle: true, count: 0...16), default: [1, 8],
      help: "probes of the Hutchinson estimates that are set beside the other methods"),
    ParameterField(
      "stochastic_probes", .list(.integer(1...64), acceptsSingle: true, count: 0...16), default: [2],
      help: "the same for stochastic-trace"),
  ]

  /// Samples of fewer effective ones than this are warned of.
  static let fewestEffective = 100.0

  enum Draw: String, Decodable, CaseIterable {
    case uniform, weighted
  }

  struct Parameters: Decodable {
    var samples: Int
    var draw: Draw?
    var bootstrap: Int
    var batch: Int
    var hutchinsonProbes: [Int]
    var stochasticProbes: [Int]
  }

  /// Throws `AuditError`, and `FreeEnergiesError.emptyState` where the subset has no weight on one side of the state.
  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let reweighted = try context.input("reweight")
    if parameters.draw == .weighted { return try runWeighted(reweighted, parameters, context) }
    let subset = try AuditSubset(reweighted, context) { logWeights, _, _ in
      LikelihoodAudit.subset(of: parameters.samples, logWeights: logWeights, seed: context.seed)
    }
    let exact = try subset.logDensities(.exactTrace, batch: parameters.batch, title: "exact likelihood", context)
    var options = LikelihoodAudit.Options()
    options.bootstrapReplicates = parameters.bootstrap
    options.seed = context.seed
    let audit = try LikelihoodAudit(
      used: subset.logDensity, exact: exact.estimates[0], logWeights: subset.logWeights,
      exactLogWeights: zip(subset.reducedPotential, exact.estimates[0]).map { -$0 - $1 },
      inside: subset.stateAngle.map(subset.state.contains), options: options)
    let deltaF = try reweighted.artifact.scalar("results/delta_f", as: Double.self)
    let error = try reweighted.artifact.scalar("results/delta_f_standard_error", as: Double.self)
    let audited = audit.audited(deltaF: deltaF, standardError: error)
    try write(audit, deltaF: audited.value, standardError: audited.standardError, subset, exact, context)
    try context.output.writeScalar("results/spearman", audit.spearman)
    try context.output.writeScalar("results/exact_delta_f", audit.exactDeltaF, units: "kT")
    try context.output.writeScalar(
      "results/exact_delta_f_standard_error", audit.exactDeltaFStandardError, units: "kT")

    let methods = try LikelihoodMethods(subset: subset, exact: exact, parameters: parameters, context)
    try methods.write(to: context.output)
    context.log("\n" + methods.table.rendered())
    report(
      context, reweighted, deltaF: deltaF, correction: (audit.correction, audit.correctionStandardError),
      audited: (audited.value, audited.standardError), rootMeanSquare: audit.rootMeanSquare, count: subset.count)
  }

  private static func runWeighted(
    _ reweighted: StageInput, _ parameters: Parameters, _ context: StageContext
  ) throws {
    var draws: WeightedLikelihoodAudit.Draws?
    var all: (logWeights: [Double], logDensity: [Double], inside: [Bool]) = ([], [], [])
    let subset = try AuditSubset(reweighted, context) { logWeights, logDensity, inside in
      let made = try WeightedLikelihoodAudit.Draws(
        count: parameters.samples, logWeights: logWeights, inside: inside, seed: context.seed)
      draws = made
      all = (logWeights, logDensity, inside)
      return made.distinct
    }
    guard let draws else { return }
    let exact = try subset.logDensities(.exactTrace, batch: parameters.batch, title: "exact likelihood", context)
    let audit = try WeightedLikelihoodAudit(
      used: all.logDensity, logWeights: all.logWeights, inside: all.inside, draws: draws, exact: exact.estimates[0],
      exactLogWeights: zip(subset.reducedPotential, exact.estimates[0]).map { -$0 - $1 })
    let output = context.output
    try write(audit, deltaF: audit.deltaF, standardError: audit.standardError, subset, exact, context)
    try output.writeScalar("results/draws", Int64(draws.rows.joined().count))
    let deltaF = try reweighted.artifact.scalar("results/delta_f", as: Double.self)
    let effective = audit.effectiveFractionExact * Double(all.inside.count)
    if effective < fewestEffective {
      context.warn(
        String(
          format:
            "by exact weights the samples of '\(reweighted.name)' are worth %.0f of \(all.inside.count): the audited dF may be off by more than its "
            + "error. Train the emulator longer or draw more samples", effective))
    }
    report(
      context, reweighted, deltaF: deltaF, correction: (audit.correction, audit.correctionStandardError),
      audited: (audit.deltaF, audit.standardError), rootMeanSquare: audit.rootMeanSquare, count: subset.count)
  }

  private static func report(
    _ context: StageContext, _ reweighted: StageInput, deltaF: Double, correction: (value: Double, error: Double),
    audited: (value: Double, error: Double), rootMeanSquare: Double, count: Int
  ) {
    context.log(
      String(
        format: "dF %.3f corrected by %+.3f ± %.3f to %.3f ± %.3f kT; ln q off by %.3f nats rms", deltaF,
        correction.value, correction.error, audited.value, audited.error, rootMeanSquare))
    if abs(correction.value) > 3 * correction.error {
      context.warn(
        String(
          format:
            "the log-density of '\(reweighted.name)' is biased between the states: exact likelihoods of \(count) samples move "
            + "dF by %+.3f ± %.3f kT, to %.3f", correction.value, correction.error, audited.value))
    }
  }

  private static func write(
    _ found: some LikelihoodAuditing, deltaF: Double, standardError: Double, _ subset: AuditSubset,
    _ exact: LikelihoodEstimates, _ context: StageContext
  ) throws {
    let output = context.output
    func scalar(_ name: String, _ value: Double, _ units: String? = nil) throws {
      try output.writeScalar("results/\(name)", value, units: units)
    }
    try output.write("audited", subset.rows.map(Int64.init), shape: [subset.count], dims: ["sample"])
    try output.write(
      "exact_log_density", exact.estimates[0], shape: [subset.count], units: "nat", dims: ["sample"])
    try scalar("delta_f", deltaF, "kT")
    try scalar("delta_f_standard_error", standardError, "kT")
    try output.write(
      "results/delta_f_interval", [-1.96, 1.96].map { deltaF + $0 * standardError }, shape: [2], units: "kT",
      dims: ["end"])
    try scalar("correction", found.correction, "kT")
    try scalar("correction_standard_error", found.correctionStandardError, "kT")
    try output.writeScalar("results/audited_samples", Int64(subset.count))
    try scalar("rmse_log_density", found.rootMeanSquare, "nat")
    try scalar("mean_error", found.meanError.value, "nat")
    try scalar("mean_error_standard_error", found.meanError.standardError, "nat")
    let state = context.system.state
    let (low, high) = (String(format: "%g", state.from), String(format: "%g", state.to))
    try output.write("results/state_names", strings: ["\(state.torsion) in (\(low), \(high))", "elsewhere"])
    try output.write("results/state_bias", found.stateBias, shape: [2], units: "nat", dims: ["state"])
    try output.write(
      "results/state_bias_standard_error", found.stateBiasStandardError, shape: [2], units: "nat", dims: ["state"])
    try scalar("ess_fraction", found.effectiveFractionExact)
    try scalar("ess_fraction_used", found.effectiveFraction)
    try scalar("reproduction_error", exact.reproductionError)
  }
}

public enum AuditError: Error, CustomStringConvertible, Equatable {
  case noPrior(stage: String)
  case notReproduced(stage: String, difference: Double, row: Int)

  public var description: String {
    switch self {
    case .noPrior(let stage):
      return "samples of '\(stage)' do not hold the prior points they came from (/prior); run that stage again"
    case .notReproduced(let stage, let difference, let row):
      return
        "sample \(row) of '\(stage)', transported again from its prior point, ends \(difference) away from where it was; "
        + "the emulator or the integrator is not the one it was drawn with: run that stage again, or with tighter tolerances"
    }
  }
}
