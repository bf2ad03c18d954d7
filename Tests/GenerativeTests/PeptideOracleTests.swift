import Basics
import Foundation
import HDF5
import Molecules
import TestSupport
import Testing
import Torch

@testable import Generative

/// The published network for many dipeptides, on one of them; see Tests/Fixtures/gvp-dipeptides/README.md.
struct PeptideOracle {
  /// Tables and embedding are those of datasets/dipeptides-published, features of the topologies in datasets/dipeptides.
  let features: PeptideFeatures
  let published: HDF5File
  private let weights: [String: NDArray<Float>]

  init() throws {
    published = try HDF5File.open(Package.fixture("gvp-dipeptides/cases.h5"))
    let file = try HDF5File.open(Package.datasets.appendingPathComponent("dipeptides-published/gvp.h5"))
    features = try Self.features(file)
    var weights: [String: NDArray<Float>] = [:]
    for name in try file.list("weights") {
      let dataset = try file.dataset("weights/\(name)")
      weights[name] = try NDArray(dataset.read(as: Float.self), shape: dataset.shape)
    }
    self.weights = weights
  }

  private static func features(_ file: HDF5File) throws -> PeptideFeatures {
    func names(_ name: String) throws -> [String] { try file.dataset("features/\(name)").readStrings() }
    func numbers(_ name: String) throws -> [Int] {
      try file.dataset("features/\(name)").read(as: Int64.self).map(Int.init)
    }
    let (residues, atoms) = (try names("rule_residue_name"), try names("rule_atom_name"))
    let types = try numbers("rule_atom_type")
    let presence = try numbers("rule_presence").map { try #require(PeptideFeatures.Presence(rawValue: $0)) }
    return try PeptideFeatures(
      places: 2, residueTypes: names("residue_type_name"), atomTypes: names("atom_type_name"),
      rules: residues.indices.map {
        PeptideFeatures.Rule(
          residue: residues[$0], atom: atoms[$0], type: types[$0], presence: Array(presence[2 * $0..<2 * $0 + 2]))
      })
  }

  func tensor(_ path: String) throws -> Tensor {
    let dataset = try published.dataset(path)
    return try Tensor(dataset.read(as: Double.self), shape: dataset.shape)
  }

  /// As published: positions with a free centre of mass, time running backwards. Float64 has the embedding's sums in Float64 too.
  func field(_ columns: [[Int]], _ type: ScalarType, _ kernel: GVPNetwork.Kernel = .fused) throws -> GVPVectorField {
    let name = GVPNetwork.embeddingWeight
    let embedding = try #require(weights[name])
    let folded = try features.folded(embedding, columns: columns)
    let configuration = GVPConfiguration(layers: 9, scalars: 128, atomClasses: folded.classCount)
    var network = try GVPNetwork(
      configuration: configuration, atoms: AtomClasses(folded.atomClasses, count: folded.classCount),
      weights: weights.merging([name: folded.embedding]) { $1 }
    ).replacing(kernel: kernel).cast(type)
    if type == .float64 {
      let exact = try features.folded(
        NDArray(embedding.values.map(Double.init), shape: embedding.shape), columns: columns)
      var parameters = network.parameters
      let place = try #require(network.parameterNames.firstIndex(of: name))
      parameters[place] = try Tensor(exact.embedding.values, shape: exact.embedding.shape)
      network = network.replacing(parameters: parameters, constants: network.constants.map(\.tensor))
    }
    return GVPVectorField(
      network: network, space: LatentSpace(atoms: columns.count, meanFree: false), networkTimeIsReversed: true)
  }

  static func topology(_ name: String) throws -> Topology {
    try Topology.read(pdb: Package.dipeptide(name).appendingPathComponent("topology.pdb"))
  }

  func columns(_ name: String) throws -> [[Int]] { try features.columns(of: Self.topology(name)) }

  /// Positions [cases, 3 atoms] and times, ours.
  func cases(_ name: String) throws -> (x: Tensor, t: Tensor) {
    let x = try tensor("cases/\(name)/x")
    return (try x.reshaped(x.shape[0], -1), try 1 - tensor("cases/\(name)/t"))
  }
}

@Suite struct PeptideOracleTests {
  static let molecules = ["AA", "AC", "ET", "GN", "IM", "KS", "NF", "NY"]

  /// The tables and the topology give each atom the features that the published featuriser gives it.
  @Test(arguments: molecules) func features(_ name: String) throws {
    let oracle = try PeptideOracle()
    let published = try oracle.published.dataset("molecules/\(name)/columns").read(as: Int64.self).map(Int.init)
    #expect(try oracle.columns(name).flatMap { $0 } == published)
  }

  /// Float32 to 1e-4 and Float64 to 1e-10, in the network's unit a unit of time; velocities have components of about 5.
  @Test(arguments: molecules, [ScalarType.float32, .float64]) func velocities(name: String, type: ScalarType) throws {
    try expectVelocities(name, type, .fused)
  }

  @Test(arguments: [GVPNetwork.Kernel.paired, .composed], [ScalarType.float32, .float64])
  func velocitiesByOtherKernels(kernel: GVPNetwork.Kernel, type: ScalarType) throws {
    try expectVelocities("AC", type, kernel)
  }

  private func expectVelocities(_ name: String, _ type: ScalarType, _ kernel: GVPNetwork.Kernel) throws {
    let oracle = try PeptideOracle()
    let (x, t) = try oracle.cases(name)
    let found = try oracle.field(oracle.columns(name), type, kernel)(x.cast(type), t.cast(type)).cast(.float64)
    let suffix = type == .float64 ? "_f64" : ""
    let published = try oracle.tensor("cases/\(name)/velocity\(suffix)").reshaped(x.shape)
    #expect(try largestDifference(-found, published) < (type == .float64 ? 1e-10 : 1e-4))
  }

  /// Relative, in Float64. The second case of KS is outside what the network saw: its divergence is -410.
  @Test(arguments: ["AC", "KS", "NF"]) func divergences(_ name: String) throws {
    let oracle = try PeptideOracle()
    let (x, t) = try oracle.cases(name)
    let (_, divergence) = try oracle.field(oracle.columns(name), .float64).withDivergence(x, t)
    let published = try oracle.tensor("cases/\(name)/divergence_f64")
    #expect(try largestDifference(divergence / published, Tensor.full([x.shape[0]], -1).cast(.float64)) < 1e-8)
  }

  /// Classical Runge-Kutta, 20 equal steps from noise, ends where the published path ends; divergences along it.
  @Test func trajectory() throws {
    let oracle = try PeptideOracle()
    let field = try oracle.field(oracle.columns("AC"), .float64)
    let end = try FlowSampler(field: field, integrator: .uniformRungeKutta4(steps: 20), method: .none)
      .integrate(from: oracle.tensor("trajectory/AC/prior").reshaped(1, 72), Generator(seed: 1))
    let states = try oracle.tensor("trajectory/AC/x_f64").reshaped(21, 72)
    #expect(try largestDifference(end.latents, states.slice(20..<21)) < 1e-9)
    #expect(end.functionEvaluations == 80)
    let (_, divergence) = try field.withDivergence(states, 1 - oracle.tensor("trajectory/AC/t"))
    let published = try oracle.tensor("trajectory/AC/divergence_f64")
    #expect(try largestDifference(divergence / published, Tensor.full([21], -1).cast(.float64)) < 1e-8)
  }

  /// Each of an atom's three features counts: with another place, residue or type of one atom the velocity is another.
  @Test(arguments: [(0, 0), (1, 3), (2, 25)]) func everyFeatureCounts(_ kind: Int, _ other: Int) throws {
    let oracle = try PeptideOracle()
    var columns = try oracle.columns("AC")
    #expect(columns[20][kind] != other)
    columns[20][kind] = other
    let (x, t) = try oracle.cases("AC")
    let found = try oracle.field(columns, .float64)(x, t)
    let published = try oracle.tensor("cases/AC/velocity_f64").reshaped(x.shape)
    #expect(try largestDifference(-found, published) > 1e-2)
  }
}
