import ArgumentParser
import Stages
import Workflow

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.",
    discussion: "Example: pipeline schema")

  @Flag(help: "Print what artifacts hold (docs/artifacts.md) instead.") var artifacts = false

  func run() {
    let schema = { PipelineSchema.schema(StageCatalog.registry).prettyJSON + "\n" }
    print(artifacts ? StageCatalog.artifactDocument : schema(), terminator: "")
  }
}
