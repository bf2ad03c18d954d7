import Foundation
import Torch

/// An invariant network over molecules: positions along an interpolant to one number, which the energy model adds to the
/// log-density of simple noise.
///
/// Atoms see each other through distances alone, scaled by what the data and the noise of the moment make of a pair of their type: a
/// bond at the data end and a pair of free atoms at the prior end both come as numbers of order one, and a network with
/// smooth features can have the steep wells of bonds. Those wells are there from the start (`BondedDensity`): the network learns
/// corrections to their place, width and weight.
/// Nothing changes under rotations, translations, reflections, and the exchange of equal atoms; all functions are smooth, for
/// score matching differentiates twice.
public struct CartesianEnergyNetwork: Network {
  public let configuration: CartesianEnergyConfiguration
  public let graph: MolecularGraph
  public let statistics: PairStatistics
  /// In the order of `parameterNames`.
  public let parameters: [Tensor]
  /// Random frequencies of the time features, [timeFrequencies]; fixed, not trained.
  public let frequencies: Tensor
  let weights: CartesianEnergyWeights

  public init(
    configuration: CartesianEnergyConfiguration, graph: MolecularGraph, statistics: PairStatistics,
    parameters: [Tensor], frequencies: Tensor
  ) {
    (self.configuration, self.graph, self.statistics, self.parameters) = (configuration, graph, statistics, parameters)
    self.frequencies = frequencies
    weights = CartesianEnergyWeights(configuration, parameters)
  }

  /// Fresh parameters; with them the network's own energy is zero but for the wells of bonds.
  public init(
    configuration: CartesianEnergyConfiguration, graph: MolecularGraph, statistics: PairStatistics, generator: Generator
  ) throws {
    let kernels = configuration.kernels
    let spacing = 2 * Self.kernelRange / Double(max(1, kernels - 1))
    let shapes = configuration.parameterShapes(
      atomClasses: graph.vocabulary.atomClasses.count, pairTypes: graph.vocabulary.pairTypes.count)
    let parameters = try shapes.map { shape -> Tensor in
      switch shape.name {
      case "kernel.centre": return try Tensor.linspace(-Self.kernelRange, Self.kernelRange, kernels)
      case "kernel.logwidth": return try Tensor.full([kernels], log(spacing))
      default: return try shape.fresh(generator)
      }
    }
    self.init(
      configuration: configuration, graph: graph, statistics: statistics, parameters: parameters,
      frequencies: try generator.normal([configuration.timeFrequencies]) * Self.frequencyScale)
  }

  /// Kernels start spread over this many standard deviations on either side.
  static let kernelRange = 4.0
  static let frequencyScale = Double.pi

  public var parameterNames: [String] {
    configuration.parameterShapes(
      atomClasses: graph.vocabulary.atomClasses.count, pairTypes: graph.vocabulary.pairTypes.count
    ).map(\.name)
  }

  public var constants: [(name: String, tensor: Tensor)] { [("frequencies", frequencies)] + statistics.constants }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    Self(
      configuration: configuration, graph: graph, statistics: statistics.replacing(Array(constants.dropFirst())),
      parameters: parameters, frequencies: constants.first ?? frequencies)
  }

  /// The same parameters on other molecules of the same vocabulary.
  public func replacing(graph: MolecularGraph) -> Self {
    Self(
      configuration: configuration, graph: graph, statistics: statistics, parameters: parameters,
      frequencies: frequencies)
  }

  /// Centred positions x [n, 3 atoms] at times t [n], with the interpolant's alpha and beta there [n] -> [n].
  func energy(_ x: Tensor, _ t: Tensor, alpha: Tensor, beta: Tensor) throws -> Tensor {
    let moment = try Moment(alpha: alpha.unsqueezed(-1), beta: beta.unsqueezed(-1))
    let distances = try graph.distances(x)
    let (means, deviations) = (try graph.ofPairs(statistics.means), try graph.ofPairs(statistics.deviations))
    let scaled = try moment.scaled(distances, means: means, deviations: deviations)
    let time = try timeEmbedding(t, moment)
    let kernels = try self.kernels(scaled)
    let h = try features(kernels, time).layerNorm(weights.norm.weight, weights.norm.bias)
    var atoms = try weights.atom(h).silu().linear(weights.atomOut, nil).reshaped(x.shape[0], graph.atoms)
    if let mask = graph.atomMask { atoms = try atoms * mask.cast(network: self) }
    return try atoms.sum(-1) + bonded(h, scaled) + wells(distances, means: means, deviations: deviations, time, moment)
  }

  /// Gaussians of the scaled distances [n, pairs], after an affine map per pair type: [n, pairs, kernels].
  private func kernels(_ scaled: Tensor) throws -> Tensor {
    let affine = try scaled * graph.ofPairs(weights.gain) + graph.ofPairs(weights.shift)
    let z = try (affine.unsqueezed(-1) - weights.centre) * (-weights.logWidth).exp()
    let values = try (z.square() * -0.5).exp()
    guard let mask = graph.pairMask else { return values }
    return try values * mask.cast(network: self).unsqueezed(-1)
  }

  /// Time [n, width].
  private func timeEmbedding(_ t: Tensor, _ moment: Moment) throws -> Tensor {
    let time = try t.reshaped(-1, 1)
    let phase = try time * frequencies
    let noise = try (moment.noise + Moment.quietest * Moment.quietest).log()
    let input = try Tensor.concatenated([time, noise, phase.sin(), phase.cos()], axis: -1)
    return try weights.time.1(weights.time.0(input).silu())
  }

  /// Features of the atoms after the last layer, [n, atoms, width].
  private func features(_ kernels: Tensor, _ time: Tensor) throws -> Tensor {
    let classes = graph.classes
    let embedding = try weights.embedding.selected(classes.reshaped(-1)).reshaped(classes.shape + [configuration.width])
    let atPairs = try (graph.first + graph.second).cast(network: self)
    let surroundings = try atPairs.transposed().matmul(kernels).linear(weights.kernelToAtom, nil)
    let h = try surroundings + embedding + time.unsqueezed(1)
    switch weights.trunk {
    case .graphormer(let trunk): return try trunk(h, kernels, graph, heads: configuration.heads)
    case .egnn(let trunk): return try trunk(h, kernels, graph)
    }
  }

  /// Slope and curvature along the scaled distance of bonded pairs, both functions of the atoms' features: sum a u + b u^2 / 2.
  private func bonded(_ h: Tensor, _ scaled: Tensor) throws -> Tensor {
    let u = try scaled.selected(graph.bonded, axis: 1)
    let both = try (graph.first + graph.second).selected(graph.bonded).cast(network: self)
    let type = try ofBonded(weights.bondedType)
    let pair = try (both.matmul(h.linear(weights.bondedAtom, nil)) + type).silu()
    let coefficients = try pair.linear(weights.bondedOut, nil) + ofBonded(weights.bondedSlope)
    let polynomial = try Tensor.stacked([u, u.square() * 0.5], axis: -1)
    return try ((coefficients * polynomial).sum(-1) * graph.bondedMask.cast(network: self)).sum(-1)
  }

  private func wells(
    _ distances: Tensor, means: Tensor, deviations: Tensor, _ time: Tensor, _ moment: Moment
  ) throws -> Tensor {
    let n = distances.shape[0]
    let clock = try weights.wellTime(time).silu().reshaped(n, 1, 1, CartesianEnergyConfiguration.wellRank)
    let change = try (clock * ofBonded(weights.wellType)).sum(-1)
    func component(_ k: Int) throws -> Tensor { try change.slice(k..<(k + 1), axis: 2).reshaped(n, -1) }
    let density = BondedDensity(
      means: try means.selected(graph.bonded, axis: 1), deviations: try deviations.selected(graph.bonded, axis: 1),
      variance: statistics.variance, shift: try component(0), logWidth: try component(1), weight: try component(2) + 1)
    let ratio = try density.logRatio(distances.selected(graph.bonded, axis: 1), moment)
    return try (ratio * graph.stiffMask.cast(network: self)).sum(-1)
  }

  /// Rows of a table [types, ...] for bonded pairs, [1 or n, bonded, ...].
  private func ofBonded(_ table: Tensor) throws -> Tensor {
    let types = try graph.pairTypes.selected(graph.bonded, axis: 1)
    return try table.selected(types.reshaped(-1)).reshaped(types.shape + Array(table.shape.dropFirst()))
  }
}

extension Tensor {
  /// In the element type of a network's parameters.
  func cast(network: some Network) throws -> Tensor { try cast(network.scalarType) }
}

struct CartesianEnergyWeights {
  enum Trunk {
    case graphormer(GraphormerTrunk)
    case egnn(EGNNTrunk)
  }

  let embedding: Tensor
  let time: (LinearLayer, LinearLayer)
  let gain, shift, centre, logWidth, kernelToAtom: Tensor
  let trunk: Trunk
  let norm, atom: LinearLayer
  let atomOut, bondedAtom, bondedType, bondedOut, bondedSlope: Tensor
  let wellTime: LinearLayer
  let wellType: Tensor

  /// `parameters` in the order of `CartesianEnergyConfiguration.parameterShapes`.
  init(_ configuration: CartesianEnergyConfiguration, _ parameters: [Tensor]) {
    var next = ParameterReader(parameters)
    func tensor() -> Tensor { next.tensor() }
    func linear() -> LinearLayer { next.linear() }
    embedding = tensor()
    time = (linear(), linear())
    (gain, shift, centre, logWidth, kernelToAtom) = (tensor(), tensor(), tensor(), tensor(), tensor())
    switch configuration.architecture {
    case .graphormer:
      let bias = (linear(), linear())
      trunk = .graphormer(
        GraphormerTrunk(
          bias: bias,
          layers: (0..<configuration.layers).map { _ in
            GraphormerTrunk.Layer(
              attentionNorm: linear(), attentionIn: tensor(), attentionOut: linear(), forwardNorm: linear(),
              forward: (linear(), linear()))
          }))
    case .egnn:
      trunk = .egnn(
        EGNNTrunk(
          layers: (0..<configuration.layers).map { _ in
            EGNNTrunk.Layer(
              norm: linear(), receiver: tensor(), sender: tensor(), kernel: linear(), message: linear(),
              gate: linear(), node: (linear(), linear()))
          }))
    }
    (norm, atom, atomOut) = (linear(), linear(), tensor())
    (bondedAtom, bondedType, bondedOut, bondedSlope) = (tensor(), tensor(), tensor(), tensor())
    (wellTime, wellType) = (linear(), tensor())
  }
}
