import Torch

/// Shape of a residual network on a latent space: everything needed to rebuild it from its parameters.
public struct ResidualConfiguration: Codable, Equatable, Sendable {
  public var width, depth: Int
  /// Angles enter as sin(k theta) and cos(k theta), k = 1 ... harmonics.
  public var harmonics: Int
  /// Time enters as t and sin, cos of this many random frequencies.
  public var timeFrequencies: Int
  public var outputs: Int

  public init(width: Int, depth: Int, harmonics: Int = 3, timeFrequencies: Int = 16, outputs: Int) {
    (self.width, self.depth, self.harmonics, self.timeFrequencies) = (width, depth, harmonics, timeFrequencies)
    self.outputs = outputs
  }
}

/// A residual multilayer perceptron over (x, t): features, a linear layer, `depth` blocks h + W2 silu(W1 layerNorm(h)), a last
/// layer norm and a linear head that starts at zero.
public struct ResidualNetwork: Network {
  public let space: LatentSpace
  public let configuration: ResidualConfiguration
  /// In the order of `parameterNames`.
  public let parameters: [Tensor]
  /// Random frequencies of the time features, [timeFrequencies]; fixed, not trained.
  public let frequencies: Tensor
  private let weights: ResidualWeights
  public var parameterNames: [String] { Self.parameterShapes(space, configuration).map(\.name) }
  public var constants: [(name: String, tensor: Tensor)] { [(name: "frequencies", tensor: frequencies)] }

  public init(
    space: LatentSpace, configuration: ResidualConfiguration, parameters: [Tensor], frequencies: Tensor
  ) {
    (self.space, self.configuration, self.parameters) = (space, configuration, parameters)
    self.frequencies = frequencies
    weights = ResidualWeights(depth: configuration.depth, parameters)
  }

  /// Fresh parameters: uniform in +-1/sqrt(inputs) for hidden layers (the second of a block at 0.3 of that), a zero head.
  public init(space: LatentSpace, configuration: ResidualConfiguration, generator: Generator) throws {
    self.init(
      space: space, configuration: configuration,
      parameters: try Self.parameterShapes(space, configuration).map { try $0.fresh(generator) },
      frequencies: try generator.normal([configuration.timeFrequencies]) * (2 * Double.pi))
  }

  private static func parameterShapes(_ space: LatentSpace, _ c: ResidualConfiguration) -> [ParameterShape] {
    func layer(_ name: String, _ inputs: Int, _ outputs: Int, weight: Double, bias: Double) -> [ParameterShape] {
      func start(_ scale: Double) -> ParameterShape.Start {
        scale == 0 ? .constant(0) : .within(scale / Double(inputs).squareRoot())
      }
      return [
        ParameterShape(name: name + ".weight", shape: [outputs, inputs], start: start(weight)),
        ParameterShape(name: name + ".bias", shape: [outputs], start: start(bias)),
      ]
    }
    var list = layer("input", inputWidth(space, c), c.width, weight: 1, bias: 1)
    for block in (0..<c.depth).map({ "block\($0)." }) {
      list += ParameterShape.norm(block + "norm", c.width)
      list += layer(block + "first", c.width, c.width, weight: 1, bias: 1)
      list += layer(block + "second", c.width, c.width, weight: 0.3, bias: 0)
    }
    return list + ParameterShape.norm("norm", c.width) + layer("output", c.width, c.outputs, weight: 0, bias: 0)
  }

  static func inputWidth(_ space: LatentSpace, _ configuration: ResidualConfiguration) -> Int {
    positionFeatures(space, configuration.harmonics) + 1 + 2 * configuration.timeFrequencies
  }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    Self(
      space: space, configuration: configuration, parameters: parameters, frequencies: constants.first ?? frequencies)
  }

  /// x [n, dimension], t [n] -> [n, outputs].
  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try output(of: features(x, t).values) }

  /// The output [n, outputs] together with the input's features of position [n, positionFeatures]: the Euclidean coordinates,
  /// then sin and cos of k theta.
  public func withPositionFeatures(_ x: Tensor, _ t: Tensor) throws -> (output: Tensor, features: Tensor) {
    let input = try features(x, t).values
    return (try output(of: input), try input.slice(0..<Self.positionFeatures(space, configuration.harmonics), axis: 1))
  }

  static func positionFeatures(_ space: LatentSpace, _ harmonics: Int) -> Int {
    space.euclidean + 2 * harmonics * space.angles
  }

  private func output(of input: Tensor) throws -> Tensor { try output(after: Dual(weights.input(input))).value }

  /// From what the first layer gives.
  private func output(after first: Dual) throws -> Dual { try through(first).linear(weights.output) }

  private func through(_ first: Dual) throws -> Dual {
    var h = first
    for block in weights.blocks {
      h = try h + h.layerNorm(block.norm).linear(block.first).silu().linear(block.second)
    }
    return try h.layerNorm(weights.norm)
  }

  /// What the first layer gives, [n, width]; what blocks and the last norm make of it; and what the last layer makes of that, [n, outputs]:
  /// the call in three parts.
  func entered(_ x: Tensor, _ t: Tensor) throws -> Tensor { try weights.input(features(x, t).values) }
  func trunk(_ h: Tensor) throws -> Tensor { try through(Dual(h)).value }
  func left(_ h: Tensor) throws -> Tensor { try weights.output(h) }

  /// Value and directional derivatives by forward mode: x [n, d], t [n], directions [m, n, d] -> [n, outputs], [m, n, outputs].
  ///
  /// All directions go through each layer as one matrix product. Recorded for back-propagation unless the caller switches that off.
  public func withTangents(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (value: Tensor, tangents: Tensor) {
    let (input, sine, cosine) = try features(x, t)
    let parts = try space.split(directions)
    var moved = [parts.euclidean]
    if space.angles > 0, let sine, let cosine {
      let angular = try harmonicAngles(parts.angles)
      moved += [try angular * cosine, try -(angular * sine)]
    }
    let change = try Tensor.concatenated(moved, axis: -1)
    let columns = change.shape[2]
    let moving = try change.linear(weights.input.weight.slice(0..<columns, axis: 1), nil)
    let output = try output(after: Dual(weights.input(input), moving))
    let outputs = output.value.shape[1]
    return (
      output.value,
      try output.tangent ?? Tensor.zeros(Array(change.shape[..<2]) + [outputs], x.scalarType ?? .float32)
    )
  }

  /// k theta for every angle and every k: [..., angles] -> [..., angles * harmonics].
  private func harmonicAngles(_ theta: Tensor) throws -> Tensor {
    let orders = try Tensor.arange(configuration.harmonics, theta.scalarType ?? .float32) + 1
    let lead = theta.shape.dropLast()
    return try (theta.unsqueezed(-1) * orders).reshaped(Array(lead) + [space.angles * configuration.harmonics])
  }

  private func features(_ x: Tensor, _ t: Tensor) throws -> (values: Tensor, sine: Tensor?, cosine: Tensor?) {
    let parts = try space.split(x)
    let time = try t.reshaped(-1, 1)
    let phase = try time * frequencies
    let clock = [time, try phase.sin(), try phase.cos()]
    guard space.angles > 0 else { return (try Tensor.concatenated([parts.euclidean] + clock, axis: -1), nil, nil) }
    let angle = try harmonicAngles(parts.angles)
    let (sine, cosine) = (try angle.sin(), try angle.cos())
    return (try Tensor.concatenated([parts.euclidean, sine, cosine] + clock, axis: -1), sine, cosine)
  }
}

private struct ResidualWeights {
  struct Block {
    let norm, first, second: LinearLayer
  }
  let input: LinearLayer
  let blocks: [Block]
  let norm, output: LinearLayer

  /// `parameters` in the order of `ResidualNetwork.parameterNames`.
  init(depth: Int, _ parameters: [Tensor]) {
    var next = ParameterReader(parameters)
    input = next.linear()
    blocks = (0..<depth).map { _ in Block(norm: next.linear(), first: next.linear(), second: next.linear()) }
    norm = next.linear()
    output = next.linear()
  }
}
