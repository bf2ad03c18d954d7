import Artifacts
import Basics
import Generative
import Workflow

/// An emulator in an artifact, with what the stages beside it need.
struct EmulatorArtifact {
  let emulator: Emulator
  /// The topology in MDTraj's JSON, for trajectories made from samples.
  let topologyJSON: String
  /// Content digest of the emulator's artifact: samples and energy models remember whose they are.
  let digest: String

  /// Writes all but the tensors.
  static func write(_ archive: ModelArchive, topologyJSON: String, to writer: ArtifactWriter) throws {
    try writer.write("emulator/header", string: archive.header)
    try writer.write("emulator/chart", string: archive.chart)
    try writer.write("topology", strings: [topologyJSON])
  }

  static func read(_ input: StageInput) throws -> EmulatorArtifact {
    let artifact = input.artifact
    return EmulatorArtifact(
      emulator: try artifact.model("emulator", Emulator.init),
      topologyJSON: try artifact.readStrings("topology").first ?? "",
      digest: artifact.provenance.contentDigest)
  }
}

extension Artifact {
  /// A model of header and chart under `group`, and of its tensors in the training state.
  func model<Model>(_ group: String, _ make: (ModelArchive) throws -> Model) throws -> Model {
    var tensors: [String: NDArray<Float>] = [:]
    for part in ModelArchive.groups where exists("training/tensors/\(part)") {
      let saved = try savedArrays("training/tensors/\(part)")
      for name in saved.values.keys { tensors["\(part)/\(name)"] = try saved.floats(name) }
    }
    do {
      return try make(
        ModelArchive(header: readString("\(group)/header"), chart: readString("\(group)/chart"), tensors: tensors))
    } catch TrainingError.badState(let reason) {
      throw TrainingError.badState("\(url.lastPathComponent): \(reason)")
    }
  }
}

extension ArtifactWriter {
  /// Writes what a training ended with: the state, and the loss curve as results/loss/<column> and step.
  func write(_ state: TrainingState) throws {
    try write(state.saved(), to: "training")
    let curve = state.curve
    try write("results/loss/step", curve.steps.map(Int64.init), shape: [curve.steps.count], dims: ["step"])
    for column in curve.columns {
      let values = curve.column(column)
      try write("results/loss/\(column)", values, shape: [values.count], dims: ["step"])
    }
  }
}
