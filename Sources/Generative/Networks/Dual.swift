import Torch

/// A tensor [n, ...] and, where they are asked for, its derivatives along directions, [m, n, ...]: forward mode, by which a network is written
/// once and gives its values or its Jacobian. Axes are counted from the end.
struct Dual {
  let value: Tensor
  /// Nil: no derivatives are asked for, or there are none.
  let tangent: Tensor?

  init(_ value: Tensor, _ tangent: Tensor? = nil) { (self.value, self.tangent) = (value, tangent) }

  /// The same linear map of values and derivatives.
  func map(_ body: (Tensor) throws -> Tensor) rethrows -> Dual { try Dual(body(value), tangent.map(body)) }

  static func + (a: Dual, b: Dual) throws -> Dual {
    try Dual(a.value + b.value, sum(a.tangent, b.tangent))
  }

  static func - (a: Dual, b: Dual) throws -> Dual {
    try Dual(a.value - b.value, sum(a.tangent, b.tangent.map { try -$0 }))
  }

  /// With something that does not move.
  static func + (a: Dual, b: Tensor) throws -> Dual { Dual(try a.value + b, a.tangent) }
  static func - (a: Dual, b: Tensor) throws -> Dual { Dual(try a.value - b, a.tangent) }
  static func * (a: Dual, b: Tensor) throws -> Dual { try a.map { try $0 * b } }

  static func * (a: Dual, b: Dual) throws -> Dual {
    try Dual(
      a.value * b.value, sum(a.tangent.map { try $0 * b.value }, b.tangent.map { try a.value * $0 }))
  }

  func square() throws -> Dual { Dual(try value.square(), try tangent.map { try $0 * (value * 2) }) }

  /// (x + epsilon)^(-1/2).
  func inverseRoot(_ epsilon: Double) throws -> Dual {
    let root = try (value + epsilon).rsqrt()
    return Dual(root, try tangent.map { try $0 * (root * root.square() * -0.5) })
  }

  /// (x + epsilon)^(1/2).
  func root(_ epsilon: Double) throws -> Dual {
    let root = try (value + epsilon).sqrt()
    return Dual(root, try tangent.map { try $0 * (root.reciprocal() * 0.5) })
  }

  func sigmoid() throws -> Dual {
    let rise = try value.sigmoid()
    return Dual(rise, try tangent.map { try $0 * (rise * (1 - rise)) })
  }

  func silu() throws -> Dual {
    guard let tangent else { return Dual(try value.silu()) }
    let rise = try value.sigmoid()
    return Dual(try value * rise, try tangent * (rise * (value * (1 - rise) + 1)))
  }

  func linear(_ layer: LinearLayer) throws -> Dual { try linear(layer.weight, layer.bias) }
  func linear(_ weight: Tensor, _ bias: Tensor?) throws -> Dual {
    Dual(try value.linear(weight, bias), try tangent.map { try $0.linear(weight, nil) })
  }

  /// Over the last axis; nil for a norm without parameters.
  func layerNorm(_ layer: LinearLayer? = nil) throws -> Dual {
    guard let tangent else { return Dual(try value.layerNorm(layer?.weight, layer?.bias)) }
    let centred = try value - value.mean(-1, keepingDimensions: true)
    let inverse = try (centred.square().mean(-1, keepingDimensions: true) + 1e-5).rsqrt()
    let normed = try centred * inverse
    let moved = try tangent - tangent.mean(-1, keepingDimensions: true)
    let along = try (moved * normed).mean(-1, keepingDimensions: true)
    guard let layer else { return Dual(normed, try (moved - normed * along) * inverse) }
    return Dual(
      try normed * layer.weight + layer.bias, try (moved - normed * along) * (inverse * layer.weight))
  }

  func sum(_ axis: Int, keepingDimensions keep: Bool = false) throws -> Dual {
    try map { try $0.sum(axis, keepingDimensions: keep) }
  }

  func slice(_ range: Range<Int>, axis: Int = -1) throws -> Dual { try map { try $0.slice(range, axis: axis) } }
  func unsqueezed(_ axis: Int) throws -> Dual { try map { try $0.unsqueezed(axis) } }

  /// [n, ...] to [n, shape].
  func reshaped(_ shape: [Int]) throws -> Dual {
    let n = value.shape[0]
    return Dual(try value.reshaped([n] + shape), try tangent.map { try $0.reshaped([$0.shape[0], n] + shape) })
  }

  /// The last two axes the other way round.
  func transposed() throws -> Dual { try map { try $0.transposed() } }
  func detached() throws -> Dual { try map { try $0.detached() } }

  /// Where one part moves and another does not, that one's derivatives are zero.
  static func concatenated(_ parts: [Dual], axis: Int = -1) throws -> Dual {
    let value = try Tensor.concatenated(parts.map(\.value), axis: axis)
    guard let directions = parts.lazy.compactMap(\.tangent).first?.shape[0] else { return Dual(value) }
    let tangents = try parts.map { part in
      try part.tangent ?? Tensor.zeros([directions] + part.value.shape, part.value.scalarType ?? .float32)
    }
    return Dual(value, try Tensor.concatenated(tangents, axis: axis))
  }

  private static func sum(_ a: Tensor?, _ b: Tensor?) throws -> Tensor? {
    guard let a else { return b }
    return try b.map { try a + $0 } ?? a
  }
}
