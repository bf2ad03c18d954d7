import Artifacts
import Basics
import Foundation
import Generative
import Torch
import Workflow

/// `toy-energy-model`: the published energy model on a fixed set of two-dimensional samples, held against the density they come from.
///
/// | path | what |
/// |---|---|
/// | results/kl | KL(truth \|\| model) on the grid, both normalised there, in Float64 |
/// | results/grid/x, y [grid] | places |
/// | results/grid/log_density, true_log_density [grid (y), grid (x)] | normalised on the grid; -inf where there is no density |
/// | results/parameters | of the network |
/// | results/loss/... | the loss curve |
enum ToyEnergyModelStage: StageType {
  static let type = "toy-energy-model"
  static let version = 1
  static let summary = "fit an energy model to two-dimensional samples and compare it with their true density"

  static let parameters: [ParameterField] = [
    ParameterField("samples", .stage([ToySamplesStage.type]), help: "what to learn from; nothing else is drawn"),
    ParameterField(
      "losses",
      .object([
        ParameterField("score", .nonNegative, default: 1.0, help: "weight of score matching"),
        ParameterField("contrastive", .nonNegative, default: 1.0, help: "weight of InfoNCE over time"),
        ParameterField(
          "targets", .choice(FixedSamplesObjective.Targets.allCases.map(\.rawValue)), default: "drawn",
          help: "compare with the noise and the time that were drawn, or with what they are on average given the point"),
      ]), help: "the published losses; at least one weight must be above 0"),
    ParameterField(
      "network",
      .object([
        ParameterField("width", .integer(1...8192), default: 256, help: "units of a layer"),
        ParameterField("depth", .integer(0...64), default: 6, help: "residual layers"),
        ParameterField(
          "input_gain", .positive, default: 1.0,
          help: "factor on the fresh first layer: how fine a structure it starts with"),
        ParameterField(
          "time_gain", .positive, default: 1.0, help: "the same for its column of time"),
        ParameterField("hidden_gain", .positive, default: 1.0, help: "factor on the fresh residual layers' weights"),
      ]), help: "the published network: swish with a learnt beta"),
    TrainingParameters.field(steps: 6000, batch: 128, learningRate: 5e-4, clip: 10),
    ParameterField(
      "interpolant", .choice(Interpolant.allCases.map(\.rawValue)), default: "trigonometric",
      help: "path along which the densities are learnt"),
    ParameterField("grid", .integer(2...2000), default: 100, help: "points of the grid along either axis"),
    ParameterField("half_width", .positive, default: 2.0, help: "the grid's ends, -half_width and half_width"),
  ]

  struct Parameters: Decodable {
    var losses: FixedSamplesObjective
    var network: SwishNetworkConfiguration
    var training: TrainingParameters
    var interpolant: Interpolant
    var grid: Int
    var halfWidth: Double
  }

  /// Steps between two rows of the loss curve.
  static let recordEvery = 50
  private static let columns = ["train", "score", "contrastive"]

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let input = try context.input("samples").artifact
    let name = try input.readString("system")
    guard let system = ToySystem(rawValue: name) else {
      throw ToyError.unknownSystem(name: name, file: input.url.lastPathComponent)
    }
    let samples = try SamplesPath(
      data: Tensor(input.read("samples", as: Float.self)), interpolant: parameters.interpolant)
    let network = try train(samples, parameters, context)
    try evaluate(
      SwishEnergyModel(network: network.cast(.float64), interpolant: parameters.interpolant), system,
      DensityGrid(count: parameters.grid, halfWidth: parameters.halfWidth), context)
  }

  /// The moving average of the trained network.
  private static func train(
    _ samples: SamplesPath, _ parameters: Parameters, _ context: StageContext
  ) throws -> SwishNetwork {
    let generator = try Generator(seed: RandomStream.derivedSeed(context.seed, ["noise"]))
    let trainer = try Trainer(
      network: SwishNetwork(
        dimension: samples.data.shape[1], configuration: parameters.network, generator: generator),
      settings: parameters.training.settings, generator: generator, columns: columns)
    let driver = TrainingDriver(context: context, trainer: trainer, title: "energy model")
    var recent: [[Double]] = []
    let width = columns.count
    try driver.resume { checkpoint in
      let rows = try checkpoint.read("recent", as: Double.self).values
      recent = stride(from: 0, to: rows.count, by: width).map { Array(rows[$0..<$0 + width]) }
    }
    var order = try EpochSampler(
      count: samples.data.shape[0], batch: parameters.training.batch,
      seed: RandomStream.derivedSeed(context.seed, ["order"]))
    try driver.run(extra: { writer in
      try writer.write("recent", recent.flatMap { $0 }, shape: [recent.count, width])
    }) {
      let model = SwishEnergyModel(network: trainer.network, interpolant: parameters.interpolant)
      let terms = try parameters.losses(
        model, samples: samples, index: order.indices(step: trainer.step), generator)
      let total = try trainer.update(terms.total)
      recent.append([total, try terms.score?.item() ?? .nan, try terms.contrastive?.item() ?? .nan])
      if trainer.step % recordEvery == 0 || trainer.isFinished {
        trainer.curve.record(
          step: trainer.step, (0..<width).map { c in recent.reduce(0) { $0 + $1[c] } / Double(recent.count) })
        recent = []
      }
      let row = trainer.curve.rows.last ?? [total]
      return zip(["loss", "score", "nce"], row).filter { $1.isFinite }.map {
        (name: $0, value: String(format: "%.4f", $1))
      }
    }
    try TrainingStateStore.write(trainer.state(), to: context.output)
    try TrainingStateStore.writeResults(trainer.curve, to: context.output)
    return trainer.average
  }

  private static func evaluate(
    _ model: SwishEnergyModel, _ system: ToySystem, _ grid: DensityGrid, _ context: StageContext
  ) throws {
    let truth = grid.logDensity(of: system)
    let learnt = try grid.normalized(model.logDensity(Tensor(grid.points())).values(as: Double.self))
    let output = context.output
    let divergence = DensityGrid.divergence(truth, learnt)
    try output.writeScalar("results/kl", divergence, units: "nat")
    try output.writeScalar("results/parameters", Int64(model.network.parameterCount))
    let count = grid.places.count
    for axis in ["x", "y"] { try output.write("results/grid/\(axis)", grid.places, shape: [count], dims: [axis]) }
    for (name, values) in [("log_density", learnt), ("true_log_density", truth)] {
      try output.write("results/grid/\(name)", values, shape: [count, count], units: "nat", dims: ["y", "x"])
    }
    context.log("KL(truth || model) = \(NumberText.fixed(divergence, 4)) nat")
  }
}

public enum ToyError: Error, CustomStringConvertible, Equatable {
  case unknownSystem(name: String, file: String)

  public var description: String {
    switch self {
    case .unknownSystem(let name, let file):
      return "\(file): /system is '\(name)', which no known density belongs to; run its stage again"
    }
  }
}
