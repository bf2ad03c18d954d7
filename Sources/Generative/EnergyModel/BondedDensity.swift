import Foundation
import Torch

/// Where on the path from noise to data a batch is: alpha and beta of the interpolant, [n, 1].
struct Moment {
  let alpha, beta: Tensor
  /// Variance that the noise gives a coordinate of the vector between two atoms, 2 alpha^2.
  let noise: Tensor
  /// Below about this much noise nothing changes any more, in units of length.
  static let quietest = 0.02

  init(alpha: Tensor, beta: Tensor) throws {
    (self.alpha, self.beta) = (alpha, beta)
    noise = try alpha.square() * 2
  }

  /// Distances [n, pairs] less about their mean, over about their standard deviation, for pairs whose distance in the data has
  /// these moments [1 or n, pairs]. The distance of two free atoms has mean sqrt(8 / pi) sqrt(noise).
  func scaled(_ distances: Tensor, means: Tensor, deviations: Tensor) throws -> Tensor {
    let centre = try ((beta * means).square() + noise * (8 / Double.pi)).sqrt()
    let width = try ((beta * deviations).square() + noise).sqrt()
    return try (distances - centre) / width
  }
}

/// The density of the vector between two atoms whose distance in the data is nearly fixed, anywhere on the path, over that of two
/// atoms that know nothing of each other.
///
/// A vector of fixed length b in a random direction plus Gaussian noise of variance V has the density
/// (2 pi V)^(-3/2) exp(-(r - b)^2 / 2V) (1 - exp(-2k)) / 2k, k = r b / V. With V = beta^2 s^2 + 2 alpha^2 and b = beta d for a distance of mean
/// d and deviation s, it is right at the data end, where k is large, and at the prior end. For a molecule without rings, the
/// log-density of independent atoms plus this ratio over its bonds is that of the chain of bonds.
struct BondedDensity {
  /// Distance in the data: mean and standard deviation, [1 or n, pairs].
  let means, deviations: Tensor
  /// Mean square of a coordinate in the data, [1].
  let variance: Tensor
  /// Learnt: shift of the mean in about widths, logarithm of a factor on V, and weight of the pair. [n, pairs]
  let shift, logWidth, weight: Tensor

  /// Of distances [n, pairs]: weight times the logarithm of the ratio, [n, pairs].
  func logRatio(_ r: Tensor, _ moment: Moment) throws -> Tensor {
    let own = try (moment.beta * deviations).square() + moment.noise
    let width = try own.sqrt()
    let spread = try own * logWidth.exp()
    let length = try moment.beta * means * (shift * width / (width + means)).exp()
    let k = try r * length / spread
    let bound = try (r - length).square() / spread + spread.log() * 3
    let free = try (moment.beta.square() * variance + moment.alpha.square()) * 2
    let apart = try r.square() / free + free.log() * 3
    return try weight * ((apart - bound) * 0.5 + Self.logMeanOfDirections(k))
  }

  /// ln((1 - exp(-2k)) / 2k) for k >= 0, by its series below 1/2.
  static func logMeanOfDirections(_ k: Tensor) throws -> Tensor {
    let low = try k.clamped(-0.5...0.5)
    let s = try low.square()
    let series = try (((s * (-1.0 / 37800) + 1.0 / 2835) * s - 1.0 / 180) * s + 1.0 / 6) * s - low
    let high = try k.clamped(0.5...1e30)
    let closed = try ((1 - (high * -2).exp()) / (high * 2)).log()
    return try k.less(0.5).select(series, else: closed)
  }
}

/// What a network is told of the data before training, so that it starts near them: lengths in the data's unit.
public struct PairStatistics {
  /// Mean distance of the pairs of each type, [types].
  public let means: Tensor
  /// Standard deviation of these distances, [types]; at least `narrowest`.
  public let deviations: Tensor
  /// Mean square of a coordinate of centred positions, [1].
  public let variance: Tensor
  static let narrowest = 0.01
}

extension PairStatistics {
  /// Of data [n, 3 atoms], n samples of a graph that has one molecule or n. Types that do not occur get what all pairs have.
  public init(_ data: Tensor, graph: MolecularGraph) throws {
    (means, deviations, variance) = try withoutGradients {
      let x = try graph.centred(data.cast(.float64))
      let distances = try graph.distances(x)
      let (n, pairs, count) = (x.shape[0], graph.pairs, graph.vocabulary.pairTypes.count)
      let types = try graph.pairTypes.values(as: Int64.self)
      let (values, mask) = (try distances.values(as: Double.self), try graph.pairMask?.values(as: Float.self))
      var sums = [(weight: Double, first: Double, second: Double)](repeating: (0, 0, 0), count: count + 1)
      for row in 0..<n {
        let own = (types.count == pairs ? 0 : row) * pairs
        for pair in 0..<pairs where mask.map({ $0[own + pair] == 1 }) ?? true {
          let d = values[row * pairs + pair]
          for slot in [Int(types[own + pair]), count] {
            sums[slot].weight += 1
            sums[slot].first += d
            sums[slot].second += d * d
          }
        }
      }
      let moments = sums.dropLast().map { sum -> (mean: Float, deviation: Float) in
        let all = sum.weight > 0 ? sum : sums[count]
        let mean = all.first / max(1, all.weight)
        let spread = max(0, all.second / max(1, all.weight) - mean * mean).squareRoot()
        return (Float(mean), Float(max(spread, Self.narrowest)))
      }
      let atoms = try graph.atomMask.map { try $0.sum().item() * Double(n) / Double($0.shape[0]) }
      let square = try x.square().sum().item() / (3 * (atoms ?? Double(n * graph.atoms)))
      return try (Tensor(moments.map(\.mean)), Tensor(moments.map(\.deviation)), Tensor([Float(square)]))
    }
  }

  var constants: [(name: String, tensor: Tensor)] {
    [("pair_means", means), ("pair_deviations", deviations), ("variance", variance)]
  }

  func replacing(_ constants: [Tensor]) -> Self {
    guard constants.count == 3 else { return self }
    return Self(means: constants[0], deviations: constants[1], variance: constants[2])
  }
}
