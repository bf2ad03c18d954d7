import Artifacts
import Foundation
import Generative
import Torch
import Workflow

public enum EnergyModelArtifactError: Error, CustomStringConvertible, Equatable {
  case anotherEmulator(samples: String, energyModel: String)

  public var description: String {
    switch self {
    case .anotherEmulator(let samples, let energyModel):
      return "the samples \(samples) and the energy model \(energyModel) come from two different emulators; "
        + "a log-density of one says nothing about samples of the other"
    }
  }
}

/// An `energy-model` stage's result: the log-density of its emulator at one forward pass per sample.
struct EnergyModelArtifact {
  let model: any EnergyModel
  let chart: EnergyModelChart
  let emulatorDigest: String
  let name: String

  struct Header: Codable {
    var architecture: EnergyArchitecture
    var interpolant: Interpolant
    var emulator: String
  }

  static func write(_ header: Header, _ chart: EnergyModelChart, to writer: ArtifactWriter) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try writer.write("energy_model/header", string: String(decoding: encoder.encode(header), as: UTF8.self))
    try writer.write("energy_model/chart", string: String(decoding: encoder.encode(chart), as: UTF8.self))
  }

  static func read(_ input: StageInput) throws -> EnergyModelArtifact {
    func decoded<T: Decodable>(_ type: T.Type, _ path: String) throws -> T {
      try JSONDecoder().decode(type, from: Data(input.artifact.readString(path).utf8))
    }
    let header = try decoded(Header.self, "energy_model/header")
    let chart = try decoded(EnergyModelChart.self, "energy_model/chart")
    let blank = try header.architecture.model(chart.chart, header.interpolant, Generator(seed: 0))
    return EnergyModelArtifact(
      model: try NetworkStore.averaged(blank, input.artifact), chart: chart, emulatorDigest: header.emulator,
      name: input.name)
  }

  /// ln q of every sample of a `sample` artifact over Cartesian coordinates, up to the rigid-body constant, [n].
  /// Throws `EnergyModelArtifactError.anotherEmulator`.
  func logDensity(of samples: StageInput) throws -> [Double] {
    guard try samples.artifact.attribute("latents", "emulator") == emulatorDigest else {
      throw EnergyModelArtifactError.anotherEmulator(samples: samples.name, energyModel: name)
    }
    let (latents, logJacobian) = try chart.latents(of: samples.artifact)
    return try cartesianLogDensity(latents, logJacobian)
  }

  func cartesianLogDensity(_ latents: Tensor, _ logJacobian: [Double]) throws -> [Double] {
    chart.cartesian(try model.logDensity(latents).values(as: Double.self), logJacobian)
  }
}

/// The kind and shape of an energy model's network: everything but its numbers.
enum EnergyArchitecture: Codable, Equatable {
  case residual(NetworkConfiguration)
  case cartesian(CartesianEnergyConfiguration, Molecule)

  /// A model with fresh parameters. `data` [n, d] are latents that a Cartesian one starts near; without them its constants are
  /// of the right shape and nothing else.
  func model(
    _ chart: Chart, _ interpolant: Interpolant, data: Tensor? = nil, _ generator: Generator
  ) throws -> any EnergyModel {
    switch self {
    case .cartesian(let configuration, let molecule):
      let graph = try MolecularGraph(molecule)
      let statistics = try PairStatistics(data ?? Tensor.zeros([1, 3 * molecule.atoms]), graph: graph)
      return CartesianEnergyModel(
        network: try CartesianEnergyNetwork(
          configuration: configuration, graph: graph, statistics: statistics, generator: generator),
        interpolant: interpolant)
    case .residual(let configuration):
      return ResidualEnergyModel(
        network: try ResidualNetwork(space: chart.space, configuration: configuration, generator: generator),
        interpolant: interpolant)
    }
  }
}

/// The chart an energy model works on: its emulator's, or internal coordinates of a Cartesian emulator's samples.
struct EnergyModelChart: Codable {
  let chart: Chart
  /// The samples' own latents are those of this chart.
  let isEmulators: Bool

  /// Latents [n, d] in Float32 and ln |dx/dq|, [n], of a `sample` artifact.
  func latents(of samples: Artifact) throws -> (latents: Tensor, logJacobian: [Double]) {
    if isEmulators {
      return (
        try Tensor(samples.read("latents", as: Float.self)),
        try samples.read("log_jacobian", as: Double.self).values
      )
    }
    let positions = try samples.read("coordinates", as: Double.self)
    let (latents, logJacobian) = try chart.latentsAndJacobians(positions.values, frames: positions.shape.first ?? 0)
    return (try latents.cast(.float32), logJacobian)
  }

  func latents(of samples: MolecularSamples) throws -> (latents: Tensor, logJacobian: [Double]) {
    if isEmulators { return (samples.latents, samples.logJacobian) }
    let (latents, logJacobian) = try chart.latentsAndJacobians(samples.coordinates, frames: samples.count)
    return (try latents.cast(.float32), logJacobian)
  }

  /// ln q over Cartesian coordinates from ln q over latents, [n].
  func cartesian(_ logDensities: [Double], _ logJacobian: [Double]) -> [Double] {
    zip(logDensities, logJacobian).map { $0 + chart.logDeterminant - $1 }
  }

  /// The inverse of `cartesian`.
  func latent(_ logDensities: [Double], _ logJacobian: [Double]) -> [Double] {
    zip(logDensities, logJacobian).map { $0 - chart.logDeterminant + $1 }
  }
}
