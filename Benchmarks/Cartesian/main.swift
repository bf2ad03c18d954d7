// Cost of the Cartesian networks at the size of alanine dipeptide: 22 atoms, published configurations, untrained.
//
//   swift run -c release cartesian-benchmark [threads [all]]
import Foundation
import Generative
import Torch

/// Processor time of this process, all threads, s: what a busy machine does not inflate.
func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

/// Wall clock and processor time of one repeat, ms.
func measure(_ title: String, _ repeats: Int, _ body: () throws -> Void) rethrows {
  try body()
  let (start, before) = (Date(), processorSeconds())
  for _ in 0..<repeats { try body() }
  let scale = 1e3 / Double(repeats)
  let (wall, processor) = (Date().timeIntervalSince(start) * scale, (processorSeconds() - before) * scale)
  print(title.padding(toLength: 60, withPad: " ", startingAt: 0) + String(format: "%10.2f %10.2f", wall, processor))
}

let threads = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? ProcessInfo.processInfo.activeProcessorCount
try Runtime.initialize(threads: threads)
print("LibTorch \(Runtime.version), \(threads) threads; ms per batch of 64: wall clock, processor time")

let space = LatentSpace(atoms: 22, meanFree: true)
let batch = 64
let classes = (0..<22).map {
  [1, 3].contains($0) ? 2 : [11, 13].contains($0) ? 12 : [19, 21].contains($0) ? 20 : min($0, 20)
}

func measureAll<Net: CartesianNetwork>(_ name: String, _ network: Net, _ generator: Generator) throws {
  let field = CartesianVectorField(network: network, space: space)
  let x = try space.prior(batch, generator) * 1.5
  let t = try FlowMatchingLoss.stratifiedTimes(batch, generator)
  try measure("\(name), forward", 10) { _ = try withoutGradients { try field(x, t) } }
  let trainer = try Trainer(
    network: network, settings: OptimizationSettings(steps: 10_000, batch: batch), generator: generator, columns: [])
  let loss = FlowMatchingLoss(interpolant: .linear)
  try measure("\(name), training step", 5) {
    let moving = CartesianVectorField(network: trainer.network, space: space)
    _ = try trainer.update(loss(moving, data: x, t: t, generator))
  }
  let directions = try generator.rademacher([2, batch, 66])
  try measure("\(name), two directional derivatives", 3) {
    _ = try field.withQuadraticForms(x, t, directions: directions)
  }
  try measure("\(name), exact divergence", 1) { _ = try field.withDivergence(x, t) }
}

let generator = try Generator(seed: 1)
let gvp = try GVPNetwork(
  configuration: GVPConfiguration(), atoms: AtomClasses(classes, count: 21), generator: generator)
try measureAll("gvp", gvp, generator)
if CommandLine.arguments.count > 2 { try measureAll("gvp, composed", gvp.replacing(kernel: .composed), generator) }
try measureAll(
  "egnn",
  EGNNNetwork(
    configuration: EGNNConfiguration(atomClasses: 21), atoms: AtomClasses(classes, count: 21), generator: generator),
  generator)
