import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// Free energies between two potentials, against pymbar and against wells of which everything is known.
@Suite struct PotentialCycleTests {
  @Test func worksThatPymbarHasSolved() throws {
    // pymbar 4.0.3: bar(forward, backward) and exp of either side, of these works
    let forward = [2.915, 3.486, 2.897, 0.936, 3.586, 3.036, 1.856, 3.197, 2.937, 2.853, 2.534, 3.156]
    let backward = [-1.81, -1.179, -1.53, -0.341, -0.956, -1.322, -1.86]
    let found = try BennettAcceptance(
      works: forward, weights: forward.map { _ in 3 }, backwardWorks: backward, backwardWeights: backward.map { _ in 0 }
    )
    #expect(abs(found.difference - 2.130690138539971) < 1e-9)
    #expect(abs(found.forward - 2.4478436664810586) < 1e-12 && abs(found.backward - 1.3920641831822096) < 1e-12)
    // a sample without weight or without an energy at the other side changes nothing but the count
    let more = try BennettAcceptance(
      works: forward + [-50], weights: forward.map { _ in 3 } + [-.infinity], backwardWorks: backward,
      backwardWeights: backward.map { _ in 0 })
    #expect(abs(more.difference - found.difference) < 1e-12)
    let none = try BennettAcceptance(
      works: [.infinity], weights: [0], backwardWorks: backward, backwardWeights: backward.map { _ in 0 })
    #expect(none.difference.isNaN && none.shared == 0)
    #expect(throws: FreeEnergiesError.self) {
      _ = try BennettAcceptance(works: [1], weights: [], backwardWorks: [1], backwardWeights: [0])
    }
  }

  /// Far apart, and begun anywhere, the solution is found.
  @Test(arguments: [-40.0, 0, 900]) func farFromTheStart(offset: Double) throws {
    var random = RandomStream(seed: 4, "far")
    let (forward, backward) = (
      (0..<500).map { _ in offset + 8 + 4 * random.normal() }, (0..<500).map { _ in -offset + 8 + 4 * random.normal() }
    )
    let found = try BennettAcceptance(
      works: forward, weights: forward.map { _ in 0 }, backwardWorks: backward, backwardWeights: backward.map { _ in 0 }
    )
    #expect(abs(found.difference - offset) < 0.5, "\(found)")
  }

  /// Two wells, each of two springs, under two potentials; samples of each potential come from a wider law, by weight; the map is exact up
  /// to a stretch. Gains follow from the springs.
  private struct Wells {
    var a: PotentialCycle.Samples, b: PotentialCycle.Samples

    /// `shift`: how far the second potential's wells lie beside the mapped ones, in widths.
    init(seed: UInt64, count: Int, shift: Double) {
      var random = RandomStream(seed: seed, "wells")
      func samples(
        _ own: (Int, Double) -> Double, _ other: (Int, Double) -> Double, stretch: Double, centre: (Int) -> Double,
        width: Double
      )
        -> PotentialCycle.Samples
      {
        var samples = PotentialCycle.Samples(logWeights: [], places: [], works: [])
        for _ in 0..<count {
          let well = random.uniform() < 0.5 ? 0 : 1
          let wide = 1.4 * width
          let step = random.normal()
          let x = centre(well) + wide * step
          samples.logWeights.append(-own(well, x) + step * step / 2 + log(wide))
          samples.places.append(well)
          samples.works.append(other(well, x * stretch) - own(well, x) - log(stretch))
        }
        return samples
      }
      let first = { (well: Int, x: Double) in (x - 1) * (x - 1) / 2 + Double(well) * 1.5 }
      let second = { (well: Int, x: Double) in
        let z = (x - 2 - 2 * shift) / 2
        return z * z / 2 + Double(well) * 0.5 + 3
      }
      a = samples(first, second, stretch: 2, centre: { _ in 1 }, width: 1)
      b = samples(second, first, stretch: 0.5, centre: { _ in 2 + 2 * shift }, width: 2)
    }

    /// F_B - F_A of each well, and of the pair (0, 1).
    static let gains = [3 - log(2.0), 2 - log(2.0)]
  }

  private let pairs = [StateSet.Pair(0, 1)]

  @Test func wellsOfKnownSprings() throws {
    var scores: [String: [Double]] = [:]
    for seed in 0..<60 {
      let wells = Wells(seed: UInt64(seed), count: 400, shift: 0.7)
      let cycle = try PotentialCycle(
        from: wells.a, to: wells.b, states: 2, pairs: pairs, bootstrapReplicates: 60, seed: 5)
      for (state, exact) in Wells.gains.enumerated() {
        var gain = cycle.gains[state]
        gain.bennett.value += cycle.offset
        gain.forward.value += cycle.offset
        gain.backward.value += cycle.offset
        for (name, estimate) in [("bennett", gain.bennett), ("forward", gain.forward), ("backward", gain.backward)] {
          scores[name, default: []].append((estimate.value - exact) / estimate.standardError)
        }
        #expect(gain.shared > 20 && gain.bennett.standardError < gain.forward.standardError + 0.05)
      }
      // under the second potential the first well lies 0.5 kT below the other, whose springs are alike
      for (name, total) in [("answer", cycle.answers[0].bennett), ("forward answer", cycle.answers[0].forward)] {
        scores[name, default: []].append((total.value + 0.5) / total.standardError)
      }
    }
    for (name, values) in scores {
      let mean = values.reduce(0, +) / Double(values.count)
      let spread = finiteStandardDeviation(values)
      print("cycle, \(name): z-scores mean \(mean), standard deviation \(spread)")
      #expect(abs(mean) < 4 / Double(values.count).squareRoot(), "\(name): \(mean)")
      #expect(spread > 0.75 && spread < 1.3, "\(name): \(spread)")
    }
  }

  /// Potentials without overlap give no number, whatever the exponential averages say; a state without samples neither.
  @Test func whatFewSamplesCarryIsNoNumber() throws {
    let far = Wells(seed: 1, count: 400, shift: 9)
    let cycle = try PotentialCycle(
      from: far.a, to: far.b, states: 3, pairs: [StateSet.Pair(0, 1), StateSet.Pair(0, 2)], bootstrapReplicates: 20,
      seed: 5)
    for gain in cycle.gains {
      #expect(gain.bennett.value.isNaN && gain.bennett.standardError.isNaN && gain.shared < 10, "\(gain)")
      #expect(gain.forward.value.isNaN && gain.backward.value.isNaN)
    }
    #expect(cycle.answers.allSatisfy { $0.bennett.value.isNaN && $0.forward.value.isNaN })
    #expect(cycle.answers[0].before.value.isFinite && cycle.answers[1].before.value.isNaN)
    #expect(cycle.gains[2].shared == 0 && cycle.gains[2].forwardSupport.samples == 0)
    // nor does a heavy sample of the second potential where so much of one is not wanted; forward works stay
    var near = Wells(seed: 1, count: 400, shift: 0.2)
    let heavy = try #require(near.b.places.firstIndex(of: 0))
    near.b.logWeights[heavy] += 6
    func solved(_ most: Double) throws -> PotentialCycle {
      try PotentialCycle(
        from: near.a, to: near.b, states: 2, pairs: pairs, mostOfOneSample: most, bootstrapReplicates: 20, seed: 5)
    }
    let (lax, strict) = (try solved(1), try solved(0.02))
    #expect(lax.answers[0].forward.value == strict.answers[0].forward.value && strict.answers[0].forward.value.isFinite)
    #expect(strict.answers[0].bennett.value.isNaN && strict.gains[0].backward.value.isNaN)
    #expect(strict.gains[1].bennett.value.isFinite)
    // samples without a work count in the first potential's own answer only
    var few = near
    few.a.works = Array(few.a.works.prefix(250))
    let part = try PotentialCycle(
      from: few.a, to: few.b, states: 2, pairs: pairs, bootstrapReplicates: 20, seed: 5)
    #expect(part.answers[0].before == lax.answers[0].before && part.gains[1].forward != lax.gains[1].forward)
    // what the second potential has no samples of still has its forward works
    var lacking = near
    for n in lacking.b.places.indices where lacking.b.places[n] == 0 { lacking.b.logWeights[n] = -.infinity }
    let alone = try PotentialCycle(
      from: lacking.a, to: lacking.b, states: 2, pairs: pairs, bootstrapReplicates: 20, seed: 5)
    #expect(alone.answers[0].forward.value == lax.answers[0].forward.value && alone.answers[0].bennett.value.isNaN)
    // where the map leads all to one state there is nothing in the other; works without an energy weigh nothing
    var moved = near
    moved.a.places = moved.a.places.map { _ in 1 }
    moved.a.works[3] = .infinity
    let led = try PotentialCycle(
      from: moved.a, to: moved.b, states: 2, pairs: pairs, bootstrapReplicates: 20, seed: 5)
    #expect(led.answers[0].before.value.isNaN && led.gains[0].forwardSupport.samples == 0)
    #expect(led.gains[1].forward.value.isFinite)
    let none = try PotentialCycle(
      from: near.a, to: near.b, states: 2, pairs: pairs, givesNumbers: false, bootstrapReplicates: 20, seed: 5)
    #expect(none.gains[1].forward.value.isNaN && none.answers[0].before.value.isNaN)
    // total energies that lie anywhere change nothing but the offset
    var apart = near
    apart.a.works = apart.a.works.map { $0 - 3e7 }
    apart.b.works = apart.b.works.map { $0 + 3e7 }
    let shifted = try PotentialCycle(
      from: apart.a, to: apart.b, states: 2, pairs: pairs, bootstrapReplicates: 20, seed: 5)
    #expect(abs(shifted.offset - lax.offset + 3e7) < 1e-3)
    #expect(abs(shifted.gains[1].bennett.value - lax.gains[1].bennett.value) < 1e-5)
    #expect(throws: FreeEnergiesError.self) {
      _ = try PotentialCycle(
        from: .init(logWeights: [0], places: [], works: [0]), to: far.b, states: 2, pairs: pairs,
        bootstrapReplicates: 20, seed: 5)
    }
  }
}
