import Basics
import Foundation
import Testing

@testable import FreeEnergies

@Suite struct ParetoSmoothingTests {
  /// Quantiles of a Pareto law of shape k in a fixed order, roughened.
  private func logWeights(shape: Double, count: Int = 2000) -> [Double] {
    (0..<count).map { i in
      let u = (Double((i * 797) % count) + 0.5) / Double(count)
      return -shape * log(1 - u) + 0.1 * sin(Double(i))
    }
  }

  /// Shapes, largest weights, the weight of sample 1335 (the fifth largest) and effective sample sizes of arviz 0.20.0 (psislw with
  /// reff = 1) on the same weights.
  @Test(arguments: [
    (0.3, 0.32512885436897376, 0.004473171924557087, 0.0022300217019174877, 1645.7582744909964),
    (0.6, 0.6188755046308805, 0.03045735554983462, 0.00788626927422961, 417.7442812788141),
    (0.9, 0.8896023793832404, 0.13356447970441981, 0.01894932480263798, 41.28563227836813),
  ])
  func equalsArviz(_ shape: Double, _ expected: Double, _ largest: Double, _ fifth: Double, _ effective: Double) {
    let raw = logWeights(shape: shape)
    let result = ParetoSmoothing(logWeights: raw)
    #expect(abs(result.shape - expected) < 1e-9, "\(result.shape)")
    let weights = normalisedWeights(logWeights: result.logWeights)
    #expect(weights.indices.max { weights[$0] < weights[$1] } == 1867)
    #expect(abs(weights[1867] / largest - 1) < 1e-9)
    #expect(abs(weights[1335] / fifth - 1) < 1e-9)
    #expect(abs(kishEffectiveSampleSize(logWeights: result.logWeights) / effective - 1) < 1e-9)
    // the body of the weights is as it was
    #expect(zip(raw, result.logWeights).filter { $0 != $1 }.count <= 135)
  }

  /// One sample that outweighs the state: smoothing brings the free energy back, its shape is reported all the same.
  @Test func anAccidentCarriesNoResult() throws {
    var random = RandomStream(seed: 4, "accident")
    let count = 8000
    let angle = (0..<count).map { $0 % 2 == 0 ? 1.0 : -1.0 }
    let reduced = angle.map { ($0 > 0 ? 2.0 : 0) + 0.8 * random.normal() }
    var density = [Double](repeating: 0, count: count)
    density[40] = -12
    func run(_ smoothing: Bool) throws -> Reweighting {
      var options = Reweighting.Options()
      options.smoothing = smoothing
      options.bootstrapReplicates = 50
      return try Reweighting(
        reducedPotential: reduced, logDensities: [density], angle: angle, state: TorsionState(), options: options)
    }
    let (plain, smoothed) = (try run(false), try run(true))
    // without smoothing one sample is the state: no number; the raw sums are far off
    #expect(plain.deltaF.isNaN && plain.support[0].effective < 10 && plain.largestWeight > 0.05)
    #expect(smoothed.unsmoothedDeltaF < 1.5, "\(smoothed.unsmoothedDeltaF)")
    #expect(abs(smoothed.deltaF - 2) < 0.1, "\(smoothed.deltaF)")
    #expect(abs(smoothed.deltaF - 2) < 4 * smoothed.deltaFStandardError)
    #expect(plain.support[0].tailShape == smoothed.support[0].tailShape && smoothed.support[0].effective > 1000)
    #expect(plain.support[0].tailShape > plain.support[1].tailShape && plain.support[1].tailShape < 0.4)
    // the free energies and the weights are one thing
    let share = zip(angle, smoothed.logWeights).reduce(0) { $0 + ($1.0 > 0 ? exp($1.1) : 0) }
    #expect(abs(-log(share / (1 - share)) - smoothed.deltaF) < 1e-9)
  }

  @Test func oddListsAreLeftAlone() {
    for list in [[], [0], [1, 2, 3], [Double](repeating: 2, count: 100), [Double](repeating: -.infinity, count: 30)] {
      let result = ParetoSmoothing(logWeights: list)
      #expect(result.logWeights == list)
      #expect(result.shape.isNaN || result.shape == 0)
    }
    let holes = logWeights(shape: 0.5).enumerated().map { $0 % 3 == 0 ? -Double.infinity : $1 }
    let result = ParetoSmoothing(logWeights: holes)
    #expect(result.shape.isFinite)
    #expect(holes.indices.allSatisfy { (holes[$0] == -.infinity) == (result.logWeights[$0] == -.infinity) })
  }
}
