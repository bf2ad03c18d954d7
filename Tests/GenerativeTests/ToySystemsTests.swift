import Basics
import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct ToySystemsTests {
  /// Moments of 200,000 draws within five standard errors of the exact ones.
  @Test func eightGaussiansHaveTheirMoments() throws {
    let n = 200_000
    let samples = try ToySystem.eightGaussians.samples(n, seed: 3).values
    // x = cos(angle) + noise: variance 1/2 + 0.01, the same for y, uncorrelated; fourth moment E cos^4 = 3/8
    let variance = 0.5 + 0.01
    let fourth = 3.0 / 8 + 6 * 0.5 * 0.01 + 3 * 0.01 * 0.01
    for axis in 0..<2 {
      let values = (0..<n).map { samples[2 * $0 + axis] }
      let mean = values.reduce(0, +) / Double(n)
      let square = values.reduce(0) { $0 + $1 * $1 } / Double(n)
      #expect(abs(mean) < 5 * (variance / Double(n)).squareRoot())
      #expect(abs(square - variance) < 5 * ((fourth - variance * variance) / Double(n)).squareRoot())
    }
    let products: [Double] = (0..<n).map { samples[2 * $0] * samples[2 * $0 + 1] }
    let product = products.reduce(0, +) / Double(n)
    #expect(abs(product) < 5 * variance / Double(n).squareRoot())
    // each mode has an eighth of the samples, and they spread by 0.1 around its centre
    var counts = [Int](repeating: 0, count: 8)
    var spread = 0.0
    for k in 0..<n {
      let (x, y) = (samples[2 * k], samples[2 * k + 1])
      let mode = Int((atan2(y, x) / (.pi / 4)).rounded() + 8) % 8
      counts[mode] += 1
      let centre = ToySystem.centre(mode)
      spread += (x - centre.x) * (x - centre.x) + (y - centre.y) * (y - centre.y)
    }
    let expected = Double(n) / 8
    #expect(counts.allSatisfy { abs(Double($0) - expected) < 5 * (expected * 7 / 8).squareRoot() })
    #expect(abs(spread / Double(n) - 0.02) < 0.0005)
  }

  @Test func checkerboardFillsEveryOtherSquareEvenly() throws {
    let n = 100_000
    let samples = try ToySystem.checkerboard.samples(n, seed: 4).values
    // eighths of quarters: cells of 0.2, each wholly filled or wholly empty
    var counts = [Int](repeating: 0, count: 100)
    for k in 0..<n {
      let (i, j) = (Int(floor((samples[2 * k] + 1) / 0.2)), Int(floor((samples[2 * k + 1] + 1) / 0.2)))
      counts[10 * j + i] += 1
    }
    let expected = Double(n) / 50
    var filled = 0
    for j in 0..<10 {
      for i in 0..<10 {
        let (x, y) = (-0.9 + 0.2 * Double(i), -0.9 + 0.2 * Double(j))
        let inside = ToySystem.checkerboard.logDensity(x, y) > -.infinity
        filled += inside ? 1 : 0
        #expect(
          inside ? abs(Double(counts[10 * j + i]) - expected) < 5 * expected.squareRoot() : counts[10 * j + i] == 0)
      }
    }
    #expect(filled == 50)
    // the square whose corner is the origin is filled on both sides of the diagonal
    #expect(ToySystem.checkerboard.logDensity(0.1, 0.1) == -log(2))
    #expect(ToySystem.checkerboard.logDensity(-0.1, -0.1) == -log(2))
    #expect(ToySystem.checkerboard.logDensity(-0.1, 0.1) == -.infinity)
    #expect(ToySystem.checkerboard.logDensity(1.1, 1.1) == -.infinity)
  }

  @Test(arguments: ToySystem.allCases) func densityIntegratesToOne(system: ToySystem) {
    // midpoints of cells of 0.02, whose edges are those of the checkerboard
    let h = 0.02
    var sum = 0.0
    for j in 0..<200 {
      for i in 0..<200 {
        sum += exp(system.logDensity(-2 + h * (Double(i) + 0.5), -2 + h * (Double(j) + 0.5))) * h * h
      }
    }
    #expect(abs(sum - 1) < 1e-9)
  }

  @Test func equalSeedsGiveEqualSamples() throws {
    #expect(try ToySystem.checkerboard.samples(50, seed: 1) == ToySystem.checkerboard.samples(50, seed: 1))
    #expect(try ToySystem.checkerboard.samples(50, seed: 1) != ToySystem.checkerboard.samples(50, seed: 2))
    // more samples: the first ones stay
    let (few, more) = (
      try ToySystem.eightGaussians.samples(50, seed: 1), try ToySystem.eightGaussians.samples(90, seed: 1)
    )
    #expect(Array(more.values.prefix(100)) == few.values)
  }

  @Test(arguments: ToySystem.allCases) func divergenceOfTheTruthFromItselfIsZero(system: ToySystem) throws {
    let grid = DensityGrid()
    let truth = grid.logDensity(of: system)
    #expect(truth.count == 10_000 && grid.places.first == -2 && grid.places.last == 2)
    #expect(abs(truth.reduce(0) { $0 + exp($1) } * pow(grid.places[1] - grid.places[0], 2) - 1) < 1e-12)
    // an unnormalised copy is the same law
    #expect(abs(DensityGrid.divergence(truth, truth.map { $0 + 7 })) < 1e-12)
    // points run along x first
    let points = try grid.points()
    #expect(Array(points.values[0..<4]) == [-2, -2, grid.places[1], -2])
    let direct = stride(from: 0, to: 20_000, by: 2).map { system.logDensity(points.values[$0], points.values[$0 + 1]) }
    #expect(zip(grid.normalized(direct), truth).allSatisfy { $0 == $1 || abs($0 - $1) < 1e-12 })
  }

  /// KL of two round Gaussians in the plane: 2 ln(s / r) - 1 + r^2 / s^2 in nats; on a grid fine enough for both it is a sum.
  @Test func divergenceOfABlurredGaussianIsTheKnownOne() {
    let grid = DensityGrid()
    func gaussian(_ s: Double) -> [Double] {
      grid.places.flatMap { y in grid.places.map { x in -(x * x + y * y) / (2 * s * s) } }
    }
    for (r, s) in [(0.1, 0.15), (0.2, 0.25), (0.3, 0.2)] {
      let exact = 2 * log(s / r) - 1 + r * r / (s * s)
      #expect(abs(DensityGrid.divergence(gaussian(r), gaussian(s)) - exact) < 1e-6)
    }
    let flat = [Double](repeating: 0, count: 10_000)
    let truth = grid.logDensity(of: .checkerboard)
    #expect(DensityGrid.divergence(flat, truth) == .infinity)
    // filled points of the grid against all of them
    let filled = Double(truth.filter { $0 > -.infinity }.count)
    #expect(abs(DensityGrid.divergence(truth, flat) - log(10_000 / filled)) < 1e-12)
  }
}

@Suite struct SwishNetworkTests {
  func model(seed: UInt64) throws -> SwishEnergyModel {
    let generator = try Generator(seed: seed)
    let network = try SwishNetwork(
      dimension: 2, configuration: SwishNetworkConfiguration(width: 12, depth: 2, inputGain: 2, hiddenGain: 2),
      generator: generator)
    let shaken = try network.parameters.map { try $0 + generator.normal($0.shape) * 0.2 }
    return SwishEnergyModel(
      network: try network.replacing(parameters: shaken).cast(.float64), interpolant: .trigonometric)
  }

  @Test func thePublishedNetworkHasThePublishedShape() throws {
    let network = try SwishNetwork(
      dimension: 2, configuration: SwishNetworkConfiguration(), generator: Generator(seed: 1))
    // 3 -> 256, six times 256 -> 256, -> 1, and seven betas
    #expect(network.parameterCount == 4 * 256 + 6 * 257 * 256 + 257 + 7)
    #expect(network.parameterNames.count == network.parameters.count)
    #expect(Set(network.parameterNames).count == network.parameterNames.count)
    // a fresh one is 0 everywhere
    #expect(try network(Generator(seed: 2).normal([5, 2]), Tensor.full([5], 0.3)).abs().sum().item() == 0)
  }

  /// The same network in plain arithmetic.
  @Test func valuesAreThoseOfTheFormula() throws {
    let model = try model(seed: 3)
    let p = try model.network.parameters.map { try $0.values(as: Double.self) }
    func layer(_ input: [Double], _ k: Int) -> [Double] {
      (0..<12).map { row in
        let y = zip(input, p[3 * k][row * input.count..<(row + 1) * input.count]).reduce(p[3 * k + 1][row]) {
          $0 + $1.0 * $1.1
        }
        return y / (1 + exp(-p[3 * k + 2][0] * y))
      }
    }
    let (x, y, t) = (0.4, -1.3, 0.8)
    var h = layer([x, y, t], 0)
    for k in 1...2 { h = zip(h, layer(h, k)).map(+) }
    let expected = zip(h, p[9]).reduce(p[10][0]) { $0 + $1.0 * $1.1 }
    let value = try model(Tensor([x, y], shape: [1, 2]), Tensor([t])).item()
    #expect(abs(value - expected) < 1e-12)
  }

  @Test(arguments: [[1, 0], [0, 1], [1, 0.5]], FixedSamplesObjective.Targets.allCases)
  func lossGradientsEqualFiniteDifferences(weights: [Double], targets: FixedSamplesObjective.Targets) throws {
    let base = try model(seed: 4)
    let samples = try SamplesPath(data: Generator(seed: 5).normal([30, 2], .float64), interpolant: .trigonometric)
    let objective = FixedSamplesObjective(score: weights[0], contrastive: weights[1], targets: targets)
    let index = try Tensor([Int64](0..<16))
    func loss(_ parameters: [Tensor]) throws -> Tensor {
      let model = base.replacing(network: base.network.replacing(parameters: parameters))
      return try objective(model, samples: samples, index: index, Generator(seed: 6)).total
    }
    try expectGradientsEqualFiniteDifferences(of: loss, at: base.network.parameters)
  }

  @Test func noLossIsAnError() throws {
    let samples = try SamplesPath(data: Generator(seed: 5).normal([4, 2], .float64), interpolant: .linear)
    #expect(throws: TrainingError.self) {
      try FixedSamplesObjective(score: 0, contrastive: 0)(
        model(seed: 1), samples: samples, index: Tensor([Int64](0..<4)), Generator(seed: 1))
    }
  }

  /// ln p_t and E[z | I_t] of a handful of samples, term by term.
  @Test func samplesPathIsTheMixtureOfItsSamples() throws {
    let rows: [[Double]] = [[0.3, 1], [-0.8, 0.2], [1.1, -0.6]]
    let path = try SamplesPath(data: Tensor(rows.flatMap { $0 }, shape: [3, 2]), interpolant: .trigonometric)
    for t in [0.1, 0.6, 0.95] {
      let (a, b) = (cos(.pi * t / 2), sin(.pi * t / 2))
      let point = [0.25, 0.4]
      let terms = rows.map { row in
        exp(-zip(point, row).reduce(0) { $0 + pow($1.0 - b * $1.1, 2) } / (2 * a * a)) / (2 * .pi * a * a * 3)
      }
      let density = terms.reduce(0, +)
      let noise = (0..<2).map { k in
        zip(terms, rows).reduce(0) { $0 + $1.0 / density * (point[k] - b * $1.1[k]) / a }
      }
      let (x, time) = (try Tensor(point, shape: [1, 2]), try Tensor([t]))
      #expect(abs(try path.logDensity(x, time).item() - log(density)) < 1e-9)
      #expect(try largestDifference(path.expectedNoise(x, time), Tensor(noise, shape: [1, 2])) < 1e-9)
    }
  }

  /// Expected targets change the loss by a constant of the samples alone: the difference of two models' losses is that of drawn ones.
  @Test func expectedTargetsHaveTheDrawnOnesMean() throws {
    let (one, other) = (try model(seed: 8), try model(seed: 9))
    let samples = try SamplesPath(data: Generator(seed: 10).normal([40, 2], .float64), interpolant: .trigonometric)
    let index = try (Tensor.arange(4000, .float64).remainder(40)).cast(.int64)
    for weights in [(1.0, 0.0), (0.0, 1.0)] {
      var differences: [FixedSamplesObjective.Targets: [Double]] = [:]
      for targets in FixedSamplesObjective.Targets.allCases {
        let objective = FixedSamplesObjective(score: weights.0, contrastive: weights.1, targets: targets)
        differences[targets] = try (0..<12).map { seed in
          let losses = try [one, other].map {
            try objective($0, samples: samples, index: index, Generator(seed: UInt64(100 + seed))).total.item()
          }
          return losses[0] - losses[1]
        }
      }
      // the same points and times in both, so the noise of the difference is that of the targets
      let gaps = zip(differences[.drawn] ?? [], differences[.expected] ?? []).map { $0 - $1 }
      let mean = gaps.reduce(0, +) / Double(gaps.count)
      let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count - 1)
      #expect(gaps.count == 12 && variance > 0)
      #expect(abs(mean) < 5 * (variance / Double(gaps.count)).squareRoot())
    }
  }
}
