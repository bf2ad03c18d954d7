import ArgumentParser
import Workflow

struct GraphCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Show how the stages depend on each other.",
    discussion: "Example: pipeline graph alanine.yaml --format mermaid")

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, dot, mermaid }

  @OptionGroup var pipeline: PipelineOptions
  @Option(help: "text, dot (Graphviz) or mermaid.") var format = Format.text
  @OptionGroup var results: JSONOption

  func run() throws {
    let definition = try pipeline.load()
    if results.json { return results.print(PipelineGraph.json(definition)) }
    switch format {
    case .text: print(PipelineGraph.text(definition))
    case .dot: print(PipelineGraph.dot(definition))
    case .mermaid: print(PipelineGraph.mermaid(definition))
    }
  }
}
