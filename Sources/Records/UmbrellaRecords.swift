import Artifacts
import HDF5

/// `umbrella`: umbrella sampling with two walks, up and down.
public struct UmbrellaRecord: StageRecord {
  public static let stageType = "umbrella"
  public let torsions = Numbers<Double>(
    "torsions", unit: "rad", axes: ["direction", "window", "sample", "torsion"], "the biased ones first")
  public let torsionNames = Texts("torsion_names", axes: ["torsion"], "their names")
  public let centers = Numbers<Double>("centers", unit: "rad", axes: ["window", "coordinate"], "of the biases")
  public let forceConstants = Numbers<Double>(
    "force_constants", unit: "kJ/mol/rad2", axes: ["coordinate"], "of k/2 (torsion - centre)^2")
  public let endCoordinates = Numbers<Double>(
    "end_coordinates", unit: "nm", axes: ["direction", "window", "atom", "axis"], "the last frame of every window")
  public let sharedBias = Numbers<Double>(
    "shared_bias", unit: "kJ/mol", axes: ["direction", "window", "sample"],
    "of lowered barriers, where there are any: a sample counts exp(it / kT) times")
  public let loweredTorsions = Texts("results/lowered_torsions", axes: ["torsion"], "whose barriers were lowered")
  public let loweredBy = Numbers<Double>("results/lowered_by", unit: "kJ/mol", axes: ["torsion"], "by how much")
  public let loweredEffectiveFraction = Number<Double>(
    "results/lowered_ess_fraction", "Kish's fraction of the weights that undo it")
  public let freeEnergy = FreeEnergyRecord()
  public let bootstrapError = Number<Double>("results/delta_f_error/bootstrap", unit: "kT", "standard error, by blocks")
  public let correlatedError = Number<Double>(
    "results/delta_f_error/correlated", unit: "kT", "from statistical inefficiencies")
  public let mbarError = Number<Double>("results/delta_f_error/mbar", unit: "kT", "MBAR's own")
  public let halves = PartsRecord("results/delta_f_halves")
  public let directions = PartsRecord("results/delta_f_directions")
  public let profile = ProfileRecord()
  public let overlap = Numbers<Double>("results/overlap", axes: ["window", "window"], "MBAR's overlap matrix")
  public let windowFreeEnergy = Numbers<Double>(
    "results/window_free_energy", unit: "kT", axes: ["window"], "nan where the estimate leaves the window out")
  public let statisticalInefficiency = Numbers<Double>(
    "results/statistical_inefficiency", unit: "samples", axes: ["window"], "of the slowest torsion there")
  public let correlationTime = Numbers<Double>(
    "results/correlation_time", unit: "ps", axes: ["window"], "of the slowest torsion there")
  public let slowestTorsion = Texts("results/slowest_torsion", axes: ["window"], "which it is")
  public let windowsLeftOut = Number<Int>("results/windows_left_out", "those above the ceiling")
  public let shortWindows = Number<Int>("results/short_windows", "too short for their correlation time")
  public let mbarGradient = Number<Double>("results/mbar_gradient", "largest component left, of MBAR's equations")
  public let weakestLink = Number<Double>(
    "results/coverage/weakest_link", "least overlap that holds the windows together")
  public let slidWindows = Number<Int>("results/coverage/slid_windows", "whose samples left their place")
  public let fewestSamplesBetweenLines = Numbers<Int>(
    "results/coverage/fewest_samples_between_lines", axes: ["coordinate"], "between neighbouring lines of windows")
  public let largestShift = Numbers<Double>(
    "results/coverage/largest_shift", unit: "rad", axes: ["coordinate"], "of a window's mean from its centre")
  public let slowTorsions = SlowTorsionRecord()
  public let simulatedTime = Number<Double>(Paths.simulatedTime, unit: "ps", "of all windows")
  public let energyEvaluations = Number<Int>(Paths.energyEvaluations, "steps of dynamics, and what moves cost")
  public let moves = TorsionMoveRecord()
  public let exchangeAcceptance = Numbers<Double>(
    "results/exchange_acceptance", axes: ["coordinate"], "where windows exchange frames")
  public let forceProvider = Text("results/force_provider", "what computed the forces")
  public let forceDeviation = Number<Double>("results/force_deviation", "largest difference from OpenMM's, relative")
  public let seconds = Measured(Paths.seconds, "wall time of the dynamics")

  public init() {}
}

/// dF from parts of the data.
public struct PartsRecord: Record {
  public let values: Numbers<Double>
  public let names: Attribute

  init(_ path: String) {
    values = Numbers(path, unit: "kT", axes: ["part"], "dF from parts of the data")
    names = Attribute(of: values, "parts", "their names")
  }
}

/// Checkpoints of `umbrella`: the state of both walks.
public struct UmbrellaCheckpointRecord: Record {
  public let phase = Number<Int>("umbrella/phase", "what the walks are at")
  public let steps = Number<Int>("umbrella/steps", "of all")
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

  public init() {}

  private static func list<T>(_: T.Type, _ name: String) -> Numbers<T> {
    Numbers("umbrella/\(name)", axes: [], "", namesAxes: false, compression: .none)
  }
}
