import Basics
import Foundation
import Torch

/// The mean of the narrow coordinates as a function of the broad torsions: h(theta) G, with h = sin and cos of k theta of each, k = 1, 2, 3
/// or where frames are few 1 alone, a constant, and for pairs of torsions where there are some the products of their waves of orders 1 and 2.
///
/// What it takes away, angles that open where a torsion is eclipsed, is the largest thing that narrow coordinates know of torsions.
public struct ConditionalMean: Codable, Equatable, Sendable {
  /// Of each torsion.
  public let harmonics: Int
  /// [features, narrow], row-major; features are the sines, the cosines, each [angles, harmonics], and 1; then of each pair its products.
  let coefficients: [Double]
  let narrow: Int
  /// Places of two torsions each, whose waves are multiplied; nil without.
  let pairs: [[Int]]?
  /// Orders that are tried, and effective frames that each feature asks for: fewer would be fitted to their noise.
  private static let orders = [3, 1]
  private static let framesPerFeature = 20.0
  /// Orders of the waves of a pair, and products of a sine or cosine of each with those of the other.
  private static let pairOrders = 2
  private static let productsPerPair = 4 * pairOrders * pairOrders
  /// Of the ridge on the coefficients, which grows with the fourth power of the order: where torsions do not go the mean stays flat.
  private static let ridge = 1e-3

  /// By least squares: `n` [frames, narrow], centred, given `theta` [frames, angles] rad, frames weighing `share` [frames, 1], which add up
  /// to 1. Nil where the frames are too few.
  init?(of n: Tensor, given theta: Tensor, share: Tensor) throws {
    let effective = try 1 / share.square().sum().item()
    let angles = theta.shape[1]
    guard let order = Self.orders.first(where: { effective >= Self.framesPerFeature * Double(2 * $0 * angles + 1) })
    else { return nil }
    harmonics = order
    narrow = n.shape[1]
    pairs = nil
    let h = try Basis(harmonics: order, pairs: []).features(theta)
    let stiffness = Self.stiffness(angles: angles, harmonics: order, pairs: 0)
    let size = stiffness.count
    let normal = try h.transposed().matmul(h * share) + Tensor.identity(size, .float64) * Tensor(stiffness)
    coefficients = try normal.solved(h.transposed().matmul(n * share)).values()
  }

  /// Of these coefficients [features, narrow].
  init(_ basis: Basis, _ coefficients: Tensor) throws {
    (harmonics, pairs) = (basis.harmonics, basis.pairs.isEmpty ? nil : basis.pairs)
    narrow = coefficients.shape[1]
    self.coefficients = try coefficients.values()
  }

  var basis: Basis { Basis(harmonics: harmonics, pairs: pairs ?? []) }

  /// The ridge of each feature, relative to frames whose shares add up to 1.
  static func stiffness(angles: Int, harmonics: Int, pairs: Int) -> [Double] {
    let waves = (0..<2 * angles).flatMap { _ in (1...harmonics).map { Self.ridge * pow(Double($0), 4) } }
    let products = (0..<4).flatMap { _ in
      (1...pairOrders).flatMap { k in (1...pairOrders).map { Self.ridge * pow(Double(k * k + $0 * $0), 2) } }
    }
    return waves + [0] + (0..<pairs).flatMap { _ in products }
  }

  /// The same mean by more features; nil where this one has features that the other lacks. [features, narrow]
  func coefficients(in other: Basis, angles: Int) throws -> Tensor? {
    guard harmonics <= other.harmonics, pairs == nil || pairs == other.pairs else { return nil }
    var rows = [Double](repeating: 0, count: other.count(angles: angles) * narrow)
    func copy(_ from: Int, _ to: Int) {
      for column in 0..<narrow { rows[to * narrow + column] = coefficients[from * narrow + column] }
    }
    for wave in 0..<2 * angles {
      for order in 0..<harmonics { copy(wave * harmonics + order, wave * other.harmonics + order) }
    }
    for rest in 0..<(basis.count(angles: angles) - 2 * angles * harmonics) {
      copy(2 * angles * harmonics + rest, 2 * angles * other.harmonics + rest)
    }
    return try Tensor(rows, shape: [other.count(angles: angles), narrow])
  }

  /// theta [frames, angles] in Float64 -> [frames, narrow].
  func values(_ theta: Tensor) throws -> Tensor {
    try basis.features(theta).matmul(table(theta))
  }

  /// From a gradient over the narrow coordinates, [frames, narrow], what the mean adds to that over the torsions, [frames, angles].
  func pulled(_ g: Tensor, at theta: Tensor) throws -> Tensor {
    try basis.pulled(g.matmul(table(theta).transposed()), at: theta)
  }

  private func table(_ theta: Tensor) throws -> Tensor {
    try Tensor(coefficients, shape: [basis.count(angles: theta.shape[1]), narrow])
  }

  /// Which functions of the torsions.
  struct Basis: Equatable {
    let harmonics: Int
    /// Places of two torsions each.
    let pairs: [[Int]]

    func count(angles: Int) -> Int { 2 * harmonics * angles + 1 + productsPerPair * pairs.count }

    /// theta [frames, angles] in Float64 -> [frames, features].
    func features(_ theta: Tensor) throws -> Tensor {
      let (sine, cosine, _) = try Self.waves(theta, harmonics)
      var parts = [sine, cosine, try Tensor.ones([theta.shape[0], 1], .float64)]
      for pair in pairs {
        let (first, second) = (try Self.short(theta, pair[0]), try Self.short(theta, pair[1]))
        parts.append(try Self.product(first, second))
      }
      return try Tensor.concatenated(parts, axis: 1)
    }

    /// From a gradient over the features, [frames, features], that over the torsions, [frames, angles].
    func pulled(_ pull: Tensor, at theta: Tensor) throws -> Tensor {
      let (frames, angles) = (theta.shape[0], theta.shape[1])
      let (sine, cosine, orders) = try Self.waves(theta, harmonics)
      let parts = try
        (pull.slice(0..<angles * harmonics, axis: 1) * cosine
        - pull.slice(angles * harmonics..<2 * angles * harmonics, axis: 1) * sine)
        .reshaped(frames, angles, harmonics)
      let slopes = try (parts * orders).sum(-1)
      guard !pairs.isEmpty else { return slopes }
      var columns = try (0..<angles).map { try slopes.slice($0..<$0 + 1, axis: 1) }
      for (number, pair) in pairs.enumerated() {
        let first = 2 * angles * harmonics + 1 + productsPerPair * number
        let part = try pull.slice(first..<first + productsPerPair, axis: 1)
        let (a, b) = (try Self.short(theta, pair[0]), try Self.short(theta, pair[1]))
        let alongA = try (part * Self.product((try a.cosine * a.orders, try -(a.sine * a.orders), a.orders), b))
        let alongB = try (part * Self.product(a, (try b.cosine * b.orders, try -(b.sine * b.orders), b.orders)))
        columns[pair[0]] = try columns[pair[0]] + alongA.sum(-1).unsqueezed(-1)
        columns[pair[1]] = try columns[pair[1]] + alongB.sum(-1).unsqueezed(-1)
      }
      return try Tensor.concatenated(columns, axis: 1)
    }

    private typealias Waves = (sine: Tensor, cosine: Tensor, orders: Tensor)

    /// [frames, angles * harmonics] each, and 1 ... harmonics.
    private static func waves(_ theta: Tensor, _ harmonics: Int) throws -> Waves {
      let orders = try Tensor.arange(harmonics, .float64) + 1
      let angle = try (theta.unsqueezed(-1) * orders).reshaped(theta.shape[0], theta.shape[1] * harmonics)
      return (try angle.sin(), try angle.cos(), orders)
    }

    private static func short(_ theta: Tensor, _ column: Int) throws -> Waves {
      try waves(theta.slice(column..<column + 1, axis: 1), pairOrders)
    }

    /// Sine by sine, sine by cosine, cosine by sine, cosine by cosine, each [frames, pairOrders * pairOrders].
    private static func product(_ a: Waves, _ b: Waves) throws -> Tensor {
      let frames = a.sine.shape[0]
      let parts = try [(a.sine, b.sine), (a.sine, b.cosine), (a.cosine, b.sine), (a.cosine, b.cosine)].map {
        try ($0.unsqueezed(2) * $1.unsqueezed(1)).reshaped(frames, pairOrders * pairOrders)
      }
      return try Tensor.concatenated(parts, axis: 1)
    }
  }
}
