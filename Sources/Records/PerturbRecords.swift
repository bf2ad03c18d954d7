import Artifacts
import HDF5

/// `perturb`: an emulator of another potential, as `emulator` writes it, with the energies that it took.
public struct PerturbRecord: StageRecord {
  public static let stageType = "perturb"
  public let model = Recorded.emulator.model
  public let topology = Recorded.emulator.topology
  public let training = Recorded.emulator.training
  public let loss = Recorded.emulator.loss
  public let parameters = Recorded.emulator.parameters
  public let trainingFrames = Integer(Paths.trainingFrames, "fresh samples that there were when it was trained at last")
  public let points = LabelledPointsRecord(group: "points")
  public let energyMethod = Text(Paths.energyMethod, "what computed energies and forces")
  public let energyEvaluations = Integer(Paths.energyEvaluations, "of the target, with forces")
  public let stateNames = Texts(Paths.stateNames, axes: ["state"], "the states, and elsewhere or the rest's name last")
  public let shift = Real(
    "results/shift/rms",
    "how far the target's mean lies from the emulator's, in widths; root mean square of coordinates")
  public let largestShift = Real("results/shift/largest", "the same, the largest of all points and coordinates")
  public let rounds = PerturbRoundsRecord()
  public let seconds = Measured(Paths.seconds, "wall time of all of it")
}

/// Points with the target's log-density and its gradient.
public struct LabelledPointsRecord: Record {
  public let internalCoordinates, logDensities, gradients, drawnDensities: Reals
  public let states, sources, rounds: Integers

  init(group: String) {
    internalCoordinates = Reals(
      "\(group)/internal", axes: ["point", "coordinate"], "bonds (nm), angles and torsions (rad)")
    logDensities = Reals(
      "\(group)/log_target", axes: ["point"], "-u + ln |dx/dq| under the target, kT; -infinity where there is no energy"
    )
    gradients = Reals("\(group)/gradient", axes: ["point", "coordinate"], "of log_target over internal")
    drawnDensities = Reals(
      "\(group)/log_density", axes: ["point"], "ln q over internal of what drew it; NaN where nobody asked")
    states = Integers("\(group)/state", axes: ["point"], "which of the states")
    sources = Integers(
      "\(group)/source", axes: ["point"], "0 drawn from the emulator, 1 torsions everywhere, 2 fresh samples")
    rounds = Integers("\(group)/round", axes: ["point"], "of the fresh samples, from 0")
  }
}

/// What each round of fresh samples found.
public struct PerturbRoundsRecord: Record {
  public let energies = Integers("results/rounds/energies", axes: ["round"], "of the target, so far")
  public let effectiveFraction = Reals(
    "results/rounds/ess_fraction", axes: ["round"], "of fresh samples, as they would be drawn")
  public let stateEffectiveFraction = Reals(
    "results/rounds/state_ess_fraction", axes: ["round", "state"], "within each state")
  public let freeEnergies = Reals(
    "results/rounds/free_energies", unit: "kT", axes: ["round", "state"], "of the states, the lowest at zero")
  public let thermometer = Reals(
    "results/rounds/thermometer", axes: ["round"],
    "Stein's identity of the fresh samples by weight: 1 where energies, forces and weights belong together")
  public let thermometerError = Reals("results/rounds/thermometer_standard_error", axes: ["round"], "of that")
  public let surrogateError = Reals(
    "results/rounds/surrogate_error", unit: "kT", axes: ["round"],
    "of the learnt log-density at points that it has not seen, median")
  public let surrogateGradientError = Reals(
    "results/rounds/surrogate_gradient_error", axes: ["round"], "of its gradients, in widths, median")
}

/// Checkpoints of `perturb`, beside those of a training.
public struct PerturbCheckpointRecord: Record {
  public let phase = Integer("perturb/phase", "what comes next")
  public let points = LabelledPointsRecord(group: "perturb/points")
  public let header = Text("perturb/model/header", "of the newest flows; JSON")
  public let chart = Text("perturb/model/chart", "that they are on; JSON")
  public let tensors = Named(under: "perturb/model/tensors") {
    Numbers<Float>($0, axes: [], "of the newest flows", namesAxes: false, compression: .none)
  }
  public let rounds = Text("perturb/rounds", "what was found so far; JSON")
  public let seconds = Real("perturb/seconds", "wall time so far")
}
