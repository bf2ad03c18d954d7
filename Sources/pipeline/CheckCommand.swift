import ArgumentParser
import Stages
import Workflow

struct CheckCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say what is wrong with a pipeline file and the files it names, and run nothing.",
    discussion: """
      Looks at everything that needs no computing. 'run' does so too, before its first stage.

      Example: pipeline check alanine.yaml
      """)

  @OptionGroup var pipeline: PipelineOptions

  @OptionGroup var results: JSONOption

  func run() throws {
    do {
      let definition = try pipeline.load(strictly: true)
      let names = Set(definition.stages.map(\.name))
      let warnings = try definition.check(names, folder: pipeline.folder(definition))
      for warning in warnings { printError("warning: \(warning)") }
      if !results.json {
        print("\(definition.source): \(names.count) stages, nothing wrong was found")
        let engine = Engine(pipeline: definition, folder: pipeline.folder(definition), console: Console())
        let open = StatusTable.toRun((try? engine.assess(keys: false)) ?? [], selected: names)
        if let total = StageCatalog.estimates(engine).of(open).total {
          print("a run takes \(total); 'run --dry-run' says what that rests on")
        }
      }
      tell(definition.source, stages: names.count, warnings.map { "\($0)" }, [])
    } catch let error as PipelineFileError {
      tell(pipeline.file, stages: nil, [], error.findings)
      throw error
    }
  }

  private func tell(_ file: String, stages: Int?, _ warnings: [String], _ findings: [PipelineFileError.Finding]) {
    let problems = findings.map { finding -> ParameterValue in
      [
        "file": .string(finding.location.source), "line": .integer(finding.location.line),
        "column": .integer(finding.location.column), "problem": .string("\(finding.problem)"),
      ]
    }
    results.print([
      "file": .string(file), "stages": stages.map { .integer($0) } ?? .null,
      "warnings": .list(warnings.map { .string($0) }), "problems": .list(problems),
    ])
  }
}
