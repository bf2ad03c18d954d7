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
  let logDeterminant: Double
  let emulatorDigest: String
  let name: String

  struct Header: Codable {
    var space: LatentSpace
    var network: NetworkConfiguration
    var interpolant: Interpolant
    var logDeterminant: Double
    var emulator: String
  }

  static func write(_ header: Header, to writer: ArtifactWriter) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try writer.write("energy_model/header", string: String(decoding: encoder.encode(header), as: UTF8.self))
  }

  static func read(_ input: StageInput) throws -> EnergyModelArtifact {
    let text = try input.artifact.readString("energy_model/header")
    let header = try JSONDecoder().decode(Header.self, from: Data(text.utf8))
    let blank = try ResidualNetwork(space: header.space, configuration: header.network, generator: Generator(seed: 0))
    let network = try NetworkStore.averaged(blank, input.artifact)
    return EnergyModelArtifact(
      model: ResidualEnergyModel(network: network, interpolant: header.interpolant),
      logDeterminant: header.logDeterminant, emulatorDigest: header.emulator, name: input.name)
  }

  /// ln q of every sample of a `sample` artifact over Cartesian coordinates, up to the rigid-body constant, [n].
  /// Throws `EnergyModelArtifactError.anotherEmulator`.
  func logDensity(of samples: StageInput) throws -> [Double] {
    guard try samples.artifact.attribute("latents", "emulator") == emulatorDigest else {
      throw EnergyModelArtifactError.anotherEmulator(samples: samples.name, energyModel: name)
    }
    let latents = try Tensor(samples.artifact.read("latents", as: Float.self))
    let jacobian = try samples.artifact.read("log_jacobian", as: Double.self).values
    let values = try model.logDensity(latents).values(as: Double.self)
    return zip(values, jacobian).map { $0 + logDeterminant - $1 }
  }
}
