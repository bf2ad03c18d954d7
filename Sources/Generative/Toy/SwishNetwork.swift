import Basics
import Torch

/// Shape of a `SwishNetwork` and how its parameters are drawn.
public struct SwishNetworkConfiguration: Codable, Equatable, Sendable {
  public var width: Int
  /// Residual layers.
  public var depth: Int
  /// Factor on the first layer's parameters, against uniform in +-1/sqrt(inputs): how many oscillations over the plane a fresh
  /// network has at its disposal. At 1 it is slow to learn anything narrower than the whole.
  public var inputGain: Double
  /// The same factor for the first layer's column of time: small, and the model at t = 1 follows from times before it, where the samples still
  /// make a smooth density.
  public var timeGain: Double
  /// Factor on the residual layers' weights, against uniform in +-1/sqrt(width).
  public var hiddenGain: Double

  public init(width: Int = 256, depth: Int = 6, inputGain: Double = 1, timeGain: Double = 1, hiddenGain: Double = 1) {
    (self.width, self.depth, self.inputGain, self.timeGain) = (width, depth, inputGain, timeGain)
    self.hiddenGain = hiddenGain
  }
}

/// The network of the published two-dimensional systems: (x, t) -> a layer of `width`, `depth` residual layers
/// h + swish(W h + b) of that width, and one linear output. Each layer's swish y sigmoid(beta y) has a beta of its own, which is learnt.
/// Source: Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846, appendix.
public struct SwishNetwork: Network {
  public let dimension: Int
  public let configuration: SwishNetworkConfiguration
  public let parameters: [Tensor]
  private let layers: [Layer]
  private let output: LinearLayer

  /// An affine map and its swish.
  private struct Layer {
    let map: LinearLayer
    let beta: Tensor

    func callAsFunction(_ x: Tensor) throws -> Tensor {
      let y = try map(x)
      return try y * (y * beta).sigmoid()
    }
  }

  public var parameterNames: [String] {
    ["input"].flatMap(Self.layer) + (0..<configuration.depth).flatMap { Self.layer("layer\($0)") }
      + ["output.weight", "output.bias"]
  }

  private static func layer(_ name: String) -> [String] { ["\(name).weight", "\(name).bias", "\(name).beta"] }

  public init(dimension: Int, configuration: SwishNetworkConfiguration, parameters: [Tensor]) {
    (self.dimension, self.configuration, self.parameters) = (dimension, configuration, parameters)
    var next = ParameterReader(parameters)
    layers = (0...configuration.depth).map { _ in Layer(map: next.linear(), beta: next.tensor()) }
    output = next.linear()
  }

  /// Fresh parameters for x of `dimension` columns: hidden layers as `SwishNetworkConfiguration` says, betas of 1, and an output
  /// that is 0 everywhere.
  public init(dimension: Int, configuration: SwishNetworkConfiguration, generator: Generator) throws {
    func uniform(_ shape: [Int], _ inputs: Int, _ gain: Double) throws -> Tensor {
      try (generator.uniform(shape) * 2 - 1) * (gain / Double(inputs).squareRoot())
    }
    let (width, inputs) = (configuration.width, dimension + 1)
    let (spatial, temporal) = (configuration.inputGain, configuration.timeGain)
    let columns = [try uniform([width, dimension], inputs, spatial), try uniform([width, 1], inputs, temporal)]
    let first = try Tensor.concatenated(columns, axis: 1)
    var parameters = [first, try uniform([width], inputs, spatial), try Tensor.ones([1])]
    for _ in 0..<configuration.depth {
      parameters += [try uniform([width, width], width, configuration.hiddenGain), try uniform([width], width, 1)]
      parameters.append(try Tensor.ones([1]))
    }
    parameters += [try Tensor.zeros([1, width]), try Tensor.zeros([1])]
    self.init(dimension: dimension, configuration: configuration, parameters: parameters)
  }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    Self(dimension: dimension, configuration: configuration, parameters: parameters)
  }

  /// x [n, dimension], t [n] -> [n].
  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    var h = try layers[0](Tensor.concatenated([x, t.unsqueezed(-1)], axis: 1))
    for layer in layers.dropFirst() { h = try h + layer(h) }
    return try output(h).reshaped(-1)
  }
}

/// U(t, x) = f(x, t): the published energy model in two dimensions, without any prior built in.
public struct SwishEnergyModel: EnergyModel {
  public let network: SwishNetwork
  public let interpolant: Interpolant
  public var space: LatentSpace { LatentSpace(euclidean: network.dimension, angles: 0) }

  public func replacing(network: SwishNetwork) -> Self { Self(network: network, interpolant: interpolant) }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try network(x, t) }

  /// Fits the model to `samples`, and nothing else is drawn. The model that comes back is in Float64; the loss curve's
  /// columns are "train", "score" and "contrastive". Throws `TrainingError`.
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
    let model = SwishEnergyModel(network: try trainer.average.cast(.float64), interpolant: samples.interpolant)
    return (model, try trainer.state())
  }
}
