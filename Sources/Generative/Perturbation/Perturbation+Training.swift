import Basics
import Foundation
import Molecules
import Torch

/// The surrogate, its points, and the flows that learn from them.
extension Perturbation {
  func newestFlows(_ state: State, _ target: InternalChart) throws -> TwoFlows? {
    if let archive = state.model { return try Emulator(archive).field as? TwoFlows }
    return source.field as? TwoFlows
  }

  func header(_ flows: TwoFlows) -> Emulator.Header {
    Emulator.Header(
      architecture: .twoFlows(
        torsions: flows.network.torsions.configuration, rest: flows.network.rest.configuration),
      interpolant: flows.interpolant)
  }

  func fresh(_ target: InternalChart) throws -> TwoFlows {
    let generator = try Generator(seed: RandomStream.derivedSeed(settings.seed, ["network"]))
    let field = try EmulatorArchitecture.standard(for: .internal(target), inTwo: true).field(
      .internal(target), .linear, generator)
    guard let flows = field as? TwoFlows else { throw EmulatorError.noBroadTorsions }
    return flows
  }

  /// On points of the surrogate, and on the fresh samples so far, by weight and their own forces.
  func train(
    round: Int, _ state: State, _ found: inout Round, _ target: InternalChart, from flows: TwoFlows?, shares: [Double]
  ) throws -> (TwoFlows, TrainingState) {
    let seed = RandomStream.derivedSeed(settings.seed, ["round", String(round)])
    let host = host.trainingHost(state)
    let points = state.points.sound()
    let data = try SurrogateData(points, chart: target, shares: stateNames.map { _ in 1 })
    let (surrogate, quality) = try DensitySurrogate.trained(
      on: data, from: nil, steps: settings.surrogateSteps, seed: seed, host: host)
    let start = try chainStarts(points, target, shares, seed: seed)
    let sampler = SurrogateSampler(surrogate: surrogate, widths: try data.scales.reciprocal()) { latents in
      try places(target.internalCoordinates(latents: latents))
    }
    let chains = try sampler.run(
      from: start.latents, places: start.states, blocks: settings.blocks, seed: seed, host: host)
    host.log(
      String(
        format:
          "surrogate: off by %.2f kT, gradients by %.2f widths; chains: %.0f %% of steps and %.0f %% of turns accepted",
        quality.value, quality.gradient, 100 * chains.accepted, 100 * chains.turned))
    (found.surrogateError, found.surrogateGradientError) = (quality.value, quality.gradient)
    var rows = try Tensor.concatenated([chains.latents, chains.gradients], axis: 1)
    var weights: [Double] = []
    let fresh = points.picked(
      points.sources.indices.filter { points.sources[$0] == LabelledPoints.Source.fresh.rawValue })
    if fresh.count > 0, settings.freshShare > 0 {
      let count = rows.shape[0]
      let own = trainingWeights(fresh, shares)
      let total = max(own.reduce(0, +), .leastNormalMagnitude)
      weights =
        [Double](repeating: (1 - settings.freshShare) / Double(count), count: count)
        + own.map { $0 / total * settings.freshShare }
      let (latents, _, slopes) = try fresh.onChart(target)
      rows = try Tensor.concatenated(
        [rows, Tensor.concatenated([latents, slopes], axis: 1).cast(.float32)], axis: 0)
    }
    return try optimised(
      flows ?? self.fresh(target), rows, weights: weights, target, steps: settings.flowSteps, seed: seed, host: host)
  }

  /// Torsions of points in each state, as many as its share says, beside narrow coordinates as the map has them.
  func chainStarts(
    _ points: LabelledPoints, _ target: InternalChart, _ shares: [Double], seed: UInt64
  ) throws -> (latents: Tensor, states: [Int]) {
    var random = RandomStream(seed: seed, "starts")
    var rows: [Int] = []
    for state in stateNames.indices {
      let own = points.states.indices.filter { points.states[$0] == state }
      guard !own.isEmpty else { continue }
      let chains = Int((shares[state] * Double(settings.chains)).rounded())
      for _ in 0..<chains { rows.append(own[Int(random.uniform() * Double(own.count))]) }
    }
    let theta = try target.space.split(points.onChart(target).latents).angles.cast(.float32)
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["starts"]))
    let y = try generator.normal([rows.count, target.space.euclidean])
    let latents = try target.space.joined(y, theta.selected(Tensor(rows.map(Int64.init))))
    // a state may hang on narrow coordinates too
    let places = try places(target.internalCoordinates(latents: latents))
    return (latents, places)
  }

  static let clipped = 0.002

  /// Within each state and round in proportion to the weights, of which the largest are cut; rounds by their effective samples, states by
  /// their shares.
  func trainingWeights(_ points: LabelledPoints, _ shares: [Double]) -> [Double] {
    var weights = [Double](repeating: 0, count: points.count)
    for state in stateNames.indices {
      var total = 0.0
      var members: [Int] = []
      for round in settings.rounds.indices {
        let rows = points.states.indices.filter { points.states[$0] == state && points.rounds[$0] == round }
        guard !rows.isEmpty else { continue }
        let logs = rows.map { points.logDensities[$0] - points.drawnDensities[$0] }
        let level = logs.filter(\.isFinite).max() ?? 0
        var own = logs.map { $0.isFinite ? exp($0 - level) : 0 }
        let cut = own.sorted()[max(0, own.count - 1 - Int((Self.clipped * Double(own.count)).rounded(.up)))]
        own = own.map { min($0, cut) }
        let (sum, squares) = (own.reduce(0, +), own.reduce(0) { $0 + $1 * $1 })
        guard sum > 0, squares > 0 else { continue }
        // as many as they count for
        for (row, weight) in zip(rows, own) { weights[row] = weight / sum * (sum * sum / squares) }
        total += sum * sum / squares
        members += rows
      }
      for row in members { weights[row] *= shares[state] / max(total, .leastNormalMagnitude) }
    }
    return weights
  }

  func optimised(
    _ start: TwoFlows, _ rows: Tensor, weights: [Double], _ target: InternalChart, steps: Int, seed: UInt64,
    host: any TrainingHost
  ) throws -> (TwoFlows, TrainingState) {
    let d = target.space.dimension
    let gradients = try rows.slice(d..<2 * d, axis: 1)
    let uniform = [Double](repeating: 1, count: rows.shape[0])
    let loss = EmulatorLoss(
      plain: FlowMatchingLoss(interpolant: start.interpolant),
      forces: try ForceTargets(
        gradients, weights: weights.isEmpty ? uniform : weights, space: target.space, interpolant: start.interpolant),
      times: .likelihood)
    var plan = EmulatorSettings()
    (plan.seed, plan.recordEvery) = (seed, settings.recordEvery)
    let optimization = OptimizationSettings(steps: steps, batch: settings.batch, warmUp: min(200, max(1, steps / 4)))
    let generator = try Generator(seed: RandomStream.derivedSeed(seed, ["noise"]))
    let own = TwoFlows(network: start.network, space: target.space, interpolant: start.interpolant)
    let (field, state) = try Emulator.optimize(
      own, loss, on: rows, weights: weights, validation: nil, optimization, plan, generator, host)
    guard let trained = field as? TwoFlows else { throw EmulatorError.noBroadTorsions }
    return (trained, state)
  }
}
