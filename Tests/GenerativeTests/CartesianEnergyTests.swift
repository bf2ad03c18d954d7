import Basics
import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct CartesianEnergyTests {
  typealias Architecture = CartesianEnergyConfiguration.Architecture

  /// H3C-CO-NH-like: a methyl group whose hydrogens (1, 2, 3) can be exchanged, a carbon, an oxygen, a nitrogen with a hydrogen.
  static let molecule = BondGraph(
    classes: [0, 2, 2, 2, 4, 5, 6, 7], bonds: [[0, 1], [0, 2], [0, 3], [0, 4], [4, 5], [4, 6], [6, 7]])

  static func configuration(_ architecture: Architecture) -> CartesianEnergyConfiguration {
    CartesianEnergyConfiguration(
      architecture: architecture, width: 16, feedForward: 24, heads: 4, layers: 2, kernels: 8, timeFrequencies: 3,
      bondedWidth: 6)
  }

  /// Conformations near one geometry, [n, 24].
  static func data(_ n: Int, seed: UInt64) throws -> Tensor {
    let frame: [Double] = [
      0, 0, 0, -0.4, 1.0, 0, -0.4, -0.5, 0.9, -0.4, -0.5, -0.9, 1.5, 0, 0, 2.1, 1.0, 0, 2.2, -1.1, 0.1, 3.2, -1.1, 0.2,
    ]
    return try Tensor(frame) + Generator(seed: seed).normal([n, 24], .float64) * 0.05
  }

  /// A model in Float64 of which no parameter is at its start, so that nothing is trivially right.
  static func model(_ architecture: Architecture, seed: UInt64) throws -> CartesianEnergyModel {
    let generator = try Generator(seed: seed)
    let graph = try MolecularGraph(molecule)
    let network = try CartesianEnergyNetwork(
      configuration: configuration(architecture), graph: graph,
      statistics: PairStatistics(data(50, seed: 1), graph: graph),
      generator: generator)
    let shaken = try network.parameters.map { try $0 + generator.normal($0.shape) * 0.1 }
    return CartesianEnergyModel(network: try network.replacing(parameters: shaken).cast(.float64), constant: -3)
  }

  /// Points of the path at times spread over [0, 1], both ends among them.
  static func points(_ n: Int, seed: UInt64) throws -> (x: Tensor, t: Tensor) {
    let generator = try Generator(seed: seed)
    let t = try Tensor.linspace(0, 1, n, .float64)
    let space = LatentSpace(atoms: 8, meanFree: true)
    let path = try PathPoint(
      data: space.projected(data(n, seed: seed + 1)), t: t, space: space, interpolant: .trigonometric, generator)
    return (path.point, t)
  }

  // MARK: symmetry

  @Test(arguments: Architecture.allCases) func nothingChangesUnderSymmetries(architecture: Architecture) throws {
    let double = try Self.model(architecture, seed: 3)
    let model = double.replacing(network: try double.network.cast(.float32))
    var (x, t) = try Self.points(40, seed: 5)
    (x, t) = (try x.cast(.float32), try t.cast(.float32))
    let value = try model(x, t)
    let spread = try (value - value.mean()).square().mean().sqrt().item()
    #expect(spread > 1)
    func moved(_ change: (Tensor) throws -> Tensor) throws -> Double {
      try largestDifference(model(change(x.reshaped(-1, 8, 3)).reshaped(x.shape), t), value) / spread
    }
    let (c, s) = (Float(0.8), Float(0.6))
    let rotation = try Tensor([c, -s, 0, s * c, c * c, -s, s * s, c * s, c] as [Float], shape: [3, 3])
    #expect(try moved { try $0.matmul(rotation) } < 1e-4)
    #expect(try moved { try -$0 } < 1e-4)
    #expect(try moved { try $0 + Tensor([5, -3, 2] as [Float]) } < 1e-4)
    #expect(try moved { try $0.selected(Tensor([0, 3, 1, 2, 4, 5, 6, 7] as [Int64]), axis: 1) } < 1e-4)
    // what is not a symmetry is seen
    #expect(try moved { try $0.selected(Tensor([0, 1, 2, 3, 4, 6, 5, 7] as [Int64]), axis: 1) } > 0.1)
  }

  @Test(arguments: Architecture.allCases) func moleculesOfABatchDoNotSeeEachOtherOrPadding(architecture: Architecture)
    throws
  {
    let small = BondGraph(classes: [0, 2, 2, 2, 4], bonds: [[0, 1], [0, 2], [0, 3], [0, 4]])
    let vocabulary = try MolecularVocabulary([Self.molecule, small])
    let alone = try MolecularGraph(rows: [Self.molecule], vocabulary: vocabulary)
    let generator = try Generator(seed: 11)
    let fresh = try CartesianEnergyNetwork(
      configuration: Self.configuration(architecture), graph: alone,
      statistics: PairStatistics(Self.data(50, seed: 1), graph: alone), generator: generator)
    let network = try fresh.replacing(
      parameters: fresh.parameters.map { try $0 + generator.normal($0.shape) * 0.1 }
    ).cast(.float64)
    let x = try Self.data(3, seed: 2)
    let t = try Tensor([0.2, 0.6, 1])
    let together = try MolecularGraph(rows: [Self.molecule, small, Self.molecule], vocabulary: vocabulary)
    let mixed = try CartesianEnergyModel(network: network.replacing(graph: together))(x, t)
    let big = try CartesianEnergyModel(network: network)(x, t)
    let five = try CartesianEnergyModel(
      network: network.replacing(graph: MolecularGraph(rows: [small], vocabulary: vocabulary)))(
        x.slice(0..<15, axis: 1), t)
    #expect(try largestDifference(mixed.slice(0..<1), big.slice(0..<1)) < 1e-10)
    #expect(try largestDifference(mixed.slice(2..<3), big.slice(2..<3)) < 1e-10)
    #expect(try largestDifference(mixed.slice(1..<2), five.slice(1..<2)) < 1e-10)
    #expect(throws: MolecularGraphError.unknownAtomClass(9)) {
      try MolecularGraph(rows: [BondGraph(classes: [0, 9], bonds: [])], vocabulary: vocabulary)
    }
    #expect(throws: MolecularGraphError.self) {
      try MolecularGraph(rows: [BondGraph(classes: [5, 7], bonds: [[0, 1]])], vocabulary: vocabulary)
    }
    #expect(throws: MolecularGraphError.self) { try MolecularGraph(BondGraph(classes: [1, 2], bonds: [[0, 2]])) }
    #expect(throws: MolecularGraphError.noMolecule) { try MolecularGraph(BondGraph(classes: [1], bonds: [])) }
  }

  // MARK: derivatives

  @Test(arguments: Architecture.allCases) func scoreEqualsFiniteDifferences(architecture: Architecture) throws {
    let model = try Self.model(architecture, seed: 7)
    let (x, t) = try Self.points(6, seed: 8)
    let score = try model.score(x, t, createGraph: false)
    let h = 1e-5
    for k in [0, 5, 13, 23] {
      let step = try Tensor((0..<24).map { $0 == k ? h : 0 })
      let slope = try (model(x + step, t) - model(x - step, t)) / (2 * h)
      let column = try score.slice(k..<(k + 1), axis: 1).reshaped(-1)
      let scale = try max(1, column.abs().maximum(over: 0).item())
      #expect(try largestDifference(slope, column) < 1e-6 * scale)
    }
    // no force on the centre: densities are those of the mean-free subspace
    #expect(try largestDifference(model.space.projected(score), score) < 1e-9)
  }

  /// Gradients of the whole objective, second derivatives within, for every parameter along a random direction.
  @Test(arguments: Architecture.allCases) func gradientsOfTheObjectiveEqualFiniteDifferences(architecture: Architecture)
    throws
  {
    let model = try Self.model(architecture, seed: 13)
    let x = try model.space.projected(Self.data(6, seed: 2))
    let labels = EnergyModelObjective.Labels(
      logDensity: try Tensor((0..<6).map { Double($0) }), score: try Tensor.ones([6, 24], .float64))
    let objective = EnergyModelObjective(label: 0.3, scoreLabel: 0.1)
    func loss(_ parameters: [Tensor]) throws -> Tensor {
      try objective(
        model.replacing(network: model.network.replacing(parameters: parameters)), data: x, labels: labels, step: 1,
        Generator(seed: 4)
      ).total
    }
    let leaves = try model.network.parameters.map { try $0.requiringGradient() }
    let gradients = try loss(leaves).gradients(of: leaves)
    let generator = try Generator(seed: 6)
    for (index, name) in model.network.parameterNames.enumerated() {
      let start = model.network.parameters[index]
      let direction = try generator.normal(start.shape, .float64)
      let h = 1e-6
      func moved(_ size: Double) throws -> Double {
        var parameters = model.network.parameters
        parameters[index] = try start + direction * size
        return try loss(parameters).item()
      }
      let slope = try (moved(h) - moved(-h)) / (2 * h)
      let expected = try (gradients[index] * direction).sum().item()
      #expect(abs(slope - expected) < 2e-5 * max(1, abs(expected)), "\(name): \(expected), not \(slope)")
      // no parameter is without effect
      #expect(abs(expected) > 1e-12, "\(name)")
    }
  }

  // MARK: start

  @Test func directionalMeanIsSmoothAcrossItsSeries() throws {
    let k = try Tensor([0, 1e-6, 0.1, 0.4999999, 0.5000001, 1, 20, 500])
    let got = try BondedDensity.logMeanOfDirections(k).values(as: Double.self)
    let expected = try k.values(as: Double.self).map { $0 == 0 ? 0 : log(-expm1(-2 * $0) / (2 * $0)) }
    for (a, b) in zip(got, expected) { #expect(abs(a - b) < 3e-9 * max(1, abs(b))) }
  }

  @Test(arguments: Architecture.allCases) func aFreshModelIsThePriorAtItsEnd(architecture: Architecture) throws {
    let graph = try MolecularGraph(Self.molecule)
    let network = try CartesianEnergyNetwork(
      configuration: Self.configuration(architecture), graph: graph,
      statistics: PairStatistics(Self.data(50, seed: 1), graph: graph), generator: Generator(seed: 2)
    ).cast(.float64)
    let model = CartesianEnergyModel(network: network, constant: 0.5)
    let offset = try model.priorOffset(samples: 200, seed: 1)
    #expect(abs(offset.value - 0.5) < 1e-9 && offset.standardError < 1e-9)
  }

  /// Two atoms: the vector between them has a density in closed form at every t when its length is fixed.
  @Test func theWellOfABondIsItsDensity() throws {
    let molecule = BondGraph(classes: [0, 1], bonds: [[0, 1]])
    let graph = try MolecularGraph(molecule)
    let length = 1.3
    let statistics = PairStatistics(
      means: try Tensor([Float(length)]), deviations: try Tensor([0] as [Float]),
      variance: try Tensor([Float(length * length / 12)]))
    let network = try CartesianEnergyNetwork(
      configuration: Self.configuration(.graphormer), graph: graph, statistics: statistics,
      generator: Generator(seed: 2)
    ).cast(.float64)
    let model = CartesianEnergyModel(network: network)
    for time in [0.0, 0.3, 0.7, 0.95] {
      let (alpha, beta) = (cos(Double.pi / 2 * time), sin(Double.pi / 2 * time))
      for r in [0.2, 1.0, 1.4, 2.5] {
        let x = try Tensor([-r / 2, 0, 0, r / 2, 0, 0], shape: [1, 6])
        // of the vector r, averaged over the directions of the bond; the subspace's unit is r / sqrt(2)
        let v = 2 * alpha * alpha
        let average = (0..<20_000).reduce(0.0) { sum, k in
          let cosine = -1 + (Double(k) + 0.5) / 10_000
          let squared = r * r + pow(beta * length, 2) - 2 * r * beta * length * cosine
          return sum + exp(-squared / (2 * v)) / 20_000
        }
        let expected = log(average) - 1.5 * log(2 * Double.pi * v) + 1.5 * log(2)
        let got = try model(x, Tensor([time])).item()
        #expect(abs(got - expected) < 1e-4 * max(1, abs(expected)), "t \(time), r \(r)")
      }
    }
  }

  @Test func publishedSizeHasTheseParameters() throws {
    // alanine dipeptide: 22 atoms of 16 classes; pairs of classes that occur
    let classes = [0, 2, 2, 2, 4, 5, 6, 7, 8, 9, 10, 12, 12, 12, 14, 15, 16, 17, 18, 20, 20, 20]
    let bonds = [
      [0, 1], [0, 2], [0, 3], [0, 4], [4, 5], [4, 6], [6, 7], [6, 8], [8, 9], [8, 10], [10, 11], [10, 12], [10, 13],
      [8, 14], [14, 15], [14, 16], [16, 17], [16, 18], [18, 19], [18, 20], [18, 21],
    ]
    let graph = try MolecularGraph(BondGraph(classes: classes, bonds: bonds))
    #expect(graph.vocabulary.atomClasses.count == 16 && graph.vocabulary.pairTypes.count == 123)
    func count(_ configuration: CartesianEnergyConfiguration) -> Int {
      configuration.parameterShapes(atomClasses: 16, pairTypes: 123).reduce(0) { $0 + $1.shape.reduce(1, *) }
    }
    #expect(
      count(.init(architecture: .graphormer, width: 256, feedForward: 256, heads: 32, layers: 8, kernels: 50))
        == 3_340_246)
    #expect(
      count(.init(architecture: .graphormer, width: 64, feedForward: 128, heads: 8, layers: 3, kernels: 24)) == 124_012)
    #expect(count(.init(architecture: .egnn, width: 64, feedForward: 0, heads: 0, layers: 3, kernels: 24)) == 103_055)
  }

  @Test func statisticsAreThoseOfTheData() throws {
    let graph = try MolecularGraph(Self.molecule)
    let x = try Self.data(400, seed: 3)
    let statistics = try PairStatistics(x, graph: graph)
    let type = try #require(
      graph.vocabulary.pairTypes.firstIndex(of: .init(first: 4, second: 5, separation: 1)))
    let values = try x.values(as: Double.self)
    let lengths = (0..<400).map { row in
      (0..<3).reduce(0.0) { $0 + pow(values[row * 24 + 12 + $1] - values[row * 24 + 15 + $1], 2) }.squareRoot()
    }
    let mean = lengths.reduce(0, +) / 400
    let deviation = (lengths.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 400).squareRoot()
    #expect(abs(Double(try statistics.means.values(as: Float.self)[type]) - mean) < 1e-5)
    #expect(abs(Double(try statistics.deviations.values(as: Float.self)[type]) - deviation) < 1e-5)
    let centred = try LatentSpace(atoms: 8, meanFree: true).projected(x)
    #expect(try abs(centred.square().mean().item() - statistics.variance.item()) < 1e-5)
  }

  // MARK: optimum

  /// Three atoms that differ, x = M xi for standard normal xi: p_t is Gaussian with covariance alpha^2 P + beta^2 M M^T per direction, P
  /// the projector on mean-free vectors.
  @Test func endToEndTheOptimumIsTheDensityToItsConstant() throws {
    try Runtime.initialize(threads: 1)
    let generator = try Generator(seed: 17)
    // columns along (1, -1, 0) / sqrt 2 and (1, 1, -2) / sqrt 6 with deviations 0.5 and 1.6
    let (a, b) = (0.5 / 2.squareRoot(), 1.6 / 6.squareRoot())
    let shape = try Tensor([a, b, -a, b, 0, -2 * b], shape: [3, 2])
    func draw(_ n: Int) throws -> Tensor { try shape.matmul(generator.normal([n, 2, 3], .float64)).reshaped(n, 9) }
    func logDensity(_ x: Tensor) throws -> [Double] {
      let rows = try x.values(as: Double.self)
      return (0..<x.shape[0]).map { row in
        (0..<3).reduce(0.0) { sum, k in
          let (p, q, r) = (rows[9 * row + k], rows[9 * row + 3 + k], rows[9 * row + 6 + k])
          let (first, second) = ((p - q) / 2.squareRoot(), (p + q - 2 * r) / 6.squareRoot())
          return sum - 0.5 * (first * first / 0.25 + second * second / 2.56) - log(0.5 * 1.6) - log(2 * Double.pi)
        }
      }
    }
    let data = try draw(4000)
    let graph = try MolecularGraph(BondGraph(classes: [0, 1, 2], bonds: []))
    let network = try CartesianEnergyNetwork(
      configuration: CartesianEnergyConfiguration(
        architecture: .graphormer, width: 16, feedForward: 16, heads: 4, layers: 1, kernels: 8, timeFrequencies: 4,
        bondedWidth: 8), graph: graph, statistics: PairStatistics(data, graph: graph), generator: generator)
    let fresh = try draw(2000)
    let before = try CartesianEnergyModel(network: network).logDensity(fresh) - Tensor(logDensity(fresh))
    let start = try before.square().mean().sqrt().item()
    let trainer = try Trainer(
      network: network,
      settings: OptimizationSettings(
        steps: 1000, batch: 128, learningRate: 1e-2, warmUp: 30, averageDecay: 0.98),
      generator: generator, columns: [])
    let objective = EnergyModelObjective(label: 0)
    var sampler = try EpochSampler(count: 4000, batch: 128, seed: 2)
    let rows = try data.cast(.float32)
    while !trainer.isFinished {
      let model = CartesianEnergyModel(network: trainer.network, constant: 7)
      let batch = try rows.selected(sampler.indices(step: trainer.step))
      _ = try trainer.update(objective(model, data: batch, step: trainer.step, generator).total)
    }
    let model = CartesianEnergyModel(network: trainer.average, constant: 7)
    let offset = try model.priorOffset(samples: 2000, seed: 3).value
    let error = try model.logDensity(fresh) - offset - Tensor(logDensity(fresh))
    let end = try error.square().mean().sqrt().item()
    #expect(start > 0.8)
    #expect(end < 0.3, "\(start) -> \(end), offset \(offset)")
    #expect(try abs(error.mean().item()) < 0.2)
  }
}
