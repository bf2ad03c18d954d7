import Basics
import Foundation
import Testing
import Torch

@testable import Generative

/// The network over pairs of atoms: symmetry, derivatives, densities, and the targets it learns from.
@Suite struct PairNetworkTests {
  /// Six atoms in a branched chain.
  static let geometry = PairGeometry(atoms: 6, bonds: [[0, 1], [1, 2], [2, 3], [1, 4], [3, 5]])

  /// Parameters away from their start, where heads are zero; Float64.
  static func rough(_ seed: UInt64, scale: Double = 0.1, _ messages: PairMessages? = nil) throws -> PairNetwork {
    let generator = try Generator(seed: seed)
    let data = try LatentSpace(atoms: 6, meanFree: true).noise(500, generator)
    let fresh = try PairNetwork(
      configuration: PairConfiguration(geometry: geometry, width: 16, depth: 2, secondDepth: 1, messages: messages),
      data: data, generator: generator
    ).cast(.float64)
    return fresh.replacing(
      parameters: try fresh.parameters.map { try $0 + generator.normal($0.shape, .float64) * scale })
  }

  /// Perceptrons, and messages of both kinds; an odd number of rounds.
  static let kinds: [PairMessages?] = [
    nil, PairMessages(kind: .egnn, layers: 3, scalars: 12),
    PairMessages(kind: .gvp, layers: 3, scalars: 12, vectors: 4),
  ]

  static func points(_ n: Int, _ seed: UInt64) throws -> (x: Tensor, t: Tensor) {
    let generator = try Generator(seed: seed)
    return (
      try LatentSpace(atoms: 6, meanFree: true).noise(n, generator, .float64),
      try generator.uniform([n], .float64)
    )
  }

  /// Chains of four bonded atoms, each once, and triples of neighbours of one atom.
  @Test func geometryHasAllPairsChainsAndCentres() {
    let geometry = Self.geometry
    #expect(geometry.pairs.count == 15)
    let chains = geometry.volumes.filter { !($0[0] == 1 && Set($0[1...]) == [0, 2, 4]) }
    // 0-1-2-3, 4-1-2-3, 1-2-3-5
    #expect(Set(chains.map(Set.init)) == [[0, 1, 2, 3], [4, 1, 2, 3], [1, 2, 3, 5]] && chains.count == 3)
    #expect(geometry.volumes.count == 4)
  }

  /// Rotated points have rotated velocities; there is no net force, and of the first stage no torque; a mirror image is another molecule.
  @Test(arguments: kinds) func fieldsRotateWithTheMolecule(_ messages: PairMessages?) throws {
    let network = try Self.rough(1, messages)
    let (x, t) = try Self.points(20, 2)
    let v = try network(x, t)
    let turn = try Tensor([0.36, 0.48, -0.8, -0.8, 0.6, 0, 0.48, 0.64, 0.6], shape: [3, 3])
    func rotated(_ x: Tensor, _ r: Tensor) throws -> Tensor { try x.reshaped(20, 6, 3).matmul(r).reshaped(20, 18) }
    #expect(try largestDifference(network(rotated(x, turn), t), rotated(v, turn)) < 1e-9)
    let mirror = try Tensor([1.0, 0, 0, 0, 1, 0, 0, 0, -1], shape: [3, 3])
    #expect(try largestDifference(network(rotated(x, mirror), t), rotated(v, mirror)) > 1e-3)
    #expect(try v.reshaped(20, 6, 3).sum(1).abs().values(as: Double.self).allSatisfy { $0 < 1e-9 })
    // of the first stage: the second pulls along another shape
    let first = try network.stages(Dual(x), t, detached: false).first.value
    let (p, f) = (try x.reshaped(20, 6, 3), try first.reshaped(20, 6, 3))
    for (i, j) in [(0, 1), (1, 2), (2, 0)] {
      func axis(_ a: Tensor, _ k: Int) throws -> Tensor { try a.slice(k..<(k + 1), axis: 2) }
      let torque = try (axis(p, i) * axis(f, j) - axis(p, j) * axis(f, i)).sum(1)
      #expect(try torque.abs().values(as: Double.self).allSatisfy { $0 < 1e-9 })
    }
  }

  @Test(arguments: kinds) func tangentsEqualBackPropagation(_ messages: PairMessages?) throws {
    let network = try Self.rough(3, messages)
    let (x, t) = try Self.points(7, 4)
    try Self.expectTangents(network, x, t, Generator(seed: 5))
  }

  /// Tangents along random directions equal back-propagation of a random product with the output.
  private static func expectTangents(
    _ network: PairNetwork, _ x: Tensor, _ t: Tensor, _ generator: Generator
  ) throws {
    let directions = try generator.normal([4] + x.shape, .float64)
    let (value, tangents) = try network.withTangents(x, t, directions: directions)
    let leaf = try x.requiringGradient()
    let output = try network(leaf, t)
    #expect(try largestDifference(output, value) < 1e-10)
    let w = try generator.normal(x.shape, .float64)
    let pulled = try output.vectorJacobianProduct(w, inputs: [leaf])[0]
    #expect(try largestDifference((pulled * directions).sum(-1), (tangents * w).sum(-1)) < 1e-9)
    // a Jacobian that is zero would pass
    #expect(try tangents.abs().maximum(over: 0, 1, 2).item() > 0.1)
  }

  /// ln q of samples is the prior's less the determinant of the map that the steps make: by the derivatives of the whole map, on the subspace of centred
  /// positions.
  @Test(arguments: kinds) func densitiesAreThoseOfTheStepsThemselves(_ messages: PairMessages?) throws {
    let space = LatentSpace(atoms: 6, meanFree: true)
    let field = PairField(network: try Self.rough(6, scale: 0.01, messages), space: space)
    let sampler = try FlowSampler(field: field, integrator: .rungeKutta4(steps: 3), method: .exactTrace)
    let start = try Self.points(3, 7).x
    let ends = try sampler.integrate(from: start, Generator(seed: 1))
    let h = 1e-5
    // an orthonormal basis of centred positions: eigenvectors of the projection
    let projection = try space.projected(Tensor.identity(18, .float64))
    let basis = try projection.symmetricEigenDecomposition().vectors.slice(3..<18, axis: 1).transposed()
    for row in 0..<3 {
      let here = try start.slice(row..<(row + 1))
      let up = try sampler.integrate(from: here + basis * h, Generator(seed: 1)).latents
      let down = try sampler.integrate(from: here - basis * h, Generator(seed: 1)).latents
      let map = try ((up - down) / (2 * h)).matmul(basis.transposed())
      let change = try map.signLogDeterminant().logAbsolute.item()
      let prior = try space.priorLogDensity(here).item()
      let found = try #require(ends.logDensities).slice(row..<(row + 1), axis: 1).item()
      #expect(abs(prior - change - found) < 1e-5)
      #expect(abs(change) > 0.01)
    }
  }

  /// The slope of ln q along the end point is that of ln q over its start, by central differences; many rows go through in parts.
  @Test func scoresAreSlopesOfTheLogDensity() throws {
    let space = LatentSpace(atoms: 6, meanFree: true)
    let field = PairField(network: try Self.rough(6, scale: 0.02), space: space)
    func sampler(scores: Bool) throws -> FlowSampler {
      try FlowSampler(field: field, integrator: .rungeKutta4(steps: 40), method: .exactTrace, scores: scores)
    }
    let start = try Self.points(field.rowsTogether + 3, 11).x
    let labelled = try sampler(scores: true).integrate(from: start, Generator(seed: 1))
    let scores = try #require(labelled.scores)
    let generator = try Generator(seed: 12)
    let few = try start.slice((field.rowsTogether - 1)..<(field.rowsTogether + 2))
    let own = try scores.slice((field.rowsTogether - 1)..<(field.rowsTogether + 2))
    let h = 1e-5
    for _ in 0..<4 {
      let way = try space.projected(generator.normal([1, 18], .float64)) * h
      let forward = try sampler(scores: false).integrate(from: few + way, Generator(seed: 1))
      let backward = try sampler(scores: false).integrate(from: few - way, Generator(seed: 1))
      let column = try (forward.latents - backward.latents) / (2 * h)
      let expected = try (#require(forward.logDensities) - #require(backward.logDensities)).reshaped(-1) / (2 * h)
      let size = try expected.abs().maximum(over: 0).item()
      #expect(size > 0.1, "a flat density would prove nothing")
      // features are tables over time with a kink at each knot, so that steps converge slowly
      let error = try largestDifference((column * own).sum(-1), expected)
      #expect(error < 2e-3 * max(1, size), "\(error) of \(size)")
    }
  }

  /// Three atoms have no volumes; of one round of messages the second stage has none.
  @Test(arguments: [PairMessages.Kind.egnn, .gvp]) func threeAtomsAndOneRound(_ kind: PairMessages.Kind) throws {
    let generator = try Generator(seed: 13)
    let space = LatentSpace(atoms: 3, meanFree: true)
    let fresh = try PairNetwork(
      configuration: PairConfiguration(
        geometry: PairGeometry(atoms: 3, bonds: [[0, 1], [1, 2]]),
        messages: PairMessages(kind: kind, layers: 1, scalars: 8, vectors: 2)), data: space.noise(100, generator),
      generator: generator
    ).cast(.float64)
    let network = fresh.replacing(
      parameters: try fresh.parameters.map { try $0 + generator.normal($0.shape, .float64) * 0.1 })
    try Self.expectTangents(
      network, space.noise(5, generator, .float64), generator.uniform([5], .float64), generator)
  }

  /// Of Gaussian data whose precision is a matrix over atoms, targets are the optimal velocity itself, without noise.
  @Test func gaussianTargetsHaveNoNoise() throws {
    let generator = try Generator(seed: 8)
    let (n, atoms) = (4000, 4)
    let space = LatentSpace(atoms: atoms, meanFree: true)
    // x = L z by atoms, and its precision on centred positions
    let mixing = try Tensor([1.0, 0.4, 0, 0, 0, 0.5, 0.3, 0, 0, 0, 0.8, 0, 0.2, 0, 0, 1.2], shape: [4, 4])
    let centre = try Tensor.identity(4, .float64) - 0.25
    let root = try centre.matmul(mixing)
    let covariance = try root.matmul(root.transposed())
    let (values, vectors) = try covariance.symmetricEigenDecomposition()
    let inverse = try values.greater(1e-9).select(values.reciprocal(), else: Tensor.zeros([4], .float64))
    let precision = try (vectors * inverse).matmul(vectors.transposed())
    func byAtoms(_ matrix: Tensor, _ x: Tensor) throws -> Tensor {
      try matrix.matmul(x.reshaped(-1, atoms, 3)).reshaped(x.shape)
    }
    let x = try byAtoms(root, generator.normal([n, 12], .float64))
    let g = try -byAtoms(precision, x)
    // as many gradients as give the precision itself: its columns, along each axis
    let columns = try (vectors * inverse.sqrt()).transposed().reshaped(4, 4, 1) * Tensor([1.0, 1, 1]) * 2
    let targets = try PairForceTargets(columns.reshaped(4, 12), weights: [1, 1, 1, 1])
    let z = try space.noise(n, generator, .float64)
    for time in [0.05, 0.5, 0.95] {
      let t = try Tensor.full([n, 1], time, .float64)
      let target = try x - z + targets.addition(z: z, g: g, t: t)
      let point = try x * time + z * (1 - time)
      // E[x - z | point] = (t C - (1 - t)) (t^2 C + (1 - t)^2)^-1 point
      let bottom = try covariance * (time * time) + centre * ((1 - time) * (1 - time))
      let found = try bottom.symmetricEigenDecomposition()
      let back = try found.values.greater(1e-9).select(
        found.values.reciprocal(), else: Tensor.zeros([4], .float64))
      let solved = try (found.vectors * back).matmul(found.vectors.transposed())
      let optimum = try byAtoms((covariance * time - centre * (1 - time)).matmul(solved), point)
      #expect(try largestDifference(target, optimum) < 1e-4)
    }
  }

  /// What is added has mean zero given the place, for data that are not Gaussian; with the other sign of the forces, or with a matrix made of the frame
  /// itself, it has not.
  @Test func whatIsAddedHasMeanZeroGivenThePlace() throws {
    let n = 200_000
    let generator = try Generator(seed: 9)
    // one distance between two atoms, on one side steep and on the other flat: d = 1 + 0.2 s, ln p(s) = -s - exp(-s)
    let s = try -(-generator.uniform([n, 1], .float64).clamped(1e-12...(1 - 1e-12)).log()).log()
    let (d, steep) = (try s * 0.2 + 1, try (-s).exp())
    let slope = try (steep - 1) / 0.2
    let zero = try Tensor.zeros([n, 2], .float64)
    // along the first axis only: a model of one dimension inside the positions of two atoms
    func apart(_ u: Tensor, _ factor: Double) throws -> Tensor {
      try Tensor.concatenated([u * -factor, zero, u * factor, zero], axis: 1)
    }
    let (x, g) = (try apart(d, 0.5), try apart(slope, 1))
    let targets = try PairForceTargets(g, weights: [Double](repeating: 1, count: n))
    let noise = try generator.normal([n, 1], .float64)
    let z = try apart(noise, 0.5.squareRoot())
    func worst(_ added: (Tensor) throws -> Tensor) throws -> Double {
      var largest = 0.0
      for time in [0.3, 0.7, 0.9] {
        let t = try Tensor.full([n, 1], time, .float64)
        let point = try (x * time + z * (1 - time)).slice(3..<4, axis: 1)
        let value = try added(t).slice(3..<4, axis: 1)
        for k in [1.0, 3] {
          for wave in [try (point * k).sin(), try (point * k).cos()] {
            let product = try value * wave
            let error = try (product.square().mean().item() / Double(n)).squareRoot()
            largest = max(largest, abs(try product.mean().item()) / error)
          }
        }
      }
      return largest
    }
    #expect(try worst { try targets.addition(z: z, g: g, t: $0) } < 4.5)
    #expect(try worst { try targets.addition(z: z, g: -g, t: $0) } > 10)
    // (t^2 + (1 - t)^2 H(x))^-1 with the frame's own curvature
    let own = try steep * (2 / 0.04)
    #expect(
      try worst { t in
        let r = try t * z + (1 - t) * g
        return try r / (t.square() + (1 - t).square() * own)
      } > 10)
  }

  /// Nine tenths of the times are normal in ln sigma, one tenth is uniform.
  @Test func timesAreDrawnWhereTheShapeAppears() throws {
    let n = 400_000
    let (t, weight) = try PairTimes.draw(n, Generator(seed: 10))
    let time = try t.cast(.float64)
    #expect(try largestDifference(weight.cast(.float64).reshaped(-1), time.square()) < 1e-6)
    // half of the normal ones are before its mean, t = 1 / (1 + exp(-1.2)), and as many uniform ones as that says
    let middle = 1 / (1 + exp(PairTimes.mean))
    let before = try time.less(middle).select(Tensor.ones([n], .float64), else: Tensor.zeros([n], .float64))
    #expect(abs(try before.mean().item() - (0.45 + 0.1 * middle)) < 0.004)
    #expect(try time.maximum(over: 0).item() < PairTimes.latest + 1e-6)
  }
}
