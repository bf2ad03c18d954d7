import Artifacts
import HDF5

/// `umbrella`: umbrella sampling with two walks, up and down.
public struct UmbrellaRecord: StageRecord {
  public static let stageType = "umbrella"
  public let torsions = Reals(
    "torsions", unit: "rad", axes: ["direction", "window", "sample", "torsion"], "the biased ones first")
  public let samples = Reals(
    "walks/torsions", unit: "rad", axes: ["sample", "torsion"],
    "in place of torsions where windows differ in length: direction by direction, window by window")
  public let lengths = Integers(
    "walks/count", axes: ["window"], "samples of each window in each direction, where windows differ in length")
  public let torsionNames = Texts("torsion_names", axes: ["torsion"], "their names")
  public let centers = Reals("centers", unit: "rad", axes: ["window", "coordinate"], "of the biases")
  public let forceConstants = Reals(
    "force_constants", unit: "kJ/mol/rad2", axes: ["coordinate"], "of k/2 (torsion - centre)^2")
  public let endCoordinates = Reals(
    "end_coordinates", unit: "nm", axes: ["direction", "window", "atom", "axis"], "the last frame of every window")
  public let sharedBias = Reals(
    "shared_bias", unit: "kJ/mol", axes: ["direction", "window", "sample"],
    "of lowered barriers, where there are any: a sample counts exp(it / kT) times")
  public let samplesSharedBias = Reals(
    "walks/shared_bias", unit: "kJ/mol", axes: ["sample"], "in place of shared_bias where windows differ in length")
  public let loweredTorsions = Texts("results/lowered_torsions", axes: ["torsion"], "whose barriers were lowered")
  public let loweredBy = Reals("results/lowered_by", unit: "kJ/mol", axes: ["torsion"], "by how much")
  public let loweredEffectiveFraction = Real(
    "results/lowered_ess_fraction", "Kish's fraction of the weights that undo it")
  public let freeEnergy = FreeEnergyRecord()
  public let bootstrapError = Real("results/delta_f_error/bootstrap", unit: "kT", "standard error, by blocks")
  public let correlatedError = Real("results/delta_f_error/correlated", unit: "kT", "from statistical inefficiencies")
  public let mbarError = Real("results/delta_f_error/mbar", unit: "kT", "MBAR's own")
  public let halves = PartsRecord("results/delta_f_halves")
  public let directions = PartsRecord("results/delta_f_directions")
  public let states = StatesRecord()
  public let profile = ProfileRecord()
  public let overlap = Reals("results/overlap", axes: ["window", "window"], "MBAR's overlap matrix")
  public let windowFreeEnergy = Reals(
    "results/window_free_energy", unit: "kT", axes: ["window"], "nan where the estimate leaves the window out")
  public let statisticalInefficiency = Reals(
    "results/statistical_inefficiency", unit: "samples", axes: ["window"], "of the slowest torsion there")
  public let correlationTime = Reals(
    "results/correlation_time", unit: "ps", axes: ["window"], "of the slowest torsion there")
  public let slowestTorsion = Texts("results/slowest_torsion", axes: ["window"], "which it is")
  public let windowsLeftOut = Integer("results/windows_left_out", "those above the ceiling")
  public let windowsNotSampled = Integer(
    "results/windows_not_sampled",
    "those above the ceiling that have no more than a first pass, where target_error is given")
  public let rounds = Integer("results/rounds", "of sampling, after the first pass, where target_error is given")
  public let windowVariance = Reals(
    "results/window_variance", unit: "kT2", axes: ["window"],
    "what each adds to the variance of dF, where target_error is given")
  public let shortWindows = Integer("results/short_windows", "too short for their correlation time")
  public let mbarGradient = Real("results/mbar_gradient", "largest component left, of MBAR's equations")
  public let weakestLink = Real("results/coverage/weakest_link", "least overlap that holds the windows together")
  public let slidWindows = Integer("results/coverage/slid_windows", "whose samples left their place")
  public let fewestSamplesBetweenLines = Integers(
    "results/coverage/fewest_samples_between_lines", axes: ["coordinate"], "between neighbouring lines of windows")
  public let largestShift = Reals(
    "results/coverage/largest_shift", unit: "rad", axes: ["coordinate"], "of a window's mean from its centre")
  public let slowTorsions = SlowTorsionRecord()
  public let simulatedTime = Real(Paths.simulatedTime, unit: "ps", "of all windows")
  public let energyEvaluations = Integer(Paths.energyEvaluations, "steps of dynamics, and what moves cost")
  public let moves = TorsionMoveRecord()
  public let exchangeAcceptance = Reals(
    "results/exchange_acceptance", axes: ["coordinate"], "where windows exchange frames")
  public let forceProvider = Text(Paths.forceProvider, "what computed the forces")
  public let forceDeviation = Real(Paths.forceDeviation, "largest difference from OpenMM's, relative")
  public let seconds = Measured(Paths.seconds, "wall time of the dynamics")
}

/// dF from parts of the data.
public struct PartsRecord: Record {
  public let values: Reals
  public let names: Attribute

  init(_ path: String) {
    values = Numbers(path, unit: "kT", axes: ["part"], "dF from parts of the data")
    names = Attribute(of: values, "parts", "their names")
  }
}

/// Checkpoints of `umbrella`: the state of both walks.
public struct UmbrellaCheckpointRecord: Record {
  public let phase = Integer("umbrella/phase", "what the walks are at")
  public let steps = Integer("umbrella/steps", "of all")
  public let done = list(Int.self, "done")
  public let positions = list(Double.self, "positions")
  public let velocities = list(Double.self, "velocities")
  public let rowStarts = list(Double.self, "row_starts")
  public let records = list(Double.self, "records")
  public let endPositions = list(Double.self, "end_positions")
  public let attempts = list(Int.self, "attempts")
  public let acceptances = list(Int.self, "acceptances")
  public let turnsTried = list(Int.self, "turns_tried")
  public let turnsTaken = list(Int.self, "turns_taken")
  public let rounds = Integer("umbrella/rounds", "planned, where windows get lengths of their own")
  public let planned = list(Int.self, "planned")
  public let furtherCounts = list(Int.self, "further_counts")
  public let further = list(Double.self, "further")

  private static func list<T>(_: T.Type, _ name: String) -> Numbers<T> {
    Numbers("umbrella/\(name)", axes: [], "", namesAxes: false, compression: .none)
  }
}
