import Foundation
import Torch

/// Time runs from noise (t = 0) to data (t = 1), here and everywhere in the project.
///
/// I_t = alpha(t) z + beta(t) x, with z from the prior and x from the data.
/// Source: Albergo, Boffi and Vanden-Eijnden, "Stochastic interpolants", arXiv 2303.08797.
public enum Interpolant: String, Codable, CaseIterable, Sendable {
  /// alpha = 1 - t, beta = t.
  case linear
  /// alpha = cos(pi t / 2), beta = sin(pi t / 2).
  case trigonometric
  private static let quarter = Double.pi / 2

  public func alpha(_ t: Tensor) throws -> Tensor { try self == .linear ? 1 - t : (t * Self.quarter).cos() }
  public func beta(_ t: Tensor) throws -> Tensor { try self == .linear ? t.clone() : (t * Self.quarter).sin() }

  public func alphaDerivative(_ t: Tensor) throws -> Tensor {
    try self == .linear ? Tensor.full(t.shape, -1, t.scalarType ?? .float32) : (t * Self.quarter).sin() * -Self.quarter
  }

  public func betaDerivative(_ t: Tensor) throws -> Tensor {
    try self == .linear ? Tensor.ones(t.shape, t.scalarType ?? .float32) : (t * Self.quarter).cos() * Self.quarter
  }

  /// beta' alpha - alpha' beta, positive: velocity = (alpha' I_t + endpointSlope x) / alpha.
  public func endpointSlope(_ t: Tensor) throws -> Tensor {
    try betaDerivative(t) * alpha(t) - alphaDerivative(t) * beta(t)
  }

  /// Preconditioning of a velocity: (c, s) with v = c I_t + s f.
  ///
  /// c is the best linear predictor of v = alpha' z + beta' x from I_t when x and z are independent with unit variance, and s the
  /// standard deviation of what is left, so that a network f sees targets of unit variance at every t.
  public func velocityPreconditioning(_ t: Tensor) throws -> (c: Tensor, s: Tensor) {
    let (a, b) = (try alpha(t), try beta(t))
    let (da, db) = (try alphaDerivative(t), try betaDerivative(t))
    let variance = try a * a + b * b
    let c = try (a * da + b * db) / variance
    let s = try (da * b - a * db).abs() / variance.sqrt()
    return (c, s)
  }
}

/// The path of an angle on the circle: theta_t = wrap(theta_1 + sigma(t) z), z standard normal, sigma(t) = pi (1 - t)^1.5.
///
/// At t = 0 the wrapped normal is uniform to 1.5 % (its first Fourier coefficient is exp(-pi^2 / 2) = 0.007), and the prior is
/// the uniform distribution; at t = 1 it is the data.
public enum TorusPath {
  public static let exponent = 1.5

  public static func sigma(_ t: Tensor) throws -> Tensor { try (1 - t).clamped(0...1).power(exponent) * .pi }

  public static func sigmaDerivative(_ t: Tensor) throws -> Tensor {
    try (1 - t).clamped(0...1).power(exponent - 1) * (-exponent * .pi)
  }

  /// theta - 2 pi round(theta / 2 pi), in [-pi, pi].
  public static func wrapped(_ theta: Tensor) throws -> Tensor { try theta - (theta / (2 * .pi)).round() * (2 * .pi) }

  /// sigma times the score of the wrapped normal with standard deviation `sigma` at the displacement `delta`:
  /// sigma d/d(delta) ln sum_k exp(-(delta + 2 pi k)^2 / (2 sigma^2)). Its limit for small sigma is -delta / sigma.
  public static func scaledScore(displacement delta: Tensor, sigma: Tensor) throws -> Tensor {
    let wrapped = try Self.wrapped(delta)
    var images: [Tensor] = []
    for k in -3...3 { images.append(try (wrapped + 2 * .pi * Double(k)) / sigma) }
    let z = try Tensor.stacked(images, axis: -1)
    let weights = try (z * z * -0.5).softmax(-1)
    return try -(weights * z).sum(-1)
  }
}
