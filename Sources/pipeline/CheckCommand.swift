import ArgumentParser
import Workflow

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say what is wrong with a pipeline file and the files it names, and run nothing.",
    discussion: "Looks at everything that needs no computing. 'run' does so too, before its first stage.")

  @OptionGroup var pipeline: PipelineOptions

  func run() throws {
    let definition = try pipeline.load(strictly: true)
    let names = Set(definition.stages.map(\.name))
    for warning in try definition.check(names, folder: pipeline.folder(definition)) {
      printError("warning: \(warning)")
    }
    print("\(definition.source): \(names.count) stages, nothing wrong was found")
  }
}
