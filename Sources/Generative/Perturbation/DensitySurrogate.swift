import Basics
import Foundation
import Torch

/// A log-density on a latent space, learnt from values and gradients: S(x) = -|y|^2 / 2 + a(x) + sum_k f_k b_k(x), with the network's outputs a and
/// b and the features f of a point, its Euclidean columns and the waves of its angles.
///
/// It only proposes: what is drawn from it is weighed by the potential itself.
struct DensitySurrogate {
  let network: ResidualNetwork
  var space: LatentSpace { network.space }

  init(network: ResidualNetwork) { self.network = network }

  /// Untrained: the standard normal, and all angles alike.
  init(space: LatentSpace, generator: Generator) throws {
    let harmonics = 4
    network = try ResidualNetwork(
      space: space,
      configuration: ResidualConfiguration(
        width: 256, depth: 2, harmonics: harmonics, timeFrequencies: 1,
        outputs: 1 + ResidualNetwork.positionFeatures(space, harmonics)), generator: generator)
  }

  /// x [n, d] -> [n].
  func callAsFunction(_ x: Tensor) throws -> Tensor {
    let (output, features) = try network.withPositionFeatures(x, Tensor.zeros([x.shape[0]], x.scalarType ?? .float32))
    let linear = try (output.slice(1..<output.shape[1], axis: 1) * features).sum(-1)
    return try space.split(x).euclidean.square().sum(-1) * -0.5 + output.slice(0..<1, axis: 1).reshaped(-1) + linear
  }

  /// Values [n] and gradients [n, d]. `differentiably`: both may be differentiated by the network's parameters.
  func withGradient(_ x: Tensor, differentiably: Bool = false) throws -> (values: Tensor, gradients: Tensor) {
    try withGradients {
      let leaf = try x.requiringGradient()
      let values = try self(leaf)
      let gradients = try values.sum().gradients(of: [leaf], createGraph: differentiably)[0]
      return differentiably ? (values, gradients) : (try values.detached(), gradients)
    }
  }
}

/// What a surrogate learns from: latents and gradients [n, d], values [n], and how often each point is drawn.
struct SurrogateData {
  let rows: Tensor
  let weights: [Double]
  /// Of the gradient's columns, by which residuals are measured: 1 for whitened ones, for angles what their gradients have. [d]
  let scales: Tensor
  let space: LatentSpace

  /// `shares`: of each state among the points as they are drawn, those of the states that have points.
  init(_ points: LabelledPoints, chart: InternalChart, shares: [Double]) throws {
    space = chart.space
    let (latents, densities, slopes) = try points.onChart(chart)
    // over latents the volume is another, by a constant; so is the level
    let values = try densities.values(as: Double.self)
    let level = values.sorted()[values.count / 2]
    rows = try Tensor.concatenated(
      [latents, slopes, (densities - level).unsqueezed(-1)], axis: 1
    ).cast(.float32)
    var counts = shares.map { _ in 0.0 }
    for state in points.states { counts[state] += 1 }
    weights = points.states.map { shares[$0] / max(1, counts[$0]) }
    let turns = try space.split(slopes).angles.abs()
    var scales = [Double](repeating: 1, count: space.dimension)
    for angle in 0..<space.angles {
      let sizes = try turns.slice(angle..<angle + 1, axis: 1).reshaped(-1).values(as: Double.self).sorted()
      scales[space.euclidean + angle] = max(1, 1.5 * sizes[sizes.count / 2])
    }
    self.scales = try Tensor(scales).cast(.float32)
  }

  init(rows: Tensor, weights: [Double], scales: Tensor, space: LatentSpace) {
    (self.rows, self.weights, self.scales, self.space) = (rows, weights, scales, space)
  }

  func parts(_ rows: Tensor) throws -> (latents: Tensor, gradients: Tensor, values: Tensor) {
    let d = space.dimension
    return (
      try rows.slice(0..<d, axis: 1), try rows.slice(d..<2 * d, axis: 1),
      try rows.slice(2 * d..<2 * d + 1, axis: 1).reshaped(-1)
    )
  }
}

extension DensitySurrogate {
  /// How good a surrogate is at points it has not seen: medians, which clashes do not reach.
  struct Quality: Equatable {
    /// Absolute error of values after removing the median, kT.
    var value = Double.nan
    /// Root mean square error of a gradient's column, in its scale.
    var gradient = Double.nan
  }

  /// Trains on nine tenths of the points, and tells of the last. Values by Huber's loss, gradients so that single points of large residuals
  /// count little.
  static func trained(
    on data: SurrogateData, from start: DensitySurrogate?, steps: Int, seed: UInt64, host: any TrainingHost
  ) throws -> (surrogate: DensitySurrogate, quality: Quality) {
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["surrogate"]))
    let fresh = try start ?? DensitySurrogate(space: data.space, generator: generator)
    let count = data.weights.count
    let held = (0..<count).filter { $0 % 10 == 7 }
    let kept = (0..<count).filter { $0 % 10 != 7 }
    let rows = try data.rows.selected(Tensor(kept.map(Int64.init)))
    let batch = 256
    let settings = OptimizationSettings(
      steps: steps, batch: batch, learningRate: 1e-3, warmUp: min(200, max(1, steps / 4)), weightDecay: 1e-3,
      averageDecay: 0.998)
    let trainer = try Trainer(
      network: fresh.network, settings: settings, generator: generator, columns: ["value", "gradient"])
    var sampler = try EpochSampler(
      count: kept.count, batch: batch, seed: RandomStream.derivedSeed(seed, ["surrogate", "order"]), repeats: 16,
      weights: kept.map { data.weights[$0] })
    host.progress.begin("surrogate", total: steps, unit: "steps")
    defer { host.progress.end() }
    while !trainer.isFinished {
      let (x, g, v) = try data.parts(rows.selected(sampler.indices(step: trainer.step)))
      let (values, slopes) = try DensitySurrogate(network: trainer.network).withGradient(x, differentiably: true)
      let squares = try ((slopes - g) / data.scales).square().mean(-1)
      let bounded = try (squares * largestSquare / (squares + largestSquare)).mean()
      let loss = try bounded + values.huberLoss(v, delta: valueDelta).mean() * valueWeight
      _ = try trainer.update(loss)
      if trainer.step % 50 == 0 {
        host.progress.update(completed: trainer.step)
        try host.checkInterruption()
      }
    }
    let result = DensitySurrogate(network: trainer.average)
    guard !held.isEmpty else { return (result, Quality()) }
    let (x, g, v) = try data.parts(data.rows.selected(Tensor(held.map(Int64.init))))
    let (values, slopes) = try result.withGradient(x)
    let errors = try (values - v).values(as: Float.self).map(Double.init)
    let middle = errors.sorted()[errors.count / 2]
    let away = errors.map { abs($0 - middle) }.sorted()
    let squares = try ((slopes - g) / data.scales).square().mean(-1).values(as: Float.self).map(Double.init).sorted()
    return (
      result, Quality(value: away[away.count / 2], gradient: squares[squares.count / 2].squareRoot())
    )
  }

  /// Residuals of gradients beyond this mean square, and of values beyond this many kT, count no more than linearly.
  private static let largestSquare = 4.0, valueDelta = 2.0, valueWeight = 0.05
}

/// Points of a surrogate's density, by Metropolis-adjusted Langevin steps and by turning single torsions anywhere, each chain within its
/// state.
///
/// A block of steps of one kind is reversible, so that a block that leaves the state may be taken back as a whole.
struct SurrogateSampler {
  let surrogate: DensitySurrogate
  /// Width of a step along each column relative to the others, [d].
  let widths: Tensor
  /// State of each of these latents, [n].
  let states: (Tensor) throws -> [Int]

  struct Outcome {
    var latents, gradients: Tensor
    /// Shares of steps and turns that were accepted.
    var accepted, turned: Double
  }

  /// From `start` [n, d] whose chains stay in `places` [n].
  func run(
    from start: Tensor, places: [Int], blocks: Int, seed: UInt64, host: any TrainingHost
  ) throws -> Outcome {
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["chains"]))
    let space = surrogate.space
    let n = start.shape[0]
    var x = start
    var step = 0.35  // of a width
    var counts = (steps: 0.0, accepted: 0.0, turns: 0.0, turned: 0.0)
    /// Takes back what has left its state.
    func kept(_ new: Tensor, _ old: Tensor) throws -> Tensor {
      let found = try states(new)
      let stays = try Tensor(zip(found, places).map { $0 == $1 ? Float(1) : 0 }, shape: [n, 1])
      return try stays.greater(0.5).select(new, else: old)
    }
    host.progress.begin("chains", total: blocks, unit: "blocks")
    defer { host.progress.end() }
    for block in 0..<blocks {
      // langevin
      let before = x
      var (value, slope) = try surrogate.withGradient(x)
      var accepted = 0.0
      for _ in 0..<Self.stepsPerBlock {
        let noise = try generator.normal(x.shape)
        let scaled = try widths * step
        let drift = try scaled.square() * slope * 0.5
        let moved = try space.wrapped(x + drift + scaled * noise)
        let (newValue, newSlope) = try surrogate.withGradient(moved)
        let back = try space.wrapped(x - moved - scaled.square() * newSlope * 0.5) / scaled
        let change = try newValue - value + (noise.square() - back.square()).sum(-1) * 0.5
        let taken = try generator.uniform([n]).clamped(1e-30...1).log().less(change).cast(.float32)
        let mask = try taken.greater(0.5)
        let column = try taken.unsqueezed(-1).greater(0.5)
        x = try column.select(moved, else: x)
        slope = try column.select(newSlope, else: slope)
        value = try mask.select(newValue, else: value)
        accepted += try taken.mean().item()
      }
      x = try kept(x, before)
      accepted /= Double(Self.stepsPerBlock)
      counts.steps += 1
      counts.accepted += accepted
      // while the chains forget where they began; then the step stays, or they would not be reversible
      if block < blocks / 2 { step *= accepted > 0.6 ? 1.25 : accepted < 0.45 ? 0.8 : 1 }
      // turns
      for angle in 0..<space.angles {
        let before = x
        let old = try surrogate(x)
        let column = space.euclidean + angle
        let turn = try (generator.uniform([n, 1]) * 2 - 1) * Double.pi
        var parts = [try x.slice(0..<column, axis: 1), turn]
        if column + 1 < space.dimension { parts.append(try x.slice(column + 1..<space.dimension, axis: 1)) }
        let moved = try Tensor.concatenated(parts, axis: 1)
        let change = try surrogate(moved) - old
        let taken = try generator.uniform([n]).clamped(1e-30...1).log().less(change).cast(.float32)
        x = try taken.unsqueezed(-1).greater(0.5).select(moved, else: x)
        x = try kept(x, before)
        counts.turns += 1
        counts.turned += try taken.mean().item()
      }
      host.progress.update(completed: block + 1)
      try host.checkInterruption()
    }
    return Outcome(
      latents: x, gradients: try surrogate.withGradient(x).gradients,
      accepted: counts.accepted / max(1, counts.steps), turned: counts.turned / max(1, counts.turns))
  }

  private static let stepsPerBlock = 10
}
