import ArgumentParser
import Stages
import Workflow

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.")

  func run() { print(PipelineSchema.schema(StageCatalog.registry).prettyJSON) }
}
