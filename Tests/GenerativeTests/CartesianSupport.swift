import Basics
import Foundation
import HDF5
import TestSupport
import Torch

@testable import Generative

/// Published weights, inputs and outputs of a GVP network; see Tests/Fixtures/gvp/README.md.
struct GVPOracle {
  /// Of the two networks that give a velocity; "endpoint" gives the data point.
  static let models = ["biased", "unbiased"]

  let file: HDF5File
  let weightFile: HDF5File
  let kernel: GVPNetwork.Kernel

  init(_ name: String, kernel: GVPNetwork.Kernel = .fused) throws {
    file = try HDF5File.open(Package.fixture("gvp/\(name).h5"))
    let shipped = ["biased", "endpoint"].contains(name)
    weightFile =
      shipped ? try HDF5File.open(Package.datasets.appendingPathComponent("alanine-xtb/gvp-\(name).h5")) : file
    self.kernel = kernel
  }

  func tensor(_ path: String) throws -> Tensor {
    let dataset = try file.dataset(path)
    return try Tensor(dataset.read(as: Double.self), shape: dataset.shape)
  }

  func network() throws -> GVPNetwork {
    var weights: [String: NDArray<Float>] = [:]
    for name in try weightFile.list("weights") {
      let dataset = try weightFile.dataset("weights/\(name)")
      weights[name] = try NDArray(dataset.read(as: Float.self), shape: dataset.shape)
    }
    let classes = try file.dataset("cases/atom_class").read(as: Int64.self).map(Int.init)
    return try GVPNetwork(
      configuration: GVPConfiguration(), atoms: AtomClasses(classes, count: 21), weights: weights
    ).replacing(kernel: kernel)
  }

  /// Of the endpoint network, to which the same holds unless positions are mean-free.
  func endpointField(_ type: ScalarType, meanFree: Bool = false) throws -> EndpointVectorField<GVPVectorField> {
    EndpointVectorField(
      base: GVPVectorField(
        network: try network().cast(type), space: LatentSpace(atoms: 22, meanFree: meanFree),
        networkTimeIsReversed: true, readsPoint: true), interpolant: .linear)
  }

  /// As published: positions with a free centre of mass, time running backwards.
  func field(_ type: ScalarType) throws -> GVPVectorField {
    GVPVectorField(
      network: try network().cast(type), space: LatentSpace(atoms: 22, meanFree: false), networkTimeIsReversed: true)
  }
}

/// The Cartesian networks, small enough for derivatives by differences and with parameters that leave nothing trivially right.
enum CartesianKind: String, CaseIterable, Sendable {
  /// `gvp` has sizes that the fused kernel does not take.
  case gvp, gvpFused, egnn

  func network(_ atoms: AtomClasses, seed: UInt64 = 1) throws -> any CartesianNetwork {
    let generator = try Generator(seed: seed)
    func shaken<Net: Network>(_ network: Net) throws -> Net {
      network.replacing(parameters: try network.parameters.map { try $0 + generator.normal($0.shape) * 0.1 })
    }
    switch self {
    case .gvp, .gvpFused:
      let (scalars, vectors) = self == .gvp ? (12, 5) : (16, 8)
      let configuration = GVPConfiguration(
        layers: 3, scalars: scalars, vectors: vectors, radialFunctions: 6, cutoff: 8, positionRange: 1,
        atomClasses: atoms.count)
      return try shaken(GVPNetwork(configuration: configuration, atoms: atoms, generator: generator))
    case .egnn:
      let configuration = EGNNConfiguration(layers: 3, width: 12, coordinateRange: 3, atomClasses: atoms.count)
      return try shaken(EGNNNetwork(configuration: configuration, atoms: atoms, generator: generator))
    }
  }

  func field(_ atoms: AtomClasses, seed: UInt64 = 1, _ type: ScalarType) throws -> any VectorField {
    func field(_ network: some CartesianNetwork) throws -> any VectorField {
      CartesianVectorField(network: try network.cast(type), space: LatentSpace(atoms: atoms.atoms, meanFree: true))
    }
    return try field(network(atoms, seed: seed))
  }
}
