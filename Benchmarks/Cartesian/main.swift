// Cost of the Cartesian networks at the size of alanine dipeptide: 22 atoms, published configurations, untrained.
//
//   swift run -c release cartesian-benchmark [threads [all]]
import Foundation
import Generative
import Torch

func milliseconds(_ repeats: Int, _ body: () throws -> Void) rethrows -> Double {
  try body()
  let start = Date()
  for _ in 0..<repeats { try body() }
  return Date().timeIntervalSince(start) / Double(repeats) * 1e3
}

func line(_ title: String, _ value: Double, _ unit: String) {
  print(title.padding(toLength: 60, withPad: " ", startingAt: 0) + String(format: "%10.2f ", value) + unit)
}

let threads = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? ProcessInfo.processInfo.activeProcessorCount
try Runtime.initialize(threads: threads)
print("LibTorch \(Runtime.version), \(threads) threads")

let space = LatentSpace(atoms: 22, meanFree: true)
let batch = 64
let classes = (0..<22).map {
  [1, 3].contains($0) ? 2 : [11, 13].contains($0) ? 12 : [19, 21].contains($0) ? 20 : min($0, 20)
}

func measure<Net: CartesianNetwork>(_ name: String, _ network: Net, _ generator: Generator) throws {
  let field = CartesianVectorField(network: network, space: space)
  let x = try space.prior(batch, generator) * 1.5
  let t = try FlowMatchingLoss.stratifiedTimes(batch, generator)
  let forward = try milliseconds(10) { _ = try withoutGradients { try field(x, t) } }
  line("\(name), forward, batch \(batch)", forward, "ms")
  let trainer = try Trainer(
    network: network, settings: OptimizationSettings(steps: 10_000, batch: batch), generator: generator, columns: [])
  let loss = FlowMatchingLoss(interpolant: .linear)
  let step = try milliseconds(5) {
    let moving = CartesianVectorField(network: trainer.network, space: space)
    _ = try trainer.update(loss(moving, data: x, t: t, generator))
  }
  line("\(name), training step, batch \(batch)", step, "ms")
  let directions = try generator.rademacher([2, batch, 66])
  let forms = try milliseconds(3) { _ = try field.withQuadraticForms(x, t, directions: directions) }
  line("\(name), two directional derivatives, batch \(batch)", forms, "ms")
  let trace = try milliseconds(1) { _ = try field.withDivergence(x, t) }
  line("\(name), exact divergence, batch \(batch)", trace, "ms")
}

let generator = try Generator(seed: 1)
let gvp = try GVPNetwork(
  configuration: GVPConfiguration(), atoms: AtomClasses(classes, count: 21), generator: generator)
try measure("gvp", gvp, generator)
if CommandLine.arguments.count > 2 { try measure("gvp, composed", gvp.replacing(kernel: .composed), generator) }
try measure(
  "egnn",
  EGNNNetwork(
    configuration: EGNNConfiguration(atomClasses: 21), atoms: AtomClasses(classes, count: 21), generator: generator),
  generator)
