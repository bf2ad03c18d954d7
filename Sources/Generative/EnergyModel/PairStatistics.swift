import Torch

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
      let moments = sums.map { sum -> (mean: Float, deviation: Float) in
        let all = sum.weight > 0 ? sum : sums[count]
        let mean = all.first / max(1, all.weight)
        let spread = max(0, all.second / max(1, all.weight) - mean * mean).squareRoot()
        return (Float(mean), Float(max(spread, Self.narrowest)))
      }
      let atoms = try graph.atomMask.map { try $0.sum().item() * Double(n) / Double($0.shape[0]) }
      let square = try x.square().sum().item() / (3 * (atoms ?? Double(n * graph.atoms)))
      return (
        try Tensor(moments.dropLast().map(\.mean)), try Tensor(moments.dropLast().map(\.deviation)),
        try Tensor([Float(square)])
      )
    }
  }

  /// For `Network.constants`.
  var constants: [(name: String, tensor: Tensor)] {
    [
      (name: "pair_means", tensor: means), (name: "pair_deviations", tensor: deviations),
      (name: "variance", tensor: variance),
    ]
  }

  /// The inverse of `constants`; what is missing stays as it is.
  func replacing(_ constants: [Tensor]) -> PairStatistics {
    guard constants.count == 3 else { return self }
    return PairStatistics(means: constants[0], deviations: constants[1], variance: constants[2])
  }
}
