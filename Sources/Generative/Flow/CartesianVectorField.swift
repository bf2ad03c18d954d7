import Torch

/// The velocity of a molecule's atoms by an equivariant network. Lengths are those of the network: angstrom by convention.
///
/// Where the space is mean-free, the mean over atoms is taken out of the network's output: positions stay on the subspace that the
/// prior lives on. The divergence, a sum over all 3 atoms directions, is then that on the subspace, because the
/// network does not see translations.
public struct CartesianVectorField<Net: CartesianNetwork>: VectorField {
  public let network: Net
  public let space: LatentSpace
  /// The network was trained with time running from data (0) to noise (1), as published weights are: it is given 1 - t, and
  /// its output, a derivative by that time, changes sign.
  public let networkTimeIsReversed: Bool
  /// What random directions are turned into for estimates of the divergence; nil leaves them as they are.
  public let frame: ElasticFrame?

  public init(
    network: Net, space: LatentSpace, networkTimeIsReversed: Bool = false, frame: ElasticFrame? = nil
  ) {
    (self.network, self.space, self.networkTimeIsReversed, self.frame) = (network, space, networkTimeIsReversed, frame)
  }

  public func replacing(network: Net) -> CartesianVectorField {
    CartesianVectorField(network: network, space: space, networkTimeIsReversed: networkTimeIsReversed, frame: frame)
  }

  public func oriented(probes: Tensor, at x: Tensor) throws -> Tensor { try frame?.oriented(probes, at: x) ?? probes }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    try flattened(network(positions(x), networkTime(t)))
  }

  public func withQuadraticForms(_ x: Tensor, _ t: Tensor, directions: Tensor) throws -> (Tensor, Tensor) {
    let m = directions.shape[0]
    let moves = try directions.reshaped(m, x.shape[0], space.dimension / 3, 3)
    guard let (value, tangents) = try network.withTangents(positions(x), networkTime(t), directions: moves) else {
      return try quadraticFormsByReverseMode(x, t, directions: directions)
    }
    return (try flattened(value), try (flattened(tangents) * directions).sum(-1))
  }

  public func withScoreTransport(
    _ x: Tensor, _ t: Tensor, score: Tensor, directions: Tensor
  ) throws -> (velocity: Tensor, forms: Tensor, pull: Tensor) {
    try replacing(network: network.twiceDifferentiable)
      .scoreTransportByDoubleBackPropagation(x, t, score: score, directions: directions)
  }

  private func positions(_ x: Tensor) throws -> Tensor { try x.reshaped(-1, space.dimension / 3, 3) }

  private func networkTime(_ t: Tensor) throws -> Tensor { try networkTimeIsReversed ? 1 - t : t }

  /// [..., atoms, 3] -> [..., 3 atoms], without the mean where points have none, in the project's direction of time.
  private func flattened(_ vectors: Tensor) throws -> Tensor {
    let velocity = try networkTimeIsReversed ? -vectors : vectors
    let flat = try velocity.reshaped(Array(vectors.shape.dropLast(2)) + [space.dimension])
    guard space.meanFree else { return flat }
    guard let mask = try network.atoms.mask?.unsqueezed(-1) else { return try space.projected(flat) }
    let mean = try velocity.sum(-2, keepingDimensions: true) / mask.sum(-2, keepingDimensions: true)
    return try ((velocity - mean) * mask).reshaped(flat.shape)
  }
}

/// A velocity by geometric vector perceptrons.
public typealias GVPVectorField = CartesianVectorField<GVPNetwork>
/// A velocity by an E(n) equivariant graph network ("ECNF").
public typealias EGNNVectorField = CartesianVectorField<EGNNNetwork>
