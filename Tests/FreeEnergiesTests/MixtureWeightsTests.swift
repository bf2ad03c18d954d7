import Basics
import Foundation
import Testing

@testable import FreeEnergies

@Suite struct MixtureWeightsTests {
  /// Without a potential, windows are Gaussians about their centres and all have one free energy: the weights must give the
  /// uniform distribution back.
  @Test func flatLandIsUniform() throws {
    var random = RandomStream(seed: 4, "flat")
    let (windows, each, force) = (12, 400, 20.0)
    let centers = (0..<windows).map { [2 * Double.pi * (Double($0) + 0.5) / Double(windows) - .pi] }
    // half of the samples that one window should have are left out where its free energy says so: none here
    let angles = centers.flatMap { center in
      (0..<each).map { _ in [center[0] + random.normal() / force.squareRoot()] }
    }
    let weights = normalisedWeights(
      logWeights: try umbrellaLogWeights(
        angles: angles, centers: centers, forceConstants: [force], freeEnergies: centers.map { _ in 0.7 }))
    let state = TorsionState()
    let inside = zip(angles, weights).reduce(0.0) { $0 + (state.contains($1.0[0]) ? $1.1 : 0) }
    #expect(abs(inside - 2 / (2 * .pi)) < 0.01)
    for k in 1...2 {
      let moment = zip(angles, weights).reduce(0.0) { $0 + cos(Double(k) * $1.0[0]) * $1.1 }
      #expect(abs(moment) < 0.02)
    }
    #expect(throws: FreeEnergiesError.self) {
      try umbrellaLogWeights(angles: [[1, 2]], centers: centers, forceConstants: [1], freeEnergies: [0])
    }
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
}
