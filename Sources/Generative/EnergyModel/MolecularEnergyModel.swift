import Basics
import Torch

/// A trained energy model of a molecule: the log-density of its emulator at one forward pass per sample.
public struct MolecularEnergyModel {
  public let header: Header
  public let chart: EnergyModelChart
  public let model: any EnergyModel

  /// Everything about the model but its numbers and the molecule.
  public struct Header: Codable, Sendable {
    public var architecture: EnergyArchitecture
    public var interpolant: Interpolant
    /// What tells the emulator from others, such as a digest: ln q of samples of another emulator would mean nothing.
    public var emulator: String
    /// The steps that the emulator's samples were drawn with, whose density it is; nil in models from before that was kept.
    public var integrator: Integrator?
  }

  /// ln q over Cartesian coordinates up to the model's and the rigid-body constant, [n], of latents [n, d] and ln |dx/dq| [n] on
  /// `chart`.
  public func logDensity(_ latents: Tensor, _ logJacobian: [Double]) throws -> [Double] {
    chart.chart.cartesianLogDensities(try model.logDensity(latents).values(as: Double.self), logJacobian)
  }
}

/// How an energy model is trained: score matching, InfoNCE over time, and labels of likelihood and score.
public struct EnergyModelSettings {
  /// The network for a chart.
  public var architecture: (Chart) throws -> EnergyArchitecture
  public var interpolant = Interpolant.trigonometric
  public var objective = EnergyModelObjective()
  public var optimization: OptimizationSettings
  /// Samples drawn from the emulator while training, spread over draws every `refreshEvery` steps.
  public var freshSamples: Int
  public var refreshEvery = 50
  /// Of what is drawn: fresh samples, and those that the model is judged by.
  public var integrator: Integrator
  /// Steps between two rows of the loss curve.
  public var recordEvery = 25
  /// Of network, noise, order and fresh samples.
  public var seed: UInt64 = 0

  public init(
    optimization: OptimizationSettings, freshSamples: Int, integrator: Integrator,
    architecture: @escaping (Chart) throws -> EnergyArchitecture
  ) {
    (self.optimization, self.freshSamples, self.integrator) = (optimization, freshSamples, integrator)
    self.architecture = architecture
  }

  var samplesPerDraw: Int {
    let draws = max(1, (optimization.steps - 1) / refreshEvery)
    return (freshSamples + draws - 1) / draws
  }
}

/// What a training of an energy model ends with.
public struct TrainedEnergyModel {
  public let model: MolecularEnergyModel
  /// The loss curve's columns are "train", "score", "contrastive", "label" and "score_label".
  public let state: TrainingState
}

extension MolecularEnergyModel {
  /// As text and named tensors, for a store.
  public func archive() throws -> ModelArchive { try ModelArchive(header, chart, network: model.network) }

  /// Throws `DecodingError`, and `TrainingError.badState` where tensors are missing or of another shape.
  public init(_ archive: ModelArchive) throws {
    let (header, chart) = try archive.decoded(Header.self, EnergyModelChart.self)
    self.init(
      header: header, chart: chart,
      model: try Self.filled(
        header.architecture.model(chart.chart, header.interpolant, Generator(seed: 0)), archive))
  }

  private static func filled<Model: EnergyModel>(_ blank: Model, _ archive: ModelArchive) throws -> any EnergyModel {
    blank.replacing(network: try archive.network(like: blank.network))
  }

  private static let lossNames = ["score", "contrastive", "label", "score_label"]

  /// Fits a model to the emulator that `emulator` names, beginning with `samples` of it.
  ///
  /// Where the settings ask for fresh samples, they are drawn from the emulator all along the training and take the place of the oldest: a
  /// model that sees the same samples again and again learns their labels, not the density, unless scores come with them. Throws `TrainingError`, `SamplingError`.
  public static func train(
    on samples: LabelledSamples, _ source: EnergyModelSource, emulator: String, settings: EnergyModelSettings,
    host: any TrainingHost = UnattendedHost()
  ) throws -> TrainedEnergyModel {
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["noise"]))
    let chart = source.chart
    let header = Header(
      architecture: try settings.architecture(chart.chart), interpolant: settings.interpolant, emulator: emulator,
      integrator: samples.integrator)
    let some = try samples.latents.slice(0..<min(2000, samples.latents.shape[0]))
    let blank = try header.architecture.model(chart.chart, header.interpolant, data: some, generator)
    let pool = try SamplePool(
      samples, chart, labelled: settings.objective.label > 0,
      scored: settings.objective.scoreLabel > 0 || settings.objective.usesScores(samples))
    let (model, state) = try optimize(blank, pool, source, settings, generator, host)
    return TrainedEnergyModel(model: MolecularEnergyModel(header: header, chart: chart, model: model), state: state)
  }

  private static func optimize<Model: EnergyModel>(
    _ model: Model, _ pool: SamplePool, _ source: EnergyModelSource, _ settings: EnergyModelSettings,
    _ generator: Generator, _ host: any TrainingHost
  ) throws -> (any EnergyModel, TrainingState) {
    let trainer = try Trainer(
      network: model.network, settings: settings.optimization, generator: generator, columns: ["train"] + lossNames)
    let fresh = try settings.freshSamples > 0 ? FreshSamples(source, pool, settings.integrator) : nil
    let drawSeed = RandomStream.derivedSeed(settings.seed, ["fresh"])
    var order = try EpochSampler(
      count: pool.count, batch: settings.optimization.batch, seed: RandomStream.derivedSeed(settings.seed, ["order"]))
    let precision = try settings.objective.controlsNoise ? pool.meanSquareScore() : nil
    let loop = TrainingLoop(
      trainer: trainer, host: host, title: "energy model", recordEvery: settings.recordEvery,
      labels: ["loss", "score", "nce", "label", "score label"], pool: pool)
    try loop.run(batch: { try order.name(step: $0) }) {
      let step = trainer.step
      if let fresh, step > 0, step % settings.refreshEvery == 0 {
        try pool.replaceOldest(
          with: fresh.draw(
            min(settings.samplesPerDraw, pool.count), seed: drawSeed, index: step / settings.refreshEvery))
      }
      let batch = try pool.batch(order.indices(step: step))
      let terms = try settings.objective(
        model.replacing(network: trainer.network), data: batch.latents,
        labels: .init(logDensity: batch.labels, score: batch.scores, precision: precision), step: step, generator)
      let loss = try trainer.update(terms.total)
      return try [loss]
        + [terms.score, terms.contrastive, terms.label, terms.scoreLabel].map { try $0?.item() ?? .nan }
    }
    return (model.replacing(network: trainer.average), try trainer.state())
  }
}
