import Torch

/// What gives a coefficient for each distance and volume.
protocol PairCoefficients {
  /// Of standardised features [n, inputs], distances first in each set of them; time features [n, clock]; and unit vectors along the pairs
  /// [n, 3, pairs]: [n, outputs].
  func callAsFunction(_ features: Dual, _ clock: Tensor, along: Dual) throws -> Dual
}

/// A residual perceptron over standardised features, steered by time: in each block time scales and shifts what comes out of the layer norm, and beside
/// the blocks runs a linear map whose outputs time gates, since layer norms hide magnitudes and stiff modes are a linear answer to one.
struct PairTrunk: PairCoefficients {
  struct Shape {
    let inputs, outputs, width, depth, clock: Int

    func parameters(_ name: String) -> [ParameterShape] {
      func layer(_ part: String, _ inputs: Int, _ outputs: Int, weight: Double) -> [ParameterShape] {
        ParameterShape.layer("\(name).\(part)", inputs, outputs, weight: weight)
      }
      var list = layer("input", inputs, width, weight: 1)
      for block in 0..<depth {
        list += layer("block\(block).time", clock, 2 * width, weight: 0)
        list += layer("block\(block).first", width, width, weight: 1)
        list += layer("block\(block).second", width, width, weight: 0.3)
      }
      return list + layer("output", width, outputs, weight: 0)
        + ParameterShape.gatedSkip(name, inputs: inputs, outputs: outputs, clock: clock)
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

  func callAsFunction(_ features: Dual, _ clock: Tensor, along: Dual) throws -> Dual {
    var h = try features.linear(input)
    for block in blocks {
      let (scale, shift) = try block.time.film(clock)
      let inner = try (h.layerNorm() * scale + shift).linear(block.first)
      h = try h + inner.silu().linear(block.second)
    }
    return try h.layerNorm().linear(output) + features.linear(skip, nil) * gate(clock)
  }
}

extension LinearLayer {
  /// What time, by its features [n, clock], multiplies normalised features with and adds to them, [n, width] each.
  func film(_ clock: Tensor) throws -> (scale: Tensor, shift: Tensor) {
    let both = try self(clock)
    let width = both.shape[1] / 2
    return (try both.slice(0..<width, axis: 1) + 1, try both.slice(width..<2 * width, axis: 1))
  }
}
