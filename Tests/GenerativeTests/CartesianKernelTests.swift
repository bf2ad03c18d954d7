import EquivariantKernels
import Foundation
import Testing
import Torch

@testable import Generative

/// The fused message of GVP layers against the one composed of tensor operations.
@Suite struct CartesianKernelTests {
  static let molecules = [[0, 1, 1, 2, 3, 3, 3], [2, 1, 0], [3, 3, 1, 0, 0], [1], [0, 0, 1, 1, 2, 2, 3]]

  private func pair(_ type: ScalarType, padding: Bool) throws -> (fused: GVPNetwork, composed: GVPNetwork) {
    let molecules = padding ? Self.molecules : [Self.molecules[0]]
    let network = try CartesianKind.gvpFused.network(AtomClasses(molecules: molecules, count: 4), seed: 8)
    let fused = try #require(network as? GVPNetwork).cast(type)
    #expect(fused.kernel == .fused)
    return (fused, fused.replacing(kernel: .composed))
  }

  private func batch(_ type: ScalarType) throws -> (x: Tensor, t: Tensor) {
    let generator = try Generator(seed: 9)
    return (try generator.normal([5, 7, 3], type) * 1.5, try generator.uniform([5], type))
  }

  /// Padded batches in Float64 alone: one holds a lone atom, whose vectors stand at the floor of their norm, and there rounding in
  /// Float32 is magnified ten thousand times in both kernels.
  @Test(arguments: zip([false, false, true], [ScalarType.float32, .float64, .float64]))
  func valuesAndGradientsAreTheSame(padding: Bool, type: ScalarType) throws {
    let (fused, composed) = try pair(type, padding: padding)
    let (x, t) = try batch(type)
    let tolerance = type == .float32 ? 2e-4 : 1e-11
    func gradients(_ network: GVPNetwork) throws -> (value: Tensor, gradients: [Tensor]) {
      let moving = network.replacing(parameters: try network.parameters.map { try $0.requiringGradient() })
      let leaf = try x.requiringGradient()
      let value = try moving(leaf, t)
      let weights = try Generator(seed: 10).normal([5, 7, 3], type)
      return (value, try (value * weights).sum().gradients(of: [leaf] + moving.parameters))
    }
    let (a, b) = (try gradients(fused), try gradients(composed))
    #expect(try largestDifference(a.value, b.value) < tolerance)
    for (name, (mine, theirs)) in zip(["x"] + fused.parameterNames, zip(a.gradients, b.gradients)) {
      #expect(mine.shape == theirs.shape, "\(name)")
      let scale = try max(1, theirs.abs().values(as: Double.self).max() ?? 0)
      #expect(try largestDifference(mine, theirs) < tolerance * scale, "\(name)")
    }
    #expect(try a.gradients[0].abs().sum().item() > 0.1)
  }

  @Test(arguments: [false, true]) func tangentsAreThoseOfReverseMode(padding: Bool) throws {
    let (fused, composed) = try pair(.float64, padding: padding)
    let (x, t) = try batch(.float64)
    let generator = try Generator(seed: 11)
    let directions = try generator.normal([3, 5, 7, 3], .float64)
    let (value, tangents) = try #require(try fused.withTangents(x, t, directions: directions))
    let leaf = try x.requiringGradient()
    let output = try composed(leaf, t)
    #expect(try largestDifference(value, output) < 1e-12)
    let w = try generator.normal([5, 7, 3], .float64)
    let pulled = try output.vectorJacobianProduct(w, inputs: [leaf])[0]
    #expect(try largestDifference((tangents * w).sum(-1, -2), (pulled * directions).sum(-1, -2)) < 1e-11)
    #expect(try composed.withTangents(x, t, directions: directions) == nil)
  }

  /// Atoms in one place: norms at their floor have no slope, in all modes alike, and nothing is NaN.
  @Test func coincidingAtomsGiveFiniteDerivatives() throws {
    let (fused, composed) = try pair(.float64, padding: false)
    let x = try Tensor.zeros([2, 7, 3], .float64)
    let t = try Tensor([0.2, 0.7])
    let directions = try Generator(seed: 12).normal([2, 2, 7, 3], .float64)
    let (value, tangents) = try #require(try fused.withTangents(x, t, directions: directions))
    let leaf = try x.requiringGradient()
    let output = try composed(leaf, t)
    let w = try Generator(seed: 13).normal([2, 7, 3], .float64)
    let pulled = try output.vectorJacobianProduct(w, inputs: [leaf])[0]
    #expect(try largestDifference(value, output) < 1e-12)
    let (forward, reverse) = (try (tangents * w).sum(-1, -2), try (pulled * directions).sum(-1, -2))
    #expect(try forward.isFinite().cast(.float64).minimum(over: 0, 1).item() == 1)
    #expect(try largestDifference(forward, reverse) < 1e-6 * max(1, reverse.abs().maximum(over: 0, 1).item()))
  }

  /// Sums over a batch are taken in an order of their own. The message alone: of what is around it, LibTorch's products of matrices
  /// keep no order.
  @Test(arguments: [ScalarType.float32, .float64]) func gradientsDoNotDependOnThreads(type: ScalarType) throws {
    let generator = try Generator(seed: 1)
    // 19 molecules of 9 atoms; 16 scalars, 8 vectors, 8 hidden vectors and 6 radial functions
    let shapes = [[19, 9, 3], [19, 9, 16], [19, 9, 3, 8], [19, 9, 3, 8], [8], [8], [16, 14], [], [8, 16], [8]]
    let operands = try shapes.map { try generator.normal($0, type) }
    func gradients(threads: Int) throws -> [[Double]] {
      try Runtime.initialize(threads: threads)
      let leaves = try operands.map { try $0.requiringGradient() }
      let message = GVPMessage(
        along: leaves[4], sentAlong: leaves[5], features: leaves[6], beta: leaves[7], gate: leaves[8],
        gateBias: leaves[9], radialStep: 0.5, radialWidth: 0.7)
      let sums = try message.sums(
        .init(positions: leaves[0], node: leaves[1], mixed: leaves[2], sent: leaves[3]), mask: nil)
      let total = try sums.scalars.square().sum() + sums.vectors.square().sum()
      return try total.gradients(of: leaves).map { try $0.values(as: Double.self) }
    }
    let one = try gradients(threads: 1)
    #expect(one.allSatisfy { $0.contains { $0 != 0 } && $0.allSatisfy(\.isFinite) })
    for threads in 2...4 { #expect(try gradients(threads: threads) == one, "\(threads) threads") }
    try Runtime.initialize(threads: 1)
  }

  @Test func secondDerivativesNeedTheComposedKernel() throws {
    let (fused, _) = try pair(.float64, padding: false)
    let (x, t) = try batch(.float64)
    let leaf = try x.requiringGradient()
    #expect(throws: TorchError.self) { try fused(leaf, t).sum().gradients(of: [leaf], createGraph: true) }
    // what labels are made of takes it by itself
    let space = LatentSpace(atoms: 7, meanFree: true)
    let field = CartesianVectorField(network: fused, space: space)
    try expectScoresCarried(by: field, x, t)
    try expectScoresCarried(
      by: EndpointVectorField(
        base: CartesianVectorField(network: fused, space: space, readsPoint: true), interpolant: .linear), x, t)
  }

  private func expectScoresCarried(by field: some VectorField, _ x: Tensor, _ t: Tensor) throws {
    let probes = try Generator(seed: 14).rademacher([2, 5, 21], .float64)
    let score = try Generator(seed: 15).normal([5, 21], .float64)
    let (velocity, forms, pull) = try field.withScoreTransport(x.reshaped(5, 21), t, score: score, directions: probes)
    let (mine, myForms) = try field.withQuadraticForms(x.reshaped(5, 21), t, directions: probes)
    #expect(try largestDifference(velocity, mine) < 1e-11)
    #expect(try largestDifference(forms, myForms) < 1e-11)
    // the slope of v . score + mean_m e . J e along some way, by central differences
    func scalar(_ x: Tensor) throws -> Tensor {
      let (velocity, forms) = try field.withQuadraticForms(x, t, directions: probes)
      return try (velocity * score).sum(-1) + forms.mean(0)
    }
    let (start, h) = (try x.reshaped(5, 21), 1e-5)
    let way = try Generator(seed: 16).normal([5, 21], .float64)
    let slope = try (scalar(start + way * h) - scalar(start - way * h)) / (2 * h)
    #expect(try largestDifference((pull * way).sum(-1), slope) < 1e-6 * max(1, slope.abs().maximum(over: 0).item()))
    #expect(try slope.abs().maximum(over: 0).item() > 0.01)
  }
}
