import Basics
import Foundation
import Molecules
import Torch

/// Points of emulators, state by state.
extension Perturbation {
  struct Draws {
    var values: [Double] = []
    var states: [Int] = []
    /// ln q over internal coordinates; empty without.
    var densities: [Double] = []
  }

  func places(_ values: [Double]) throws -> [Int] {
    let frames = values.count / chart.coordinates.dimension
    return states(try chart.coordinates.cartesian(values, frames: frames).coordinates)
  }

  func sampler(_ field: any FlowModel, _ method: LogDensityMethod) throws -> FlowSampler {
    try FlowSampler(field: field, integrator: .rungeKutta4(steps: 6), method: method)
  }

  func drawn(_ field: any FlowModel, _ chart: InternalChart, count: Int, stream: String) throws -> Draws {
    let seed = RandomStream.derivedSeed(settings.seed, ["draw", stream])
    let flow = try sampler(field, .none).batch(count, seed: seed, index: 0).withoutLost()
    var draws = Draws(values: try chart.internalCoordinates(latents: flow.latents))
    draws.states = try places(draws.values)
    return draws
  }

  /// A state that so many batches never show is not drawn.
  static let drawBatch = 2000, leastBatches = 5, mostBatches = 40

  /// As many of each state that is drawn at all as can be had, together `count`; and each state's share of all that was drawn.
  func stratified(
    _ field: any FlowModel, _ chart: InternalChart, count: Int, stream: String, densities: Bool = false
  ) throws -> (Draws, shares: [Double]) {
    let seed = RandomStream.derivedSeed(settings.seed, ["draw", stream])
    let plain = try sampler(field, .none)
    let size = chart.coordinates.dimension
    var found = stateNames.map { _ in [(values: [Double], prior: Tensor)]() }
    var counts = stateNames.map { _ in 0 }
    /// Of each state that is drawn at all.
    var wanted: Int { (count + max(1, counts.filter { $0 > 0 }.count) - 1) / max(1, counts.filter { $0 > 0 }.count) }
    for index in 0..<Self.mostBatches {
      let flow = try plain.batch(Self.drawBatch, seed: seed, index: index).withoutLost()
      let values = try chart.internalCoordinates(latents: flow.latents)
      let places = try places(values)
      for state in stateNames.indices {
        let rows = places.indices.filter { places[$0] == state }
        let room = count - counts[state]
        counts[state] += rows.count
        guard room > 0, !rows.isEmpty else { continue }
        let kept = Array(rows.prefix(room))
        found[state].append(
          (kept.flatMap { values[$0 * size..<($0 + 1) * size] }, try flow.prior.selected(Tensor(kept.map(Int64.init)))))
      }
      if index + 1 >= Self.leastBatches, counts.allSatisfy({ $0 == 0 || $0 >= wanted }) { break }
      try host.checkInterruption()
    }
    let total = Double(max(1, counts.reduce(0, +)))
    for state in asked where counts[state] == 0 {
      host.warn("the emulator draws nothing in \(stateNames[state]): nothing is learnt of it", .grave)
    }
    var draws = Draws()
    for (state, parts) in found.enumerated() where !parts.isEmpty {
      let values = Array(parts.flatMap(\.values).prefix(wanted * size))
      guard densities else {
        draws.values += values
        draws.states += [Int](repeating: state, count: values.count / size)
        continue
      }
      let prior = try Tensor.concatenated(parts.map(\.prior), axis: 0).slice(0..<values.count / size)
      for first in stride(from: 0, to: prior.shape[0], by: Self.drawBatch) {
        let generator = try Generator(
          seed: RandomStream.derivedSeed(seed, ["density", String(state), String(first)]))
        let part = try prior.slice(first..<min(first + Self.drawBatch, prior.shape[0]))
        let flow = try sampler(field, .stochasticTrace).integrate(from: part, generator)
        // a few that fold over are left out, all of a small state too
        guard flow.lost.count < part.shape[0] else { continue }
        let kept = try flow.withoutLost()
        let values = try chart.internalCoordinates(latents: kept.latents)
        draws.values += values
        draws.states += try places(values)
        let logs = try kept.logDensities?.mean(0).values(as: Double.self) ?? []
        draws.densities += logs.map { $0 + chart.logDeterminant }
      }
    }
    return (draws, counts.map { Double($0) / total })
  }
}
