import Foundation
import Torch

/// The published objective in its plainest form: score matching and InfoNCE over time on a fixed set of samples in Euclidean space, with
/// t and the one negative t' uniform on [0, 1].
///
/// L = score E mean_dims |alpha_t dU/dx(t, I_t) + z|^2 - contrastive E [U(t, I_t) - ln(exp U(t, I_t) + exp U(t', I_t))].
/// Source: Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846, sections 3 and 4.
public struct FixedSamplesObjective: Codable, Equatable, Sendable {
  /// What a loss compares the model with at a point I_t = alpha z + beta x.
  public enum Targets: String, Codable, CaseIterable, Sendable {
    /// The z and the t that made the point, as published.
    case drawn
    /// What they are on average, given the point: the same loss up to a constant, for the same samples, and the same gradient on average,
    /// with far less noise. E[z | I_t] comes from the samples x that may have made I_t; and of a point with the times {t, t'}
    /// the first was the one it was made at with probability p_t / (p_t + p_t'). See `SamplesPath`.
    case expected
  }

  /// Weight of score matching.
  public var score: Double
  /// Weight of InfoNCE over time.
  public var contrastive: Double
  public var targets: Targets

  public init(score: Double = 1, contrastive: Double = 1, targets: Targets = .drawn) {
    (self.score, self.contrastive, self.targets) = (score, contrastive, targets)
  }

  public typealias Terms = EnergyModelObjective.Terms

  /// Losses of the samples in rows `index` [n]. Throws `TrainingError.badState` when both weights are 0.
  public func callAsFunction(
    _ model: some EnergyModel, samples: SamplesPath, index: Tensor, _ generator: Generator
  ) throws -> Terms {
    let n = index.shape[0]
    let type = samples.scalarType
    let t = try FlowMatchingLoss.stratifiedTimes(n, generator).cast(type)
    let path = try PathPoint(
      data: samples.data.selected(index), t: t, space: model.space, interpolant: model.interpolant, generator)
    let leaf = try score != 0 ? path.point.requiringGradient() : path.point
    let here = try model(leaf, t)
    var (scoreLoss, contrastiveLoss): (Tensor?, Tensor?)
    if score != 0 {
      let gradient = try here.sum().gradients(of: [leaf], createGraph: true)[0]
      let noise = try targets == .drawn ? path.noise : samples.expectedNoise(path.point, t)
      scoreLoss = try (path.alpha * gradient + noise).square().mean()
    }
    if contrastive != 0 {
      let other = try FlowMatchingLoss.stratifiedTimes(n, generator).cast(type)
      let advantage = try model(path.point, other) - here
      var loss = try advantage.softplus()
      if targets == .expected {
        let ratio = try (samples.logDensity(path.point, other) - samples.logDensity(path.point, t)).sigmoid()
        loss = try loss - ratio * advantage
      }
      contrastiveLoss = try loss.mean()
    }
    let total = try Terms.total((scoreLoss, score), (contrastiveLoss, contrastive))
    return Terms(total: total, score: scoreLoss, contrastive: contrastiveLoss)
  }
}

/// The law of I_t = alpha(t) z + beta(t) x when x is one of a fixed set of samples with equal probability and z is standard normal: a
/// mixture of as many Gaussians as there are samples, known in closed form.
///
/// The published losses on these samples have it as their optimum at every t > 0 where the network could follow; toward t = 1 it
/// collapses onto the samples, and only the network's smoothness makes a density of it.
public struct SamplesPath {
  /// [m, d]
  public let data: Tensor
  public let interpolant: Interpolant
  /// [x | -|x|^2 / 2] of all samples, [d + 1, m].
  private let columns: Tensor
  /// Below this alpha there is no more to see in Float32 than which sample is nearest.
  static let smallestAlpha = 1e-4

  /// data [m, d] in the element type of what shall be asked.
  public init(data: Tensor, interpolant: Interpolant) throws {
    (self.data, self.interpolant) = (data, interpolant)
    let half = try data.square().sum(1, keepingDimensions: true) * -0.5
    columns = try Tensor.concatenated([data, half], axis: 1).transposed()
  }

  var scalarType: ScalarType { data.scalarType ?? .float32 }

  /// ln of each sample's share in the density at `point` [n, d], up to a term of the row, [n, m].
  private func logShares(_ point: Tensor, _ alpha: Tensor, _ beta: Tensor) throws -> Tensor {
    let factor = try beta / alpha.square()
    return try Tensor.concatenated([point * factor, beta * factor], axis: 1).matmul(columns)
  }

  private func coefficients(_ t: Tensor) throws -> (alpha: Tensor, beta: Tensor) {
    let time = try t.unsqueezed(-1)
    return (try interpolant.alpha(time).clamped(Self.smallestAlpha...1), try interpolant.beta(time))
  }

  /// E[z | I_t = point], [n, d].
  public func expectedNoise(_ point: Tensor, _ t: Tensor) throws -> Tensor {
    try withoutGradients {
      let (alpha, beta) = try coefficients(t)
      let mean = try logShares(point, alpha, beta).softmax(-1).matmul(data)
      return try (point - beta * mean) / alpha
    }
  }

  /// ln p_t(point), [n].
  public func logDensity(_ point: Tensor, _ t: Tensor) throws -> Tensor {
    try withoutGradients {
      let (alpha, beta) = try coefficients(t)
      let d = Double(data.shape[1])
      let logTwoPi = 1.8378770664093454835606594728112353
      let constant = 0.5 * d * logTwoPi + log(Double(data.shape[0]))
      let shares = try logShares(point, alpha, beta).logSumExp(-1)
      let own = try (point.square() / alpha.square()).sum(-1) * 0.5 + alpha.log().reshaped(-1) * d
      return try shares - own - constant
    }
  }
}
