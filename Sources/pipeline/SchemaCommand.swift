import ArgumentParser
import Stages
import Workflow

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.",
    discussion: """
      Example: pipeline schema
      Example: pipeline schema --artifacts --json
      """)

  @Flag(help: "Print what artifacts hold (docs/artifacts.md) instead; with --json for programs.") var artifacts = false
  @Flag(help: "Print every stage type with its parameters (docs/stages.md) instead.") var stages = false
  @OptionGroup var results: JSONOption

  func validate() throws {
    if artifacts, stages { throw ValidationError("give --artifacts or --stages, not both") }
    if stages, results.json {
      throw ValidationError("--stages is a page for people; 'pipeline schema' has the parameters as JSON")
    }
  }

  func run() {
    if artifacts, results.json {
      return results.print(StageCatalog.artifactDeclarations.with("version", .string(PackageVersion.current)))
    }
    let schema = { PipelineSchema.schema(StageCatalog.registry).prettyJSON + "\n" }
    let text = artifacts ? StageCatalog.artifactDocument : stages ? StageCatalog.stageDocument : schema()
    print(text, terminator: "")
  }
}
