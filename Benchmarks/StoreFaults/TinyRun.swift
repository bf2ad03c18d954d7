import Artifacts
import Basics
import Foundation
import Workflow

// Four tiny stages: numbers from a file, a stage with checkpoints, one that reads both, and one that leaves a page beside its artifact.

enum NumbersStage: StageType {
  static let type = "numbers"
  static let version = 1
  static let summary = "the bytes of a file"

  struct Parameters: ParameterGroup { @Parameter("the file") var file: InputFile? }

  static func run(_ context: StageContext) throws {
    let file = try context.parameters(Parameters.self).file
    let values = try file.map { try Data(contentsOf: $0.url).map(Double.init) } ?? []
    try context.output.write("values", values, shape: [values.count])
  }
}

enum StepsStage: StageType {
  static let type = "steps"
  static let version = 1
  static let summary = "counts, with a checkpoint at each step"

  struct Parameters: ParameterGroup {
    @Parameter("how far", in: 1...100) var steps = 3
    @Parameter("what is added", in: 0...100) var offset = 0.0
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    var values = try context.checkpoints.latest()?.artifact.read("values", as: Double.self).values ?? []
    while values.count < parameters.steps {
      values.append(Double(values.count) + parameters.offset)
      try context.checkpoints.save(step: values.count) { try $0.write("values", values, shape: [values.count]) }
    }
    try context.output.write("values", values, shape: [values.count])
  }
}

enum SumStage: StageType {
  static let type = "sum"
  static let version = 1
  static let summary = "the sum of what it reads"

  struct Inputs: StageInputs {
    let of = Input("what", eachOf: { [NumbersStage.type, StepsStage.type].contains($0.type) })
  }

  static func run(_ context: StageContext) throws {
    let sums = try context.inputs(\Inputs.of).map {
      try $0.artifact.read("values", as: Double.self).values.reduce(0, +)
    }
    try context.output.write("sums", sums, shape: [sums.count])
  }
}

enum PageStage: StageType {
  static let type = "page"
  static let version = 1
  static let summary = "a page of text"
  static let sideFiles = [SideFile("html")]

  struct Inputs: StageInputs { let of = Input("what", of: SumStage.self) }

  static func run(_ context: StageContext) throws {
    let sums = try context.input(\Inputs.of).artifact.read("sums", as: Double.self).values
    _ = try context.writeSideFile("html", Data("<p>\(sums)</p>\n".utf8))
    try context.output.write("sums", sums, shape: [sums.count])
  }
}

/// The run as the program would carry it out: exit code and words on standard error are those of `pipeline run`.
enum TinyRun {
  static let stages = ["numbers", "steps", "sum", "page"]

  static func text(offset: Int) -> String {
    """
    name: tiny
    stages:
      numbers: { uses: numbers, file: numbers.bin }
      steps:   { uses: steps, offset: \(offset) }
      sum:     { uses: sum, of: [numbers, steps] }
      page:    { uses: page, of: sum }

    """
  }

  private final class Lines: RunDisplay {
    func line(_ text: String) { StandardError.write(text + "\n") }
    func progress(of stage: String) -> any Basics.ProgressReporting { SilentProgress() }
  }

  static func carryOut(_ folder: URL) -> Int32 {
    do {
      let registry = StageRegistry([NumbersStage.self, StepsStage.self, SumStage.self, PageStage.self])
      let pipeline = try PipelineLoader(registry: registry).load(
        folder.appendingPathComponent("tiny.yaml"), shownAs: "tiny.yaml", workingFolder: folder)
      let run = RunFolder(runs: folder.appendingPathComponent("runs"), pipeline: pipeline)
      try run.lock(as: "pipeline run tiny.yaml")
      let outcome = try Engine(pipeline: pipeline, folder: run, console: Lines()).run()
      for stage in outcome.stages {
        if case .failed(let error) = stage.result { StandardError.write("error: stage '\(stage.stage)': \(error)\n") }
      }
      if outcome.exitCode != 0 { StandardError.write("resume with: pipeline run tiny.yaml\n") }
      return outcome.exitCode
    } catch {
      StandardError.write("error: \(error)\n")
      return 1
    }
  }
}
