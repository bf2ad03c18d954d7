import ArgumentParser
import Basics
import Foundation
import Stages
import Workflow

struct ExampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "example", abstract: "Copy a pipeline file that comes with the program, and the files that it names.",
    discussion: """
      Without a name: what there is. Files are written below the folder, the pipeline file beside datasets/; nothing is overwritten.

      Example: pipeline example alanine-quick
      """)

  @Argument(help: "A pipeline file's name: alanine-quick.") var name: String?
  @Option(
    help: ArgumentHelp("The folder to write to; made if it is not there.", valueName: "folder"), completion: .directory)
  var output = "."
  @OptionGroup var results: JSONOption

  private static func json(
    examples: [ParameterValue] = [], file: ParameterValue = .null, inputs: [ParameterValue] = []
  ) -> ParameterValue { ["examples": .list(examples), "file": file, "inputs": .list(inputs)] }

  func run() throws {
    let shipped = try ShippedPipelines()
    guard let name else {
      let found = try shipped.all()
      results.print(Self.json(examples: found.map { ["name": .string($0.name), "about": .string($0.about)] }))
      if !results.json {
        var table = TextTable(columns: ["example", "what it does"])
        for each in found { table.addRow([each.name, each.about]) }
        print(table.rendered())
      }
      return
    }
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let (file, others, isPipeline) = try shipped.copy(name, to: folder)
    results.print(Self.json(file: .string(file.relativePath), inputs: others.map { .string($0.relativePath) }))
    if !results.json {
      print(file.relativePath)
      for other in others.prefix(6) { print(other.relativePath) }
      if others.count > 6 { print("and \(others.count - 6) more") }
      guard isPipeline else { return }
      print("next: " + CommandLineText.command(["run", output == "." ? file.lastPathComponent : file.relativePath]))
    }
  }
}
