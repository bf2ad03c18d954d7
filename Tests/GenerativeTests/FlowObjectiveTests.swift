import Basics
import Foundation
import Testing
import Torch

@testable import Generative

/// Displacement a (E[x | I_t] - I_t) for data x ~ N(0, s^2 I) independent of the noise: a = 1 is right.
private struct GaussianEndpoint: VectorField {
  struct Factor: Network {
    let parameters: [Tensor]
    var parameterNames: [String] { ["a"] }
    func replacing(parameters: [Tensor], constants: [Tensor]) -> Factor { Factor(parameters: parameters) }
  }

  let network: Factor
  let space: LatentSpace
  let interpolant: Interpolant
  let deviation: Double

  init(_ a: Double, _ space: LatentSpace, _ interpolant: Interpolant, deviation: Double, _ type: ScalarType) throws {
    self.init(
      network: Factor(parameters: [try Tensor.full([1], a, type)]), space: space, interpolant: interpolant,
      deviation: deviation)
  }

  private init(network: Factor, space: LatentSpace, interpolant: Interpolant, deviation: Double) {
    self.network = network
    self.space = space
    self.interpolant = interpolant
    self.deviation = deviation
  }

  func replacing(network: Factor) -> GaussianEndpoint {
    GaussianEndpoint(network: network, space: space, interpolant: interpolant, deviation: deviation)
  }

  /// Variance of I_t.
  func variance(_ t: Tensor) throws -> Tensor {
    try interpolant.alpha(t).square() + interpolant.beta(t).square() * (deviation * deviation)
  }

  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let time = try t.unsqueezed(-1)
    let slope = try interpolant.beta(time) * (deviation * deviation) / variance(time) - 1
    return try space.projected(x) * slope * network.parameters[0]
  }

  /// E[alpha' z + beta' x | I_t].
  func trueVelocity(_ x: Tensor, _ t: Tensor) throws -> Tensor {
    let time = try t.unsqueezed(-1)
    let noise = try interpolant.alpha(time) * interpolant.alphaDerivative(time)
    let data = try interpolant.beta(time) * interpolant.betaDerivative(time) * (deviation * deviation)
    return try x * (noise + data) / variance(time)
  }
}

@Suite struct FlowObjectiveTests {
  @Test(arguments: Interpolant.allCases) func endpointsAndVelocitiesSayTheSame(interpolant: Interpolant) throws {
    let base = try GaussianEndpoint(1, LatentSpace(euclidean: 4, angles: 0), interpolant, deviation: 0.6, .float64)
    let field = EndpointVectorField(base: base, interpolant: interpolant)
    let generator = try Generator(seed: 1)
    let x = try generator.normal([50, 4], .float64)
    let t = try generator.uniform([50], .float64) * 0.999
    #expect(try largestDifference(field(x, t), base.trueVelocity(x, t)) < 1e-10)
    // the way back, as a field that only has a velocity goes it
    let predicted = try field.endpoint(x, t, interpolant)
    let implied = try VelocityOnly(field: field).endpoint(x, t, interpolant)
    #expect(try largestDifference(predicted, implied) < 1e-10)
    #expect(try largestDifference(predicted, x + base(x, t)) < 1e-14)
  }

  /// Fields that hide their endpoint, to reach the protocol's own.
  private struct VelocityOnly<Base: VectorField>: VectorField {
    let field: Base
    var network: Base.Net { field.network }
    var space: LatentSpace { field.space }
    func replacing(network: Base.Net) -> VelocityOnly { VelocityOnly(field: field.replacing(network: network)) }
    func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try field(x, t) }
  }

  static let integrators: [Integrator] = [
    .rungeKutta4(steps: 60), .uniformRungeKutta4(steps: 100), .dormandPrince(absolute: 1e-9, relative: 1e-9),
  ]

  /// x(t) = x(0) sd(t), so the density at the end is known; in a mean-free space of 3 atoms it has 6 dimensions.
  @Test(arguments: Interpolant.allCases, integrators) func endpointFlowOfAGaussian(
    interpolant: Interpolant, integrator: Integrator
  ) throws {
    for space in [LatentSpace(euclidean: 2, angles: 0), LatentSpace(atoms: 3, meanFree: true)] {
      let base = try GaussianEndpoint(1, space, interpolant, deviation: 0.3, .float64)
      let field = EndpointVectorField(base: base, interpolant: interpolant)
      #expect(field.latestTime == 1 - 1e-3)
      let start = try space.prior(20, Generator(seed: 2), .float64)
      let scale = try base.variance(Tensor([field.latestTime])).sqrt().item()
      let expected = try space.priorLogDensity(start) - Double(space.degreesOfFreedom) * log(scale)
      for method in [LogDensityMethod.none, .exactTrace] {
        let end = try FlowSampler(field: field, integrator: integrator, method: method)
          .integrate(from: start, Generator(seed: 3))
        #expect(try largestDifference(end.latents, start * scale) < 1e-5)
        guard method == .exactTrace else { continue }
        #expect(try largestDifference(#require(end.logDensities).reshaped(-1), expected) < 2e-4)
      }
      let half = try FlowSampler(field: field, integrator: integrator, method: .none, endTime: 0.5)
        .integrate(from: start, Generator(seed: 3))
      #expect(try largestDifference(half.latents, start * base.variance(Tensor([0.5])).sqrt()) < 1e-5)
    }
  }

  static let objectives: [FlowObjective] = [
    .velocity, .endpoint(minimumWeight: 0.01, maximumWeight: 100), .endpoint(minimumWeight: 1, maximumWeight: 1),
  ]

  /// Statistical, seeded: the loss is stationary at the right field, and only there.
  @Test(arguments: Interpolant.allCases, objectives) func theRightFieldIsTheLeastLoss(
    interpolant: Interpolant, objective: FlowObjective
  ) throws {
    let space = LatentSpace(euclidean: 3, angles: 0)
    func score(_ a: Double) throws -> Double {
      var slopes: [Double] = []
      for seed in 0..<30 as Range<UInt64> {
        let generator = try Generator(seed: 100 + seed)
        let base = try GaussianEndpoint(a, space, interpolant, deviation: 0.6, .float32)
        let leaf = base.replacing(network: .init(parameters: [try base.network.parameters[0].requiringGradient()]))
        let data = try generator.normal([512, 3]) * 0.6
        // velocities of an endpoint are singular at the end: stay away from it
        let t = try FlowMatchingLoss.stratifiedTimes(512, generator) * 0.95
        let loss = try FlowMatchingLoss(interpolant: interpolant, objective: objective)(
          EndpointVectorField(base: leaf, interpolant: interpolant), data: data, t: t, generator)
        slopes.append(try loss.gradients(of: leaf.network.parameters)[0].item())
      }
      let mean = slopes.reduce(0, +) / 30
      let variance = slopes.reduce(0) { $0 + pow($1 - mean, 2) } / 29
      return mean / (variance / 30).squareRoot()
    }
    #expect(try abs(score(1)) < 4)
    #expect(try score(0.8) < -6)
    #expect(try score(1.2) > 6)
  }

  /// Both objectives are one where the weight is not held.
  @Test func unboundedWeightsMakeTheEndpointObjectiveTheVelocityObjective() throws {
    let space = LatentSpace(euclidean: 3, angles: 2)
    let base = ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: 2), interpolant: .linear)
    let generator = try Generator(seed: 3)
    let data = try generator.normal([64, 5], .float64)
    let t = try FlowMatchingLoss.stratifiedTimes(64, generator).cast(.float64)
    func loss(_ objective: FlowObjective) throws -> Double {
      try FlowMatchingLoss(interpolant: .linear, objective: objective)(
        base, data: data, t: t, Generator(seed: 4)
      ).item()
    }
    let velocity = try loss(.velocity)
    #expect(abs(try loss(.endpoint(minimumWeight: 0, maximumWeight: 1e12)) - velocity) < 1e-9 * velocity)
    #expect(abs(try loss(.endpoint(minimumWeight: 1, maximumWeight: 1)) - velocity) > 1e-2 * velocity)
  }

  @Test func samplersRefuseWhatCannotBe() throws {
    let field = try GaussianEndpoint(1, LatentSpace(euclidean: 1, angles: 0), .linear, deviation: 1, .float64)
    let steps = Integrator.uniformRungeKutta4(steps: 2)
    #expect(throws: SamplingError.noProbes(0)) {
      try FlowSampler(field: field, integrator: steps, method: .hutchinson, probes: 0)
    }
    #expect(throws: SamplingError.endTime(1.5)) {
      try FlowSampler(field: field, integrator: steps, method: .none, endTime: 1.5)
    }
  }
}

@Suite struct HutchinsonTests {
  let space = LatentSpace(euclidean: 3, angles: 2)

  /// Statistical, seeded: z-scores of the mean error against the exact trace have mean 0 and deviation 1 over seeds.
  @Test(arguments: [Integrator.rungeKutta4(steps: 6), .dormandPrince(absolute: 1e-3, relative: 1e-3)])
  func isUnbiased(integrator: Integrator) throws {
    let field = ResidualVectorField(
      network: try roughNetwork(space, outputs: 5, seed: 12, scale: 0.4), interpolant: .linear)
    let n = 300
    let start = try space.prior(n, Generator(seed: 13), .float64)
    let exact = try FlowSampler(field: field, integrator: integrator, method: .exactTrace)
      .integrate(from: start, Generator(seed: 1))
    let truth = try #require(exact.logDensities).values(as: Double.self)
    let sampler = try FlowSampler(field: field, integrator: integrator, method: .hutchinson, probes: 2)
    var scores: [Double] = []
    for seed in 0..<40 as Range<UInt64> {
      let found = try sampler.integrate(from: start, Generator(seed: 1000 + seed))
      #expect(try largestDifference(found.latents, exact.latents) < 1e-12, "the path must not depend on the probes")
      #expect(found.logDensities?.shape == [2, n])
      let estimates = try #require(found.logDensities).values(as: Double.self)
      let errors = (0..<n).map { (estimates[$0] + estimates[n + $0]) / 2 - truth[$0] }
      let mean = errors.reduce(0, +) / Double(n)
      let variance = errors.reduce(0) { $0 + pow($1 - mean, 2) } / Double(n - 1)
      #expect(variance > 1e-4, "probes must matter for this test to mean anything")
      scores.append(mean / (variance / Double(n)).squareRoot())
    }
    let mean = scores.reduce(0, +) / 40
    let deviation = (scores.reduce(0) { $0 + pow($1 - mean, 2) } / 39).squareRoot()
    #expect(abs(mean) < 4 / 40.0.squareRoot())
    #expect(deviation > 0.65 && deviation < 1.45)
  }

  /// A probe that is kept for the trajectory makes the error of one estimate larger than fresh ones do.
  @Test func probesAreKeptForTheTrajectory() throws {
    let field = ResidualVectorField(
      network: try roughNetwork(space, outputs: 5, seed: 12, scale: 0.4), interpolant: .linear)
    let n = 2000
    let start = try space.prior(n, Generator(seed: 13), .float64)
    let steps = Integrator.rungeKutta4(steps: 12)
    let truth = try #require(
      FlowSampler(field: field, integrator: steps, method: .exactTrace).integrate(from: start, Generator(seed: 1))
        .logDensities)
    func error(_ method: LogDensityMethod) throws -> Double {
      let sampler = try FlowSampler(field: field, integrator: steps, method: method, probes: 2)
      let found = try #require(sampler.integrate(from: start, Generator(seed: 5)).logDensities)
      return try (found - truth).square().mean().item()
    }
    #expect(try error(.hutchinson) > 3 * error(.stochasticTrace))
  }
}
