import Basics
import Torch

/// Shape of a network of geometric vector perceptrons; lengths in angstrom. The defaults are the published ones.
public struct GVPConfiguration: Codable, Equatable, Sendable {
  public var layers: Int
  /// Scalar features per atom.
  public var scalars: Int
  /// Vector features per atom.
  public var vectors: Int
  /// Gaussians of the distance are centred on k cutoff / (radialFunctions - 1), k = 0 ..< radialFunctions, and
  /// cutoff / radialFunctions wide.
  public var radialFunctions: Int
  public var cutoff: Double
  /// Sums over neighbours are divided by this.
  public var messageNorm: Double
  /// Longest move of an atom in one layer.
  public var positionRange: Double
  public var atomClasses: Int

  public init(
    layers: Int = 5, scalars: Int = 64, vectors: Int = 16, radialFunctions: Int = 16, cutoff: Double = 20,
    messageNorm: Double = 10, positionRange: Double = 10, atomClasses: Int = 21
  ) {
    (self.layers, self.scalars, self.vectors, self.radialFunctions) = (layers, scalars, vectors, radialFunctions)
    (self.cutoff, self.messageNorm, self.positionRange) = (cutoff, messageNorm, positionRange)
    self.atomClasses = atomClasses
  }
}

/// A network of geometric vector perceptrons on the full graph of a molecule's atoms: scalars and vectors per atom, and positions
/// that move from layer to layer.
///
/// Parameters carry the names of the published checkpoints, so that weights are taken over name by name.
/// Sources: Jing et al., "Learning from protein structure with geometric vector perceptrons", ICLR 2021; the layers as in Aggarwal,
/// Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846.
public struct GVPNetwork: CartesianNetwork {
  public let configuration: GVPConfiguration
  public let atoms: AtomClasses
  /// In the order of `parameterNames`.
  public let parameters: [Tensor]
  /// How messages are computed.
  public let kernel: Kernel
  let weights: GVPWeights

  public enum Kernel: Sendable {
    /// In one fused operation where its sizes allow it (scalars and vectors in multiples of 8): several times faster, first
    /// derivatives only.
    case fused
    /// The same operation on tensors over all pairs of atoms: what `fused` is on a GPU.
    case paired
    /// Of tensor operations over all pairs of atoms, which can be differentiated any number of times.
    case composed
  }

  /// `parameters` in the order of `parameterNames`.
  public init(
    configuration: GVPConfiguration, atoms: AtomClasses, parameters: [Tensor], kernel: Kernel = .fused
  ) {
    (self.configuration, self.atoms, self.parameters) = (configuration, atoms, parameters)
    let fits = configuration.scalars % 8 == 0 && configuration.vectors % 8 == 0 && configuration.vectors < 64
    self.kernel = fits ? kernel : .composed
    weights = GVPWeights(configuration, parameters)
  }

  /// Fresh parameters: uniform in +-1/sqrt(inputs), norms and swishes at 1.
  public init(configuration: GVPConfiguration, atoms: AtomClasses, generator: Generator) throws {
    self.init(
      configuration: configuration, atoms: atoms,
      parameters: try Self.parameterShapes(configuration).map { try $0.fresh(generator) })
  }

  /// Name of the weight by which classes and time are embedded, [scalars, classes + 1].
  public static let embeddingWeight = embedding + ".weight"
  private static let embedding = "initial_embedding.0"

  public var parameterNames: [String] { Self.parameterShapes(configuration).map(\.name) }
  public var constants: [(name: String, tensor: Tensor)] { atoms.constants }

  public func replacing(parameters: [Tensor], constants: [Tensor]) -> Self {
    Self(configuration: configuration, atoms: atoms.replacing(constants), parameters: parameters, kernel: kernel)
  }

  public func replacing(atoms: AtomClasses) -> Self {
    Self(configuration: configuration, atoms: atoms, parameters: parameters, kernel: kernel)
  }

  public func replacing(kernel: Kernel) -> Self {
    Self(configuration: configuration, atoms: atoms, parameters: parameters, kernel: kernel)
  }

  public var twiceDifferentiable: GVPNetwork { replacing(kernel: .composed) }

  /// positions [n, atoms, 3], time [n] -> [n, atoms, 3]. Its mean over atoms is not zero.
  public func callAsFunction(_ positions: Tensor, _ time: Tensor) throws -> Tensor {
    try evaluate(positions, time, observer: nil)
  }

  /// Takes over weights by name, for example those of a published checkpoint.
  ///
  /// Tensors without elements are left out of account. Throws `CartesianNetworkError` when a tensor is missing, unknown or has
  /// another shape than the configuration asks for.
  public init(configuration: GVPConfiguration, atoms: AtomClasses, weights: [String: NDArray<Float>]) throws {
    self.init(
      configuration: configuration, atoms: atoms,
      parameters: try ParameterShape.tensors(Self.parameterShapes(configuration), from: weights))
  }

  static func parameterShapes(_ c: GVPConfiguration) -> [ParameterShape] {
    let radial = c.radialFunctions
    var list = ParameterShape.linear(embedding, c.atomClasses + 1, c.scalars)
    for layer in 0..<c.layers {
      let name = "convs.\(layer)."
      list += block(name + "edge_message.0", c.scalars + radial, c.vectors + 1, c.scalars, c.vectors, beta: true)
      list += ParameterShape.norm(name + "message_layer_norm.feat_norm", c.scalars)
      list += block(name + "node_update.0", c.scalars, c.vectors, c.scalars, c.vectors, beta: true)
      list += block(name + "node_position_update", c.scalars, c.vectors, c.scalars, 1, beta: false)
      list += ParameterShape.norm(name + "update_layer_norm.feat_norm", c.scalars)
    }
    return list + block("position_updater.gvps.0", c.scalars, c.vectors, c.scalars, 1, beta: false)
  }

  private static func block(
    _ name: String, _ scalarsIn: Int, _ vectorsIn: Int, _ scalarsOut: Int, _ vectorsOut: Int, beta: Bool
  ) -> [ParameterShape] {
    let hidden = max(vectorsIn, vectorsOut)
    var list = [
      ParameterShape(name: name + ".Wh", shape: [vectorsIn, hidden], start: .uniform(inputs: vectorsIn)),
      ParameterShape(name: name + ".Wu", shape: [hidden, vectorsOut], start: .uniform(inputs: hidden)),
    ]
    list += ParameterShape.linear(name + ".to_feats_out.0", scalarsIn + hidden, scalarsOut)
    if beta { list.append(ParameterShape(name: name + ".to_feats_out.1.beta", shape: [], start: .constant(1))) }
    return list + ParameterShape.linear(name + ".scalar_to_vector_gates", scalarsOut, vectorsOut)
  }
}

struct GVPWeights {
  struct Block {
    let hidden, output: Tensor
    let features: LinearLayer
    let beta: Tensor?
    let gate: LinearLayer
  }
  struct Layer {
    let message: Block
    let messageNorm: LinearLayer
    let update, position: Block
    let updateNorm: LinearLayer
  }
  let embedding: LinearLayer
  let layers: [Layer]
  let head: Block

  /// `parameters` in the order of `GVPNetwork.parameterShapes`.
  init(_ configuration: GVPConfiguration, _ parameters: [Tensor]) {
    var next = ParameterReader(parameters)
    func block(beta: Bool) -> Block {
      Block(
        hidden: next.tensor(), output: next.tensor(), features: next.linear(), beta: beta ? next.tensor() : nil,
        gate: next.linear())
    }
    embedding = next.linear()
    layers = (0..<configuration.layers).map { _ in
      Layer(
        message: block(beta: true), messageNorm: next.linear(), update: block(beta: true),
        position: block(beta: false), updateNorm: next.linear())
    }
    head = block(beta: false)
  }
}
