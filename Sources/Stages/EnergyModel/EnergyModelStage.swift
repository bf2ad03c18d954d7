import Artifacts
import Foundation
import FreeEnergies
import Generative
import Molecules
import Records
import Torch
import Workflow

/// Fits an energy-based model to an emulator's samples: score matching, InfoNCE over time, and labels of likelihood and score.
///
/// Samples with scores teach it most. Where they carry none, more are drawn from the emulator all along the training and take the place of
/// the oldest: an energy model that sees the same samples again and again learns their labels, not the density.
enum EnergyModelStage: RecordedStage {
  static let version = 4
  static let summary = "fit an energy-based model, whose likelihood costs one forward pass"
  static let indirectInputs = [InputPath(\Inputs.samples, \SampleStage.Inputs.emulator)]
  static let reads: [SharedField] = SharedField.molecule
  static let output = Recorded.energyModel

  struct Inputs: StageInputs {
    let samples = Input("samples of the emulator to begin with", of: SampleStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter(
      "emulator: those the samples were drawn in; internal: bonds, angles and torsions also where the emulator is Cartesian",
      words: ["emulator", "internal"])
    var coordinates = "emulator"
    @Parameter("the network that gives the log-density") var network = EnergyNetworkParameters()
    @Parameter("linear: besides a scalar, a slope for each coordinate and each sin and cos; scalar: none")
    var head = EnergyHead.linear
    @Parameter("optimiser and schedule") var training = EnergyTrainingParameters(
      schedule: ScheduleParameters(batch: 512, learningRate: 2e-3, warmUp: 100, averageDecay: 0.995, clip: 10))
    @Parameter("path along which the densities are learnt") var interpolant = Interpolant.trigonometric
    @Parameter("the objective's four losses; at least one weight must be above 0") var losses = Losses()
    @Parameter(
      "samples drawn from the emulator while training; left out: none where it learns from scores, 100,000 where not",
      in: .zeroOrMore) var freshSamples: Int?
    @Parameter("steps between two draws of fresh samples", in: .count) var refreshEvery = 50
    @Parameter(
      "rk4 steps of the samples that it draws; left out: those of the samples to begin with, 8 where these were integrated by dopri5",
      in: 1...10_000) var odeSteps: Int?
    @Parameter("fresh samples whose exact log-density the model is compared with", in: 10...1_000_000)
    var evaluationSamples = 2000

    /// `scored`: samples carry scores that the model can learn from. `integrator`: the samples'.
    func settings(seed: UInt64, scored: Bool, integrator: Integrator?) -> EnergyModelSettings {
      let scored = scored && losses.scoreLabel != 0
      let own = integrator.flatMap { $0.isFixedStep ? $0 : nil }
      var settings = EnergyModelSettings(
        optimization: training.settings(scored: scored), freshSamples: freshSamples ?? (scored ? 0 : 100_000),
        integrator: odeSteps.map { .rungeKutta4(steps: $0) } ?? own ?? .rungeKutta4(steps: 8)
      ) { try network.architecture($0, head: head) }
      (settings.interpolant, settings.objective) = (interpolant, losses.objective(scored: scored))
      (settings.refreshEvery, settings.seed) = (refreshEvery, seed)
      return settings
    }
  }

  struct Losses: ParameterGroup {
    @Parameter("weight of score matching", in: .atLeastZero) var score = 1.0
    @Parameter("weight of InfoNCE over time", in: .atLeastZero) var contrastive = 1.0
    @Parameter("weight of the regression on likelihood labels", in: .atLeastZero) var label = 1.0
    @Parameter(
      "weight of the regression of the model's gradient on the samples' scores; left out: 6 where they carry some, 0 where not",
      in: .atLeastZero)
    var scoreLabel: Double?
    @Parameter("where samples carry scores, these take most of the noise out of score matching") var controlsNoise =
      true
    @Parameter(
      "share of each batch that score matching and InfoNCE take, labels take all; left out: 1/8 where it learns from scores, else all",
      in: 1e-3...1)
    var pathShare: Double?
    @Parameter("spread of the negatives' times around t, used in turn", in: .positive, count: 1...16, single: true)
    var negativeWidths = [0.02, 0.1, 0.4]
    @Parameter("label loss is linear beyond this", unit: "nat", in: .positive) var huberDelta = 3.0
    @Parameter("share of the times drawn toward the data end", in: 0...1) var dataEndFraction = 0.5

    func objective(scored: Bool) -> EnergyModelObjective {
      EnergyModelObjective(
        score: score, contrastive: contrastive, label: label, scoreLabel: scoreLabel ?? (scored ? 6 : 0),
        controlsNoise: controlsNoise,
        pathShare: pathShare ?? (scored ? 0.125 : 1), negativeWidths: negativeWidths, huberDelta: huberDelta,
        dataEndFraction: dataEndFraction)
    }
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let samples = try context.input(\Inputs.samples)
    let emulator = try EmulatorArtifact.read(samples.input(\SampleStage.Inputs.emulator))
    let topology = try context.molecule().topology
    let flow = try emulator.emulator.flow(for: topology)
    var chart = EnergyModelChart(of: flow)
    var isAsked = parameters.coordinates == "internal"
    if case .internal = flow.chart { isAsked = false }
    // there is none on heavy atoms' positions beside hydrogens' internal coordinates
    if case .heavy = flow.chart { isAsked = true }
    if isAsked {
      chart = try EnergyModelChart(
        internalOf: topology, samples: samples.artifact.read(Recorded.sample.trajectory.coordinates))
    }
    for warning in RingWarnings.ofEnergyModel(chart, topology) { context.warn(warning) }
    let source = EnergyModelSource(flow: flow, chart: chart)
    let host = StageTrainingHost(context)
    let labelled = try labelled(samples.artifact, source)
    let settings = parameters.settings(
      seed: context.seed, scored: labelled.scores != nil, integrator: labelled.integrator)
    if let own = labelled.integrator, own.isFixedStep, own != settings.integrator {
      context.warn(
        "ode_steps: samples are drawn by \(settings.integrator.summary), and those of '\(samples.name)' were by \(own.summary): the two "
          + "distributions differ by the solver's error; leave ode_steps out")
    }
    let trained = try withAdvice {
      try MolecularEnergyModel.train(on: labelled, source, emulator: emulator.digest, settings: settings, host: host)
    }
    try context.output.write(trained.model.archive(), output.model)
    try context.output.write(trained.state)
    let evaluation = try EnergyModelEvaluation(
      of: trained.model, source, samples: parameters.evaluationSamples, integrator: settings.integrator,
      seed: context.seed, host: host)
    try write(evaluation, to: context.output)
    tell(evaluation, context)
  }

  private static func labelled(_ samples: Artifact, _ source: EnergyModelSource) throws -> LabelledSamples {
    let (latents, logJacobian) = try source.chart.latents(of: samples)
    let scores = try samples.readIfThere(Recorded.sample.scores).map { found in
      guard !source.chart.isEmulators else { return try Tensor(found) }
      let positions = try samples.read(Recorded.sample.trajectory.coordinates)
      return try source.chart.scores(
        Tensor(found), of: source.flow.chart, positions: positions.values, frames: latents.shape[0])
    }
    return LabelledSamples(
      latents: latents, logJacobian: logJacobian,
      logDensity: try samples.readIfThere(Recorded.sample.logDensity.values)?.values,
      scores: scores, integrator: try samples.integrator)
  }

  private static func write(_ found: EnergyModelEvaluation, to writer: ArtifactWriter) throws {
    let (prior, data) = (found.priorOffset, found.normalization.dataEnd)
    try writer.write(
      (output.exactLogDensity, found.exact), (output.modelLogDensity, found.predicted),
      (output.rmse, found.rootMeanSquare), (output.meanError, found.meanError),
      (output.spearman, spearmanCorrelation(found.predicted, found.exact)), (output.priorOffset, prior.value),
      (output.priorOffsetError, prior.standardError), (output.absoluteError, found.meanError - prior.value),
      (output.dataOffset, data.value), (output.dataOffsetError, data.standardError),
      (output.absoluteErrorNormalized, found.meanError - data.value),
      (output.normalizationTime, found.normalization.times), (output.normalizationOffset, found.normalization.offsets),
      (output.secondsPerLikelihood, found.secondsPerLikelihood),
      (output.exactSecondsPerLikelihood, found.exactSecondsPerLikelihood))
  }

  /// Of the log-density, nat rms: above it free energies are not to be trusted.
  static let largestError = 1.0

  private static func tell(_ found: EnergyModelEvaluation, _ context: StageContext) {
    context.log(
      String(
        format:
          "log-density against the exact one: rmse %.3f nats after removing the mean; absolute through the prior end %+.3f, "
          + "through all times %+.3f; %.1f us against %.1f ms per sample",
        found.rootMeanSquare, found.meanError - found.priorOffset.value,
        found.meanError - found.normalization.dataEnd.value, found.secondsPerLikelihood * 1e6,
        found.exactSecondsPerLikelihood * 1e3))
    if found.compared < found.exact.count {
      context.warn(
        "\(found.exact.count - found.compared) of \(found.exact.count) samples have no finite density, since their coordinates give no molecule: the error is "
          + "of the others", cure: "train the emulator longer")
    }
    if !(found.rootMeanSquare <= largestError) {
      context.warn(
        String(
          format:
            "the energy model's log-density is off by %.2f nats rms: above %g, its free energies cannot be trusted",
          found.rootMeanSquare, largestError), .grave,
        cure: "train longer, or on more samples: with scores: true they teach more")
    }
  }
}

extension EnergyHead: ParameterType {}
