import ArgumentParser
import Artifacts
import Foundation
import Stages
import Workflow

struct ExportCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract:
      "Write a stage's frames or samples as an AMBER NetCDF trajectory, or a model of many peptides as a file by itself.",
    discussion: """
      Example: pipeline export alanine.yaml frames --output frames.nc
      Example: pipeline export transfer.yaml shared --output peptides.h5 --half
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Argument(help: "The stage: simulate, ingest or sample; transferable-emulator.", completion: Completions.stages)
  var stage: String
  @Option(
    help: ArgumentHelp(
      "The file to write; a file of that name is replaced, unless it is an input or a result of the pipeline.",
      valueName: "file"), completion: .file(extensions: ["nc", "h5"]))
  var output: String
  @Flag(help: "Of a model: round its weights to half precision, for a file of two thirds of the size.") var half = false
  @OptionGroup var results: JSONOption

  func run() throws {
    let engine = try pipeline.engine()
    let url = try pipeline.artifact(of: stage, in: engine)
    let file = URL(fileURLWithPath: output)
    try engine.requireReplaceable(file)
    if let found = try engine.assess(keys: false).first(where: { $0.stage.name == stage }), !found.isFinished {
      printError("note: \(stage) is \(found.state.word) (\(found.why)): this is what its last result holds")
    }
    let artifact = try Artifact.open(url, verify: true)
    if ModelExport.holdsModel(artifact) {
      try ModelExport.write(artifact, to: file, isRounded: half)
      let size = try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
      results.print(["stage": .string(stage), "frames": .null, "file": .string(file.relativePath)])
      if !results.json { print("\(String(format: "%.1f", Double(size) / 1e6)) MB: \(file.relativePath)") }
      return
    }
    guard !half else { throw ValidationError("--half is for models of many peptides, and \(stage) holds none") }
    let frames = try TrajectoryExport.write(artifact, to: file)
    results.print(["stage": .string(stage), "frames": .integer(frames), "file": .string(file.relativePath)])
    if !results.json { print("\(frames) frames: \(file.relativePath)") }
  }
}
