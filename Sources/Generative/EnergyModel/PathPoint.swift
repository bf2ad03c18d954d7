import Foundation
import Torch

/// Points I_t between noise and data, with what score matching has to know of how they were made.
///
/// Euclidean columns: alpha(t) z + beta(t) x. Angles: theta + sigma(t) times standard normal noise.
struct PathPoint {
  /// [n, d]
  let point: Tensor
  /// alpha(t), [n, 1].
  let alpha: Tensor
  /// Noise of the Euclidean columns, [n, euclidean].
  let noise: Tensor
  /// Displacement of the angles and its standard deviation, [n, angles] and [n, 1]; nil without angles.
  let turn: Tensor?
  let sigma: Tensor?

  /// Smallest sigma of the torus path while training: at the data end the score of the path's noise diverges as 1 / sigma.
  static let smallestTrainingSigma = 0.01

  /// data [n, d], t [n].
  init(
    data: Tensor, t: Tensor, space: LatentSpace, interpolant: Interpolant, smallestSigma: Double = 0,
    _ generator: Generator
  ) throws {
    let n = data.shape[0]
    let time = try t.unsqueezed(-1)
    let (x, theta) = try space.split(data)
    noise = try space.noise(n, generator)
    alpha = try interpolant.alpha(time)
    let euclidean = try alpha * noise + interpolant.beta(time) * x
    guard space.angles > 0 else {
      (point, turn, sigma) = (euclidean, nil, nil)
      return
    }
    let spread = try TorusPath.sigma(time).clamped(smallestSigma...Double.pi)
    let displacement = try spread * generator.normal([n, space.angles])
    point = try space.joined(euclidean, theta + displacement)
    turn = displacement
    sigma = spread
  }

  /// What a model's dU/dx [n, d] misses of the path's score, scaled to noise of unit variance, squared and summed over
  /// dimensions, [n]: |alpha dU/dx + z|^2 over Euclidean columns, |sigma dU/dtheta - sigma s|^2 over angles, s the score of
  /// the wrapped normal at the displacement.
  func squaredScoreResidual(_ gradient: Tensor, space: LatentSpace) throws -> Tensor {
    let parts = try space.split(gradient)
    let residual = try (alpha * parts.euclidean + noise).square().sum(-1)
    guard let turn, let sigma else { return residual }
    let target = try TorusPath.scaledScore(displacement: turn, sigma: sigma)
    return try residual + (sigma * parts.angles - target).square().sum(-1)
  }
}
