import ArgumentParser
import Artifacts
import Foundation
import Stages

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a stage's frames or samples as an AMBER NetCDF trajectory.")

  @OptionGroup var pipeline: PipelineOptions
  @Argument(help: "The stage: simulate, ingest or sample.") var stage: String
  @Option(
    help: ArgumentHelp(
      "The file to write; a file of that name is replaced, unless it is an input or a result of the pipeline.",
      valueName: "file.nc"))
  var output: String

  func run() throws {
    let engine = try pipeline.engine()
    let url = try pipeline.artifact(of: stage, in: engine)
    let file = URL(fileURLWithPath: output)
    try engine.requireReplaceable(file)
    let frames = try TrajectoryExport.write(Artifact.open(url, verify: true), to: file)
    print("\(frames) frames: \(file.relativePath)")
  }
}
