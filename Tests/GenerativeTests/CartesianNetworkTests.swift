import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct CartesianNetworkTests {
  /// Seven atoms; 1 and 2 are of one class, and so are 4, 5 and 6.
  static let classes = [0, 1, 1, 2, 3, 3, 3]

  private func configurations(_ n: Int, atoms: Int, seed: UInt64, _ type: ScalarType) throws -> (x: Tensor, t: Tensor) {
    let generator = try Generator(seed: seed)
    return (try generator.normal([n, atoms, 3], type) * 1.5, try generator.uniform([n], type))
  }

  @Test func publishedParameterCounts() throws {
    let generator = try Generator(seed: 1)
    let gvp = try GVPNetwork(
      configuration: GVPConfiguration(), atoms: AtomClasses(Array(0..<21), count: 21), generator: generator)
    #expect(gvp.parameterCount == 108_933)
    #expect(Set(gvp.parameterNames).count == gvp.parameters.count)
    let egnn = try EGNNNetwork(
      configuration: EGNNConfiguration(atomClasses: 9), atoms: AtomClasses([0], count: 9), generator: generator)
    #expect(egnn.parameterCount == 147_599)
    #expect(Set(egnn.parameterNames).count == egnn.parameters.count)
  }

  @Test(arguments: CartesianKind.allCases) func commutesWithRigidMotionsAndExchangeOfEqualAtoms(
    kind: CartesianKind
  ) throws {
    func check(_ network: some CartesianNetwork) throws {
      let (x, t) = try configurations(5, atoms: 7, seed: 3, .float32)
      let output = try network(x, t)
      #expect(try output.square().mean().sqrt().item() > 1e-2, "an output near zero proves nothing")
      for seed in 10..<13 as Range<UInt64> {
        // an orthogonal matrix of either handedness
        let (q, _, _) = try Generator(seed: seed).normal([3, 3], .float64).singularValueDecomposition()
        let rotation = try (seed == 11 ? -q : q).cast(.float32)
        #expect(try largestDifference(network(x.matmul(rotation), t), output.matmul(rotation)) < 1e-4)
      }
      let mirror = try Tensor([Float(-1), 1, 1])
      #expect(try largestDifference(network(x * mirror, t), output * mirror) < 1e-4)
      let shift = try Tensor([Float(1.5), -2, 0.75])
      #expect(try largestDifference(network(x + shift, t), output) < 1e-4)
      let exchange = try Tensor([Int64(0), 2, 1, 3, 6, 4, 5])
      #expect(
        try largestDifference(network(x.selected(exchange, axis: 1), t), output.selected(exchange, axis: 1)) < 1e-4)
      let wrong = try Tensor([Int64(1), 0, 2, 3, 4, 5, 6])
      #expect(
        try largestDifference(network(x.selected(wrong, axis: 1), t), output.selected(wrong, axis: 1)) > 1e-2,
        "atoms of different classes must not be alike")
    }
    try check(kind.network(AtomClasses(Self.classes, count: 4)))
  }

  @Test(arguments: CartesianKind.allCases) func moleculesOfDifferentSizesShareABatch(kind: CartesianKind) throws {
    let molecules = [Self.classes, [2, 1, 0], [3, 3, 1, 0, 0]]
    let mixed = try kind.network(AtomClasses(molecules: molecules, count: 4)).cast(.float64)
    func check(_ mixed: some CartesianNetwork) throws {
      let (x, t) = try configurations(3, atoms: 7, seed: 4, .float64)
      let space = LatentSpace(atoms: 7, meanFree: true)
      let together = try mixed(x, t)
      let flows = try [false, true].map {
        try CartesianVectorField(network: mixed, space: space, readsPoint: $0)(x.reshaped(3, 21), t).reshaped(3, 7, 3)
      }
      for (row, classes) in molecules.enumerated() {
        let count = classes.count
        let alone = try mixed.replacing(atoms: AtomClasses(classes, count: 4)).cast(.float64)
        let own = try x.slice(row..<(row + 1)).slice(0..<count, axis: 1)
        let (time, velocity) = (try t.slice(row..<(row + 1)), try together.slice(row..<(row + 1)))
        #expect(try largestDifference(alone(own, time), velocity.slice(0..<count, axis: 1)) < 1e-12)
        for (flow, readsPoint) in zip(flows, [false, true]) {
          let field = CartesianVectorField(
            network: alone, space: LatentSpace(atoms: count, meanFree: true), readsPoint: readsPoint)
          let flowAlone = try field(own.reshaped(1, 3 * count), time).reshaped(1, count, 3)
          let moved = try flow.slice(row..<(row + 1))
          #expect(try largestDifference(flowAlone, moved.slice(0..<count, axis: 1)) < 1e-12)
          #expect(try moved.slice(count..<7, axis: 1).abs().sum().item() == 0, "padding must stay")
        }
      }
    }
    try check(mixed)
  }

  @Test(arguments: CartesianKind.allCases) func velocitiesAreMeanFree(kind: CartesianKind) throws {
    let field = try kind.field(AtomClasses(Self.classes, count: 4), .float64)
    let (x, t) = try configurations(6, atoms: 7, seed: 5, .float64)
    let velocity = try field(x.reshaped(6, 21), t).reshaped(6, 7, 3)
    #expect(try velocity.mean(1).abs().maximum(over: 0, 1).item() < 1e-13)
  }

  @Test(arguments: CartesianKind.allCases) func divergenceEqualsFiniteDifferences(kind: CartesianKind) throws {
    let field = try kind.field(AtomClasses(Self.classes, count: 4), .float64)
    let (positions, t) = try configurations(4, atoms: 7, seed: 6, .float64)
    let x = try positions.reshaped(4, 21)
    let (velocity, divergence) = try field.withDivergence(x, t)
    #expect(try largestDifference(velocity, field(x, t)) < 1e-12)
    var sum = try Tensor.zeros([4], .float64)
    let step = 1e-5
    for k in 0..<21 {
      var unit = [Double](repeating: 0, count: 21)
      unit[k] = step
      let e = try Tensor(unit)
      sum = try sum + (field(x + e, t) - field(x - e, t)).slice(k..<(k + 1), axis: 1).reshaped(-1) / (2 * step)
    }
    #expect(try largestDifference(sum, divergence) < 1e-6)
    #expect(try divergence.abs().minimum(over: 0).item() > 1e-3, "a divergence near zero proves nothing")
  }

  /// In the basis of the mean-free subspace the Jacobian has the same trace: densities refer to that subspace.
  @Test(arguments: CartesianKind.allCases) func divergenceIsThatOnTheSubspace(kind: CartesianKind) throws {
    let field = try kind.field(AtomClasses(Self.classes, count: 4), .float64)
    let (positions, t) = try configurations(3, atoms: 7, seed: 7, .float64)
    let x = try positions.reshaped(3, 21)
    let (_, divergence) = try field.withDivergence(x, t)
    let projector = try field.space.projected(Tensor.identity(21, .float64))
    let (values, vectors) = try projector.symmetricEigenDecomposition()
    #expect(try values.slice(3..<21).sum().item() > 17.999)
    let basis = try vectors.transposed().slice(3..<21).reshaped(18, 1, 21).expanded([18, 3, 21])
    let (_, forms) = try field.withQuadraticForms(x, t, directions: basis)
    #expect(try largestDifference(forms.sum(0), divergence) < 1e-10)
  }

  @Test func weightsOfAnotherConfigurationAreRefused() throws {
    let atoms = try AtomClasses([0, 1], count: 2)
    let configuration = GVPConfiguration(layers: 1, scalars: 4, vectors: 2, radialFunctions: 3, atomClasses: 2)
    let network = try GVPNetwork(configuration: configuration, atoms: atoms, generator: Generator(seed: 1))
    var weights = Dictionary(
      uniqueKeysWithValues: try zip(network.parameterNames, network.parameters).map {
        ($0, try $1.array(as: Float.self))
      })
    let same = try GVPNetwork(configuration: configuration, atoms: atoms, weights: weights)
    for (a, b) in zip(same.parameters, network.parameters) { #expect(try a.array(as: Float.self) == b.array()) }
    var deeper = configuration
    deeper.layers = 2
    #expect(throws: CartesianNetworkError.parameterMissing("convs.1.edge_message.0.Wh")) {
      try GVPNetwork(configuration: deeper, atoms: atoms, weights: weights)
    }
    var wider = configuration
    wider.atomClasses = 3
    #expect(
      throws: CartesianNetworkError.parameterShape("initial_embedding.0.weight", found: [4, 3], expected: [4, 4])
    ) { try GVPNetwork(configuration: wider, atoms: atoms, weights: weights) }
    weights["other"] = weights["initial_embedding.0.bias"]
    #expect(throws: CartesianNetworkError.parameterUnknown("other")) {
      try GVPNetwork(configuration: configuration, atoms: atoms, weights: weights)
    }
    #expect(throws: CartesianNetworkError.unknownClass(2, atom: 1, count: 2)) { try AtomClasses([0, 2], count: 2) }
  }
}
