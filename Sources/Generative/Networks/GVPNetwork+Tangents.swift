import Torch

// Forward mode: the network and its derivatives along many directions of the positions at once. Each function below returns a value
// and its tangents, which have a leading axis of directions; a tangent that is nil is zero.

extension GVPNetwork {
  /// Molecules taken together: so few that what belongs to their directions stays in cache, and on a GPU many.
  private static var chunk: Int { Runtime.device == .cuda ? 2048 : 8 }

  public func withTangents(_ positions: Tensor, _ time: Tensor, directions: Tensor) throws -> Tangents? {
    guard kernel != .composed else { return nil }
    return try withoutGradients {
      let n = positions.shape[0]
      var (values, tangents): ([Tensor], [Tensor]) = ([], [])
      for start in stride(from: 0, to: n, by: Self.chunk) {
        let rows = start..<min(start + Self.chunk, n)
        let part = atoms.oneHot.shape[0] == 1 ? self : try replacing(atoms: atoms.rows(rows))
        let (value, tangent) = try part.tangentChunk(
          positions.slice(rows), time.slice(rows), directions.slice(rows, axis: 1))
        values.append(value)
        tangents.append(tangent)
      }
      return (try Tensor.concatenated(values, axis: 0), try Tensor.concatenated(tangents, axis: 1))
    }
  }

  /// Features of atoms and their tangents.
  private struct Moving {
    var h, v, dh, dv: Tensor
  }

  private func tangentChunk(
    _ positions: Tensor, _ time: Tensor, _ directions: Tensor
  ) throws -> (Tensor, Tensor) {
    var (x, dx) = (positions, directions)
    let first = try atoms.features(time).linear(weights.embedding.weight, weights.embedding.bias).silu()
    var state: Moving?
    for (index, layer) in weights.layers.enumerated() {
      let maps = try MessageMaps(layer.message, configuration, composed: kernel == .paired)
      let sums = try maps.message.sums(
        maps.features(x, state?.h ?? first, state?.v, bias: layer.message.features.bias),
        directions: maps.features(dx, state?.dh, state?.dv, bias: nil), mask: atoms.mask)
      let weight = 1 / configuration.messageNorm
      var next = Moving(
        h: try sums.scalars * weight + (state?.h ?? first), v: try sums.vectors * weight,
        dh: try sums.scalarTangents * weight, dv: try sums.vectorTangents * weight)
      if let state { (next.v, next.dh, next.dv) = try (next.v + state.v, next.dh + state.dh, next.dv + state.dv) }
      next = try Self.normalised(next, layer.messageNorm)
      let update = try Self.perceptron(layer.update, next, Gate.sigmoid)
      next = try Moving(h: next.h + update.h, v: next.v + update.v, dh: next.dh + update.dh, dv: next.dv + update.dv)
      if index < weights.layers.count - 1 {
        let move = try Self.perceptron(layer.position, next, Gate.tanh)
        x = try x + move.v.reshaped(x.shape) * configuration.positionRange
        dx = try dx + move.dv.reshaped(dx.shape) * configuration.positionRange
      }
      state = try Self.normalised(next, layer.updateNorm)
    }
    guard let state else { return (try Tensor.zeros(x.shape, .float32), try Tensor.zeros(dx.shape, .float32)) }
    let head = try Self.perceptron(weights.head, state, Gate.identity)
    let (value, tangents) = (try head.v.reshaped(x.shape), try head.dv.reshaped(dx.shape))
    guard let mask = try atoms.mask?.unsqueezed(-1) else { return (value, tangents) }
    return (try value * mask, try tangents * mask)
  }

  private enum Gate {
    case sigmoid, tanh, identity

    /// The value and its slope.
    func callAsFunction(_ x: Tensor) throws -> (Tensor, Tensor?) {
      switch self {
      case .identity: return (x, nil)
      case .sigmoid:
        let y = try x.sigmoid()
        return (y, try y * (1 - y))
      case .tanh:
        let y = try x.tanh()
        return (y, try 1 - y.square())
      }
    }
  }

  /// The norm over x, y, z and the vectors divided by it; these are zero where the norm is held at its floor, so that their product
  /// with a tangent is the norm's.
  private static func normAndDirection(_ v: Tensor) throws -> (norm: Tensor, direction: Tensor) {
    let squares = try v.square().sum(-2)
    let norm = try squares.clamped(squaredNorms).sqrt()
    let free = try squares.greater(squaredNorms.lowerBound).cast(v.scalarType ?? .float32)
    return (norm, try v * (free / norm).unsqueezed(-2))
  }

  private static func perceptron(_ block: GVPWeights.Block, _ state: Moving, _ gate: Gate) throws -> Moving {
    let scalars = state.h.shape[state.h.rank - 1]
    let weight = block.features.weight
    let hidden = try state.v.matmul(block.hidden)
    let movedHidden = try state.dv.matmul(block.hidden)
    let (norm, direction) = try normAndDirection(hidden)
    let movedNorm = try (movedHidden * direction).sum(-2)
    let z = try Tensor.concatenated([state.h, norm], axis: -1).linear(weight, block.features.bias)
    let movedZ =
      try state.dh.linear(weight.slice(0..<scalars, axis: 1), nil)
      + movedNorm.linear(weight.slice(scalars..<weight.shape[1], axis: 1), nil)
    let half = try block.beta.map { try (z * $0).sigmoid() } ?? z.sigmoid()
    let bend = try z * half * (1 - half)
    let h = try z * half
    let dh = try movedZ * (half + (block.beta.map { try bend * $0 } ?? bend))
    var output = try hidden.matmul(block.output)
    var moved = try movedHidden.matmul(block.output)
    if block.output.shape[1] == 1 {
      let (length, unit) = try normAndDirection(output)
      output = try output / length.unsqueezed(-2)
      moved = try (moved - unit * (moved * unit).sum(-2, keepingDimensions: true)) / length.unsqueezed(-2)
    }
    let (g, slope) = try gate(h.linear(block.gate.weight, block.gate.bias))
    let linear = try dh.linear(block.gate.weight, nil)
    let dg = try slope.map { try linear * $0 } ?? linear
    return Moving(
      h: h, v: try output * g.unsqueezed(-2), dh: dh,
      dv: try moved * g.unsqueezed(-2) + output * dg.unsqueezed(-2))
  }

  private static func normalised(_ state: Moving, _ norm: LinearLayer) throws -> Moving {
    let centred = try state.h - state.h.mean(-1, keepingDimensions: true)
    let inverse = try (centred.square().mean(-1, keepingDimensions: true) + 1e-5).rsqrt()
    let normed = try centred * inverse
    let moved = try state.dh - state.dh.mean(-1, keepingDimensions: true)
    let along = try (moved * normed).mean(-1, keepingDimensions: true)
    let squares = try state.v.square().sum(-2, keepingDimensions: true)
    let free = try squares.greater(squaredNorms.lowerBound).cast(state.v.scalarType ?? .float32)
    let root = try (squares.clamped(squaredNorms).mean(-1, keepingDimensions: true) + 1e-5).sqrt()
    let scale = try (root + 1e-5).reciprocal()
    let products = try (state.dv * (state.v * free)).sum(-2, keepingDimensions: true)
    let stretch = try products.mean(-1, keepingDimensions: true) * (scale.square() / root)
    return Moving(
      h: try normed * norm.weight + norm.bias, v: try state.v * scale,
      dh: try (moved - normed * along) * (inverse * norm.weight), dv: try state.dv * scale - state.v * stretch)
  }
}
