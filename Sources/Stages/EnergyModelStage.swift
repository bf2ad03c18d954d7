import Artifacts
import Basics
import Foundation
import FreeEnergies
import Generative
import Torch
import Workflow

/// Fits an energy-based model to an emulator's samples: score matching, InfoNCE over time, and labels of likelihood and score.
///
/// Samples are drawn from the emulator all along the training and take the place of the oldest: an energy model that sees the same
/// samples again and again learns their labels, not the density.
enum EnergyModelStage: StageType {
  static let type = "energy-model"
  static let version = 2
  static let summary = "fit an energy-based model, whose likelihood costs one forward pass"
  static let indirectInputs: [InputPath] = [["samples", "emulator"]]
  static let reads: [SharedField] = [.topology]

  static let parameters: [ParameterField] = [
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

    /// Fresh samples per draw: all of them, spread over the draws.
    var samplesPerDraw: Int {
      let draws = max(1, (training.steps - 1) / refreshEvery)
      return (freshSamples + draws - 1) / draws
    }
  }

  /// Steps between two rows of the loss curve.
  static let recordEvery = 25
  private static let lossNames = ["score", "contrastive", "label", "score_label"]

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let source = try EnergyModelSource(context, coordinates: parameters.coordinates)
    let generator = try Generator(seed: RandomStream.derivedSeed(context.seed, ["noise"]))
    let architecture = try parameters.network.architecture(source.chart.chart, head: parameters.head)
    let some = try source.chart.latents(of: source.samples.artifact).latents
    let model = try architecture.model(
      source.chart.chart, parameters.interpolant, data: some.slice(0..<min(2000, some.shape[0])), generator)
    try EnergyModelArtifact.write(
      EnergyModelArtifact.Header(
        architecture: architecture, interpolant: parameters.interpolant, emulator: source.emulator.digest),
      source.chart, to: context.output)
    let trained = try train(model, source, parameters, generator, context)
    try EnergyModelEvaluation(
      model: trained, source: source, samples: parameters.evaluationSamples, odeSteps: parameters.odeSteps
    ).run(context)
  }

  private static func train<Model: EnergyModel>(
    _ model: Model, _ source: EnergyModelSource, _ parameters: Parameters, _ generator: Generator,
    _ context: StageContext
  ) throws -> any EnergyModel {
    var pool = try SamplePool(
      source, labelled: parameters.losses.label > 0, scored: parameters.losses.scoreLabel > 0)
    let trainer = try Trainer(
      network: model.network, settings: parameters.training.settings, generator: generator,
      columns: ["train"] + lossNames)
    let driver = TrainingDriver(context: context, trainer: trainer, title: "energy model")
    var recent: [[Double]] = []
    func restore(_ checkpoint: Artifact) throws {
      let rows = try checkpoint.read("recent", as: Double.self)
      let width = 1 + lossNames.count
      recent = stride(from: 0, to: rows.count, by: width).map { Array(rows.values[$0..<$0 + width]) }
      try pool.restore(checkpoint)
    }
    try driver.resume(restore)

    let fresh = try FreshSamples(source, pool, steps: parameters.odeSteps)
    let drawSeed = RandomStream.derivedSeed(context.seed, ["fresh"])
    var order = try EpochSampler(
      count: pool.count, batch: parameters.training.batch, seed: RandomStream.derivedSeed(context.seed, ["order"]))
    func save(_ writer: ArtifactWriter) throws {
      try writer.write("recent", recent.flatMap { $0 }, shape: [recent.count, 1 + lossNames.count])
      try pool.write(to: writer)
    }
    try driver.run(extra: save, restore: restore, batch: { try order.name(step: $0) }) {
      let step = trainer.step
      if step > 0, step % parameters.refreshEvery == 0, parameters.freshSamples > 0 {
        try pool.replaceOldest(
          with: fresh.draw(
            min(parameters.samplesPerDraw, pool.count), seed: drawSeed, index: step / parameters.refreshEvery))
      }
      let index = try order.indices(step: step)
      let terms = try parameters.losses(
        model.replacing(network: trainer.network), data: pool.latents.selected(index), labels: pool.labels(index),
        step: step, generator)
      let total = try trainer.update(terms.total)
      recent.append(
        [total] + (try [terms.score, terms.contrastive, terms.label, terms.scoreLabel].map { try $0?.item() ?? .nan }))
      if trainer.step % recordEvery == 0 || trainer.isFinished {
        trainer.curve.record(
          step: trainer.step, (0...lossNames.count).map { c in recent.reduce(0) { $0 + $1[c] } / Double(recent.count) })
        recent = []
      }
      let row = trainer.curve.rows.last ?? [total]
      return zip(["loss", "score", "nce", "label", "score label"], row).filter { $1.isFinite }.map {
        (name: $0, value: String(format: "%.3f", $1))
      }
    }
    try TrainingStateStore.write(trainer.state(), to: context.output)
    try TrainingStateStore.writeResults(trainer.curve, to: context.output)
    return model.replacing(network: trainer.average)
  }
}
