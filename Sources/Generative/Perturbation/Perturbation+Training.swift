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

  /// Of fresh samples: see `TrainingWeights.clipped`.
  func trainingWeights(_ points: LabelledPoints, _ shares: [Double]) -> [Double] {
    TrainingWeights.clipped(
      zip(points.logDensities, points.drawnDensities).map { $0 - $1 }, states: points.states, rounds: points.rounds,
      shares: shares, clipped: TrainingWeights.clipped)
  }

  func optimised(
    _ start: TwoFlows, _ rows: Tensor, weights: [Double], _ target: InternalChart, steps: Int, seed: UInt64,
    host: any TrainingHost
  ) throws -> (TwoFlows, TrainingState) {
    try start.trained(
      on: rows, weights: weights, space: target.space,
      OptimizationSettings(steps: steps, batch: settings.batch, warmUp: min(200, max(1, steps / 4))),
      recordEvery: settings.recordEvery, seed: seed, host: host)
  }
}
