import Basics
import Foundation
import Torch

/// The mean of the narrow coordinates as a function of the broad torsions: h(theta) G, with h = sin and cos of k theta, k = 1, 2, 3, of each,
/// and a constant.
///
/// What it takes away, angles that open where a torsion is eclipsed, is the largest thing that narrow coordinates know of torsions.
public struct ConditionalMean: Codable, Equatable, Sendable {
  /// Of each torsion.
  public let harmonics: Int
  /// [features, narrow], row-major; features are the sines, the cosines, each [angles, harmonics], and 1.
  let coefficients: [Double]
  let narrow: Int
  private static let harmonics = 3

  /// By least squares: `n` [frames, narrow], centred, given `theta` [frames, angles] rad, frames weighing `share` [frames, 1], which add up
  /// to 1.
  init(of n: Tensor, given theta: Tensor, share: Tensor) throws {
    harmonics = Self.harmonics
    narrow = n.shape[1]
    let h = try Self.features(theta, harmonics)
    let size = h.shape[1]
    // a torsion that stands still in the frames has no slope to fit: the ridge keeps its coefficients small
    let normal = try h.transposed().matmul(h * share) + Tensor.identity(size, .float64) * 1e-6
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
