import Basics
import Foundation
import Testing
import Torch

@testable import Generative

/// Forces as a control variate of the flow-matching target: the minimum stays, the noise goes.
@Suite struct ForceTargetsTests {
  /// Of Gaussian data the target is the optimal velocity itself, without noise, at every time and on every path.
  @Test(arguments: Interpolant.allCases) func gaussianTargetsHaveNoNoise(_ path: Interpolant) throws {
    let generator = try Generator(seed: 1)
    let space = LatentSpace(euclidean: 3, angles: 0)
    let sigma = try Tensor([0.3, 1, 2.5])
    let x = try generator.normal([200, 3], .float64) * sigma
    let g = try -(x / sigma.square())
    // the precision that many such data have
    let targets = try ForceTargets(
      Tensor([1 / 0.3, 1, 1 / 2.5]).unsqueezed(0), weights: [1], space: space, interpolant: path)
    let z = try generator.normal([200, 3], .float64)
    for time in [0.02, 0.3, 0.7, 0.98] {
      let t = try Tensor.full([200, 1], time, .float64)
      let (a, b) = (try path.alpha(t), try path.beta(t))
      let (da, db) = (try path.alphaDerivative(t), try path.betaDerivative(t))
      let target = try da * z + db * x + targets.euclidean(z: z, g: g, t: t)
      let point = try a * z + b * x
      let variance = try a.square() + b.square() * sigma.square()
      let optimum = try (a * da + b * db * sigma.square()) / variance * point
      #expect(try largestDifference(target, optimum) < 2e-5)
    }
  }

  /// Given where the path is, what forces add has mean zero: its products with functions of that place vanish. Data of two peaks on the
  /// line and on the circle, of any shares.
  @Test func whatIsAddedHasMeanZeroGivenThePlace() throws {
    let (n, share) = (400_000, 0.2)
    let generator = try Generator(seed: 5)
    let space = LatentSpace(euclidean: 1, angles: 1)
    // each peak by itself: of forces those of the peak that a point belongs to, as in basins that do not meet
    let rare = try generator.uniform([n, 1], .float64).less(share)
    let place = try rare.select(Tensor.full([n, 1], 1.4, .float64), else: Tensor.full([n, 1], -1.0, .float64))
    let width = try rare.select(Tensor.full([n, 1], 0.15, .float64), else: Tensor.full([n, 1], 0.3, .float64))
    let x = try place + width * generator.normal([n, 1], .float64)
    let theta = try place + width * generator.normal([n, 1], .float64)
    let (g, turnG) = (try (place - x) / width.square(), try (place - theta) / width.square())
    let rows = try Tensor.concatenated([g, turnG], axis: 1)
    let targets = try ForceTargets(
      rows, weights: [Double](repeating: 1, count: n), space: space, interpolant: .linear)
    let z = try generator.normal([n, 1], .float64)
    let u = try generator.normal([n, 1], .float64)
    for time in [0.1, 0.5, 0.9, 0.97] {
      let t = try Tensor.full([n, 1], time, .float64)
      let point = try z * (1 - time) + x * time
      let angle = try theta + TorusPath.sigma(t) * u
      let added = try targets.euclidean(z: z, g: g, t: t)
      let taken = try targets.torus(u: u, g: turnG, t: t)
      for k in [1.0, 2, 5] {
        for (product, what) in [
          (try added * (point * k).sin(), "line"), (try taken * (angle * k).cos(), "circle"),
          (try added * (point * k).cos(), "line"), (try taken * (angle * k).sin(), "circle"),
        ] {
          let mean = try product.mean().item()
          let error = try (product.square().mean().item() / Double(n)).squareRoot()
          #expect(abs(mean) < 4.5 * error, "\(what), t = \(time), k = \(k): \(mean) ± \(error)")
        }
      }
    }
  }

  /// Weights over the density of the times: the mean of w(t) f(t) is the integral of the weight times f over uniform times.
  @Test func timesAreDrawnWithTheirWeights() throws {
    let generator = try Generator(seed: 3)
    let (t, euclidean, torus) = try TimeWeights.likelihood.draw(400_000, .linear, generator)
    let time = try t.unsqueezed(-1).cast(.float64)
    let w = try #require(euclidean).cast(.float64)
    // f = (1 - t): the integral of t is 1/2, but for the last hundredth, where 1 - t is held
    let mean = try (w * (1 - time)).mean().item()
    #expect(abs(mean - 0.495) < 0.004)
    #expect(try largestDifference(#require(torus).cast(.float64) * time, w * 1.5) < 1e-3)
    #expect(try TimeWeights.uniform.draw(10, .linear, generator).euclidean == nil)
  }

  /// A unit Gaussian beside uniform angles: a fresh network, whose head is zero, is the answer, and with forces its loss is zero, of one flow
  /// and of two, whatever the path and the weights. Without forces it is the noise.
  @Test(arguments: Interpolant.allCases, TimeWeights.allCases)
  func lossesOfTheAnswerAreZero(_ path: Interpolant, _ times: TimeWeights) throws {
    let space = LatentSpace(euclidean: 4, angles: 2)
    let n = 4000
    let data = try space.prior(n, Generator(seed: 4))
    let parts = try space.split(data)
    let gradients = try space.joined(-parts.euclidean, Tensor.zeros([n, 2]))
    let targets = try ForceTargets(
      gradients, weights: [Double](repeating: 1, count: n), space: space, interpolant: path)
    let rows = try Tensor.concatenated([data, gradients], axis: 1)
    func fresh(_ space: LatentSpace, _ outputs: Int) throws -> ResidualNetwork {
      try ResidualNetwork(
        space: space, configuration: ResidualConfiguration(width: 8, depth: 1, outputs: outputs),
        generator: Generator(seed: 1))
    }
    let one = ResidualVectorField(network: try fresh(space, 6), interpolant: path)
    let two = TwoFlows(
      network: TwoFlowNetwork(
        torsions: try fresh(LatentSpace(euclidean: 0, angles: 2), 2), rest: try fresh(space, 4)), space: space,
      interpolant: path)
    let loss = EmulatorLoss(plain: FlowMatchingLoss(interpolant: path), forces: targets, times: times)
    #expect(try Self.value(loss, one, rows) < 1e-3)
    #expect(try Self.value(loss, two, rows) < 1e-3)
    let plain = EmulatorLoss(plain: FlowMatchingLoss(interpolant: path), forces: nil, times: .uniform)
    #expect(try Self.value(plain, one, data) > 0.5)
  }

  /// Two flows without forces are refused.
  @Test func twoFlowsNeedForces() throws {
    let space = LatentSpace(euclidean: 3, angles: 2)
    let flows = try roughFlows(space, seed: 3)[1]
    let loss = EmulatorLoss(plain: FlowMatchingLoss(interpolant: .linear), forces: nil, times: .uniform)
    #expect(throws: FlowModelError.needsForces) {
      try Self.value(loss, flows, space.prior(8, Generator(seed: 1), .float64))
    }
  }

  private static func value(_ loss: EmulatorLoss, _ field: some FlowModel, _ rows: Tensor) throws -> Double {
    try loss(field, rows, Generator(seed: 2)).item()
  }

  /// Drawn by weight, an epoch holds each row as often as its weight says, rounded by chance, and never more or fewer rows than before.
  @Test func weightedEpochsHoldWhatTheirWeightsSay() throws {
    let weights = (0..<1000).map { $0 < 100 ? 5.0 : $0 < 200 ? 0 : 0.4 }
    var sampler = try EpochSampler(count: 1000, batch: 100, seed: 4, weights: weights)
    var plain = try EpochSampler(count: 1000, batch: 100, seed: 4)
    var counts = [Double](repeating: 0, count: 1000)
    let epochs = 40
    for step in 0..<10 * epochs {
      for row in try sampler.indices(step: step).values(as: Int64.self) { counts[Int(row)] += 1 }
    }
    #expect(counts.reduce(0, +) == Double(1000 * epochs))
    #expect(counts[100..<200].allSatisfy { $0 == 0 })
    let scale = 1000.0 / weights.reduce(0, +)
    for (count, weight) in zip(counts, weights) {
      #expect(abs(count - Double(epochs) * weight * scale) < 4.5 * (0.25 * Double(epochs)).squareRoot() + 1)
    }
    // the same step again is the same rows; without weights nothing changed
    #expect(try sampler.indices(step: 3).values(as: Int64.self) == sampler.indices(step: 3).values(as: Int64.self))
    #expect(try Set(plain.indices(step: 0).values(as: Int64.self)).count == 100)
  }
}
