import Torch

/// Flow matching with forces of the data as a control variate.
///
/// With g = grad ln p over the latents of a data point x, s the score of the path's density p_t at I_t, E[z | I_t] = -alpha s and
/// E[g | I_t] = beta s. So beta z + alpha g has mean zero given I_t, and any multiple of it may be added to the target: the minimum of the
/// loss stays where it is, and most of the target's noise goes. The multiple is the one that leaves none where the data are Gaussian of
/// precision L = E g^2. For an angle on the circle u + sigma g plays that part.
///
/// It is right for data whose density is LOCALLY that of the force field at its temperature; how the data are shared among basins plays no
/// part. Source: De Bortoli, Hutchinson, Wirnsberger, Doucet, "Target score matching", arXiv 2402.08667; its use as a control variate of flow
/// matching is ours.
struct ForceTargets {
  let interpolant: Interpolant
  /// E g^2 of each coordinate over the data as drawn, [d].
  let precision: Tensor
  let space: LatentSpace

  /// `gradients` [n, d] of the data, each drawn with the weight `weights` [n].
  init(_ gradients: Tensor, weights: [Double], space: LatentSpace, interpolant: Interpolant) throws {
    let share = try Tensor(weights)
    let total = try (gradients.cast(.float64).square() * share.unsqueezed(-1)).sum(0) / share.sum().item()
    (precision, self.space, self.interpolant) = (try total.cast(.float32), space, interpolant)
  }

  /// What to add to the velocity's target alpha' z + beta' x: z and g [n, euclidean], t [n, 1].
  func euclidean(z: Tensor, g: Tensor, t: Tensor) throws -> Tensor {
    let (a, b) = (try interpolant.alpha(t), try interpolant.beta(t))
    let precision = try precision.slice(0..<space.euclidean)
    let share = try interpolant.endpointSlope(t) / (b * b + a * a * precision)
    return try share * (b * z + a * g)
  }

  /// What to subtract from the target u of the torus, the noise of unit variance: u and g [n, angles], t [n, 1].
  func torus(u: Tensor, g: Tensor, t: Tensor) throws -> Tensor {
    let sigma = try TorusPath.sigma(t)
    let precision = try precision.slice(space.euclidean..<space.dimension)
    return try (u + sigma * g) / (1 + sigma * sigma * precision)
  }
}

/// How the times of a flow-matching loss count.
public enum TimeWeights: String, Codable, CaseIterable, Sendable {
  /// All the same.
  case uniform
  /// As errors of the field at that time count for the Kullback-Leibler divergence of the samples: beta / (alpha (beta' alpha - alpha' beta))
  /// |v - v*|^2, which is t / (1 - t) on a linear path, and 1.5 / (1 - t) |f - u*|^2 on the torus, with alpha and 1 - t held above 0.01. With
  /// plain targets it would blow up their noise.
  case likelihood

  /// Times [n] of a batch, and the weights [n, 1] of the Euclidean and the angular loss.
  ///
  /// With weights half of the times are drawn as 1 - u^3, which are late, and weights are divided by the times' density.
  func draw(
    _ n: Int, _ path: Interpolant, _ generator: Generator
  ) throws -> (t: Tensor, euclidean: Tensor?, torus: Tensor?) {
    let uniform = try FlowMatchingLoss.stratifiedTimes(n, generator)
    guard self == .likelihood else { return (uniform, nil, nil) }
    let t = try generator.uniform([n]).less(0.5).select(1 - uniform.power(3), else: uniform)
    let left = try (1 - t).clamped(0.01...1)
    let density = try (1 - t).clamped(1e-6...1).power(-2.0 / 3) / 6 + 0.5
    let rate = try path.beta(t) / (path.alpha(t).clamped(0.01...1) * path.endpointSlope(t))
    return (t, try (rate / density).unsqueezed(-1), try (1.5 / (left * density)).unsqueezed(-1))
  }
}

/// The flow-matching loss of one field, or of two, on rows of data with or without forces.
struct EmulatorLoss {
  let plain: FlowMatchingLoss
  /// Nil without forces: rows are latents; with them, rows are latents and gradients side by side.
  let forces: ForceTargets?
  let times: TimeWeights
  /// Of positions, where a network over pairs moves them; nil with plain targets.
  var pairs: PairForceTargets?

  /// rows [n, d] or [n, 2 d]. Returns the mean over rows and dimensions, a scalar.
  func callAsFunction(_ field: some FlowModel, _ rows: Tensor, _ generator: Generator) throws -> Tensor {
    if let field = field as? PairField { return try loss(field, rows, generator) }
    if let flows = field as? HeavyFlows, let forces { return try loss(flows, rows, forces, generator) }
    if let flows = field as? TwoFlows, let forces { return try loss(flows, rows, forces, generator) }
    guard let field = field as? any VectorField else { throw FlowModelError.needsForces }
    return try one(field, rows, generator)
  }

  private func one(_ field: some VectorField, _ rows: Tensor, _ generator: Generator) throws -> Tensor {
    guard let forces else {
      let t = try FlowMatchingLoss.stratifiedTimes(rows.shape[0], generator)
      return try plain(field, data: rows, t: t, generator)
    }
    let space = field.space
    let point = try Path(rows, forces, times, generator)
    let output = try space.split(field.trainingOutput(space.joined(point.euclidean, point.angles), point.t))
    let euclidean = try Self.sum(output.euclidean - point.velocity, point.weights.euclidean)
    let torus = try Self.sum(output.angles - point.turn, point.weights.torus)
    return try (euclidean + torus) / Double(rows.shape[0] * space.dimension)
  }

  /// Of a network over pairs, on rows of positions first; with forces their gradients come after `field.space.dimension` columns.
  private func loss(_ field: PairField, _ rows: Tensor, _ generator: Generator) throws -> Tensor {
    let (columns, d) = (field.movedColumns, field.space.dimension)
    let positions = LatentSpace(atoms: columns.count / 3, meanFree: true)
    let y = try rows.slice(columns, axis: 1)
    let g = try pairs == nil ? nil : rows.slice(d..<d + columns.count, axis: 1)
    return try PairLoss(targets: pairs, space: positions)(field.network, y, g, generator)
  }

  /// Of heavy atoms, and of hydrogens given these, each a mean over its own dimensions.
  private func loss(
    _ flows: HeavyFlows, _ rows: Tensor, _ forces: ForceTargets, _ generator: Generator
  ) throws -> Tensor {
    let space = flows.space
    var total = try loss(flows.positions, rows, generator)
    // hydrogens are learnt faster: every second row does
    let rows = try rows.selected(Tensor(stride(from: 0, to: rows.shape[0], by: 2).map(Int64.init)))
    let still = try rows.slice(0..<space.centred, axis: 1)
    let n = Double(rows.shape[0])
    if let torsions = flows.torsions {
      let turning = try Path(rows, forces, times, generator)
      let f = try torsions.network(
        torsions.seen(space.joined(joined(still, turning.euclidean), turning.angles)), turning.t)
      total = try total + Self.sum(f - turning.turn, turning.weights.torus) / (n * Double(space.angles))
    }
    if let rest = flows.rest {
      let point = try Path(rows, forces, times, generator)
      let theta = try rows.slice(space.euclidean..<space.dimension, axis: 1)
      let v = try rest.euclideanVelocity(space.joined(joined(still, point.euclidean), theta), point.t)
      let target = try point.velocity.slice(rest.movedColumns, axis: 1)
      total = try total + Self.sum(v - target, point.weights.euclidean) / (n * Double(rest.movedColumns.count))
    }
    return total
  }

  /// Positions that stand, and the other Euclidean columns of points on paths.
  private func joined(_ still: Tensor, _ euclidean: Tensor) throws -> Tensor {
    try Tensor.concatenated([still, euclidean.slice(still.shape[1]..<euclidean.shape[1], axis: 1)], axis: 1)
  }

  /// Of the torsions' flow and of that of the rest given them, each a mean over its own dimensions.
  private func loss(
    _ flows: TwoFlows, _ rows: Tensor, _ forces: ForceTargets, _ generator: Generator
  ) throws -> Tensor {
    let paths = try TwoPaths(rows, forces, times, generator)
    return try paths.loss(
      turn: flows.network.torsions(paths.turning.angles, paths.turning.t),
      velocity: flows.rest.euclideanVelocity(
        flows.space.joined(paths.point.euclidean, paths.theta), paths.point.t))
  }

  /// Paths of rows with forces. Throws `FlowModelError.needsForces` without.
  func paths(_ rows: Tensor, _ generator: Generator) throws -> TwoPaths {
    guard let forces else { throw FlowModelError.needsForces }
    return try TwoPaths(rows, forces, times, generator)
  }

  /// Points on the paths of a batch, for the torsions' flow and for that of the rest, with targets.
  struct TwoPaths {
    /// Torsions are few and their early targets noisy: two paths from each frame.
    let turning, point: Path
    /// Of the data, which the second flow sees.
    let theta: Tensor

    fileprivate init(_ rows: Tensor, _ forces: ForceTargets, _ times: TimeWeights, _ generator: Generator) throws {
      turning = try Path(Tensor.concatenated([rows, rows], axis: 0), forces, times, generator)
      point = try Path(rows, forces, times, generator)
      theta = try rows.slice(forces.space.euclidean..<forces.space.dimension, axis: 1)
    }

    /// Of what the networks give: turns [2 n, angles] and velocities [n, euclidean].
    func loss(turn: Tensor, velocity: Tensor) throws -> Tensor {
      let torus = try EmulatorLoss.sum(turn - turning.turn, turning.weights.torus) / Double(max(1, turn.count))
      let euclidean = try EmulatorLoss.sum(velocity - point.velocity, point.weights.euclidean)
      return try torus + euclidean / Double(max(1, velocity.count))
    }
  }

  fileprivate static func sum(_ residual: Tensor, _ weights: Tensor?) throws -> Tensor {
    let square = try residual.square()
    return try (weights.map { try square * $0 } ?? square).sum()
  }

  /// Points on the paths of a batch, with targets.
  struct Path {
    let t: Tensor
    let weights: (euclidean: Tensor?, torus: Tensor?)
    let euclidean, angles, velocity, turn: Tensor

    fileprivate init(_ rows: Tensor, _ forces: ForceTargets, _ times: TimeWeights, _ generator: Generator) throws {
      let (space, path, n) = (forces.space, forces.interpolant, rows.shape[0])
      let draw = try times.draw(n, path, generator)
      (t, weights) = (draw.t, (draw.euclidean, draw.torus))
      let time = try t.unsqueezed(-1)
      let (x, theta) = try space.split(rows.slice(0..<space.dimension, axis: 1))
      let g = try space.split(rows.slice(space.dimension..<2 * space.dimension, axis: 1))
      let z = try space.noise(n, generator)
      euclidean = try path.alpha(time) * z + path.beta(time) * x
      velocity =
        try path.alphaDerivative(time) * z + path.betaDerivative(time) * x
        + forces.euclidean(z: z, g: g.euclidean, t: time)
      let u = try generator.normal([n, space.angles])
      angles = try theta + TorusPath.sigma(time) * u
      turn = try u - forces.torus(u: u, g: g.angles, t: time)
    }
  }
}

public enum FlowModelError: Error, CustomStringConvertible, Equatable {
  /// Two flows, and no forces to train them with.
  case needsForces

  public var description: String {
    switch self {
    case .needsForces:
      "two flows need forces of the frames: without them the second learns each frame by its torsions"
    }
  }
}
