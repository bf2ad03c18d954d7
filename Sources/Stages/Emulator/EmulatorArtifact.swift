import Artifacts
import Generative
import Records
import Workflow

/// An emulator in an artifact, with what the stages beside it need.
struct EmulatorArtifact {
  let emulator: Emulator
  let topologyJSON: String  // The topology in MDTraj's JSON, for trajectories made from samples
  let digest: String  // Content digest of the emulator's artifact: samples and energy models remember whose they are

  static func read(_ input: StageInput) throws -> EmulatorArtifact { try read(input.artifact) }

  static func read(_ artifact: Artifact) throws -> EmulatorArtifact {
    let record = Recorded.emulator
    return EmulatorArtifact(
      emulator: try artifact.model(record.model, Emulator.init),
      topologyJSON: try artifact.read(record.topology).first ?? "", digest: artifact.provenance.contentDigest)
  }
}
