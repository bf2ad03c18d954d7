import Artifacts
import HDF5

/// A trained network as it stands in an artifact or a checkpoint.
public struct TrainingRecord: Record {
  public let step = Integer("training/step", "optimisation steps so far")
  public let halvings = Integer("training/halvings", "of the learning rate, where training broke")
  /// By "GROUP/NAME". Never compressed: network weights do not shrink.
  public let tensors = Named(under: "training/tensors") {
    Numbers<Float>(
      $0, axes: [], "parameters, their moving average (average/...), constants and the optimiser's moments",
      namesAxes: false, compression: .none)
  }
  public let generator = Numbers<UInt8>(
    "training/generator", axes: ["byte"], "state of the random stream", namesAxes: false)
  public let curveColumns = Texts("training/curve/columns", axes: ["column"], "of the loss curve")
  public let curveSteps = Integers("training/curve/steps", axes: ["row"], "of its rows", namesAxes: false)
  public let curveRows = Reals("training/curve/rows", axes: ["row", "column"], "its rows", namesAxes: false)
}

/// Checkpoints of a training.
public struct TrainingCheckpointRecord: Record {
  public let training = TrainingRecord()
  public let recent = Reals(
    "recent", axes: ["step", "column"], "losses since the last row of the curve", namesAxes: false)
  public let pool = PoolRecord()
}

/// Of an energy model's training: the samples it trains on.
public struct PoolRecord: Record {
  public let latents = Numbers<Float>(
    "pool/latents", axes: ["row", "latent"], "samples", namesAxes: false, compression: .none)
  public let labels = Numbers<Float>(
    "pool/labels", axes: ["row"], "their log-densities over latents", namesAxes: false, compression: .none)
  public let scores = Numbers<Float>(
    "pool/scores", axes: ["row", "latent"], "gradients of these", namesAxes: false, compression: .none)
  public let next = Integer("pool/next", "the row that is replaced next")
}

/// A model but for its numbers, which are among the training's tensors.
public struct ModelRecord: Record {
  public let header, chart: Text

  init(group: String, header: String, chart: String) {
    (self.header, self.chart) = (Text("\(group)/header", header), Text("\(group)/chart", chart))
  }
}

/// Losses for a plot.
public struct LossRecord: Record {
  public let step = Integers("results/loss/step", axes: ["step"], "optimisation steps")
  public let columns = Named(under: "results/loss") {
    Reals($0, axes: ["step"], "a loss: train, validation, score, contrastive, label, score_label")
  }
}

/// `emulator`, `imported-emulator`, `transferred-emulator` and `refined-emulator`: the chart, the network's shape, its numbers.
public struct EmulatorRecord: StageRecord {
  public static let stageType = "emulator"
  /// Of one that another program trained, which writes the same.
  public static let importedStageType = "imported-emulator"
  /// Of one that was made for the molecule by an emulator of many.
  public static let transferredStageType = "transferred-emulator"
  /// Of one that was trained again on its own weighted samples.
  public static let refinedStageType = "refined-emulator"
  /// All that write it.
  public static let stageTypes = [stageType, importedStageType, transferredStageType, refinedStageType]
  public let model = ModelRecord(
    group: "emulator", header: "kind and shape of the network, and the interpolant; JSON",
    chart: "from positions to latent coordinates; JSON")
  public let topology = Texts(Paths.topology, axes: ["one"], "the molecule, in MDTraj's JSON")
  public let training = TrainingRecord()
  public let loss = LossRecord()
  public let parameters = Integer(Paths.parameters, "of the network")
  public let trainingFrames = Integer(Paths.trainingFrames, "frames that it was trained on")
  public let targets = Text(
    "results/training_targets", "forces, where they took the noise out of the targets, or plain")
  public let energyEvaluations = Integer(
    Paths.energyEvaluations,
    "of one that was refined: of the force field, and steps of the dynamics, from the beginning")
  public let thermometer = Real(
    "results/thermometer/mean",
    "temperature of the frames over that of the force field, by Stein's identity; 1 where they are its own")
  public let thermometerError = Real("results/thermometer/standard_error", "of the mean")
  public let thermometers = ThermometersRecord()
}

/// `transferable-emulator`: one emulator of many peptides.
public struct TransferableEmulatorRecord: StageRecord {
  public static let stageType = "transferable-emulator"
  public let model = ModelRecord(
    group: "transferable_emulator", header: "rows and shapes of the networks; JSON",
    chart: "means and whitening by residue and place; JSON")
  public let training = TrainingRecord()
  public let loss = LossRecord()
  public let parameters = Integer(Paths.parameters, "of the networks and their tables")
  public let trainingFrames = Integer(Paths.trainingFrames, "frames of all molecules that it was trained on")
  public let molecules = Texts("results/molecules/names", axes: ["molecule"], "stages whose frames it was trained on")
  public let thermometers = Reals(
    "results/molecules/thermometers", axes: ["molecule"],
    "temperature of each molecule's frames over that of the force field, by Stein's identity; 1 where they are its own")
  public let thermometerErrors = Reals(
    "results/molecules/thermometer_standard_errors", axes: ["molecule"], "of these")
  public let heldOut = Texts(
    "results/molecules/held_out", axes: ["held out"], "stages whose frames told when to stop, and taught nothing")
  public let known = Texts("results/residues", axes: ["residue"], "residues and links that it knows, by place")
  public let temperature = Real("results/temperature", unit: "K", "of the frames")
}

/// Stein's identity for single coordinates of an emulator's frames.
public struct ThermometersRecord: Record {
  public let names = Texts("results/thermometer/coordinates", axes: ["coordinate"], "the one furthest off first")
  public let values = Reals("results/thermometer/values", axes: ["coordinate"], "1 where all is well")
  public let errors = Reals("results/thermometer/standard_errors", axes: ["coordinate"], "of the values")
  public let torsionNames = Texts(
    "results/thermometer/torsions", axes: ["torsion"], "those that go all the way round, the one furthest off first")
  public let torsionValues = Reals(
    "results/thermometer/torsion_values", axes: ["torsion"],
    "the largest E[g f + f'], f sine or cosine of the angle or twice it; 0 where all is well")
  public let torsionErrors = Reals("results/thermometer/torsion_standard_errors", axes: ["torsion"], "of the values")
}

/// `sample`: conformations with their log-density.
public struct SampleRecord: StageRecord {
  public static let stageType = "sample"
  public let trajectory = TrajectoryRecord<Double>()
  public let latents = Numbers<Float>("latents", axes: ["frame", "latent"], "on the emulator's chart")
  public let emulator: Attribute
  public let prior = Numbers<Float>("prior", axes: ["frame", "latent"], "the points of the prior they came from")
  public let integrator: Attribute
  public let scores = Numbers<Float>(
    "scores", axes: ["frame", "latent"], "gradient of the log-density over latents, where it was asked for")
  public let internalCoordinates = Reals(
    "internal", axes: ["frame", "coordinate"], "bonds (nm), angles and torsions (rad)")
  public let logJacobian = Reals("log_jacobian", axes: ["frame"], "ln |dx/dq|")
  public let logDensity = LogDensityRecord()
  public let probes = Reals("log_density_probes", axes: ["estimate", "frame"], "its independent estimates")
  public let lost = LostTrajectoryRecord(group: "results")
  public let mirroredFraction = Real("results/mirrored_fraction", "drawn with the other hand")
  public let inverted = Integer(Paths.inverted, "samples with a stereocentre of the other hand")
  public let samples = Integer("results/samples", "how many there are")
  public let functionEvaluations = Integer("results/function_evaluations", "of the network")
  public let solverError = Real(
    "results/solver_error", unit: "nat",
    "what twice the steps change of the log-density, root mean square of some samples; of fixed steps, where it was asked for"
  )
  public let seconds = Measured(Paths.seconds, "wall time of the integration")

  init() {
    emulator = Attribute(of: latents, "emulator", "content digest of the emulator they are of")
    integrator = Attribute(of: prior, "integrator", "how they were integrated; JSON")
  }
}

/// ln q of samples.
public struct LogDensityRecord: Record {
  public let values = Reals(
    "log_density", axes: ["frame"], "ln q over Cartesian coordinates, up to the rigid-body constant; nat")
  public let method: Attribute

  init() { method = Attribute(of: values, "method", "what computed it") }
}

/// Trajectories of the flow that gave no sample.
public struct LostTrajectoryRecord: Record {
  public let sample: Integers
  public let time, step: Reals

  /// `group`: results, or draws in checkpoints.
  init(group: String) {
    sample = Numbers("\(group)/lost/sample", axes: ["trajectory"], "which of those that were begun")
    time = Numbers("\(group)/lost/time", axes: ["trajectory"], "where it was lost, 0 to 1")
    step = Numbers("\(group)/lost/step", axes: ["trajectory"], "the step's length there")
  }
}

/// Checkpoints of `sample`: what was drawn so far.
public struct DrawsRecord: Record {
  public let latents = rows("latents", "on the emulator's chart")
  public let prior = rows("prior", "the points of the prior they came from")
  public let scores = rows("scores", "gradient of the log-density over latents")
  public let estimates = Reals(
    "draws/estimates", axes: ["estimate", "frame"], "of the log-density over latents", namesAxes: false)
  public let functionEvaluations = Integer("draws/function_evaluations", "of the network")
  public let seconds = Real("draws/seconds", "wall time so far")
  public let lost = LostTrajectoryRecord(group: "draws")

  private static func rows(_ name: String, _ meaning: String) -> Numbers<Float> {
    Numbers("draws/\(name)", axes: ["frame", "latent"], meaning, namesAxes: false, compression: .none)
  }
}

/// `energy-model`: the network, and what it is worth against exact log-densities.
public struct EnergyModelRecord: StageRecord {
  public static let stageType = "energy-model"
  public let model = ModelRecord(
    group: "energy_model", header: "kind and shape of the network, and whose emulator it is of; JSON",
    chart: "the coordinates it works on; JSON")
  public let training = TrainingRecord()
  public let loss = LossRecord()
  public let exactLogDensity = Reals(
    "results/exact_log_density", unit: "nat", axes: ["sample"], "by exact trace, of samples it has not seen")
  public let modelLogDensity = Reals(
    "results/model_log_density", unit: "nat", axes: ["sample"], "by the model, up to its constant")
  public let rmse = Real(Paths.rmseLogDensity, unit: "nat", "after removing the mean")
  public let meanError = Real("results/mean_error_log_density", unit: "nat", "model minus exact")
  public let spearman = Real(Paths.spearman, "rank correlation")
  public let priorOffset = Real("results/prior_offset", unit: "nat", "the constant, from the prior's end")
  public let priorOffsetError = Real("results/prior_offset_standard_error", unit: "nat", "its error")
  public let absoluteError = Real(
    "results/absolute_error", unit: "nat", "mean error of the absolute log-density by that constant")
  public let dataOffset = Real("results/data_offset", unit: "nat", "the constant, followed to the data's end")
  public let dataOffsetError = Real("results/data_offset_standard_error", unit: "nat", "its error")
  public let absoluteErrorNormalized = Real(
    "results/absolute_error_normalized", unit: "nat", "mean error by that constant")
  public let normalizationTime = Reals("results/normalization/time", axes: ["time"], "0 noise, 1 data")
  public let normalizationOffset = Reals(
    "results/normalization/offset", unit: "nat", axes: ["time"], "the constant on its way")
  public let secondsPerLikelihood = Measured("results/seconds_per_likelihood", "wall time of one likelihood")
  public let exactSecondsPerLikelihood = Measured(
    "results/exact_seconds_per_likelihood", "of one by exact trace, with its sample")
}

/// `toy-samples`.
public struct ToySamplesRecord: StageRecord {
  public static let stageType = "toy-samples"
  public let system = Text("system", "name of the law")
  public let samples = Reals("samples", axes: ["sample", "coordinate"], "independent draws")
  public let count = Integer("results/count", "how many")
  public let mean = Reals("results/mean", axes: ["coordinate"], "of the draws")
  public let covariance = Reals("results/covariance", axes: ["coordinate", "coordinate"], "of the draws")
}

/// `toy-energy-model`.
public struct ToyEnergyModelRecord: StageRecord {
  public static let stageType = "toy-energy-model"
  public let training = TrainingRecord()
  public let loss = LossRecord()
  public let divergence = Real(Paths.divergence, unit: "nat", "KL(truth || model) on the grid, both normalised there")
  public let parameters = Integer(Paths.parameters, "of the network")
  public let x = Reals("results/grid/x", axes: ["x"], "places of the grid")
  public let y = Reals("results/grid/y", axes: ["y"], "places of the grid")
  public let logDensity = Reals(
    "results/grid/log_density", unit: "nat", axes: ["y", "x"], "the model's, normalised on the grid")
  public let trueLogDensity = Reals(
    "results/grid/true_log_density", unit: "nat", axes: ["y", "x"], "-inf where there is no density")
}
