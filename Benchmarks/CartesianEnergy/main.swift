// What energy models on Cartesian coordinates cost and learn: ms per training step for several sizes, and a training on samples of a
// published GVP, judged by that network's exact log-densities.
//
//   swift run -c release cartesian-energy-benchmark steps [threads]
//   swift run -c release cartesian-energy-benchmark samples WEIGHTS.h5 OUT.h5 COUNT EXACT [threads]
//   swift run -c release cartesian-energy-benchmark train SAMPLES.h5 MINUTES ARCHITECTURE WIDTH LAYERS KERNELS BATCH [threads]
import Basics
import Foundation
import Generative
import HDF5
import Torch

let arguments = Array(CommandLine.arguments.dropFirst())
func number(_ index: Int, or value: Int) -> Int { index < arguments.count ? Int(arguments[index]) ?? value : value }
func seconds(since start: Date) -> Double { Date().timeIntervalSince(start) }

/// Alanine dipeptide in the order of the published weights.
let bonds = [
  [0, 1], [0, 2], [0, 3], [0, 4], [4, 5], [4, 6], [6, 7], [6, 8], [8, 9], [8, 10], [10, 11], [10, 12], [10, 13],
  [8, 14], [14, 15], [14, 16], [16, 17], [16, 18], [18, 19], [18, 20], [18, 21],
]
let classes = [0, 2, 2, 2, 4, 5, 6, 7, 8, 9, 10, 12, 12, 12, 14, 15, 16, 17, 18, 20, 20, 20]

func read(_ file: HDF5File, _ path: String) throws -> Tensor {
  let dataset = try file.dataset(path)
  return try Tensor(dataset.read(as: Double.self), shape: dataset.shape)
}

func write(_ file: HDF5File, _ path: String, _ tensor: Tensor) throws {
  let values = try tensor.values(as: Double.self)
  try file.createDataset(path, type: .float64, shape: tensor.shape).write(values)
}

func energyModel(_ configuration: CartesianEnergyConfiguration, _ data: Tensor, seed: UInt64) throws
  -> CartesianEnergyModel
{
  let graph = try MolecularGraph(BondGraph(classes: classes, bonds: bonds))
  let network = try CartesianEnergyNetwork(
    configuration: configuration, graph: graph, statistics: PairStatistics(data, graph: graph),
    generator: Generator(seed: seed))
  return CartesianEnergyModel(network: network)
}

// MARK: - cost of a step

func timeSteps() throws {
  try Runtime.initialize(threads: number(1, or: 1))
  let generator = try Generator(seed: 1)
  let data = try LatentSpace(atoms: 22, meanFree: true).noise(512, generator) * 2
  typealias Configuration = CartesianEnergyConfiguration
  let sizes: [(Configuration.Architecture, Int, Int, Int)] = [
    (.graphormer, 32, 2, 16), (.graphormer, 64, 3, 24), (.graphormer, 128, 4, 32), (.egnn, 32, 2, 16),
    (.egnn, 64, 3, 24),
  ]
  for (architecture, width, layers, kernels) in sizes {
    let model = try energyModel(
      Configuration(
        architecture: architecture, width: width, feedForward: 2 * width, heads: 8, layers: layers, kernels: kernels),
      data, seed: 2)
    let trainer = try Trainer(
      network: model.network, settings: OptimizationSettings(steps: 1000, batch: 256), generator: generator, columns: []
    )
    let objective = EnergyModelObjective(label: 0)
    for batch in [64, 256] {
      let rows = try data.slice(0..<batch)
      func step() throws {
        let terms = try objective(model.replacing(network: trainer.network), data: rows, step: trainer.step, generator)
        _ = try trainer.update(terms.total)
      }
      try step()
      let start = Date()
      let rounds = 3
      for _ in 0..<rounds { try step() }
      let perStep = seconds(since: start) / Double(rounds) * 1e3
      let forward = Date()
      _ = try model.logDensity(rows)
      let likelihood = seconds(since: forward) / Double(batch) * 1e6
      print(
        "\(architecture.rawValue) width \(width), layers \(layers), kernels \(kernels), batch \(batch): "
          + String(format: "%.0f ms per step, %.0f us per log-density, ", perStep, likelihood)
          + "\(model.network.parameterCount) parameters")
    }
  }
}

// MARK: - samples with exact log-densities

func drawSamples() throws {
  try Runtime.initialize(threads: number(5, or: 1))
  let source = try HDF5File.open(URL(fileURLWithPath: arguments[1]))
  var weights: [String: NDArray<Float>] = [:]
  for name in try source.list("weights") {
    let dataset = try source.dataset("weights/\(name)")
    weights[name] = try NDArray(dataset.read(as: Float.self), shape: dataset.shape)
  }
  let network = try GVPNetwork(
    configuration: GVPConfiguration(), atoms: AtomClasses(classes, count: 21), weights: weights)
  let field = GVPVectorField(
    network: network, space: LatentSpace(atoms: 22, meanFree: true), networkTimeIsReversed: true)
  func batches(_ count: Int, _ size: Int, seed: UInt64, _ method: LogDensityMethod) throws -> (Tensor, Tensor?) {
    let sampler = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 20), method: method)
    var (latents, densities): ([Tensor], [Tensor]) = ([], [])
    let start = Date()
    for index in 0..<(count / size) {
      let drawn = try sampler.batch(size, seed: seed, index: index)
      latents.append(drawn.latents)
      if let density = drawn.logDensities { densities.append(try density.reshaped(-1)) }
      print("\(method.rawValue): \((index + 1) * size) after \(Int(seconds(since: start))) s")
    }
    return (
      try Tensor.concatenated(latents, axis: 0), densities.isEmpty ? nil : try Tensor.concatenated(densities, axis: 0)
    )
  }
  let (exact, densities) = try batches(number(4, or: 500), 50, seed: 2, .exactTrace)
  let (samples, _) = try batches(number(3, or: 10_000), 250, seed: 1, .none)
  let file = try HDF5File.create(URL(fileURLWithPath: arguments[2]))
  try write(file, "samples", samples)
  try write(file, "exact", exact)
  if let densities { try write(file, "log_density", densities) }
  try file.close()
}

// MARK: - training

func train() throws {
  try Runtime.initialize(threads: number(8, or: 1))
  guard let architecture = CartesianEnergyConfiguration.Architecture(rawValue: arguments[3]) else { return }
  let minutes = Double(arguments[2]) ?? 5
  let (width, layers, kernels, size) = (number(4, or: 64), number(5, or: 3), number(6, or: 24), number(7, or: 128))
  let file = try HDF5File.open(URL(fileURLWithPath: arguments[1]))
  let space = LatentSpace(atoms: 22, meanFree: true)
  let data = try space.projected(read(file, "samples")).cast(.float32)
  let (exact, truth) = (try space.projected(read(file, "exact")), try read(file, "log_density"))
  let fresh = try energyModel(
    CartesianEnergyConfiguration(
      architecture: architecture, width: width, feedForward: 2 * width, heads: 8, layers: layers, kernels: kernels),
    data, seed: 3)
  print("\(fresh.network.parameterCount) parameters, \(data.shape[0]) samples")

  func report(_ title: String, _ model: CartesianEnergyModel) throws {
    let value = try model.logDensity(exact)
    let offset = try model.priorOffset(samples: 2000, seed: 1).value
    let error = try value - truth - offset
    let mean = try error.mean().item()
    let spread = try (error - mean).square().mean().sqrt().item()
    print(String(format: "%@: rmse %.3f nats, mean error %.2f (prior offset %.2f)", title, spread, mean, offset))
  }
  try report("fresh", fresh)

  let generator = try Generator(seed: 4)
  let objective = EnergyModelObjective(label: 0)
  // the schedule ends when the time does: the cost of a step is measured first
  func trainer(steps: Int) throws -> Trainer<CartesianEnergyNetwork> {
    try Trainer(
      network: fresh.network,
      settings: OptimizationSettings(
        steps: steps, batch: size, learningRate: 2e-3, warmUp: max(1, min(200, steps / 10)), averageDecay: 0.998),
      generator: generator, columns: [])
  }
  func step(_ trainer: Trainer<CartesianEnergyNetwork>, _ sampler: inout EpochSampler) throws -> [Double] {
    let batch = try data.selected(sampler.indices(step: trainer.step))
    let terms = try objective(
      fresh.replacing(network: trainer.network), data: batch, step: trainer.step, generator)
    _ = try trainer.update(terms.total)
    return [try terms.score?.item() ?? 0, try terms.contrastive?.item() ?? 0]
  }
  var sampler = try EpochSampler(count: data.shape[0], batch: size, seed: 5)
  let trial = try trainer(steps: 100)
  _ = try step(trial, &sampler)
  var start = Date()
  for _ in 0..<5 { _ = try step(trial, &sampler) }
  let cost = seconds(since: start) / 5
  let steps = Int(minutes * 60 / cost)
  print(String(format: "%.0f ms per step, %d steps", cost * 1e3, steps))

  let real = try trainer(steps: steps)
  var sums = [0.0, 0.0]
  let interval = max(1, steps / 20)
  start = Date()
  while !real.isFinished {
    for (k, value) in try step(real, &sampler).enumerated() { sums[k] += value }
    guard real.step % interval == 0 else { continue }
    let means = sums.map { $0 / Double(interval) }
    sums = [0, 0]
    print(
      String(
        format: "step %d, %.0f s: score %.4f, contrastive %.4f", real.step, seconds(since: start), means[0], means[1]))
    if real.step % (4 * interval) == 0 { try report("  average", fresh.replacing(network: real.average)) }
  }
  try report("end", fresh.replacing(network: real.average))
}

setvbuf(stdout, nil, _IOLBF, 0)
switch arguments.first {
case "samples" where arguments.count >= 5: try drawSamples()
case "train" where arguments.count >= 4: try train()
default: try timeSteps()
}
