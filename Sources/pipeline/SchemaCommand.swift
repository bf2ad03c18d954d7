import ArgumentParser
import Stages
import Workflow

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.")

  @Flag(help: "Print what artifacts hold (docs/artifacts.md) instead.") var artifacts = false

  func run() {
    if artifacts {
      print(StageCatalog.artifactDocument, terminator: "")
    } else {
      print(PipelineSchema.schema(StageCatalog.registry).prettyJSON)
    }
  }
}
