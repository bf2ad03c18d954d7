import Artifacts
import HDF5

/// `anneal`: samples carried to the Boltzmann distribution, each with the logarithm of its weight.
public struct AnnealRecord: StageRecord {
  public static let stageType = "anneal"
  public let trajectory = TrajectoryRecord<Double>()
  public let latents = Reals("latents", axes: ["frame", "latent"], "on the energy model's chart, where they ended")
  public let logDensity = Reals(
    "log_density", axes: ["frame"],
    "what stands for ln q in a weight of the annealed position, over Cartesian coordinates: -u less log_weights/annealed, up to a constant; "
      + "nat")
  public let unbiasedLogDensity = Reals(
    "log_density_unbiased", axes: ["estimate", "frame"],
    "the same with the samples' own ln q where they began in place of the energy model's: its independent estimates")
  public let logWeightsBefore = Reals(
    "log_weights/before", axes: ["frame"], "by the energy model alone, where they began; -infinity without weight")
  public let logWeights = Reals(
    "log_weights/annealed", axes: ["frame"],
    "the sum of the work, as if the samples were the energy model's; -infinity without weight")
  public let unbiasedLogWeights = Reals(
    "log_weights/unbiased", axes: ["frame"],
    "with the first weight exp(U - ln q), by the mean of the estimates; not corrected for their noise")
  public let work = Reals("work", axes: ["frame", "step"], "of each step, nat; -infinity without weight")
  public let lambdas = Reals("results/steps/lambda", axes: ["step"], "where each step ends")
  public let stepSizes = Reals("results/steps/step_size", axes: ["move"], "of the moves after each step but the last")
  public let acceptance = Reals("results/steps/acceptance", axes: ["move"], "share of these moves that were accepted")
  public let pilotAcceptance = Reals("results/steps/acceptance_pilot", axes: ["move"], "share in the pilot")
  public let meanWork = Reals(
    "results/steps/mean_work", unit: "nat", axes: ["step"], "of the samples that may carry weight, all alike")
  public let conditionalEffectiveFraction = Reals(
    "results/steps/conditional_ess_fraction", axes: ["step"],
    "effective share of the samples in the step's own weights, given those before")
  public let effectiveFractionOfSteps = Reals(
    "results/steps/ess_fraction", axes: ["step"], "Kish's, of the weights after each step, without a first weight")
  public let scales = Reals(
    "results/scales", axes: ["latent"], "widths of the target along the latents: units of moves")
  public let effectiveFraction = Real(Paths.effectiveFraction, "Kish's, of log_weights/annealed")
  public let before = EffectiveFractionsRecord(group: "results/before")
  public let annealed = EffectiveFractionsRecord(group: "results/annealed")
  public let unbiased = EffectiveFractionsRecord(group: "results/unbiased")
  public let stateNames = Texts(Paths.stateNames, axes: ["state"], "the states, and elsewhere or the rest's name last")
  public let inverted = Integer(Paths.inverted, "samples with a stereocentre of the other hand: no weight")
  public let broken = Integer("results/broken", "samples with a broken ring: no weight")
  public let nonFinite = Integer(Paths.nonFinite, "samples without a finite energy, force or density: no weight")
  public let energyEvaluations = Integer(Paths.energyEvaluations, "of the force field, with forces")
  public let pilotEvaluations = Integer("results/energy_evaluations_pilot", "those of them that the pilot took")
  public let energyMethod = Text(Paths.energyMethod, "what computed energies and forces")
  public let ensemble = Text(Paths.ensemble, "where bonds were held: which ensemble the samples were carried to")
  public let seconds = Measured(Paths.seconds, "wall time of pilot and annealing")
}

/// Kish's effective sample size over the number of samples, by four yardsticks.
public struct EffectiveFractionsRecord: Record {
  public let all, ofMixture: Real
  public let states, withoutHeaviest: Reals

  init(group: String) {
    all = Real("\(group)/ess_fraction", "of all samples")
    ofMixture = Real(
      "\(group)/ess_fraction_of_mixture", "over that of a perfect sampler with the samples' own shares of the states")
    states = Reals("\(group)/state_ess_fraction", axes: ["state"], "of each state's own samples")
    withoutHeaviest = Reals(
      "\(group)/ess_fraction_without_heaviest", axes: ["heaviest"], "of all samples but the heaviest 1, and 10")
  }
}

/// Checkpoints of `anneal`: the path that the pilot found, batches that are done, and the one under way.
public struct AnnealCheckpointRecord: Record {
  public let lambdas = Reals("path/lambda", axes: ["step"], "where each step ends", namesAxes: false)
  public let stepSizes = Reals("path/step_size", axes: ["move"], "of the moves", namesAxes: false)
  public let scales = Reals("path/scales", axes: ["latent"], "their units", namesAxes: false)
  public let pilotAcceptance = Reals("path/acceptance", axes: ["move"], "in the pilot", namesAxes: false)
  public let pilotEvaluations = Integer("path/energy_evaluations", "of the pilot")
  public let done = AnnealedSamplesRecord(group: "done")
  public let batch = AnnealedSamplesRecord(group: "batch")
  public let seconds = Real("seconds", unit: "s", "wall time so far")
}

/// Samples on their way.
public struct AnnealedSamplesRecord: Record {
  public let points, base, target, baseGradient, targetGradient, firstBase, firstTarget, work: Reals
  public let accepted: Integers

  init(group: String) {
    func field(_ name: String, _ axes: [String], _ meaning: String) -> Reals {
      Reals("\(group)/\(name)", axes: axes, meaning, namesAxes: false, compression: .none)
    }
    points = field("points", ["frame", "latent"], "where they are")
    base = field("base", ["frame"], "ln of the energy model's density there")
    target = field("target", ["frame"], "ln of Boltzmann's")
    baseGradient = field("base_gradient", ["frame", "latent"], "gradient of the first")
    targetGradient = field("target_gradient", ["frame", "latent"], "gradient of the second")
    firstBase = field("first_base", ["frame"], "the first where they began")
    firstTarget = field("first_target", ["frame"], "the second where they began")
    work = field("work", ["step", "frame"], "of each step so far")
    accepted = Integers("\(group)/accepted", axes: ["step"], "moves that were accepted", namesAxes: false)
  }
}
