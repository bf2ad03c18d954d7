import Basics
import Generative
import Records
import Torch
import Workflow

/// `toy-energy-model`: the published energy model on a fixed set of two-dimensional samples, held against the density they come from.
enum ToyEnergyModelStage: RecordedStage {
  static let version = 1
  static let summary = "fit an energy model to two-dimensional samples and compare it with their true density"
  static let output = Recorded.toyEnergyModel
  static let method: ((StageInput) throws -> String)? = { _ in "published energy model" }
  static let columns = [BatchColumn("KL", dataset: output.divergence.path, decimals: 4)]

  struct Inputs: StageInputs {
    let samples = Input("what to learn from; nothing else is drawn", of: ToySamplesStage.self)
  }

  struct Parameters: ParameterGroup {
    @Parameter("the published losses; at least one weight must be above 0") var losses = Losses()
    @Parameter("the published network: swish with a learnt beta") var network = Network()
    @Parameter("optimiser and schedule")
    var training = TrainingParameters(
      steps: 6000, schedule: ScheduleParameters(batch: 128, learningRate: 5e-4, clip: 10))
    @Parameter("path along which the densities are learnt") var interpolant = Interpolant.trigonometric
    @Parameter("points of the grid along either axis", in: 2...2000) var grid = 100
    @Parameter("the grid's ends, -half_width and half_width", in: .positive) var halfWidth = 2.0
  }

  struct Losses: ParameterGroup {
    @Parameter("weight of score matching", in: .atLeastZero) var score = 1.0
    @Parameter("weight of InfoNCE over time", in: .atLeastZero) var contrastive = 1.0
    @Parameter("compare with the noise and the time that were drawn, or with what they are on average given the point")
    var targets = FixedSamplesObjective.Targets.drawn

    var objective: FixedSamplesObjective {
      FixedSamplesObjective(score: score, contrastive: contrastive, targets: targets)
    }
  }

  struct Network: ParameterGroup {
    @Parameter("units of a layer", in: 1...8192) var width = 256
    @Parameter("residual layers", in: 0...64) var depth = 6
    @Parameter("factor on the fresh first layer: how fine a structure it starts with", in: .positive)
    var inputGain = 1.0
    @Parameter("the same for its column of time", in: .positive) var timeGain = 1.0
    @Parameter("factor on the fresh residual layers' weights", in: .positive) var hiddenGain = 1.0

    var configuration: SwishNetworkConfiguration {
      SwishNetworkConfiguration(
        width: width, depth: depth, inputGain: inputGain, timeGain: timeGain, hiddenGain: hiddenGain)
    }
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    try context.prepareTorch()
    let input = try context.input(\Inputs.samples).artifact
    let name = try input.read(Recorded.toySamples.system)
    guard let system = ToySystem(rawValue: name) else {
      throw ToyError.unknownSystem(name: name, file: input.url.lastPathComponent)
    }
    let samples = try SamplesPath(
      data: Tensor(input.read(Recorded.toySamples.samples, as: Float.self)), interpolant: parameters.interpolant)
    let (model, state) = try withAdvice {
      try SwishEnergyModel.train(
        on: samples, network: parameters.network.configuration, objective: parameters.losses.objective,
        settings: parameters.training.settings, seed: context.seed, host: StageTrainingHost(context))
    }
    try context.output.write(state)
    try context.output.write(output.parameters, model.network.parameterCount)

    let grid = DensityGrid(count: parameters.grid, halfWidth: parameters.halfWidth)
    let truth = grid.logDensity(of: system)
    let learnt = try grid.normalized(model.logDensity(Tensor(grid.points())).values(as: Double.self))
    let divergence = DensityGrid.divergence(truth, learnt)
    let shape = [grid.places.count, grid.places.count]
    try context.output.write((output.divergence, divergence), (output.x, grid.places), (output.y, grid.places))
    try context.output.write(output.logDensity, learnt, shape: shape)
    try context.output.write(output.trueLogDensity, truth, shape: shape)
    context.log("KL(truth || model) = \(NumberText.fixed(divergence, 4)) nat")
  }
}

extension FixedSamplesObjective.Targets: ParameterType {}

public enum ToyError: Error, CustomStringConvertible, Equatable {
  case unknownSystem(name: String, file: String)

  public var description: String {
    switch self {
    case .unknownSystem(let name, let file):
      "\(file): /system is '\(name)', which no known density belongs to; run its stage again"
    }
  }
}
