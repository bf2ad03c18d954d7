import Foundation
import Testing
import Torch

@testable import Generative

/// A field that has nothing but a velocity: what the default implementations of `VectorField` are tested on.
private struct PlainField: VectorField {
  let inner: ResidualVectorField
  var network: ResidualNetwork { inner.network }
  var space: LatentSpace { inner.space }
  func replacing(network: ResidualNetwork) -> PlainField { PlainField(inner: inner.replacing(network: network)) }
  func callAsFunction(_ x: Tensor, _ t: Tensor) throws -> Tensor { try inner(x, t) }
}

@Suite struct ScoreLabelTests {
  let space = LatentSpace(euclidean: 3, angles: 2)

  func field(_ seed: UInt64) throws -> ResidualVectorField {
    ResidualVectorField(network: try roughNetwork(space, outputs: 5, seed: seed), interpolant: .linear)
  }

  /// d/dx0 of ln q(x1(x0)) is J^T g with J = dx1/dx0: both sides by central differences of the exact-trace flow, Float64.
  @Test(arguments: [0, 1]) func transportedScoresEqualFiniteDifferencesOfTheExactLogDensity(_ kind: Int) throws {
    let field = try roughFlows(space, seed: 31)[kind]
    let n = 4
    let start = try space.prior(n, Generator(seed: 32), .float64)
    let steps = 60
    let labelled = try FlowSampler(
      field: field, integrator: .rungeKutta4(steps: steps), method: .exactTrace, scores: true
    ).integrate(
      from: start, Generator(seed: 1))
    let exact = try FlowSampler(field: field, integrator: .rungeKutta4(steps: steps), method: .exactTrace)
    let there = try exact.integrate(from: start, Generator(seed: 1))
    #expect(try largestDifference(labelled.latents, there.latents) < 1e-12)
    #expect(try largestDifference(#require(labelled.logDensities), #require(there.logDensities)) < 1e-10)
    let h = 1e-5
    for k in 0..<5 {
      var unit = [Double](repeating: 0, count: 5)
      unit[k] = h
      let forward = try exact.integrate(from: start + Tensor(unit), Generator(seed: 1))
      let backward = try exact.integrate(from: start - Tensor(unit), Generator(seed: 1))
      let column = try space.wrapped(forward.latents - backward.latents) / (2 * h)
      let expected = try (#require(forward.logDensities) - #require(backward.logDensities)).reshaped(-1) / (2 * h)
      let got = try (column * #require(labelled.scores)).sum(-1)
      #expect(try expected.abs().maximum(over: 0).item() > 0.1, "a flat density would prove nothing")
      #expect(try largestDifference(got, expected) < 2e-5)
    }
  }

  @Test func forwardAndReverseModeTransportAgree() throws {
    let field = try field(33)
    let generator = try Generator(seed: 34)
    let x = try generator.normal([6, 5], .float64)
    let t = try generator.uniform([6], .float64)
    let score = try generator.normal([6, 5], .float64)
    let probes = try generator.rademacher([3, 6, 5], .float64)
    let fast = try field.withScoreTransport(x, t, score: score, directions: probes)
    let plain = try PlainField(inner: field).withScoreTransport(x, t, score: score, directions: probes)
    #expect(try largestDifference(fast.velocity, plain.velocity) < 1e-12)
    #expect(try largestDifference(fast.forms, plain.forms) < 1e-12)
    #expect(try largestDifference(fast.pull, plain.pull) < 1e-11)
    let (velocity, forms) = try field.withQuadraticForms(x, t, directions: probes)
    #expect(try largestDifference(fast.velocity, velocity) < 1e-12)
    #expect(try largestDifference(fast.forms, forms) < 1e-12)
    // v . score + mean form, differentiated by hand
    func scalar(_ x: Tensor) throws -> Tensor {
      let (v, f) = try field.withQuadraticForms(x, t, directions: probes)
      return try (v * score).sum(-1) + f.mean(0)
    }
    let h = 1e-5
    for k in 0..<5 {
      var unit = [Double](repeating: 0, count: 5)
      unit[k] = h
      let slope = try (scalar(x + Tensor(unit)) - scalar(x - Tensor(unit))) / (2 * h)
      let pull = try fast.pull.slice(k..<(k + 1), axis: 1).reshaped(-1)
      #expect(try largestDifference(slope, pull) < 1e-7)
    }
  }

  /// Statistical: z-scores of probed labels against the exact ones, seeded.
  @Test(arguments: [0, 1]) func probedScoresAreUnbiased(_ kind: Int) throws {
    let field = try roughFlows(space, seed: 35, scale: 0.4)[kind]
    let n = 3000
    // one point n times over: the labels differ by their probes alone
    let start = try space.prior(1, Generator(seed: 36), .float64).expanded([n, 5])
    let exact = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 8), method: .exactTrace, scores: true)
      .integrate(
        from: start.slice(0..<1), Generator(seed: 1))
    let probed = try FlowSampler(
      field: field, integrator: .rungeKutta4(steps: 8), method: .stochasticTrace, scores: true
    ).integrate(from: start, Generator(seed: 37))
    #expect(try largestDifference(probed.latents, exact.latents.expanded([n, 5])) < 1e-12)
    let errors = try #require(probed.scores) - #require(exact.scores)
    let variance = try errors.square().mean(0)
    // torsions of two flows have no probes of their own, but those of the rest reach them
    #expect(try variance.minimum(over: 0).item() > 1e-6, "probes must matter for this test to mean anything")
    let z = try errors.mean(0) / ((variance / Double(n)).sqrt() + 1e-12)
    #expect(try z.abs().maximum(over: 0).item() < 4.5)
    #expect(probed.logDensities?.shape == [2, n])
  }

  @Test func aBatchDrawsTheSamplesOfTheFlowSampler() throws {
    let field = try field(38)
    let labelled = try FlowSampler(
      field: field, integrator: .rungeKutta4(steps: 4), method: .stochasticTrace, scores: true
    ).batch(16, seed: 99, index: 3)
    let plain = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 4), method: .none)
      .batch(16, seed: 99, index: 3)
    #expect(try largestDifference(labelled.latents, plain.latents) < 1e-12)
  }
}
