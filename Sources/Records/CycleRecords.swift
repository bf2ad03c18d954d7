import Artifacts

/// `cycle`: a free energy under one potential from that under another, by what each state gains on the way.
public struct CycleRecord: StageRecord {
  public static let stageType = "cycle"
  public let freeEnergy = FreeEnergyRecord()
  public let stateNames = Texts(Paths.stateNames, axes: ["state"], "the states, and elsewhere or the rest's name last")
  public let pairs = PairsRecord()
  public let from = Texts("results/cycle/from", axes: ["pair"], "the first state of each pair")
  public let to = Texts("results/cycle/to", axes: ["pair"], "the second")
  public let reference = CycleAnswersRecord(
    "reference", "under system.sampled_by, by weights of the first emulator's samples")
  public let before = CycleAnswersRecord(
    "before", "the same with states as the map leads to them: what the cycle adds to")
  public let target = CycleAnswersRecord("target", "under system.forcefield, by the reweighting's own weights")
  public let bothSides = CycleAnswersRecord("bennett", "under the target, by the cycle with works of both sides")
  public let forwardAlone = CycleAnswersRecord(
    "forward", "under the target, by the cycle with forward works: nothing of it comes from the target's own emulator")
  public let offset = Real(
    "results/gains/offset", unit: "kT", "about what all states gain alike; not in the gains below")
  public let bennett = CycleGainsRecord("bennett", "by Bennett's acceptance ratio")
  public let forward = CycleGainsRecord("forward", "from samples of the first potential alone")
  public let backward = CycleGainsRecord("backward", "from samples of the second potential alone")
  public let forwardEffective = Reals(
    "results/gains/forward/effective_samples", axes: ["state"], "in the mean of exp(-work): below 10 there is no number"
  )
  public let forwardTail = Reals(
    "results/gains/forward/tail_shape", axes: ["state"],
    "Pareto shape of the terms of that mean; nan where there are too few to tell")
  public let backwardEffective = Reals(
    "results/gains/backward/effective_samples", axes: ["state"], "the same of backward works")
  public let shared = Reals(
    "results/gains/bennett/shared_samples", axes: ["state"],
    "that the two ensembles have in common: below 10 there is no number")
  public let forwardWorks = Reals("works/forward", unit: "kT", axes: ["sample"], "of the first samples, to the target")
  public let backwardWorks = Reals(
    "works/backward", unit: "kT", axes: ["target_sample"], "of the target's samples, back")
  public let energyEvaluations = Integer(
    Paths.energyEvaluations, "of both potentials, without those of the reweighting")
  public let energyMethod = Text(Paths.energyMethod, "what computed the target's energies")
}

/// What a state gains on the way to another potential.
public struct CycleGainsRecord: Record {
  public let values, errors: Reals

  init(_ name: String, _ meaning: String) {
    values = Reals(
      "results/gains/\(name)/delta_f", unit: "kT", axes: ["state"],
      "free energy of each state under the second potential less that under the first and less the offset, \(meaning); nan where too few "
        + "samples carry it"
    )
    errors = Reals(
      "results/gains/\(name)/standard_error", unit: "kT", axes: ["state"], "one standard error, by bootstrap")
  }
}

/// Free energies of the pairs of states, by one of several ways.
public struct CycleAnswersRecord: Record {
  public let values, errors: Reals

  init(_ name: String, _ meaning: String) {
    values = Reals(
      "results/cycle/\(name)/delta_f", unit: "kT", axes: ["pair"], "-ln(P(from) / P(to)) \(meaning)")
    errors = Reals(
      "results/cycle/\(name)/standard_error", unit: "kT", axes: ["pair"], "one standard error")
  }
}
