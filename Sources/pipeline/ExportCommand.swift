import ArgumentParser
import Artifacts
import Foundation
import Stages
import Workflow

struct ExportCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a stage's frames or samples as an AMBER NetCDF trajectory.",
    discussion: "Example: pipeline export alanine.yaml frames --output frames.nc")

  @OptionGroup var pipeline: PipelineOptions
  @Argument(help: "The stage: simulate, ingest or sample.", completion: Completions.stages) var stage: String
  @Option(
    help: ArgumentHelp(
      "The file to write; a file of that name is replaced, unless it is an input or a result of the pipeline.",
      valueName: "file.nc"), completion: .file(extensions: ["nc"]))
  var output: String
  @OptionGroup var results: JSONOption

  func run() throws {
    let engine = try pipeline.engine()
    let url = try pipeline.artifact(of: stage, in: engine)
    let file = URL(fileURLWithPath: output)
    try engine.requireReplaceable(file)
    if let found = try engine.assess(keys: false).first(where: { $0.stage.name == stage }), !found.isFinished {
      printError("note: \(stage) is \(found.state.word) (\(found.why)): these are the frames of its last result")
    }
    let frames = try TrajectoryExport.write(Artifact.open(url, verify: true), to: file)
    results.print(["stage": .string(stage), "frames": .integer(frames), "file": .string(file.relativePath)])
    if !results.json { print("\(frames) frames: \(file.relativePath)") }
  }
}
