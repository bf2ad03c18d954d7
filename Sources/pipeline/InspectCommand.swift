import ArgumentParser
import Artifacts
import Foundation
import Workflow

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what an artifact holds: names, types, shapes, units, small values.")

  @OptionGroup var pipeline: PipelineOptions
  @Argument(help: "The stage; left out where the file is an artifact itself.") var stage: String?

  func run() throws {
    if pipeline.file.hasSuffix(".h5"), stage == nil {
      return print(try ArtifactInspection.text(Artifact.open(URL(fileURLWithPath: pipeline.file), verify: false)))
    }
    let engine = try pipeline.engine()
    guard let stage else {
      throw ValidationError("name a stage: \(engine.pipeline.stages.map(\.name).joined(separator: ", "))")
    }
    let url = try pipeline.artifact(of: stage, in: engine)
    print(try ArtifactInspection.text(Artifact.open(url, verify: false)))
  }
}
