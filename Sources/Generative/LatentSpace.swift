import Torch

/// Where generative models live: `euclidean` coordinates on R^n with unit scale, followed by `angles` on the torus, rad.
///
/// A point is a row [euclidean | angles]. A 2-D toy system has no angles; a molecule in internal coordinates has its whitened
/// narrow coordinates first and its broad torsions after them.
public struct LatentSpace: Codable, Equatable, Sendable {
  public let euclidean: Int
  public let angles: Int

  public init(euclidean: Int, angles: Int) {
    self.euclidean = euclidean
    self.angles = angles
  }

  public var dimension: Int { euclidean + angles }

  /// Euclidean and angular columns of [..., dimension].
  public func split(_ x: Tensor) throws -> (euclidean: Tensor, angles: Tensor) {
    (try x.slice(0..<euclidean, axis: -1), try x.slice(euclidean..<dimension, axis: -1))
  }

  public func joined(_ euclidean: Tensor, _ angles: Tensor) throws -> Tensor {
    try Tensor.concatenated([euclidean, angles], axis: -1)
  }

  /// Draws [count, dimension] from the prior: standard normal times uniform on the torus.
  public func prior(_ count: Int, _ generator: Generator, _ type: ScalarType = .float32) throws -> Tensor {
    let normal = try generator.normal([count, euclidean], type)
    let uniform = try (generator.uniform([count, angles], type) * 2 - 1) * Double.pi
    return try joined(normal, uniform)
  }

  /// ln of the prior's density at x [n, dimension], [n].
  public func priorLogDensity(_ x: Tensor) throws -> Tensor {
    let normal = try split(x).euclidean
    let logTwoPi = 1.8378770664093454835606594728112353
    let constant = -0.5 * Double(euclidean) * logTwoPi - Double(angles) * logTwoPi
    return try normal.square().sum(-1) * -0.5 + constant
  }

  /// Angles wrapped to [-pi, pi], the rest untouched.
  public func wrapped(_ x: Tensor) throws -> Tensor {
    guard angles > 0 else { return x }
    let parts = try split(x)
    return try joined(parts.euclidean, TorusPath.wrapped(parts.angles))
  }
}
