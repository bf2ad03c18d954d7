import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct FlowSamplerTests {
  let space = LatentSpace(euclidean: 3, angles: 2)

  @Test func zeroNetworkTransportsTheGaussianOntoItself() throws {
    // f = 0: dx/dt = c(t) x with integral of c over (0, 1) = 0 for the linear interpolant, so x and log q come back
    let zero = try ResidualNetwork(
      space: space, configuration: ResidualConfiguration(width: 8, depth: 1, outputs: 5), generator: Generator(seed: 1)
    ).cast(.float64)
    let field = ResidualVectorField(network: zero, interpolant: .linear)
    let start = try space.prior(50, Generator(seed: 2), .float64)
    for integrator in [Integrator.rungeKutta4(steps: 40), .dormandPrince(absolute: 1e-9, relative: 1e-9)] {
      let sampler = try FlowSampler(field: field, integrator: integrator, method: .exactTrace)
      let end = try sampler.integrate(from: start, Generator(seed: 3))
      #expect(try largestDifference(end.latents, start) < 2e-6)
      let density = try #require(end.logDensities)
      #expect(try largestDifference(density.reshaped(-1), space.priorLogDensity(start)) < 2e-6)
    }
  }

  @Test(arguments: [0, 1]) func exactTraceEqualsTheDeterminantOfTheFlowMap(_ kind: Int) throws {
    let field = try roughFlows(space, seed: 7)[kind]
    let sampler = try FlowSampler(
      field: field, integrator: .dormandPrince(absolute: 1e-10, relative: 1e-10), method: .exactTrace)
    let n = 4
    let start = try space.prior(n, Generator(seed: 8), .float64)
    let end = try sampler.integrate(from: start, Generator(seed: 9))
    let h = 1e-5
    var columns: [Tensor] = []
    for k in 0..<5 {
      var unit = [Double](repeating: 0, count: 5)
      unit[k] = h
      let forward = try sampler.integrate(from: start + Tensor(unit), Generator(seed: 9)).latents
      let backward = try sampler.integrate(from: start - Tensor(unit), Generator(seed: 9)).latents
      columns.append(try space.wrapped(forward - backward) / (2 * h))
    }
    let logDeterminant = try Tensor.stacked(columns, axis: -1).signLogDeterminant().logAbsolute
    let expected = try space.priorLogDensity(start) - logDeterminant
    #expect(try largestDifference(#require(end.logDensities).reshaped(-1), expected) < 1e-5)
  }

  /// However long its steps are, the torsions' density is that of the map that they make.
  @Test func torsionsHaveTheDensityOfTheirStepsMap() throws {
    let flows = try #require(roughFlows(space, seed: 12)[1] as? TwoFlows)
    let field = flows.torsions
    let start = try space.prior(6, Generator(seed: 13), .float64)
    func drawn(_ x: Tensor, steps: Int, _ method: LogDensityMethod = .stochasticTrace) throws -> FlowSamples {
      try FlowSampler(field: field, integrator: .rungeKutta4(steps: steps), method: method)
        .integrate(from: x, Generator(seed: 1))
    }
    let coarse = try drawn(start, steps: 2)
    let h = 1e-5
    let columns = try (3..<5).map { k in
      var unit = [Double](repeating: 0, count: 5)
      unit[k] = h
      let change = try drawn(start + Tensor(unit), steps: 2).latents - drawn(start - Tensor(unit), steps: 2).latents
      return try space.wrapped(change).slice(3..<5, axis: 1) / (2 * h)
    }
    let found = try Tensor.stacked(columns, axis: -1).signLogDeterminant()
    let expected = try space.priorLogDensity(start) - found.logAbsolute
    let density = try #require(coarse.logDensities)
    #expect(try largestDifference(density.slice(0..<1).reshaped(-1), expected) < 1e-7)
    let exact = try #require(drawn(start, steps: 2, .exactTrace).logDensities)
    #expect(try largestDifference(density, exact) == 0)
    // these steps are too long for the integral of the divergence
    let fine = try #require(drawn(start, steps: 60).logDensities)
    #expect(try largestDifference(fine, density) > 1e-3)
  }

  /// Where the steps' map folds over there is no one density, and none is given.
  @Test func aMapThatFoldsOverGivesNoSample() throws {
    let flows = try #require(roughFlows(space, seed: 12)[1] as? TwoFlows)
    let wild = flows.network.torsions
    let steep = try wild.replacing(
      parameters: wild.parameters.map { try $0 * 3 }, constants: wild.constants.map(\.tensor))
    let field = TorsionField(network: steep, space: space)
    let start = try space.prior(200, Generator(seed: 14), .float64)
    let drawn = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 1), method: .exactTrace)
      .integrate(from: start, Generator(seed: 1))
    #expect(!drawn.lost.isEmpty && drawn.lost.count < 200)
    let kept = try #require(drawn.withoutLost().logDensities).values(as: Double.self)
    #expect(kept.count == 200 - drawn.lost.count && kept.allSatisfy(\.isFinite))
  }

  /// By Newton's method and by defect correction. With fewer steps these fields' maps fold over.
  @Test(arguments: [0, 1], [6, 12]) func stepsAreUndone(_ kind: Int, _ steps: Int) throws {
    let field = try roughFlows(space, seed: 10)[kind]
    let start = try space.prior(20, Generator(seed: 11), .float64)
    for integrator in [Integrator.rungeKutta4(steps: steps), .uniformRungeKutta4(steps: steps)] {
      let sampler = try FlowSampler(field: field, integrator: integrator, method: .exactTrace)
      let end = try sampler.integrate(from: start, Generator(seed: 1))
      let found = try sampler.priorPoints(of: end.latents)
      #expect(try largestDifference(space.wrapped(found - start), Tensor.zeros([20, 5], .float64)) < 1e-10)
      let density = try sampler.integrate(from: found, Generator(seed: 1)).logDensities
      #expect(try largestDifference(#require(density), #require(end.logDensities)) < 1e-9)
    }
    let adaptive = try FlowSampler(
      field: field, integrator: .dormandPrince(absolute: 1e-6, relative: 1e-6), method: .exactTrace)
    #expect(throws: SamplingError.inverseNeedsFixedSteps) { try adaptive.priorPoints(of: start) }
  }

  /// A point that no step leads to leaves the others alone.
  @Test func onePointWithoutAWayBackIsNoOthersConcern() throws {
    let field = try roughFlows(space, seed: 10)[1]
    let sampler = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 4), method: .exactTrace)
    let start = try space.prior(3, Generator(seed: 11), .float64)
    let end = try sampler.integrate(from: start, Generator(seed: 1)).latents
    let lost = try Tensor([Double](repeating: .nan, count: 5), shape: [1, 5])
    let found = try sampler.priorPoints(of: Tensor.concatenated([end, lost], axis: 0))
    #expect(try largestDifference(space.wrapped(found.slice(0..<3) - start), Tensor.zeros([3, 5], .float64)) < 1e-10)
  }

  @Test(arguments: [0, 1]) func fixedAndAdaptiveStepsAgree(_ kind: Int) throws {
    let field = try roughFlows(space, seed: 10)[kind]
    let start = try space.prior(20, Generator(seed: 11), .float64)
    let adaptive = try FlowSampler(
      field: field, integrator: .dormandPrince(absolute: 1e-9, relative: 1e-9), method: .exactTrace
    ).integrate(from: start, Generator(seed: 1))
    let fixed = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 60), method: .exactTrace)
      .integrate(from: start, Generator(seed: 1))
    #expect(try largestDifference(adaptive.latents, fixed.latents) < 1e-4)
    #expect(try largestDifference(#require(adaptive.logDensities), #require(fixed.logDensities)) < 1e-3)
    // the second of two flows takes half as many steps
    #expect(fixed.functionEvaluations == (kind == 0 ? 240 : 360))
  }

  /// Statistical: z-scores of the stochastic trace against the exact one, seeded.
  @Test(arguments: [0, 1]) func stochasticTraceIsUnbiasedAndItsTwoEstimatesGiveItsNoise(_ kind: Int) throws {
    let field = try roughFlows(space, seed: 12, scale: kind == 0 ? 0.4 : 0.2)[kind]
    let drawn = 4000
    let start = try space.prior(drawn, Generator(seed: 13), .float64)
    let exact = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 8), method: .exactTrace)
      .integrate(from: start, Generator(seed: 1))
    let stochastic = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 8), method: .stochasticTrace)
      .integrate(from: start, Generator(seed: 14))
    #expect(try largestDifference(exact.latents, stochastic.latents) < 1e-12, "the path must not depend on the probes")
    let truth = try #require(exact.logDensities).values(as: Double.self)
    let estimates = try #require(stochastic.logDensities).values(as: Double.self)
    // a few of so wild a map of the torsions fold over
    let kept = (0..<drawn).filter { truth[$0].isFinite }
    let n = kept.count
    #expect(n == drawn - exact.lost.count && n > drawn * 9 / 10)
    let errors = kept.map { (estimates[$0] + estimates[drawn + $0]) / 2 - truth[$0] }
    let mean = errors.reduce(0, +) / Double(n)
    let variance = errors.reduce(0) { $0 + $1 * $1 } / Double(n)
    #expect(variance > 1e-6, "probes must matter for this test to mean anything")
    #expect(abs(mean) < 4.5 * (variance / Double(n)).squareRoot())
    let fromPair = kept.reduce(0.0) { $0 + pow(estimates[$1] - estimates[drawn + $1], 2) / 4 } / Double(n)
    #expect(abs(fromPair / variance - 1) < 0.15)
  }

  @Test func scoresRefuseWhatWouldBiasThem() throws {
    let field = ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: 16), interpolant: .linear)
    for (integrator, method) in [
      (Integrator.dormandPrince(absolute: 1, relative: 1), LogDensityMethod.exactTrace),
      (.rungeKutta4(steps: 2), .hutchinson), (.rungeKutta4(steps: 2), .none),
    ] {
      #expect(throws: SamplingError.scoresNeedFixedStepsAndFreshProbes) {
        try FlowSampler(field: field, integrator: integrator, method: method, scores: true)
      }
    }
  }

  @Test func aBatchIsItsStream() throws {
    let field = ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: 15), interpolant: .linear)
    let sampler = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 4), method: .stochasticTrace)
    let first = try sampler.batch(16, seed: 99, index: 3)
    let again = try sampler.batch(16, seed: 99, index: 3)
    let other = try sampler.batch(16, seed: 99, index: 4)
    #expect(try first.latents.values(as: Double.self) == again.latents.values(as: Double.self))
    #expect(
      try #require(first.logDensities).values(as: Double.self) == #require(again.logDensities).values(as: Double.self))
    #expect(try largestDifference(first.latents, other.latents) > 0.1)
  }

  @Test func adaptiveStepsRefuseTheStochasticTrace() throws {
    let field = ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: 16), interpolant: .linear)
    #expect(throws: SamplingError.stochasticTraceNeedsFixedSteps) {
      try FlowSampler(field: field, integrator: .dormandPrince(absolute: 1, relative: 1), method: .stochasticTrace)
    }
  }

  /// One trajectory begins where no step is small enough. It is named, and the others go on.
  @Test func aTrajectoryThatCollapsesIsLostAndTheOthersGoOn() throws {
    let field = ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: 17), interpolant: .linear)
    let start = try space.prior(6, Generator(seed: 18), .float64)
    var values = try start.values(as: Double.self)
    values[2 * 5] = .infinity
    let spoilt = try Tensor(values, shape: [6, 5])
    for (integrator, tolerance) in [
      (Integrator.dormandPrince(absolute: 1e-8, relative: 1e-8), 1e-5), (.rungeKutta4(steps: 6), 0),
    ] {
      let sampler = try FlowSampler(field: field, integrator: integrator, method: .exactTrace)
      let sound = try sampler.integrate(from: start, Generator(seed: 1))
      let found = try sampler.integrate(from: spoilt, Generator(seed: 1))
      #expect(sound.lost.isEmpty)
      #expect(found.lost.map(\.sample) == [2])
      #expect(found.lost[0].time == (integrator.isFixedStep ? 1 : 0))
      #expect("\(found.lost[0])".hasPrefix("sample 2 was lost at t = "))
      #expect(try found.latents.values(as: Double.self).map(\.isNaN) == (0..<30).map { $0 / 5 == 2 })
      #expect(try #require(found.logDensities).values(as: Double.self).map(\.isNaN) == (0..<6).map { $0 == 2 })
      let others = try Tensor([0, 1, 3, 4, 5] as [Int64])
      let left = try found.withoutLost()
      #expect(left.lost.isEmpty)
      #expect(try largestDifference(left.latents, sound.latents.selected(others)) <= tolerance)
      #expect(
        try largestDifference(#require(left.logDensities), #require(sound.logDensities).selected(others, axis: 1))
          <= tolerance)
    }
  }

  @Test func whereEveryTrajectoryIsLostTheErrorNamesTheFirst() throws {
    let field = ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: 19), interpolant: .linear)
    let sampler = try FlowSampler(
      field: field, integrator: .dormandPrince(absolute: 1e-6, relative: 1e-6), method: .none)
    let found = try sampler.integrate(from: Tensor.full([3, 5], .nan, .float64), Generator(seed: 1))
    #expect(found.lost.map(\.sample) == [0, 1, 2])
    #expect(throws: SamplingError.allLost(samples: 3, first: found.lost[0])) { try found.withoutLost() }
  }
}
