import ArgumentParser
import Stages
import Workflow

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.",
    discussion: "Example: pipeline schema")

  @Flag(help: "Print what artifacts hold (docs/artifacts.md) instead.") var artifacts = false
  @Flag(help: "Print every stage type with its parameters (docs/stages.md) instead.") var stages = false

  func validate() throws {
    if artifacts, stages { throw ValidationError("give --artifacts or --stages, not both") }
  }

  func run() {
    let schema = { PipelineSchema.schema(StageCatalog.registry).prettyJSON + "\n" }
    let text = artifacts ? StageCatalog.artifactDocument : stages ? StageCatalog.stageDocument : schema()
    print(text, terminator: "")
  }
}
