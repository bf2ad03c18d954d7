import Basics
import Foundation
import Testing

@testable import FreeEnergies

/// What frames of unbiased dynamics tell of a state, and how they are weighted to a reference.
@Suite struct StateTests {
  /// Two runs whose frames alternate: their changes are counted apart, a look over the border is none, and halves are the runs.
  @Test func occupancyIsCountedRunByRun() {
    // -1 is outside of (0, 2), 1 deep inside, 0.1 only just
    let first = [-1.0, -1, 0.1, -1, 1, 1, 1, -1, -1, 1]
    let second = [1.0, 1, 1, 1, -1, -1, -1, -1, -1, -1]
    let angles = zip(first, second).flatMap { [$0, $1] }
    let occupancy = StateOccupancy(angles: angles, runs: angles.indices.map { $0 % 2 }, state: TorsionState())
    #expect(occupancy.inside == angles.map { $0 > 0 })
    #expect(occupancy.exits == 2 && occupancy.changes == 4)
    #expect(occupancy.framesInside == 4 + 4)
    #expect(abs(occupancy.population - 9.0 / 20) < 1e-15)
    #expect(abs(occupancy.deltaF + log(9.0 / 11)) < 1e-12)
    // populations 5/10 and 4/10
    #expect(abs(occupancy.standardError - log(1.5) / 2) < 1e-12)
    #expect((0..<4).map(occupancy.half) == [0, 1, 0, 1])

    let single = StateOccupancy(angles: first, runs: first.map { _ in 0 }, state: TorsionState())
    #expect((0..<10).map(single.half) == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    #expect(StateOccupancy(angles: [1, 1], runs: [0, 0], state: TorsionState()).deltaF == -.infinity)
  }

  /// Frames drawn from a density that is wrong from cell to cell get the reference's averages back, also of what the cells do not know.
  @Test func cellsGiveTheReferencesAveragesBack() {
    var random = RandomStream(seed: 7, "cells")
    let state = TorsionState()
    // the reference, by quadrature: density 1 + 0.8 cos(phi), so that <cos phi> = 0.4
    let grid = (0..<3600).map { (bin) -> Double in 2 * .pi * (Double(bin) + 0.5) / 3600 - .pi }
    let reference = WeightedTorsions(columns: [grid], weights: grid.map { 3 * (1 + 0.8 * cos($0)) })
    // the frames: uniform, but in the state four times as often
    let frames = (0..<40_000).compactMap { _ -> Double? in
      let phi = 2 * Double.pi * random.uniform() - .pi
      return state.contains(phi) || random.uniform() < 0.25 ? phi : nil
    }
    let inside = frames.map(state.contains)
    let cells = TorsionCells(
      reference: reference, referenceInside: grid.map(state.contains), frames: [frames], inside: inside)
    #expect(cells.coverage == 1)
    let population = (2 + 0.8 * sin(2)) / (2 * .pi)
    let weights = cells.weights(ofFrames: Array(frames.indices), population: population)
    #expect(abs(weights.reduce(0, +) - 1) < 1e-9)
    func mean(_ value: (Double) -> Double) -> Double {
      zip(weights, frames).reduce(0) { $0 + $1.0 * value($1.1) }
    }
    #expect(abs(mean { state.contains($0) ? 1 : 0 } - population) < 1e-9)
    // within a cell of 30 degrees the density is flat where the reference's is not: an error near 0.8 width^2 / 24
    #expect(abs(mean { cos($0) } - 0.4) < 0.01 && abs(mean { sin($0) }) < 0.01)
    // some of the frames: the same, for them alone
    let some = cells.weights(ofFrames: Array(0..<500), population: population)
    #expect(abs(some.reduce(0, +) - 1) < 1e-9)
  }

  @Test func cellsKnowWhatFramesDoNotVisit() {
    // reference: three quarters of the weight at -1, of which frames know nothing; the rest in the state
    let reference = WeightedTorsions(columns: [[-1, 1]], weights: [6, 2])
    let cells = TorsionCells(
      reference: reference, referenceInside: [false, true], frames: [[1.01, 1.02, -2, -2.5]],
      inside: [true, true, false, false])
    #expect(cells.coverage == 0.25)
    // outside no frame is in a cell of the reference: they weigh alike
    let weights = cells.weights(ofFrames: [0, 1, 2, 3], population: 0.2)
    for (weight, expected) in zip(weights, [0.1, 0.1, 0.4, 0.4]) { #expect(abs(weight - expected) < 1e-12) }
  }

  /// Many realisations of a jump process of known rates: the spread of dF is what the formula says.
  @Test func theTimeForAnErrorIsThatOfAJumpProcess() {
    let (leave, enter, steps, step) = (0.4, 0.1, 4000, 0.5)
    var differences: [Double] = []
    for seed in 0..<400 {
      var random = RandomStream(seed: UInt64(seed), "telegraph")
      var inside = random.uniform() < enter / (leave + enter)
      var count = 0
      for _ in 0..<steps {
        let relaxed = exp(-(leave + enter) * step)
        let p = enter / (leave + enter)
        inside = random.uniform() < (inside ? p + (1 - p) * relaxed : p * (1 - relaxed))
        if inside { count += 1 }
      }
      let p = Double(count) / Double(steps)
      differences.append(-log(p / (1 - p)))
    }
    let mean = differences.reduce(0, +) / 400
    let spread = (differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 399).squareRoot()
    let kinetics = TwoStateKinetics(population: enter / (leave + enter), exitRate: leave)
    // the standard error of a spread from 400 is 3.5 %, of its square 7 %
    #expect(abs(kinetics.time(forError: spread) / (Double(steps) * step) - 1) < 0.22)
  }

  @Test func withoutAnExitTheTimeIsALowerBound() {
    let kinetics = TwoStateKinetics(deltaF: log(4), exits: 6, timeInside: 15)
    #expect(abs(kinetics.population - 0.2) < 1e-15 && abs(kinetics.exitRate - 0.4) < 1e-15)
    #expect(TwoStateKinetics(deltaF: 0, exits: 0, timeInside: 10) == TwoStateKinetics(population: 0.5, exitRate: 0.1))
  }
}
