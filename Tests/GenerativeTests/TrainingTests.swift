import Basics
import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct TrainingTests {
  let space = LatentSpace(euclidean: 1, angles: 1)

  /// x ~ N(0.5, 0.6^2) where theta > 0, N(-1, 0.4^2) elsewhere; theta von-Mises-like, two thirds of it positive.
  func data(_ n: Int, seed: UInt64) throws -> Tensor {
    var stream = RandomStream(seed: seed, "toy")
    var rows: [Float] = []
    for _ in 0..<n {
      let positive = stream.uniform() < 2.0 / 3
      let theta = (positive ? 1.4 : -1.6) + 0.35 * stream.normal()
      rows += [Float(positive ? 0.5 + 0.6 * stream.normal() : -1 + 0.4 * stream.normal()), Float(theta)]
    }
    return try Tensor(rows, shape: [n, 2])
  }

  func trainer(steps: Int) throws -> Trainer<ResidualNetwork> {
    let generator = try Generator(seed: 21)
    let network = try ResidualNetwork(
      space: space, configuration: ResidualConfiguration(width: 48, depth: 2, outputs: 2), generator: generator)
    return try Trainer(
      network: network, settings: OptimizationSettings(steps: steps, batch: 128, learningRate: 3e-3, warmUp: 20),
      generator: generator, columns: ["loss"])
  }

  func advance(_ trainer: Trainer<ResidualNetwork>, to step: Int, _ rows: Tensor) throws {
    var sampler = try EpochSampler(count: rows.shape[0], batch: 128, seed: 5)
    let loss = FlowMatchingLoss(interpolant: .linear)
    while trainer.step < step {
      let batch = try rows.selected(sampler.indices(step: trainer.step))
      let t = try FlowMatchingLoss.stratifiedTimes(128, trainer.generator)
      let value = try trainer.update(
        loss(ResidualVectorField(network: trainer.network, interpolant: .linear), data: batch, t: t, trainer.generator))
      trainer.curve.record(step: trainer.step, [value])
    }
  }

  @Test func resumedTrainingIsBitwiseTheStraightOne() throws {
    let rows = try data(1000, seed: 1)
    let straight = try trainer(steps: 60)
    try advance(straight, to: 60, rows)
    let first = try trainer(steps: 60)
    try advance(first, to: 23, rows)
    let saved = try first.state()
    let second = try trainer(steps: 60)
    try advance(second, to: 3, rows)
    try second.restore(saved)
    try advance(second, to: 60, rows)
    #expect(try straight.state() == second.state())
  }

  @Test func stateOfAnotherNetworkIsRefused() throws {
    let mine = try trainer(steps: 10)
    let generator = try Generator(seed: 1)
    let other = try Trainer(
      network: ResidualNetwork(
        space: space, configuration: ResidualConfiguration(width: 32, depth: 2, outputs: 2), generator: generator),
      settings: mine.settings, generator: generator, columns: ["loss"])
    #expect(throws: TrainingError.self) { try mine.restore(other.state()) }
  }

  @Test func anEpochVisitsEverySampleOnce() throws {
    var sampler = try EpochSampler(count: 100, batch: 20, seed: 3)
    let epoch = try (0..<5).flatMap { try sampler.indices(step: $0).values(as: Int64.self) }
    #expect(Set(epoch).count == 100)
    let next = try (5..<10).flatMap { try sampler.indices(step: $0).values(as: Int64.self) }
    #expect(next != epoch && Set(next).count == 100)
    #expect(throws: TrainingError.tooFewSamples(count: 10, batch: 20)) {
      try EpochSampler(count: 10, batch: 20, seed: 3)
    }
  }

  /// Batches of 25 out of 10 samples: each 10 rows in a row are an epoch, across the borders of batches too.
  @Test func aBatchMayRunThroughSeveralEpochs() throws {
    var sampler = try EpochSampler(count: 10, batch: 25, seed: 3, repeats: 3)
    let rows = try (0..<4).flatMap { try sampler.indices(step: $0).values(as: Int64.self) }
    #expect(rows.count == 100)
    let epochs = (0..<10).map { Array(rows[10 * $0..<10 * $0 + 10]) }
    for epoch in epochs { #expect(Set(epoch) == Set(0..<10)) }
    #expect(Set(epochs).count > 5)
    #expect(try sampler.indices(step: 2).values(as: Int64.self) == Array(rows[50..<75]))
    #expect(throws: TrainingError.tooFewSamples(count: 8, batch: 25)) {
      try EpochSampler(count: 8, batch: 25, seed: 3, repeats: 3)
    }
  }

  @Test func aLossThatIsNotFiniteChangesNothing() throws {
    let trainer = try trainer(steps: 10)
    let before = try trainer.state()
    let broken = try trainer.network.parameters[0].sum() * Double.nan
    #expect(throws: TrainingError.self) { try trainer.update(broken) }
    #expect(try trainer.state() == before)
  }

  @Test func scheduleWarmsUpAndEndsAtZero() {
    let settings = OptimizationSettings(steps: 1000, batch: 1, learningRate: 0.1, warmUp: 100)
    #expect(abs(settings.learningRate(at: 49) - 0.05) < 1e-12)
    #expect(abs(settings.learningRate(at: 550) - 0.05) < 1e-12)
    #expect(settings.learningRate(at: 999) < 1e-6)
  }

  /// End to end on a law with a known density: flow, exact likelihood, then the energy model's three losses.
  @Test func endToEndASmallEmulatorAndItsEnergyModelFindAKnownDensity() throws {
    try Runtime.initialize(threads: 1)
    let rows = try data(8000, seed: 2)
    let trainer = try trainer(steps: 800)
    try advance(trainer, to: 800, rows)
    let field = ResidualVectorField(network: trainer.average, interpolant: .linear)
    let samples = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 12), method: .exactTrace)
      .batch(4000, seed: 4, index: 0)
    let latents = try samples.latents.values(as: Double.self)
    let density = try #require(samples.logDensities).values(as: Double.self)
    func truth(_ x: Double, _ theta: Double) -> Double {
      func normal(_ x: Double, _ m: Double, _ s: Double) -> Double {
        exp(-pow((x - m) / s, 2) / 2) / (s * (2 * Double.pi).squareRoot())
      }
      func wrapped(_ m: Double) -> Double { (-1...1).reduce(0) { $0 + normal(theta + 2 * .pi * Double($1), m, 0.35) } }
      return log(2.0 / 3 * normal(x, 0.5, 0.6) * wrapped(1.4) + 1.0 / 3 * normal(x, -1, 0.4) * wrapped(-1.6))
    }
    // Kish efficiency of the weights p/q: 1 for a perfect emulator
    let weights = (0..<4000).map { exp(truth(latents[2 * $0], latents[2 * $0 + 1]) - density[$0]) }
    let sum = weights.reduce(0, +)
    #expect(sum * sum / (4000 * weights.reduce(0) { $0 + $1 * $1 }) > 0.8)

    let generator = try Generator(seed: 31)
    let network = try ResidualNetwork(
      space: space,
      configuration: ResidualConfiguration(
        width: 48, depth: 2, outputs: ResidualEnergyModel.outputs(space: space, harmonics: 3)), generator: generator)
    let ebm = try Trainer(
      network: network, settings: OptimizationSettings(steps: 1200, batch: 128, learningRate: 3e-3, warmUp: 50),
      generator: generator, columns: [])
    let labels = try #require(samples.logDensities).reshaped(-1).cast(.float32)
    let objective = EnergyModelObjective()
    var sampler = try EpochSampler(count: 4000, batch: 128, seed: 6)
    while !ebm.isFinished {
      let index = try sampler.indices(step: ebm.step)
      let model = ResidualEnergyModel(network: ebm.network, interpolant: .trigonometric)
      let terms = try objective(
        model, data: samples.latents.selected(index), labels: .init(logDensity: labels.selected(index)), step: ebm.step,
        generator)
      _ = try ebm.update(terms.total)
    }
    let fresh = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 12), method: .exactTrace)
      .batch(2000, seed: 4, index: 1)
    let model = ResidualEnergyModel(network: ebm.average, interpolant: .trigonometric)
    let error = try model.logDensity(fresh.latents) - #require(fresh.logDensities).reshaped(-1)
    let centred = try error - error.mean()
    #expect(try centred.square().mean().sqrt().item() < 0.15)
  }
}
