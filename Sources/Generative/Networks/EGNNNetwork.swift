import Torch

/// Shape of an E(n) equivariant graph network. The defaults are the published ones; with 9 atom classes it has the 147,599
/// parameters that are published for alanine dipeptide.
public struct EGNNConfiguration: Codable, Equatable, Sendable {
  public var layers: Int
  /// Width of all hidden layers.
  public var width: Int
  /// Longest move that one neighbour can give an atom over all layers together, in units of the positions.
  public var coordinateRange: Double
  public var atomClasses: Int

  public init(layers: Int = 5, width: Int = 64, coordinateRange: Double = 15, atomClasses: Int) {
    (self.layers, self.width, self.coordinateRange, self.atomClasses) = (layers, width, coordinateRange, atomClasses)
  }
}

/// An E(n) equivariant graph network on the full graph of a molecule's atoms, whose output is how far its layers move each atom.
///
/// m_ij = MLP[h_i, h_j, |x_ij|^2, |x_ij at the input|^2], times a sigmoid of itself (attention);
/// x_i += sum_j (x_i - x_j) / (|x_ij| + 1) range/layers tanh(MLP m_ij); h_i += MLP[h_i, sum_j m_ij].
/// Node inputs are the one-hot class and the time. Sources: Satorras, Hoogeboom, Welling, "E(n) equivariant graph neural
/// networks", ICML 2021; this arrangement, "ECNF": Klein, Krämer, Noé, "Equivariant flow matching", NeurIPS 2023.
public struct EGNNNetwork: CartesianNetwork {
  public let configuration: EGNNConfiguration
  public let atoms: AtomClasses
  /// In the order of `parameterNames`.
  public let parameters: [Tensor]
  private let weights: EGNNWeights

  /// `parameters` in the order of `parameterNames`.
  public init(configuration: EGNNConfiguration, atoms: AtomClasses, parameters: [Tensor]) {
    (self.configuration, self.atoms, self.parameters) = (configuration, atoms, parameters)
    weights = EGNNWeights(configuration, parameters)
  }

  /// Fresh parameters: uniform in +-1/sqrt(inputs), and nearly zero where positions are moved.
  public init(configuration: EGNNConfiguration, atoms: AtomClasses, generator: Generator) throws {
    self.init(
      configuration: configuration, atoms: atoms,
      parameters: try Self.parameterShapes(configuration).map { shape in
        try shape.name.hasSuffix("coordinate.1.weight") ? shape.fresh(generator) * 1e-3 : shape.fresh(generator)
      })
  }

  public var parameterNames: [String] { Self.parameterShapes(configuration).map(\.name) }
  public var constants: [(name: String, tensor: Tensor)] { atoms.constants }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    Self(configuration: configuration, atoms: atoms.replacing(constants), parameters: parameters)
  }

  public func replacing(atoms: AtomClasses) -> Self {
    Self(configuration: configuration, atoms: atoms, parameters: parameters)
  }

  static func parameterShapes(_ c: EGNNConfiguration) -> [ParameterShape] {
    let width = c.width
    var list = ParameterShape.linear("embedding", c.atomClasses + 1, width)
    for layer in 0..<c.layers {
      let name = "layers.\(layer)."
      list += ParameterShape.linear(name + "edge.0", 2 * width + 2, width)
      list += ParameterShape.linear(name + "edge.1", width, width)
      list += ParameterShape.linear(name + "attention", width, 1)
      list += ParameterShape.linear(name + "coordinate.0", width, width)
      list += [ParameterShape(name: name + "coordinate.1.weight", shape: [1, width], start: .uniform(inputs: width))]
      list += ParameterShape.linear(name + "node.0", 2 * width, width)
      list += ParameterShape.linear(name + "node.1", width, width)
    }
    return list + ParameterShape.linear("output", width, c.atomClasses + 1)
  }

  /// positions [n, atoms, 3], time [n] -> displacements [n, atoms, 3]. Their mean over atoms is zero but for rounding.
  public func callAsFunction(_ positions: Tensor, _ time: Tensor) throws -> Tensor {
    let displacement = try moved(positions, time) - positions
    guard let mask = atoms.mask else { return displacement }
    return try displacement * mask.unsqueezed(-1)
  }

  /// Positions after the last layer.
  private func moved(_ positions: Tensor, _ time: Tensor) throws -> Tensor {
    var h = try weights.embedding(atoms.features(time))
    var x = positions
    let pairs = try atoms.pairs()
    let initial = try Self.separations(positions).squared
    for (index, layer) in weights.layers.enumerated() {
      let (separation, squared) = try Self.separations(x)
      let message = try self.message(layer, h, squared, initial)
      let range = configuration.coordinateRange / Double(configuration.layers)
      let pull = try layer.coordinate(message).silu().linear(layer.coordinateOut, nil).tanh() * range
      let unit = try separation / ((squared + 1e-8).sqrt() + 1)
      x = try x + (unit * pull * pairs.unsqueezed(-1)).sum(2)
      // the last layer's features move nothing
      guard index < configuration.layers - 1 else { break }
      let sum = try pairs.unsqueezed(2).matmul(message).reshaped(h.shape)
      h = try h + layer.node.1(layer.node.0(Tensor.concatenated([h, sum], axis: -1)).silu())
    }
    return x
  }

  /// x_i - x_j [n, i, j, 3] and its square [n, i, j, 1].
  private static func separations(_ x: Tensor) throws -> (vector: Tensor, squared: Tensor) {
    let separation = try x.unsqueezed(2) - x.unsqueezed(1)
    return (separation, try separation.square().sum(-1, keepingDimensions: true))
  }

  /// m_ij [n, i, j, width]. The first linear map acts on features of i and of j per atom, on distances per pair.
  private func message(_ layer: EGNNWeights.Layer, _ h: Tensor, _ squared: Tensor, _ initial: Tensor) throws -> Tensor {
    let width = configuration.width
    let edge = layer.edge.0.weight
    let receiver = try h.linear(edge.slice(0..<width, axis: 1), layer.edge.0.bias).unsqueezed(2)
    let sender = try h.linear(edge.slice(width..<(2 * width), axis: 1), nil).unsqueezed(1)
    let distances = try Tensor.concatenated([squared, initial], axis: -1)
    let perPair = try distances.linear(edge.slice((2 * width)..<(2 * width + 2), axis: 1), nil)
    let raw = try layer.edge.1((perPair + receiver + sender).silu()).silu()
    return try raw * layer.attention(raw).sigmoid()
  }
}

private struct EGNNWeights {
  struct Layer {
    let edge: (LinearLayer, LinearLayer)
    let attention, coordinate: LinearLayer
    let coordinateOut: Tensor
    let node: (LinearLayer, LinearLayer)
  }
  let embedding: LinearLayer
  let layers: [Layer]

  /// `parameters` in the order of `EGNNNetwork.parameterShapes`.
  init(_ configuration: EGNNConfiguration, _ parameters: [Tensor]) {
    var next = ParameterReader(parameters)
    embedding = next.linear()
    layers = (0..<configuration.layers).map { _ in
      Layer(
        edge: (next.linear(), next.linear()), attention: next.linear(), coordinate: next.linear(),
        coordinateOut: next.tensor(), node: (next.linear(), next.linear()))
    }
  }
}
