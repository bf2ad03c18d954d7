import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct VectorFieldTests {
  let space = LatentSpace(euclidean: 3, angles: 2)

  @Test func tangentsEqualBackPropagation() throws {
    let network = try roughNetwork(space, outputs: 5, seed: 1)
    let generator = try Generator(seed: 2)
    let x = try generator.normal([7, 5], .float64)
    let t = try generator.uniform([7], .float64)
    let directions = try generator.normal([3, 7, 5], .float64)
    let (value, tangents) = try network.withTangents(x, t, directions: directions)
    let leaf = try x.requiringGradient()
    let output = try network(leaf, t)
    #expect(try largestDifference(output, value) < 1e-12)
    // w . (J e) by forward mode equals (J^T w) . e by reverse mode
    let w = try generator.normal([7, 5], .float64)
    let pulled = try output.vectorJacobianProduct(w, inputs: [leaf])[0]
    let reverse = try (pulled * directions).sum(-1)
    let forward = try (tangents * w).sum(-1)
    #expect(try largestDifference(reverse, forward) < 1e-12)
  }

  @Test(arguments: Interpolant.allCases) func divergenceEqualsFiniteDifferences(interpolant: Interpolant) throws {
    let field = ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: 3), interpolant: interpolant)
    let generator = try Generator(seed: 4)
    let x = try generator.normal([6, 5], .float64)
    let t = try generator.uniform([6], .float64)
    let (velocity, divergence) = try field.withDivergence(x, t)
    #expect(try largestDifference(velocity, field(x, t)) < 1e-12)
    var sum = try Tensor.zeros([6], .float64)
    let step = 1e-5
    for k in 0..<5 {
      var unit = [Double](repeating: 0, count: 5)
      unit[k] = step
      let e = try Tensor(unit)
      let column = try (field(x + e, t) - field(x - e, t)).slice(k..<(k + 1), axis: 1).reshaped(-1) / (2 * step)
      sum = try sum + column
    }
    #expect(try largestDifference(sum, divergence) < 1e-6)
  }

  @Test(arguments: Interpolant.allCases) func preconditioningLeavesUnitVariance(interpolant: Interpolant) throws {
    // with x, z independent standard normal: v = c I + s f must give f variance 1 and no correlation with I
    let generator = try Generator(seed: 5)
    let n = 400_000
    let (x, z) = (try generator.normal([n], .float64), try generator.normal([n], .float64))
    for time in [0.05, 0.4, 0.9] {
      let t = try Tensor.full([n], time, .float64)
      let point = try interpolant.alpha(t) * z + interpolant.beta(t) * x
      let v = try interpolant.alphaDerivative(t) * z + interpolant.betaDerivative(t) * x
      let (c, s) = try interpolant.velocityPreconditioning(t)
      let f = try (v - c * point) / s
      let error = 5 / Double(n).squareRoot()
      #expect(try abs(f.square().mean().item() - 1) < error * 1.5)
      #expect(try abs((f * point).mean().item()) < error)
    }
  }

  @Test func scoreOfTheWrappedNormalEqualsItsNumericalDerivative() throws {
    func logDensity(_ delta: Double, _ sigma: Double) -> Double {
      log((-30...30).reduce(0.0) { $0 + exp(-pow(delta + 2 * .pi * Double($1), 2) / (2 * sigma * sigma)) })
    }
    for sigma in [0.05, 0.5, 1.5, Double.pi] {
      let deltas = [-9.0, -3.1, -1, -0.01, 0.3, 2, 3.1, 7].map { $0 * min(1, sigma * 2) }
      let got = try TorusPath.scaledScore(displacement: Tensor(deltas), sigma: Tensor.full([8], sigma, .float64))
        .values(as: Double.self)
      for (delta, score) in zip(deltas, got) {
        let h = 1e-5
        let expected = sigma * (logDensity(delta + h, sigma) - logDensity(delta - h, sigma)) / (2 * h)
        #expect(abs(score - expected) < 1e-5 * max(1, abs(expected)), "sigma \(sigma), delta \(delta)")
      }
    }
  }
}
