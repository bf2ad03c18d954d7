import Basics
import Torch

/// Name, shape and start of one trained tensor.
struct ParameterShape {
  enum Start { case uniform(inputs: Int), within(Double), constant(Double) }

  let name: String
  let shape: [Int]
  let start: Start

  func fresh(_ generator: Generator) throws -> Tensor {
    switch start {
    case .constant(let value): return try Tensor.full(shape, value)
    case .within(let limit): return try (generator.uniform(shape) * 2 - 1) * limit
    case .uniform(let inputs): return try (generator.uniform(shape) * 2 - 1) / Double(inputs).squareRoot()
    }
  }

  static func linear(_ name: String, _ inputs: Int, _ outputs: Int) -> [ParameterShape] {
    [
      ParameterShape(name: name + ".weight", shape: [outputs, inputs], start: .uniform(inputs: inputs)),
      ParameterShape(name: name + ".bias", shape: [outputs], start: .uniform(inputs: inputs)),
    ]
  }

  /// A linear layer whose weights start within +-`weight`/sqrt(inputs), and at zero for 0.
  static func layer(
    _ name: String, _ inputs: Int, _ outputs: Int, weight: Double, bias: Double = 0
  ) -> [ParameterShape] {
    [
      ParameterShape(
        name: name + ".weight", shape: [outputs, inputs],
        start: weight == 0 ? .constant(0) : .within(weight / Double(inputs).squareRoot())),
      ParameterShape(name: name + ".bias", shape: [outputs], start: .constant(bias)),
    ]
  }

  /// A linear map from inputs to outputs that starts at zero, and the gate by which time opens it.
  static func gatedSkip(_ name: String, inputs: Int, outputs: Int, clock: Int) -> [ParameterShape] {
    layer(name + ".gate", clock, outputs, weight: 0, bias: 1)
      + [ParameterShape(name: name + ".skip.weight", shape: [outputs, inputs], start: .constant(0))]
  }

  static func norm(_ name: String, _ width: Int) -> [ParameterShape] {
    [
      ParameterShape(name: name + ".weight", shape: [width], start: .constant(1)),
      ParameterShape(name: name + ".bias", shape: [width], start: .constant(0)),
    ]
  }

  static func tensors(_ shapes: [ParameterShape], from weights: [String: NDArray<Float>]) throws -> [Tensor] {
    let known = Set(shapes.map(\.name))
    for (name, array) in weights.sorted(by: { $0.key < $1.key }) where !known.contains(name) && !array.values.isEmpty {
      throw CartesianNetworkError.parameterUnknown(name)
    }
    return try shapes.map { expected in
      guard let array = weights[expected.name] else { throw CartesianNetworkError.parameterMissing(expected.name) }
      guard array.shape == expected.shape else {
        throw CartesianNetworkError.parameterShape(expected.name, found: array.shape, expected: expected.shape)
      }
      return try Tensor(array)
    }
  }
}

/// A trained linear map or norm.
struct LinearLayer {
  let weight, bias: Tensor

  func callAsFunction(_ x: Tensor) throws -> Tensor { try x.linear(weight, bias) }
  /// As a layer norm.
  func normalising(_ x: Tensor) throws -> Tensor { try x.layerNorm(weight, bias) }
}

/// Hands out a network's tensors in the order of its parameter names.
struct ParameterReader {
  private var rest: ArraySlice<Tensor>

  init(_ parameters: [Tensor]) { rest = parameters[...] }
  mutating func tensor() -> Tensor { rest.removeFirst() }
  mutating func linear() -> LinearLayer { LinearLayer(weight: tensor(), bias: tensor()) }
}
