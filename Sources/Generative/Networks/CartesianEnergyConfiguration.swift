import Torch

/// Shape of an energy network on Cartesian coordinates: everything needed, beside the molecules, to rebuild it from its parameters.
public struct CartesianEnergyConfiguration: Codable, Equatable, Sendable {
  /// What atoms learn from each other by.
  public enum Architecture: String, Codable, CaseIterable, Sendable {
    /// Attention of all atoms to all, biased by kernels of their distance.
    /// Source: Ying et al., "Do transformers really perform badly for graph representation?", NeurIPS 2021; its form for molecules in
    /// space: Shi et al., arXiv 2203.04810.
    case graphormer
    /// Messages over all pairs that see features of both atoms and kernels of their distance; positions stay where they are.
    /// Source: Satorras, Hoogeboom, Welling, "E(n) equivariant graph neural networks", ICML 2021.
    case egnn
  }

  public var architecture: Architecture
  /// Features per atom.
  public var width: Int
  /// Hidden width of a graphormer's feed-forward part; the `egnn` has no use for it.
  public var feedForward: Int
  /// Heads of attention, a divisor of the width; the `egnn` has no use for them.
  public var heads: Int
  public var layers: Int
  /// Gaussian kernels of a pair's distance.
  public var kernels: Int
  /// Time enters as t, the logarithm of the noise, and sin, cos of this many random frequencies.
  public var timeFrequencies: Int
  /// Hidden width of the heads for pairs that bonds hold together.
  public var bondedWidth: Int

  public init(
    architecture: Architecture, width: Int, feedForward: Int, heads: Int, layers: Int, kernels: Int,
    timeFrequencies: Int = 16, bondedWidth: Int = 32
  ) {
    (self.architecture, self.width, self.feedForward, self.heads) = (architecture, width, feedForward, heads)
    (self.layers, self.kernels, self.timeFrequencies) = (layers, kernels, timeFrequencies)
    self.bondedWidth = bondedWidth
  }

  /// What every tensor is called and how it starts, for a vocabulary of this size.
  func parameterShapes(atomClasses: Int, pairTypes: Int) -> [ParameterShape] {
    typealias Shape = ParameterShape
    func table(_ name: String, _ shape: [Int], _ value: Double) -> Shape {
      Shape(name: name, shape: shape, start: .constant(value))
    }
    var list = [Shape(name: "embedding.weight", shape: [atomClasses, width], start: .uniform(inputs: 1))]
    list += Shape.linear("time.0", timeFeatures, width) + Shape.linear("time.1", width, width)
    // pair-type affine, centres and logarithms of widths of the kernels
    list += [table("kernel.gain", [pairTypes], 1), table("kernel.shift", [pairTypes], 0)]
    list += [table("kernel.centre", [kernels], 0), table("kernel.logwidth", [kernels], 0)]
    list.append(Shape(name: "kernel.node.weight", shape: [width, kernels], start: .uniform(inputs: kernels)))
    switch architecture {
    case .graphormer:
      list += Shape.linear("bias.0", kernels, kernels) + Shape.linear("bias.1", kernels, heads)
      for layer in 0..<layers {
        let name = "layer\(layer)."
        list += Shape.norm(name + "norm.0", width)
        list += [Shape(name: name + "attention.in.weight", shape: [3 * width, width], start: .uniform(inputs: width))]
        list += Shape.linear(name + "attention.out", width, width) + Shape.norm(name + "norm.1", width)
        list += Shape.linear(name + "feedforward.0", width, feedForward)
        list += Shape.linear(name + "feedforward.1", feedForward, width)
      }
    case .egnn:
      for layer in 0..<layers {
        let name = "layer\(layer)."
        list += Shape.norm(name + "norm", width)
        list.append(Shape(name: name + "receiver.weight", shape: [width, width], start: .uniform(inputs: 2 * width)))
        list.append(Shape(name: name + "sender.weight", shape: [width, width], start: .uniform(inputs: 2 * width)))
        list += Shape.linear(name + "kernel", kernels, width) + Shape.linear(name + "message", width, width)
        list += Shape.linear(name + "gate", width, 1)
        list += Shape.linear(name + "node.0", 2 * width, width) + Shape.linear(name + "node.1", width, width)
      }
    }
    list += Shape.norm("norm", width) + Shape.linear("atom.0", width, width)
    list += [table("atom.1.weight", [1, width], 0)]
    // slope and curvature along the scaled distance of bonded pairs
    list += [Shape(name: "bonded.atom.weight", shape: [bondedWidth, width], start: .uniform(inputs: width))]
    list += [Shape(name: "bonded.type.weight", shape: [pairTypes, bondedWidth], start: .uniform(inputs: 1))]
    list += [table("bonded.out.weight", [2, bondedWidth], 0)]
    list += [table("bonded.slope", [pairTypes, 2], 0)]
    // place, width and weight of the wells of stiff pairs, as they change with time
    list += Shape.linear("well.time", width, Self.wellRank)
    list += [table("well.type.weight", [pairTypes, 3, Self.wellRank], 0)]
    return list
  }

  static let wellRank = 8
  var timeFeatures: Int { 2 + 2 * timeFrequencies }
}
