// Cost of training steps, samples and likelihoods on networks of the size that alanine dipeptide takes: 55 narrow and 5 broad
// coordinates. All figures of one run; the ratios at the end are what counts.
//
//   swift run -c release likelihood-benchmark [threads]
import Foundation
import Generative
import Torch

func seconds(_ body: () throws -> Void) rethrows -> Double {
  let start = Date()
  try body()
  return Date().timeIntervalSince(start)
}

func line(_ title: String, _ value: Double, _ unit: String) {
  print(title.padding(toLength: 52, withPad: " ", startingAt: 0) + String(format: "%12.3f ", value) + unit)
}

let threads = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? ProcessInfo.processInfo.activeProcessorCount
try Runtime.initialize(threads: threads)
print("LibTorch \(Runtime.version), \(threads) threads")

let space = LatentSpace(euclidean: 55, angles: 5)
let generator = try Generator(seed: 1)
let emulator = try ResidualNetwork(
  space: space, configuration: ResidualConfiguration(width: 256, depth: 4, outputs: 60), generator: generator)
let field = ResidualVectorField(network: emulator, interpolant: .linear)

let flowTrainer = try Trainer(
  network: emulator, settings: OptimizationSettings(steps: 1000, batch: 512), generator: generator, columns: [])
let data = try space.prior(512, generator)
let loss = FlowMatchingLoss(interpolant: .linear)
func flowStep() throws {
  let t = try FlowMatchingLoss.stratifiedTimes(512, generator)
  _ = try flowTrainer.update(
    loss(ResidualVectorField(network: flowTrainer.network, interpolant: .linear), data: data, t: t, generator))
}
for _ in 0..<5 { try flowStep() }
line("flow matching, batch 512, 256 x 4", try seconds { for _ in 0..<50 { try flowStep() } } / 50 * 1e3, "ms per step")

let energyTrainer = try Trainer(
  network: ResidualNetwork(
    space: space,
    configuration: ResidualConfiguration(
      width: 256, depth: 4, outputs: ResidualEnergyModel.outputs(space: space, harmonics: 3)),
    generator: generator),
  settings: OptimizationSettings(steps: 1000, batch: 512), generator: generator, columns: [])
let labels = try Tensor.zeros([256])
let half = try data.slice(0..<256)
let objective = EnergyModelObjective()
func energyStep() throws {
  let model = ResidualEnergyModel(network: energyTrainer.network, interpolant: .trigonometric)
  _ = try energyTrainer.update(
    objective(model, data: half, labels: .init(logDensity: labels), step: energyTrainer.step, generator).total)
}
for _ in 0..<3 { try energyStep() }
line(
  "energy model, batch 256, 256 x 4, three losses", try seconds { for _ in 0..<20 { try energyStep() } } / 20 * 1e3,
  "ms per step")

let plain = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 10), method: .none)
let stochastic = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 10), method: .stochasticTrace)
let exact = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 10), method: .exactTrace)
_ = try stochastic.batch(1000, seed: 1, index: 0)
let plainTime = try seconds { for i in 0..<4 { _ = try plain.batch(1000, seed: 1, index: i) } } / 4000
let stochasticTime = try seconds { for i in 0..<4 { _ = try stochastic.batch(1000, seed: 1, index: i) } } / 4000
let exactTime = try seconds { _ = try exact.batch(200, seed: 1, index: 0) } / 200
let model = ResidualEnergyModel(network: energyTrainer.average, interpolant: .trigonometric)
let points = try space.prior(10_000, generator)
_ = try model.logDensity(points)
let energyTime = try seconds { _ = try model.logDensity(points) } / 10_000
line("sample, rk4 x 10, no likelihood", plainTime * 1e3, "ms per sample")
line("sample, rk4 x 10, stochastic trace, two estimates", stochasticTime * 1e3, "ms per sample")
line("sample, rk4 x 10, exact trace", exactTime * 1e3, "ms per sample")
line("likelihood by the energy model", energyTime * 1e3, "ms per sample")
line("exact trace / energy model", exactTime / energyTime, "times")
line("stochastic trace / energy model", stochasticTime / energyTime, "times")
line("stochastic trace / no likelihood", stochasticTime / plainTime, "times")
