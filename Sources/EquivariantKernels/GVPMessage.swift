import CEquivariantKernels
import Torch

/// The messages of a layer of geometric vector perceptrons between all pairs of atoms, summed over senders, in one fused operation.
///
/// It never writes a tensor over pairs to memory. First derivatives only; for second ones the layer must be composed of other
/// operations. All tensors are of one floating type, S and V multiples of 8. On a GPU, or with `composed`, it is composed of LibTorch's
/// operations.
public struct GVPMessage {
  /// What depends on the positions, [..., n, atoms, *].
  public struct Features {
    /// [n, atoms, 3]
    public var positions: Tensor
    /// [n, atoms, S]: bias and the sender's scalars in the scalar map.
    public var node: Tensor?
    /// [n, atoms, 3, H up to a multiple of 8]: the sender's vectors in the hidden channels; nil where all are zero.
    public var mixed: Tensor?
    /// [n, atoms, 3, V]: the sender's vectors in the output channels; nil where all are zero.
    public var sent: Tensor?

    public init(positions: Tensor, node: Tensor?, mixed: Tensor?, sent: Tensor?) {
      self.positions = positions
      self.node = node
      self.mixed = mixed
      self.sent = sent
    }

    var list: [Tensor?] { [positions, node, mixed, sent] }
  }

  /// [H] and [V]: the unit vector in the hidden and in the output channels.
  public let along: Tensor
  public let sentAlong: Tensor
  /// [S, R + H]: columns of the radial functions and of the norms of hidden vectors in the scalar map.
  public let features: Tensor
  /// []: x sigmoid(beta x).
  public let beta: Tensor
  /// [V, S] and [V]
  public let gate: Tensor
  public let gateBias: Tensor
  /// Gaussians exp(-((d - k step) / width)^2), k = 0, 1, ...
  public let radialStep: Double
  public let radialWidth: Double
  public let composed: Bool

  public init(
    along: Tensor, sentAlong: Tensor, features: Tensor, beta: Tensor, gate: Tensor, gateBias: Tensor,
    radialStep: Double, radialWidth: Double, composed: Bool = false
  ) {
    self.along = along
    self.sentAlong = sentAlong
    self.features = features
    self.beta = beta
    self.gate = gate
    self.gateBias = gateBias
    self.radialStep = radialStep
    self.radialWidth = radialWidth
    self.composed = composed
  }

  /// Sums of scalars [n, atoms, S] and of vectors [n, atoms, 3, V]; `mask` [1 or n, atoms] is 0 for padding.
  public func sums(_ input: Features, mask: Tensor?) throws -> (scalars: Tensor, vectors: Tensor) {
    let operands = self.operands(input)
    var out = [OpaquePointer?](repeating: nil, count: 2)
    let status = withExtendedLifetime((operands, mask)) {
      bm_gvp_message(operands.map { $0?.pointer }, mask?.pointer, radialStep, radialWidth, composed, &out)
    }
    let results = try Self.tensors(status, out)
    return (results[0], results[1])
  }

  /// The sums, and their derivatives along m `directions` of the input, each with a leading axis m; nil stands for zero.
  public func sums(
    _ input: Features, directions: Features, mask: Tensor?
  ) throws -> (scalars: Tensor, vectors: Tensor, scalarTangents: Tensor, vectorTangents: Tensor) {
    let operands = self.operands(input)
    let moves = directions.list
    var out = [OpaquePointer?](repeating: nil, count: 4)
    let status = withExtendedLifetime((operands, moves, mask)) {
      bm_gvp_message_tangents(
        operands.map { $0?.pointer }, moves.map { $0?.pointer }, mask?.pointer, radialStep, radialWidth, composed, &out)
    }
    let results = try Self.tensors(status, out)
    return (results[0], results[1], results[2], results[3])
  }

  private func operands(_ input: Features) -> [Tensor?] {
    input.list + [along, sentAlong, features, beta, gate, gateBias]
  }

  private static func tensors(_ status: Int32, _ pointers: [OpaquePointer?]) throws -> [Tensor] {
    try check("gvp message", status)
    return try pointers.map {
      guard let pointer = $0 else { throw TorchError(operation: "gvp message", reason: "no tensor was returned") }
      return Tensor(owning: pointer)
    }
  }
}
