import Torch

/// A residual perceptron over standardised features, steered by time: in each block time scales and shifts what comes out of the layer norm, and beside
/// the blocks runs a linear map whose outputs time gates, since layer norms hide magnitudes and stiff modes are a linear answer to one.
struct PairTrunk {
  struct Shape {
    let inputs, outputs, width, depth, clock: Int

    func parameters(_ name: String) -> [ParameterShape] {
      func layer(_ part: String, _ inputs: Int, _ outputs: Int, weight: Double, bias: Double = 0) -> [ParameterShape] {
        [
          ParameterShape(
            name: "\(name).\(part).weight", shape: [outputs, inputs],
            start: weight == 0 ? .constant(0) : .within(weight / Double(inputs).squareRoot())),
          ParameterShape(name: "\(name).\(part).bias", shape: [outputs], start: .constant(bias)),
        ]
      }
      var list = layer("input", inputs, width, weight: 1)
      for block in 0..<depth {
        list += layer("block\(block).time", clock, 2 * width, weight: 0)
        list += layer("block\(block).first", width, width, weight: 1)
        list += layer("block\(block).second", width, width, weight: 0.3)
      }
      return list + layer("output", width, outputs, weight: 0) + layer("gate", clock, outputs, weight: 0, bias: 1)
        + [ParameterShape(name: "\(name).skip.weight", shape: [outputs, inputs], start: .constant(0))]
    }
  }

  private struct Block {
    let time, first, second: LinearLayer
  }
  private let input, output, gate: LinearLayer
  private let blocks: [Block]
  private let skip: Tensor

  init(_ shape: Shape, _ next: inout ParameterReader) {
    input = next.linear()
    blocks = (0..<shape.depth).map { _ in Block(time: next.linear(), first: next.linear(), second: next.linear()) }
    output = next.linear()
    gate = next.linear()
    skip = next.tensor()
  }

  /// Features [n, inputs] and time features [n, clock] to [n, outputs].
  func callAsFunction(_ features: Tensor, _ clock: Tensor) throws -> Tensor {
    var h = try input(features)
    for block in blocks {
      let (scale, shift) = try Self.halves(block.time(clock))
      let inner = try block.first(h.layerNorm(nil, nil) * (scale + 1) + shift)
      h = try h + block.second(inner.silu())
    }
    return try output(h.layerNorm(nil, nil)) + gate(clock) * features.linear(skip, nil)
  }

  /// The same, and its derivatives [m, n, outputs] along changes [m, n, inputs] of the features.
  func withTangents(_ features: Tensor, _ clock: Tensor, changes: Tensor) throws -> (value: Tensor, tangents: Tensor) {
    var h = try input(features)
    var dh = try changes.linear(input.weight, nil)
    for block in blocks {
      let (scale, shift) = try Self.halves(block.time(clock))
      let (normed, dNormed) = try Self.normed(h, dh)
      let inner = try block.first(normed * (scale + 1) + shift)
      let rise = try inner.sigmoid()
      let slope = try rise * (inner * (1 - rise) + 1)
      let dInner = try (dNormed * (scale + 1)).linear(block.first.weight, nil) * slope
      h = try h + block.second(inner * rise)
      dh = try dh + dInner.linear(block.second.weight, nil)
    }
    let (normed, dNormed) = try Self.normed(h, dh)
    let open = try gate(clock)
    return (
      try output(normed) + open * features.linear(skip, nil),
      try dNormed.linear(output.weight, nil) + open * changes.linear(skip, nil)
    )
  }

  private static func halves(_ x: Tensor) throws -> (Tensor, Tensor) {
    let width = x.shape[1] / 2
    return (try x.slice(0..<width, axis: 1), try x.slice(width..<2 * width, axis: 1))
  }

  /// Layer norm without parameters, and its derivative.
  private static func normed(_ h: Tensor, _ dh: Tensor) throws -> (Tensor, Tensor) {
    let centred = try h - h.mean(-1, keepingDimensions: true)
    let inverse = try (centred.square().mean(-1, keepingDimensions: true) + 1e-5).rsqrt()
    let normed = try centred * inverse
    let dCentred = try dh - dh.mean(-1, keepingDimensions: true)
    let along = try (dCentred * normed).mean(-1, keepingDimensions: true)
    return (normed, try (dCentred - normed * along) * inverse)
  }
}
