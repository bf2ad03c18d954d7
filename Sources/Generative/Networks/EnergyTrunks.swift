import Torch

/// Layers of attention over all atoms, with a bias from kernels of distance that all layers share.
struct GraphormerTrunk {
  struct Layer {
    let attentionNorm: LinearLayer
    let attentionIn: Tensor
    let attentionOut, forwardNorm: LinearLayer
    let forward: (LinearLayer, LinearLayer)
  }

  let bias: (LinearLayer, LinearLayer)
  let layers: [Layer]

  /// h [n, atoms, width], kernels [n, pairs, kernels] -> [n, atoms, width].
  ///
  /// Attention is written out: fused kernels of it cannot be differentiated twice. Queries, keys and values have no bias of their own:
  /// the norm before has one, and a bias on keys alone would have no effect.
  func callAsFunction(_ h: Tensor, _ kernels: Tensor, _ graph: MolecularGraph, heads: Int) throws -> Tensor {
    let (n, atoms, width) = (h.shape[0], h.shape[1], h.shape[2])
    let size = width / heads
    let bias = try attentionBias(kernels, graph, heads: heads)
    var h = h
    for layer in layers {
      let parts = try layer.attentionNorm.normalising(h).linear(layer.attentionIn, nil)
        .reshaped(n, atoms, 3, heads, size).permuted(2, 0, 3, 1, 4)
      func part(_ k: Int) throws -> Tensor { try parts.slice(k..<(k + 1)).reshaped(n, heads, atoms, size) }
      let scores = try (part(0) * (1 / Double(size).squareRoot())).matmul(part(1).transposed()) + bias
      let gathered = try scores.softmax(-1).matmul(part(2)).permuted(0, 2, 1, 3).reshaped(n, atoms, width)
      h = try h + layer.attentionOut(gathered)
      let inner = try layer.forward.0(layer.forwardNorm.normalising(h)).silu()
      h = try h + layer.forward.1(inner)
    }
    return h
  }

  /// [n, heads, atoms, atoms]; an atom's attention to itself has no bias, that to padding has none left.
  private func attentionBias(_ kernels: Tensor, _ graph: MolecularGraph, heads: Int) throws -> Tensor {
    let n = kernels.shape[0]
    let pairs = try bias.1(bias.0(kernels).silu())
    let type = kernels.scalarType ?? .float32
    let withSelf = try Tensor.concatenated([pairs, Tensor.zeros([n, 1, heads], type)], axis: 1)
    let square = try withSelf.selected(graph.pairOfAtoms, axis: 1).reshaped(n, graph.atoms, graph.atoms, heads)
      .permuted(0, 3, 1, 2)
    guard let mask = graph.atomMask else { return square }
    return try square + (mask.cast(type) - 1).reshaped(mask.shape[0], 1, 1, graph.atoms) * 1e9
  }
}

/// Layers of messages over all pairs: m_ij = MLP[h_i, h_j, kernels], times a sigmoid of itself; h_i += MLP[h_i, sum_j m_ij].
struct EGNNTrunk {
  struct Layer {
    let norm: LinearLayer
    let receiver, sender: Tensor
    let kernel, message, gate: LinearLayer
    let node: (LinearLayer, LinearLayer)
  }

  let layers: [Layer]
  /// On sums over neighbours: 16 independent messages then count as one.
  static let messageWeight = 0.25

  /// h [n, atoms, width], kernels [n, pairs, kernels] -> [n, atoms, width].
  func callAsFunction(_ h: Tensor, _ kernels: Tensor, _ graph: MolecularGraph) throws -> Tensor {
    let type = h.scalarType ?? .float32
    let (one, other) = (try graph.first.cast(type), try graph.second.cast(type))
    let mask = try graph.pairMask?.cast(type).unsqueezed(-1)
    // each pair both ways: from the second atom to the first, then back
    let receivers = try Tensor.concatenated([one, other], axis: 0)
    let senders = try Tensor.concatenated([other, one], axis: 0)
    let masks = try mask.map { try Tensor.concatenated([$0, $0], axis: 1) }
    var h = h
    for layer in layers {
      let normed = try layer.norm.normalising(h)
      let kernel = try layer.kernel(kernels)
      let inner =
        try receivers.matmul(normed.linear(layer.receiver, nil))
        + senders.matmul(normed.linear(layer.sender, nil)) + Tensor.concatenated([kernel, kernel], axis: 1)
      let message = try layer.message(inner.silu()).silu()
      var sent = try message * layer.gate(message).sigmoid()
      if let masks { sent = try sent * masks }
      let sum = try receivers.transposed().matmul(sent) * Self.messageWeight
      h = try h + layer.node.1(layer.node.0(Tensor.concatenated([normed, sum], axis: -1)).silu())
    }
    return h
  }
}
