import EquivariantKernels
import Torch

// Vectors are kept as [n, atoms, 3, channels], so that mixing channels is one matrix product.

extension GVPNetwork {
  /// Squared norms are kept at or above 1e-8; the upper end is no limit.
  static let squaredNorms = 1e-8...1e30
  static let distanceOffset = 1e-8

  /// `observer` sees the state after the embedding, after each message's norm and at the end of each layer.
  func evaluate(_ positions: Tensor, _ time: Tensor, observer: ((State, Moment) throws -> Void)?) throws -> Tensor {
    let first = try atoms.features(time).linear(weights.embedding.weight, weights.embedding.bias).silu()
    var state = State(h: first, v: nil, x: positions)
    try observer?(state, .embedding)
    let pairs = try kernel == .composed ? atoms.pairs() : nil
    for (index, layer) in weights.layers.enumerated() {
      let sent = try pairs.map { try composedMessage(layer.message, state, $0) } ?? fusedMessage(layer.message, state)
      state = try Self.normalised(sent, layer.messageNorm, adding: state)
      try observer?(state, .message(layer: index))
      let update = try Self.perceptron(layer.update, state, gate: { try $0.sigmoid() })
      let updated = State(h: try state.h + update.h, v: try state.v.map { try $0 + update.v } ?? update.v, x: state.x)
      state = try Self.normalised(updated, layer.updateNorm, adding: nil)
      // nothing reads the last positions but an observer
      if index < weights.layers.count - 1 || observer != nil {
        let move = try Self.perceptron(layer.position, updated, gate: { try $0.tanh() })
        state.x = try state.x + move.v.reshaped(positions.shape) * configuration.positionRange
      }
      try observer?(state, .layer(index))
    }
    let velocity = try Self.perceptron(weights.head, state, gate: { $0 }).v.reshaped(positions.shape)
    guard let mask = atoms.mask else { return velocity }
    return try velocity * mask.unsqueezed(-1)
  }

  struct State {
    /// [n, atoms, scalars]
    var h: Tensor
    /// [n, atoms, 3, vectors]; nil while all are zero.
    var v: Tensor?
    /// [n, atoms, 3]
    var x: Tensor
  }

  enum Moment: Equatable {
    case embedding
    case message(layer: Int)
    case layer(Int)
  }

  /// sqrt(max(sum of squares, 1e-8)) over the axis of x, y, z.
  static func norm(_ v: Tensor, axis: Int) throws -> Tensor { try v.square().sum(axis).clamped(squaredNorms).sqrt() }

  /// x sigmoid(beta x), with beta = 1 where it is not trained.
  private static func swish(_ x: Tensor, _ beta: Tensor?) throws -> Tensor {
    guard let beta else { return try x.silu() }
    return try x * (x * beta).sigmoid()
  }

  /// One perceptron on the atoms' own features. A single output vector is first divided by its norm.
  private static func perceptron(
    _ block: GVPWeights.Block, _ state: State, gate: (Tensor) throws -> Tensor
  ) throws -> (h: Tensor, v: Tensor) {
    let v =
      try state.v
      ?? Tensor.zeros(state.h.shape.dropLast() + [3, block.hidden.shape[0]], state.h.scalarType ?? .float32)
    let hidden = try v.matmul(block.hidden)
    var output = try hidden.matmul(block.output)
    let input = try Tensor.concatenated([state.h, norm(hidden, axis: -2)], axis: -1)
    let h = try swish(input.linear(block.features.weight, block.features.bias), block.beta)
    if block.output.shape[1] == 1 { output = try output / norm(output, axis: -2).unsqueezed(-2) }
    return (h, try output * gate(h.linear(block.gate.weight, block.gate.bias)).unsqueezed(-2))
  }

  /// What all atoms j send to atom i, summed and divided by the message norm.
  ///
  /// The parts of the perceptron's linear maps that act on features of j are applied per atom, not per pair: the hidden vectors are
  /// w0 u_ij + a_j with a = v Wh, the output vectors g_ij (w1 u_ij + b_j) with b = a Wu, and of the scalar map only the
  /// columns of the radial functions and of the hidden vectors' norms see a pair.
  private func composedMessage(_ block: GVPWeights.Block, _ state: State, _ pairs: Tensor) throws -> State {
    let (n, count) = (state.h.shape[0], state.h.shape[1])
    let (scalars, vectors) = (configuration.scalars, configuration.vectors)
    let separation = try state.x.unsqueezed(1) - state.x.unsqueezed(2)
    let distance = try Self.norm(separation, axis: -1) + Self.distanceOffset
    let unit = try separation / distance.unsqueezed(-1)
    let along = try block.hidden.slice(0..<1)
    var hidden = try unit.unsqueezed(-1) * along.reshaped(-1)
    var own: Tensor?
    if let v = state.v {
      let mixed = try v.matmul(block.hidden.slice(1..<(vectors + 1)))
      hidden = try hidden + mixed.unsqueezed(1)
      own = mixed
    }
    let radial = configuration.radialFunctions
    let input = try Tensor.concatenated([radialFunctions(distance), Self.norm(hidden, axis: -2)], axis: -1)
    let perAtom = try state.h.linear(block.features.weight.slice(0..<scalars, axis: 1), block.features.bias)
    let edges = try input.linear(block.features.weight.slice(scalars..<(scalars + radial + vectors + 1), axis: 1), nil)
    let s = try Self.swish(edges + perAtom.unsqueezed(1), block.beta)
    let gate = try s.linear(block.gate.weight, block.gate.bias).sigmoid() * pairs.unsqueezed(-1)
    let weight = 1 / configuration.messageNorm
    let sum = try (pairs.unsqueezed(2) * weight).matmul(s).reshaped(n, count, scalars)
    // gate^T [., j, c] and unit [., j, 3]: both sums over j are matrix products
    var vector = try unit.transposed().matmul(gate) * along.matmul(block.output)
    if let own {
      let sent = try own.matmul(block.output).permuted(0, 3, 1, 2)
      vector = try vector + gate.permuted(0, 3, 1, 2).matmul(sent).permuted(0, 2, 3, 1)
    }
    return State(h: sum, v: try vector * weight, x: state.x)
  }

  private func fusedMessage(_ block: GVPWeights.Block, _ state: State) throws -> State {
    let maps = try MessageMaps(block, configuration, composed: kernel == .paired)
    let sums = try maps.message.sums(
      maps.features(state.x, state.h, state.v, bias: block.features.bias), mask: atoms.mask)
    let weight = 1 / configuration.messageNorm
    return State(h: try sums.scalars * weight, v: try sums.vectors * weight, x: state.x)
  }

  /// A message block's weights, split into what acts on atoms and what acts on pairs.
  struct MessageMaps {
    let message: GVPMessage
    private let node, mixed, sent: Tensor

    init(_ block: GVPWeights.Block, _ configuration: GVPConfiguration, composed: Bool) throws {
      let (vectors, scalars) = (configuration.vectors, configuration.scalars)
      let hidden = vectors + 1
      let along = try block.hidden.slice(0..<1)
      let own = try block.hidden.slice(1..<hidden)
      let surplus = (8 - hidden % 8) % 8
      let features = block.features.weight
      node = try features.slice(0..<scalars, axis: 1)
      mixed = try Tensor.concatenated([own, Tensor.zeros([vectors, surplus], own.scalarType ?? .float32)], axis: 1)
      sent = try own.matmul(block.output)
      message = GVPMessage(
        along: try along.reshaped(-1), sentAlong: try along.matmul(block.output).reshaped(-1),
        features: try features.slice(scalars..<features.shape[1], axis: 1),
        beta: try block.beta ?? Tensor.ones([], features.scalarType ?? .float32), gate: block.gate.weight,
        gateBias: block.gate.bias, radialStep: configuration.cutoff / Double(max(1, configuration.radialFunctions - 1)),
        radialWidth: configuration.cutoff / Double(configuration.radialFunctions), composed: composed)
    }

    func features(_ x: Tensor, _ h: Tensor?, _ v: Tensor?, bias: Tensor?) throws -> GVPMessage.Features {
      try GVPMessage.Features(positions: x, node: h?.linear(node, bias), mixed: v?.matmul(mixed), sent: v?.matmul(sent))
    }
  }

  private func radialFunctions(_ distance: Tensor) throws -> Tensor {
    let count = configuration.radialFunctions
    let centres = try Tensor.linspace(0, configuration.cutoff, count, distance.scalarType ?? .float32)
    let width = configuration.cutoff / Double(count)
    return try (-((distance.unsqueezed(-1) - centres) / width).square()).exp()
  }

  /// Layer norm of scalars and vectors, of `state` or of its sum with `other`.
  private static func normalised(
    _ state: State, _ norm: LinearLayer, adding other: State?
  ) throws -> State {
    var (h, v) = (state.h, state.v)
    if let other {
      h = try h + other.h
      if let before = other.v { v = try v.map { try $0 + before } ?? before }
    }
    let scaled = try v.map { v -> Tensor in
      let squares = try v.square().sum(-2, keepingDimensions: true).clamped(squaredNorms)
      return try v / ((squares.mean(-1, keepingDimensions: true) + 1e-5).sqrt() + 1e-5)
    }
    return State(h: try h.layerNorm(norm.weight, norm.bias), v: scaled, x: state.x)
  }
}
