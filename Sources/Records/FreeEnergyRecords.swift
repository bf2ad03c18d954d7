import Artifacts
import HDF5

/// A free-energy difference of the state, in the fixed places of every stage that gives one.
public struct FreeEnergyRecord: Record {
  public let deltaF = Real(
    Paths.deltaF, unit: "kT",
    "-ln(P(state) / P(elsewhere)), or of the first pair of states: positive where the first is the rarer one; nan where too few samples "
      + "carry it")
  public let standardError = Real(Paths.deltaFStandardError, unit: "kT", "one standard error")
  public let interval = Reals(Paths.deltaFInterval, unit: "kT", axes: ["end"], "95 %")
  public let ensemble = Text(Paths.ensemble, "where bonds are or were held: which ensemble the number belongs to")

  public init() {}
}

/// Populations and free energies of named states (`system.states`), in the fixed places of every stage that gives them. Single answers
/// (`results/delta_f`) are of the first pair.
public struct StatesRecord: Record {
  public let names = Texts("results/states/names", axes: ["state"], "of `system.states`, the rest last")
  public let population = Reals("results/states/population", axes: ["state"], "share; nan where it is not determined")
  public let standardError = Reals("results/states/standard_error", axes: ["state"], "one standard error")
  public let interval = Reals("results/states/interval", axes: ["state", "end"], "95 %")
  public let effectiveSamples = Reals(
    "results/states/effective_samples", axes: ["state"], "Kish's, of the state's samples by their weights")
  public let unweighted = Reals(
    "results/states/unweighted", axes: ["state"], "reweight: shares of the samples as they were drawn")
  public let trajectory = Reals(
    "results/states/trajectory", axes: ["state"], "reweight: shares of the frames that the emulator learnt from")
  public let pairs = PairsRecord()
}

/// Free energies of pairs of named states.
public struct PairsRecord: Record {
  public let from = Texts("results/pairs/from", axes: ["pair"], "the first state of each pair")
  public let to = Texts("results/pairs/to", axes: ["pair"], "the second")
  public let deltaF = Reals(
    "results/pairs/delta_f", unit: "kT", axes: ["pair"],
    "-ln(P(from) / P(to)): positive where the first is the rarer one; nan where it is not determined")
  public let standardError = Reals("results/pairs/standard_error", unit: "kT", axes: ["pair"], "one standard error")
  public let interval = Reals("results/pairs/interval", unit: "kT", axes: ["pair", "end"], "95 %")
}

/// Free energies of pairs of named states against those of a reference.
public struct PairDifferencesRecord: Record {
  public let from = StatesRecord().pairs.from
  public let to = StatesRecord().pairs.to
  public let difference = Reals(
    "results/pairs/delta_f_difference", unit: "kT", axes: ["pair"], "samples minus reference")
  public let standardError = Reals(
    "results/pairs/delta_f_difference_standard_error", unit: "kT", axes: ["pair"], "of both together")
  public let reference = Reals("results/pairs/delta_f_reference", unit: "kT", axes: ["pair"], "the reference's")
}

/// Free energy along the state's torsion.
public struct ProfileRecord: Record {
  public let angles = Named(under: "results/profile") {
    Reals($0, unit: "rad", axes: ["bin"], "middles of the bins of the torsion of that name")
  }
  public let freeEnergy = Reals("results/profile/free_energy", unit: "kT", axes: ["bin"], "minimum 0")
  public let standardError = Reals("results/profile/standard_error", unit: "kT", axes: ["bin"], "its error")
}

/// `reweight`: weights that turn an emulator's samples into the Boltzmann distribution.
public struct ReweightRecord: StageRecord {
  public static let stageType = "reweight"
  public let logWeights = Reals(
    "log_weights", axes: ["frame"], "normalised (sum of w = 1), corrected for noise; -infinity without weight")
  public let logDensity = LogDensityRecord()
  public let energies = Reals(Paths.energies, unit: "kJ/mol", axes: ["frame"], "potential energy")
  public let torsions = TorsionRecord()
  public let freeEnergy = FreeEnergyRecord()
  public let effectiveFraction = Real(Paths.effectiveFraction, "Kish's, of all samples")
  public let effectiveFractionTruncated = Real(Paths.effectiveFractionTruncated, "the same without the largest weights")
  public let effectiveFractionOfMixture = Real(
    "results/ess_fraction_of_mixture",
    "the same over that of a perfect sampler with the samples' own shares of the states")
  public let stateEffectiveFraction = Reals(
    "results/state_ess_fraction", axes: ["state"], "Kish's, of each state's own samples")
  public let effectiveFractionWithoutHeaviest = Reals(
    "results/ess_fraction_without_heaviest", axes: ["heaviest"], "of all samples but the heaviest 1, and 10")
  public let dropped = Integer("results/dropped", "how many weights the truncated one leaves out")
  public let largestWeight = Real("results/largest_weight", "share of the heaviest sample")
  public let stateEffective = Reals(
    "results/state_effective_samples", axes: ["state"],
    "Kish's, of the samples of each state: below 10 there is no number")
  public let stateLargestWeight = Reals(
    "results/state_largest_weight", axes: ["state"], "share of the state's weight that its heaviest sample has")
  public let heaviestShare = Real(
    "results/heaviest_share",
    "the largest share of a state's weight that one sample may have for a number; missing where any may")
  public let tailShape = Reals(
    "results/tail_shape", axes: ["state"],
    "Pareto shape of the weights' tails before any smoothing: above 0.7 their sums are not to be believed, above 1 there is no "
      + "interval; nan where there are too few to tell")
  public let unsmoothedDeltaF = Real("results/unsmoothed_delta_f", unit: "kT", "where weights were smoothed")
  public let nonFinite = Integer(Paths.nonFinite, "samples without a finite energy or density: no weight")
  public let inverted = Integer(Paths.inverted, "samples with a stereocentre of the other hand: no weight")
  public let logVolumes = Reals(
    "results/log_constraint_volume", axes: ["frame"],
    "where bonds are held: 1/2 ln det Z of each sample, what constraints add to the logarithm of its Boltzmann factor")
  public let energyEvaluations = Integer(Paths.energyEvaluations, "of the force field")
  public let energyMethod = Text(Paths.energyMethod, "what computed the energies")
  public let secondsPerEnergy = Measured("results/seconds_per_energy", "wall time of one energy")
  public let stateNames = Texts(Paths.stateNames, axes: ["state"], "the states, and elsewhere or the rest's name last")
  public let statePopulations = Reals("results/state_populations", axes: ["state"], "shares by weight")
  public let stateIntervals = Reals("results/state_intervals", axes: ["state", "end"], "95 %")
  public let statePopulationsUnweighted = Reals(
    "results/state_populations_unweighted", axes: ["state"], "shares of the samples as they were drawn")
  public let statePopulationsTrajectory = Reals(
    "results/state_populations_trajectory", axes: ["state"],
    "shares of the frames that the emulator learnt from, in the surroundings they were made in")
  public let states = StatesRecord()
  public let profile = ProfileRecord()
  public let noiseVariance = Reals(
    "results/noise/variance", unit: "nat2", axes: ["state"], "of ln q, where it was estimated twice")
  public let noiseEffect = Real("results/noise/effect", unit: "kT", "what its correction did to dF")
  public let noiseEffectError = Real("results/noise/effect_standard_error", unit: "kT", "its error")
  public let temperatures = TemperaturesRecord()
  public let samplingError = Real(
    "results/sampling_standard_error", unit: "kT",
    "of dF, by bootstrap alone: without what the energy model has wrong between the states")
  public let auditRMSE = Real(
    "results/audit/rmse_log_density", unit: "nat", "of the energy model against the samples' own ln q")
  public let auditStateBias = Real(
    "results/audit/state_bias", unit: "nat", "its mean error in the state minus that elsewhere")
}

/// Free energies at other temperatures, where they were asked for.
public struct TemperaturesRecord: Record {
  public let temperature = Reals("results/temperatures/temperature", unit: "K", axes: ["temperature"], "of each row")
  public let effectiveFraction = Reals(
    "results/temperatures/ess_fraction", axes: ["temperature"], "Kish's, of all samples")
  public let stateEffective = Reals(
    "results/temperatures/state_effective_samples", axes: ["temperature", "state"],
    "Kish's, of the samples of each state: below 10 there is no number")
  public let freeEnergy = PairEstimatesRecord("delta_f", "-kT ln(P(from) / P(to))")
  public let enthalpy = PairEstimatesRecord(
    "delta_h", "mean potential energy of the first state less that of the other")
  public let entropy = PairEstimatesRecord("t_delta_s", "delta_h - delta_f")
  public let heatCapacity = Reals(
    "results/temperatures/heat_capacity", unit: "kJ/mol/K", axes: ["temperature"], "of the configuration: d<U>/dT")
  public let heatCapacityError = Reals(
    "results/temperatures/heat_capacity_standard_error", unit: "kJ/mol/K", axes: ["temperature"], "by bootstrap")
  public let heatCapacityInterval = Reals(
    "results/temperatures/heat_capacity_interval", unit: "kJ/mol/K", axes: ["temperature", "end"], "95 %")
}

/// A quantity of each pair of states at each temperature.
public struct PairEstimatesRecord: Record {
  public let values, errors, intervals: Reals

  init(_ name: String, _ meaning: String) {
    let path = "results/temperatures/\(name)"
    values = Reals(path, unit: "kJ/mol", axes: ["temperature", "pair"], meaning)
    errors = Reals("\(path)_standard_error", unit: "kJ/mol", axes: ["temperature", "pair"], "by bootstrap")
    intervals = Reals("\(path)_interval", unit: "kJ/mol", axes: ["temperature", "pair", "end"], "95 %")
  }
}

/// Checkpoints of stages that ask for energies of many conformations.
public struct EnergiesCheckpointRecord: Record {
  public let energies: Reals
  public let seconds: Real

  init(group: String) {
    energies = Reals(
      "\(group)/energies", unit: "kJ/mol", axes: ["frame"], "those that are done", namesAxes: false, compression: .none)
    seconds = Real("\(group)/seconds", unit: "s", "wall time so far")
  }
}

/// `audit`: what a log-density did to a free energy.
public struct AuditRecord: StageRecord {
  public static let stageType = "audit"
  public let audited = Integers("audited", axes: ["sample"], "rows of the samples, ascending")
  public let exactLogDensity = Reals("exact_log_density", unit: "nat", axes: ["sample"], "their ln q by exact trace")
  public let freeEnergy = FreeEnergyRecord()
  public let correction = Real("results/correction", unit: "kT", "what was added to dF")
  public let correctionError = Real("results/correction_standard_error", unit: "kT", "its error")
  public let auditedSamples = Integer("results/audited_samples", "how many")
  public let draws = Integer("results/draws", "weighted draws: how many, repeated ones included")
  public let rmse = Real(Paths.rmseLogDensity, unit: "nat", "ln q as it was used against the exact one, mean removed")
  public let spearman = Real(Paths.spearman, "rank correlation; uniform draws alone")
  public let meanError = Real("results/mean_error", unit: "nat", "used minus exact, before any absolute constant")
  public let meanErrorError = Real("results/mean_error_standard_error", unit: "nat", "its error")
  public let stateNames = Texts(
    Paths.stateNames, axes: ["state"], "the state, and elsewhere; or the first pair's two")
  public let stateBias = Reals(
    "results/state_bias", unit: "nat", axes: ["state"], "mean error under the weights, that of all samples removed")
  public let stateBiasError = Reals("results/state_bias_standard_error", unit: "nat", axes: ["state"], "its error")
  public let effectiveFraction = Real(Paths.effectiveFraction, "Kish's, by exact weights")
  public let effectiveFractionUsed = Real("results/ess_fraction_used", "by those that were used")
  public let exactDeltaF = Real("results/exact_delta_f", unit: "kT", "of the subset alone; uniform draws")
  public let exactDeltaFError = Real("results/exact_delta_f_standard_error", unit: "kT", "its error")
  public let reproductionError = Real(
    "results/reproduction_error", "largest difference of a latent coordinate from the stored one")
  public let methodOrder = Texts("results/methods/order", axes: ["method"], "ways to the same likelihoods")
  public let methods = Named(under: "results/methods") { LikelihoodMethodRecord(group: $0) }
}

/// One way to the likelihoods of the audited samples.
public struct LikelihoodMethodRecord: Record {
  public let rmse, meanError, spearman, effectiveFraction, deltaF, deltaFError: Real
  public let seconds: Measured

  init(group: String) {
    rmse = Number("\(group)/rmse_log_density", unit: "nat", "against exact trace, mean removed")
    meanError = Number("\(group)/mean_error", unit: "nat", "against exact trace; nan for one known up to a constant")
    spearman = Number("\(group)/spearman", "rank correlation")
    effectiveFraction = Number("\(group)/ess_fraction", "Kish's, of weights by this method")
    deltaF = Number("\(group)/delta_f", unit: "kT", "by these weights")
    deltaFError = Number("\(group)/delta_f_standard_error", unit: "kT", "its error")
    seconds = Measured(
      "\(group)/seconds_per_likelihood", "wall time of one; of the sample too, but for the energy model")
  }
}

/// `compare`: distances of weighted samples from a reference, and what both cost.
public struct CompareRecord: StageRecord {
  public static let stageType = "compare"
  public let difference = DifferenceRecord(group: "results")
  public let audited = DifferenceRecord(group: "results/audited")
  public let pairs = PairDifferencesRecord()
  public let torsionDistance = Real("results/t_w2", unit: "rad", "samples to reference, on the torus")
  public let torsionFloor = Real("results/t_w2_floor", unit: "rad", "one half of the reference to the other")
  public let torsionUnweighted = Real("results/t_w2_unweighted", unit: "rad", "samples without weights")
  public let torsionPublished = Real(
    "results/t_w2_published", unit: "rad", "with angles modulo pi, for comparison with published values alone")
  public let torsionPublishedFloor = Real("results/t_w2_published_floor", unit: "rad", "its floor")
  public let energyDistance = Real("results/e_w2", unit: "kT", "samples to reference, of energies")
  public let energyFloor = Real("results/e_w2_floor", unit: "kT", "one half of the reference to the other")
  public let energyUnweighted = Real("results/e_w2_unweighted", unit: "kT", "samples without weights")
  public let energyCoverage = Real(
    "results/e_w2_coverage", "share of the reference in cells that the energies' frames visit")
  public let evaluations = Integer(
    "results/cost/energy_evaluations", "of the samples' side: the dynamics it was trained on and the reweighting")
  public let evaluationsReference = Integer("results/cost/energy_evaluations_reference", "of the reference")
  public let saving = Real("results/cost/energy_saving", "the second over the first")
  public let seconds = Measured("results/cost/seconds", "wall time of the samples' side")
  public let secondsReference = Measured("results/cost/seconds_reference", "of the reference")
  public let dynamicsTime = Real(
    "results/md/time", unit: "ps", "of dynamics like the simulate stage's for the same error")
  public let dynamicsEvaluations = Real("results/md/energy_evaluations", "its energies")
  public let speedUp = Real("results/md/speed_up", "these over ours")
  public let dynamicsSeconds = Measured("results/md/seconds", "wall time of that dynamics")
  public let wallSpeedUp = Measured("results/md/wall_speed_up", unit: nil, "it over ours")
  public let dynamicsError = Real("results/md/error", unit: "kT", "the error that is meant")
  public let exits = Integer(
    "results/md/exits", "exits from the state that the rate stands on; with none, times are lower bounds")
}

/// dF of samples against that of a reference.
public struct DifferenceRecord: Record {
  public let difference, error, standardError: Real

  init(group: String) {
    difference = Number("\(group)/delta_f_difference", unit: "kT", "samples minus reference")
    error = Number("\(group)/delta_f_error", unit: "kT", "the same without its sign")
    standardError = Number("\(group)/delta_f_error_standard_error", unit: "kT", "of both together")
  }
}

/// `report`: the first table's numbers, a row for each compared stage; nan for what a stage does not know.
public struct ReportRecord: StageRecord {
  public static let stageType = "report"
  public let stages = Texts("results/stages", axes: ["stage"], "their names")
  public let deltaF = Reals(Paths.deltaF, unit: "kT", axes: ["stage"], "free-energy difference")
  public let standardError = Reals(Paths.deltaFStandardError, unit: "kT", axes: ["stage"], "one standard error")
  public let interval = Reals(Paths.deltaFInterval, unit: "kT", axes: ["stage", "end"], "95 %")
  public let effectiveFraction = Reals(Paths.effectiveFraction, axes: ["stage"], "Kish's, of all samples")
  public let effectiveFractionTruncated = Reals(
    Paths.effectiveFractionTruncated, axes: ["stage"], "without the largest weights")
  public let divergence = Reals(
    Paths.divergence, unit: "nat", axes: ["stage"], "where a system of known density is among them")
  public let table = Text("results/table", "the table as it was printed, without times")
}
