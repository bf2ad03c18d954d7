import Torch

/// Weights and settings of the energy model's four losses. A weight of 0 leaves its loss out.
///
/// The published objective is score matching and InfoNCE over time; labels are what the emulator knows of its own samples.
public struct EnergyModelObjective: Codable, Equatable, Sendable {
  /// Weight of denoising score matching.
  public var score: Double
  /// Weight of InfoNCE over time.
  public var contrastive: Double
  /// Weight of the regression of U(1, x) on likelihood labels.
  public var label: Double
  /// Weight of the regression of dU(1, x)/dx on score labels.
  public var scoreLabel: Double
  /// Where samples carry scores of the emulator, these take noise out of score matching.
  public var controlsNoise: Bool
  /// Share of a batch's rows that score matching and InfoNCE take; labels take all.
  public var pathShare: Double
  /// Standard deviations of t' - t for the negatives, used in turn.
  public var negativeWidths: [Double]
  /// Beyond this many nats the label loss grows linearly.
  public var huberDelta: Double
  /// Of the times, the fraction drawn as 1 - u^3 (toward the data) rather than uniformly.
  public var dataEndFraction: Double

  public init(
    score: Double = 1, contrastive: Double = 1, label: Double = 1, scoreLabel: Double = 0, controlsNoise: Bool = true,
    pathShare: Double = 1, negativeWidths: [Double] = [0.02, 0.1, 0.4], huberDelta: Double = 3,
    dataEndFraction: Double = 0.5
  ) {
    (self.score, self.contrastive, self.label, self.scoreLabel) = (score, contrastive, label, scoreLabel)
    (self.controlsNoise, self.pathShare) = (controlsNoise, pathShare)
    (self.negativeWidths, self.huberDelta, self.dataEndFraction) = (negativeWidths, huberDelta, dataEndFraction)
  }

  /// Whether scores of the samples are of use, beside labels of their own.
  func usesScores(_ samples: LabelledSamples) -> Bool { controlsNoise && score != 0 && samples.scores != nil }

  /// Sums over dimensions are divided by this, so that the four losses are of one size.
  static let scoreDivisor = 6.0
  /// A score label counts by its square up to this, linearly beyond: near the edge of the emulator's support labels have long tails.
  static let scoreLabelDelta = 5.0
  /// Factor on the angular part of a score label's error; scores of angles are larger than those of whitened coordinates.
  static let angularScoreScale = 0.2

  public struct Terms {
    public var total: Tensor
    public var score, contrastive, label, scoreLabel: Tensor?

    static func total(_ terms: (loss: Tensor?, weight: Double)...) throws -> Tensor {
      let weighted = try terms.compactMap { t in try t.weight != 0 ? t.loss.map { try $0 * t.weight } : nil }
      guard let first = weighted.first else {
        throw TrainingError.badState("every loss of the energy model has weight 0")
      }
      return try weighted.dropFirst().reduce(first) { try $0 + $1 }
    }
  }

  /// What is known of a batch of data at t = 1.
  public struct Labels {
    /// Log-densities, [n]; not finite where they are not known.
    public var logDensity: Tensor?
    /// Their gradients, [n, d]; rows of NaN where they are not known.
    public var score: Tensor?
    /// Mean square of the gradients over the data, [d]: with it they take noise out of score matching, see `PathPoint.Control`.
    public var precision: Tensor?

    public init(logDensity: Tensor? = nil, score: Tensor? = nil, precision: Tensor? = nil) {
      (self.logDensity, self.score, self.precision) = (logDensity, score, precision)
    }
  }

  /// Losses of one batch, data [n, d]. Throws `TrainingError` when no loss has both a weight and what it needs.
  ///
  /// InfoNCE over time: which of t and t' a point I_t belongs to, -(V(t) - ln(exp V(t) + exp V(t'))) with V = U + ln rho. The density
  /// rho of the drawn times must stand there, or the optimum of U is ln p_t + ln rho(t) and not ln p_t.
  public func callAsFunction(
    _ model: some EnergyModel, data: Tensor, labels: Labels = Labels(), step: Int, _ generator: Generator
  ) throws -> Terms {
    let n = min(data.shape[0], max(1, Int((pathShare * Double(data.shape[0])).rounded(.up))))
    var (scoreLoss, nceLoss): (Tensor?, Tensor?)
    if score != 0 || contrastive != 0 {
      let t = try times(n, generator)
      let path = try PathPoint(
        data: data.slice(0..<n), t: t, space: model.space, interpolant: model.interpolant,
        smallestSigma: PathPoint.smallestTrainingSigma, generator)
      let leaf = try score != 0 ? path.point.requiringGradient() : path.point
      let here = try model(leaf, t)
      if score != 0 {
        let gradient = try here.sum().gradients(of: [leaf], createGraph: true)[0]
        let control = try labels.score.flatMap { score in
          try labels.precision.map { try PathPoint.Control(score.slice(0..<n), precision: $0, space: model.space) }
        }
        scoreLoss =
          try path.squaredScoreResidual(gradient, space: model.space, control).mean() / Self.scoreDivisor
      }
      if contrastive != 0 {
        let width = negativeWidths[step % negativeWidths.count]
        let other = try reflected(t + generator.normal([n]) * width)
        let there = try model(path.point, other) + logTimeDensity(other)
        nceLoss = try (there - here - logTimeDensity(t)).softplus().mean()
      }
    }
    let (labelLoss, scoreLabelLoss) = try labelLosses(model, data, labels)
    let total = try Terms.total(
      (scoreLoss, score), (nceLoss, contrastive), (labelLoss, label), (scoreLabelLoss, scoreLabel))
    return Terms(total: total, score: scoreLoss, contrastive: nceLoss, label: labelLoss, scoreLabel: scoreLabelLoss)
  }

  private func labelLosses(
    _ model: some EnergyModel, _ data: Tensor, _ labels: Labels
  ) throws -> (label: Tensor?, score: Tensor?) {
    let density = label != 0 ? labels.logDensity : nil
    let slope = scoreLabel != 0 ? labels.score : nil
    guard density != nil || slope != nil else { return (nil, nil) }
    let leaf = try slope == nil ? data : data.requiringGradient()
    let value = try model(leaf, Tensor.ones([data.shape[0]], data.scalarType ?? .float32))
    // where no label is known the model's own value stands in for it: an error of 0
    let labelLoss = try density.map {
      try value.huberLoss($0.isFinite().select($0, else: value.detached()), delta: huberDelta).mean()
    }
    guard let slope else { return (labelLoss, nil) }
    let gradient = try value.sum().gradients(of: [leaf], createGraph: true)[0]
    let target = try slope.isFinite().select(slope, else: gradient.detached())
    let parts = try model.space.split(gradient - target)
    var error = parts.euclidean
    if model.space.angles > 0 { error = try model.space.joined(error, parts.angles * Self.angularScoreScale) }
    let zeros = try Tensor.zeros(error.shape, error.scalarType ?? .float32)
    let loss = try error.huberLoss(zeros, delta: Self.scoreLabelDelta) * 2
    return (labelLoss, try loss.sum(-1).mean() / Self.scoreDivisor)
  }

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

/// Points I_t between noise and data, with what score matching has to know of how they were made.
///
/// Euclidean columns: alpha(t) z + beta(t) x. Angles: theta + sigma(t) times standard normal noise.
struct PathPoint {
  /// [n, d]
  let point: Tensor
  /// alpha(t), [n, 1].
  let alpha: Tensor
  /// beta(t), [n, 1].
  let beta: Tensor
  /// Noise of the Euclidean columns, [n, euclidean].
  let noise: Tensor
  /// Displacement of the angles and its standard deviation, [n, angles] and [n, 1]; nil without angles.
  let turn, sigma: Tensor?
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
    beta = try interpolant.beta(time)
    let euclidean = try alpha * noise + beta * x
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
  func squaredScoreResidual(_ gradient: Tensor, space: LatentSpace, _ control: Control? = nil) throws -> Tensor {
    let parts = try space.split(gradient)
    let z = try control?.noise(noise, alpha: alpha, beta: beta) ?? noise
    let residual = try (alpha * parts.euclidean + z).square().sum(-1)
    guard let turn, let sigma else { return residual }
    let score = try TorusPath.scaledScore(displacement: turn, sigma: sigma)
    let target = try control?.scaledScore(score, sigma: sigma) ?? score
    return try residual + (sigma * parts.angles - target).square().sum(-1)
  }

  /// Scores g of the data at t = 1 as a control variate of score matching: beta z + alpha g, and sigma g less the scaled score of the path's
  /// noise, have mean zero given the point, so multiples of them may be added to the targets. As `ForceTargets`.
  struct Control {
    let euclidean, angles: Tensor
    let precision: (euclidean: Tensor, angles: Tensor)
    /// 1 for rows whose score is known and not far out, [n, 1]: a huge score would add more than it takes away.
    let isKnown: Tensor
    /// Beyond this many root mean squares in any coordinate a row goes without.
    static let edge: Float = 6

    /// `scores` [n, d], rows of NaN where they are not known; `precision` [d].
    init(_ scores: Tensor, precision: Tensor, space: LatentSpace) throws {
      let finite = try (scores.abs() / precision.sqrt()).less(Double(Self.edge))
      let known = try finite.select(scores, else: Tensor.zeros(scores.shape, scores.scalarType ?? .float32))
      isKnown = try finite.cast(scores.scalarType ?? .float32).minimum(over: -1).unsqueezed(-1)
      (euclidean, angles) = try space.split(known)
      self.precision = try space.split(precision)
    }

    func noise(_ z: Tensor, alpha: Tensor, beta: Tensor) throws -> Tensor {
      let share = try beta / (alpha.square() * precision.euclidean + beta.square())
      return try z - isKnown * share * (beta * z + alpha * euclidean)
    }

    func scaledScore(_ score: Tensor, sigma: Tensor) throws -> Tensor {
      try score + isKnown * (sigma * angles - score) / (1 + sigma.square() * precision.angles)
    }
  }
}
