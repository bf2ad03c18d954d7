import Foundation
import Torch

/// An energy-based model of a law along an interpolant: U(t, x) is ln p_t(x) up to one constant, with the plus sign. At t = 1 it is the
/// emulator's log-density, at the cost of one forward pass.
/// Source: Aggarwal, Chen, Boffi, Koes, "BoltzNCE", arXiv 2507.00846, sections 3 and 4.
public protocol EnergyModel {
  associatedtype Net: Network
  var network: Net { get }
  var space: LatentSpace { get }
  var interpolant: Interpolant { get }
  func replacing(network: Net) -> Self
  /// x [n, d], t [n] -> U [n].
  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor
}

extension EnergyModel {
  /// U at time `t`, [n], in Float64; one forward pass per sample, in chunks.
  public func values(_ x: Tensor, at t: Double, chunk: Int = 8192) throws -> Tensor {
    try withoutGradients {
      let type = network.scalarType
      var parts: [Tensor] = []
      var start = 0
      while start < x.shape[0] {
        let rows = try x.slice(start..<min(start + chunk, x.shape[0])).cast(type)
        parts.append(try self(rows, Tensor.full([rows.shape[0]], t, type)).cast(.float64))
        start += chunk
      }
      return parts.isEmpty ? try Tensor.zeros([0], .float64) : try Tensor.concatenated(parts, axis: 0)
    }
  }

  /// Log-density at the data end up to the model's constant, [n], in Float64.
  public func logDensity(_ x: Tensor, chunk: Int = 8192) throws -> Tensor { try values(x, at: 1, chunk: chunk) }

  /// dU/dx, [n, d].
  public func score(_ x: Tensor, _ t: Tensor, createGraph: Bool) throws -> Tensor {
    let leaf = try x.requiringGradient()
    return try self(leaf, t).sum().gradients(of: [leaf], createGraph: createGraph)[0]
  }
}

/// An energy model by a residual network.
///
/// U(t, x) = constant - |x_euclidean|^2 / 2 + scale f_0 + sum_i f_i phi_i, where f(t, x) is the network's output and phi its features of
/// position (the Euclidean coordinates, sin and cos of k theta): the network only learns how p_t differs from the prior, and has
/// a term linear in the coordinates at its disposal.
public struct ResidualEnergyModel: EnergyModel {
  public let network: ResidualNetwork
  public let interpolant: Interpolant
  /// Added to U: about the mean log-density, so that the network's output stays of order one.
  public let constant: Double

  static let scale = 3.0

  public init(network: ResidualNetwork, interpolant: Interpolant, constant: Double) {
    self.network = network
    self.interpolant = interpolant
    self.constant = constant
  }

  public var space: LatentSpace { network.space }

  public func replacing(network: ResidualNetwork) -> ResidualEnergyModel {
    ResidualEnergyModel(network: network, interpolant: interpolant, constant: constant)
  }

  public func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let (output, features) = try network.withPositionFeatures(x, t)
    let euclidean = try space.split(x).euclidean
    let scalar = try output.slice(0..<1, axis: 1).reshaped(-1) * Self.scale
    let linear = try (output.slice(1..<output.shape[1], axis: 1) * features).sum(-1)
    return try scalar + linear - euclidean.square().sum(-1) * 0.5 + constant
  }

  /// Outputs that a network for this model must have.
  public static func outputs(space: LatentSpace, harmonics: Int) -> Int {
    1 + ResidualNetwork.positionFeatures(space, harmonics)
  }
}

/// Weights and settings of the energy model's three losses.
public struct EnergyModelObjective: Codable, Equatable, Sendable {
  /// Weight of denoising score matching.
  public var score: Double
  /// Weight of InfoNCE over time.
  public var contrastive: Double
  /// Weight of the regression on likelihood labels.
  public var label: Double
  /// Standard deviations of t' - t for the negatives, used in turn.
  public var negativeWidths: [Double]
  /// Beyond this many nats the label loss grows linearly.
  public var huberDelta: Double
  /// Of the times, the fraction drawn as 1 - u^3 (toward the data) rather than uniformly.
  public var dataEndFraction: Double

  public init(
    score: Double = 1, contrastive: Double = 1, label: Double = 1, negativeWidths: [Double] = [0.02, 0.1, 0.4],
    huberDelta: Double = 3, dataEndFraction: Double = 0.5
  ) {
    self.score = score
    self.contrastive = contrastive
    self.label = label
    self.negativeWidths = negativeWidths
    self.huberDelta = huberDelta
    self.dataEndFraction = dataEndFraction
  }

  /// Smallest sigma of the torus path in the score target, where sigma -> 0 at the data end.
  static let smallestSigma = 0.01

  public struct Terms {
    public var total: Tensor
    public var score: Tensor
    public var contrastive: Tensor
    public var label: Tensor?
  }

  /// Losses of one batch: data [n, d], labels [n] (log-densities at the data end) or nil.
  ///
  /// Score matching: |alpha dU/dx + z|^2 over Euclidean coordinates, |sigma dU/dtheta - sigma s(theta_t - theta_1)|^2 on the torus
  /// with s the score of the wrapped normal; its sum over dimensions divided by `scoreDivisor`.
  /// InfoNCE over time: which of t and t' a point I_t belongs to, -(V(t) - ln(exp V(t) + exp V(t'))) with V = U + ln rho. The density
  /// rho of the drawn times must stand there, or the optimum of U is ln p_t + ln rho(t) and not ln p_t.
  public func callAsFunction(
    _ model: some EnergyModel, data: Tensor, labels: Tensor?, step: Int, _ generator: Generator
  ) throws -> Terms {
    let space = model.space
    let n = data.shape[0]
    let t = try times(n, generator)
    let time = try t.unsqueezed(-1)
    let (x, theta) = try space.split(data)
    let z = try space.noise(n, generator)
    let alpha = try model.interpolant.alpha(time)
    var point = try alpha * z + model.interpolant.beta(time) * x
    var turn: Tensor?
    var sigma: Tensor?
    if space.angles > 0 {
      let spread = try TorusPath.sigma(time).clamped(Self.smallestSigma...Double.pi)
      let displacement = try spread * generator.normal([n, space.angles])
      point = try space.joined(point, theta + displacement)
      turn = displacement
      sigma = spread
    }

    let leaf = try point.requiringGradient()
    let here = try model(leaf, t)
    var total: Tensor?
    func add(_ term: Tensor, _ weight: Double) throws {
      guard weight != 0 else { return }
      total = try total.map { try $0 + term * weight } ?? term * weight
    }

    var scoreLoss = try Tensor.zeros([])
    if score != 0 {
      let gradient = try here.sum().gradients(of: [leaf], createGraph: true)[0]
      let parts = try space.split(gradient)
      var residual = try (alpha * parts.euclidean + z).square().sum(-1)
      if let turn, let sigma {
        let target = try TorusPath.scaledScore(displacement: turn, sigma: sigma)
        residual = try residual + (sigma * parts.angles - target).square().sum(-1)
      }
      scoreLoss = try residual.mean() / Self.scoreDivisor
      try add(scoreLoss, score)
    }

    var contrastiveLoss = try Tensor.zeros([])
    if contrastive != 0 {
      let width = negativeWidths[step % negativeWidths.count]
      let other = try reflected(t + generator.normal([n]) * width)
      let there = try model(point, other) + logTimeDensity(other)
      contrastiveLoss = try (there - here - logTimeDensity(t)).softplus().mean()
      try add(contrastiveLoss, contrastive)
    }

    var labelLoss: Tensor?
    if label != 0, let labels {
      let loss = try model(data, Tensor.ones([n])).huberLoss(labels, delta: huberDelta).mean()
      labelLoss = loss
      try add(loss, label)
    }
    guard let total else { throw TrainingError.badState("every loss of the energy model has weight 0") }
    return Terms(total: total, score: scoreLoss, contrastive: contrastiveLoss, label: labelLoss)
  }

  /// The sum of score matching over dimensions is divided by this, so that the three losses are of one size.
  static let scoreDivisor = 6.0

  private func times(_ n: Int, _ generator: Generator) throws -> Tensor {
    let uniform = try FlowMatchingLoss.stratifiedTimes(n, generator)
    let late = try 1 - uniform.power(3)
    return try generator.uniform([n]).less(dataEndFraction).select(late, else: uniform)
  }

  /// ln rho(t) of the times that `times` draws: 1 - f + f (1 - t)^(-2/3) / 3.
  private func logTimeDensity(_ t: Tensor) throws -> Tensor {
    try ((1 - t).clamped(1e-6...1).power(-2.0 / 3) * (dataEndFraction / 3) + (1 - dataEndFraction)).log()
  }

  /// Folded back into [0, 1] at both ends; clipping would put a point mass there.
  private func reflected(_ t: Tensor) throws -> Tensor {
    let folded = try t.remainder(2)
    return try folded.minimum(2 - folded)
  }
}
