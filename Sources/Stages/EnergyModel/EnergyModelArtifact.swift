import Artifacts
import Generative
import Records
import Torch
import Workflow

public enum EnergyModelArtifactError: Error, CustomStringConvertible, Equatable {
  case anotherEmulator(samples: String, energyModel: String)

  public var description: String {
    switch self {
    case .anotherEmulator(let samples, let energyModel):
      "the samples \(samples) and the energy model \(energyModel) come from two different emulators; "
        + "a log-density of one says nothing about samples of the other"
    }
  }
}

/// An `energy-model` stage's result: the log-density of its emulator at one forward pass per sample.
struct EnergyModelArtifact {
  let energyModel: MolecularEnergyModel
  let name: String

  static func read(_ input: StageInput) throws -> EnergyModelArtifact {
    EnergyModelArtifact(
      energyModel: try input.artifact.model(Recorded.energyModel.model, MolecularEnergyModel.init), name: input.name)
  }

  /// What to say where samples were drawn by other steps than those whose density the model learnt; nil where they are the same.
  func warning(for samples: StageInput) throws -> String? {
    guard let learnt = energyModel.header.integrator, let own = try samples.artifact.integrator, learnt != own else {
      return nil
    }
    return
      "the samples of '\(samples.name)' were integrated by \(own.summary), those that '\(name)' learnt from by \(learnt.summary): the two "
      + "distributions differ by the solver's error, and so do the weights; give both the same integrator and ode_steps"
  }

  /// ln q of every sample of a `sample` artifact over Cartesian coordinates, up to the rigid-body constant, [n].
  /// Throws `EnergyModelArtifactError.anotherEmulator`.
  func logDensity(of samples: StageInput) throws -> [Double] {
    let (latents, logJacobian) = try latents(of: samples)
    return try energyModel.logDensity(latents, logJacobian)
  }

  /// Latents [n, d] on the model's chart, in Float32, and ln |dx/dq|, [n], of every sample of a `sample` artifact. Throws as above.
  func latents(of samples: StageInput) throws -> (latents: Tensor, logJacobian: [Double]) {
    guard try samples.artifact.read(Recorded.sample.emulator) == energyModel.header.emulator else {
      throw EnergyModelArtifactError.anotherEmulator(samples: samples.name, energyModel: name)
    }
    return try energyModel.chart.latents(of: samples.artifact)
  }
}

extension Artifact {
  /// How a `sample` artifact's trajectories were integrated; nil where it does not say.
  var integrator: Integrator? {
    get throws {
      try read(Recorded.sample.integrator).map { try Integrator(text: $0) }
    }
  }
}

extension EnergyModelChart {
  /// Latents [n, d] in Float32 and ln |dx/dq|, [n], of a `sample` artifact.
  func latents(of samples: Artifact) throws -> (latents: Tensor, logJacobian: [Double]) {
    let record = Recorded.sample
    if isEmulators { return (try Tensor(samples.read(record.latents)), try samples.read(record.logJacobian).values) }
    let positions = try samples.read(record.trajectory.coordinates)
    return try latents(positions: positions.values, frames: positions.shape.first ?? 0)
  }
}
