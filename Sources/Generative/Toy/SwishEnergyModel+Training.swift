import Basics
import Torch

extension SwishEnergyModel {
  /// Fits the model to `samples`, and nothing else is drawn. The model that comes back is in Float64; the loss curve's columns are "train", "score" and "contrastive".
  ///
  /// Throws `TrainingError`.
  public static func train(
    on samples: SamplesPath, network: SwishNetworkConfiguration, objective: FixedSamplesObjective,
    settings: OptimizationSettings, seed: UInt64, host: any TrainingHost = UnattendedHost()
  ) throws -> (model: SwishEnergyModel, state: TrainingState) {
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["noise"]))
    let trainer = try Trainer(
      network: SwishNetwork(dimension: samples.data.shape[1], configuration: network, generator: generator),
      settings: settings, generator: generator, columns: ["train", "score", "contrastive"])
    var order = try EpochSampler(
      count: samples.data.shape[0], batch: settings.batch, seed: RandomStream.derivedSeed(seed, ["order"]))
    let loop = TrainingLoop(
      trainer: trainer, host: host, title: "energy model", recordEvery: 50, labels: ["loss", "score", "nce"])
    try loop.run(batch: { try order.name(step: $0) }) {
      let model = SwishEnergyModel(network: trainer.network, interpolant: samples.interpolant)
      let terms = try objective(model, samples: samples, index: order.indices(step: trainer.step), generator)
      return [try trainer.update(terms.total), try terms.score?.item() ?? .nan, try terms.contrastive?.item() ?? .nan]
    }
    return (
      SwishEnergyModel(network: try trainer.average.cast(.float64), interpolant: samples.interpolant),
      try trainer.state()
    )
  }
}
