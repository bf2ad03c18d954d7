import ArgumentParser
import Workflow

struct GraphCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Show how the stages depend on each other.")

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, dot, mermaid }

  @OptionGroup var pipeline: PipelineOptions
  @Option(help: "text, dot (Graphviz) or mermaid.") var format = Format.text

  func run() throws {
    let definition = try pipeline.load()
    switch format {
    case .text: print(PipelineGraph.text(definition))
    case .dot: print(PipelineGraph.dot(definition))
    case .mermaid: print(PipelineGraph.mermaid(definition))
    }
  }
}
