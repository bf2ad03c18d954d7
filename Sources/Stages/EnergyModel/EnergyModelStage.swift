import Artifacts
import Foundation
import FreeEnergies
import Generative
import Molecules
import Torch
import Workflow

/// Fits an energy-based model to an emulator's samples: score matching, InfoNCE over time, and labels of likelihood and score.
///
/// Samples are drawn from the emulator all along the training and take the place of the oldest: an energy model that sees the same
/// samples again and again learns their labels, not the density.
enum EnergyModelStage: StageType {
  public static let type = "energy-model"
  public static let version = 2
  public static let summary = "fit an energy-based model, whose likelihood costs one forward pass"
  public static let indirectInputs: [InputPath] = [["samples", "emulator"]]
  public static let reads: [SharedField] = [.topology]

  public static let parameters: [ParameterField] = [
    ParameterField("samples", .stage(["sample"]), help: "samples of the emulator to begin with"),
    ParameterField(
      "coordinates", .choice(["emulator", "internal"]), default: "emulator",
      help:
        "emulator: those the samples were drawn in; internal: bonds, angles and torsions also where the emulator is Cartesian"
    ),
    EnergyNetworkParameters.field(width: 256, depth: 4),
    ParameterField(
      "head", .choice(EnergyHead.allCases.map(\.rawValue)), default: .string(EnergyHead.linear.rawValue),
      help: "linear: besides a scalar, a slope for each coordinate and each sin and cos; scalar: none"),
    TrainingParameters.field(steps: 3000, batch: 256, learningRate: 1e-3, clip: 10),
    ParameterField(
      "interpolant", .choice(Interpolant.allCases.map(\.rawValue)), default: "trigonometric",
      help: "path along which the densities are learnt"),
    ParameterField(
      "losses",
      .object([
        ParameterField("score", .nonNegative, default: 1.0, help: "weight of score matching"),
        ParameterField("contrastive", .nonNegative, default: 1.0, help: "weight of InfoNCE over time"),
        ParameterField("label", .nonNegative, default: 1.0, help: "weight of the regression on likelihood labels"),
        ParameterField(
          "score_label", .nonNegative, default: 0.0,
          help: "weight of the regression of the model's gradient on the score that fresh samples bring along"),
        ParameterField(
          "negative_widths", .list(.positive, acceptsSingle: true, count: 1...16), default: [0.02, 0.1, 0.4],
          help: "spread of the negatives' times around t, used in turn"),
        ParameterField("huber_delta", .positive, default: 3.0, unit: "nat", help: "label loss is linear beyond this"),
        ParameterField(
          "data_end_fraction", .number(0...1), default: 0.5, help: "share of the times drawn toward the data end"),
      ]), help: "the objective's four losses; at least one weight must be above 0"),
    ParameterField(
      "fresh_samples", .integer(0...Int.max), default: 100_000, help: "samples drawn from the emulator while training"),
    ParameterField("refresh_every", .count, default: 50, help: "steps between two draws of fresh samples"),
    ParameterField(
      "ode_steps", .integer(1...10_000), default: 8, help: "rk4 steps of the fresh samples"),
    ParameterField(
      "evaluation_samples", .integer(10...1_000_000), default: 2000,
      help: "fresh samples whose exact log-density the model is compared with"),
  ]

  struct Parameters: Decodable {
    var coordinates: String
    var network: EnergyNetworkParameters
    var head: EnergyHead
    var training: TrainingParameters
    var interpolant: Interpolant
    var losses: EnergyModelObjective
    var freshSamples: Int
    var refreshEvery: Int
    var odeSteps: Int
    var evaluationSamples: Int

    func settings(seed: UInt64) -> EnergyModelSettings {
      var settings = EnergyModelSettings { try network.architecture($0, head: head) }
      settings.interpolant = interpolant
      settings.objective = losses
      settings.optimization = training.settings
      settings.freshSamples = freshSamples
      settings.refreshEvery = refreshEvery
      settings.odeSteps = odeSteps
      settings.seed = seed
      return settings
    }
  }

  public static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let samples = try context.input("samples")
    let emulator = try EmulatorArtifact.read(samples.input("emulator"))
    let topology = try Topology.read(pdb: context.system.topology)
    let flow = try emulator.emulator.flow(for: topology)
    var chart = EnergyModelChart(of: flow)
    if parameters.coordinates == "internal", case .cartesian = flow.chart {
      chart = try EnergyModelChart(
        internalOf: topology, samples: samples.artifact.read("coordinates", as: Double.self))
    }
    let source = EnergyModelSource(flow: flow, chart: chart)
    let trained = try withAdvice {
      try MolecularEnergyModel.train(
        on: labelled(samples.artifact, chart), source, emulator: emulator.digest,
        settings: parameters.settings(seed: context.seed), host: context)
    }
    try EnergyModelArtifact.write(trained.model.archive(), to: context.output)
    try context.output.write(trained.state)
    let evaluation = try EnergyModelEvaluation(
      of: trained.model, source, samples: parameters.evaluationSamples, odeSteps: parameters.odeSteps,
      seed: context.seed, host: context)
    try write(evaluation, context)
  }

  private static func labelled(_ samples: Artifact, _ chart: EnergyModelChart) throws -> LabelledSamples {
    let (latents, logJacobian) = try chart.latents(of: samples)
    return LabelledSamples(
      latents: latents, logJacobian: logJacobian,
      logDensity: samples.exists("log_density") ? try samples.read("log_density", as: Double.self).values : nil,
      scores: samples.exists("scores") ? try Tensor(samples.read("scores", as: Float.self)) : nil)
  }

  private static func write(_ found: EnergyModelEvaluation, _ context: StageContext) throws {
    let output = context.output
    let (prior, data) = (found.priorOffset, found.normalization.dataEnd)
    let samples = found.exact.count
    try output.write("results/exact_log_density", found.exact, shape: [samples], units: "nat", dims: ["sample"])
    try output.write("results/model_log_density", found.predicted, shape: [samples], units: "nat", dims: ["sample"])
    try output.writeScalar("results/rmse_log_density", found.rootMeanSquare, units: "nat")
    try output.writeScalar("results/mean_error_log_density", found.meanError, units: "nat")
    try output.writeScalar("results/spearman", spearmanCorrelation(found.predicted, found.exact))
    try output.writeScalar("results/prior_offset", prior.value, units: "nat")
    try output.writeScalar("results/prior_offset_standard_error", prior.standardError, units: "nat")
    try output.writeScalar("results/absolute_error", found.meanError - prior.value, units: "nat")
    try output.writeScalar("results/data_offset", data.value, units: "nat")
    try output.writeScalar("results/data_offset_standard_error", data.standardError, units: "nat")
    try output.writeScalar("results/absolute_error_normalized", found.meanError - data.value, units: "nat")
    let times = found.normalization.times
    try output.write("results/normalization/time", times, shape: [times.count], dims: ["time"])
    try output.write(
      "results/normalization/offset", found.normalization.offsets, shape: [times.count], units: "nat", dims: ["time"])
    try output.writeMeasurement("results/seconds_per_likelihood", found.secondsPerLikelihood)
    try output.writeMeasurement("results/exact_seconds_per_likelihood", found.exactSecondsPerLikelihood)
    context.log(
      String(
        format:
          "log-density against the exact one: rmse %.3f nats after removing the mean; absolute through the prior end %+.3f, "
          + "through all times %+.3f; %.1f us against %.1f ms per sample",
        found.rootMeanSquare, found.meanError - prior.value, found.meanError - data.value,
        found.secondsPerLikelihood * 1e6, found.exactSecondsPerLikelihood * 1e3))
    if found.rootMeanSquare > 1 {
      context.warn(
        String(
          format:
            "the energy model's log-density is off by %.2f nats rms: above 1, its free energies cannot be trusted; "
            + "train longer or on more fresh samples", found.rootMeanSquare))
    }
  }
}
