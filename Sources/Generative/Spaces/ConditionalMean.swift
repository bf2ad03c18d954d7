import Basics
import Foundation
import Torch

/// The mean of the narrow coordinates as a function of the broad torsions: h(theta) G, with h = sin and cos of k theta of each, k = 1, 2, 3
/// or where frames are few 1 alone, and a constant.
///
/// What it takes away, angles that open where a torsion is eclipsed, is the largest thing that narrow coordinates know of torsions.
public struct ConditionalMean: Codable, Equatable, Sendable {
  /// Of each torsion.
  public let harmonics: Int
  /// [features, narrow], row-major; features are the sines, the cosines, each [angles, harmonics], and 1.
  let coefficients: [Double]
  let narrow: Int
  /// Orders that are tried, and effective frames that each feature asks for: fewer would be fitted to their noise.
  private static let orders = [3, 1]
  private static let framesPerFeature = 20.0
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
    let h = try Self.features(theta, order)
    let stiffness: [Double] =
      (0..<2 * angles).flatMap { _ in (1...order).map { Self.ridge * pow(Double($0), 4) } } + [0]
    let size = stiffness.count
    let normal = try h.transposed().matmul(h * share) + Tensor.identity(size, .float64) * Tensor(stiffness)
    coefficients = try normal.solved(h.transposed().matmul(n * share)).values()
  }

  /// theta [frames, angles] in Float64 -> [frames, narrow].
  func values(_ theta: Tensor) throws -> Tensor {
    try Self.features(theta, harmonics).matmul(table(theta))
  }

  /// From a gradient over the narrow coordinates, [frames, narrow], what the mean adds to that over the torsions, [frames, angles].
  func pulled(_ g: Tensor, at theta: Tensor) throws -> Tensor {
    let (frames, angles) = (theta.shape[0], theta.shape[1])
    let pull = try g.matmul(table(theta).transposed())
    let (sine, cosine, orders) = try Self.waves(theta, harmonics)
    let parts = try
      (pull.slice(0..<angles * harmonics, axis: 1) * cosine
      - pull.slice(angles * harmonics..<2 * angles * harmonics, axis: 1) * sine)
      .reshaped(frames, angles, harmonics)
    return try (parts * orders).sum(-1)
  }

  private func table(_ theta: Tensor) throws -> Tensor {
    try Tensor(coefficients, shape: [2 * harmonics * theta.shape[1] + 1, narrow])
  }

  private static func features(_ theta: Tensor, _ harmonics: Int) throws -> Tensor {
    let (sine, cosine, _) = try waves(theta, harmonics)
    return try Tensor.concatenated([sine, cosine, Tensor.ones([theta.shape[0], 1], .float64)], axis: 1)
  }

  /// [frames, angles * harmonics] each, and 1 ... harmonics.
  private static func waves(_ theta: Tensor, _ harmonics: Int) throws -> (sine: Tensor, cosine: Tensor, orders: Tensor)
  {
    let orders = try Tensor.arange(harmonics, .float64) + 1
    let angle = try (theta.unsqueezed(-1) * orders).reshaped(theta.shape[0], theta.shape[1] * harmonics)
    return (try angle.sin(), try angle.cos(), orders)
  }
}
