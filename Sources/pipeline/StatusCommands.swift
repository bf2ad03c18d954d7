import ArgumentParser
import Stages
import Workflow

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show each stage's state, why, when it was finished, and its warnings.")

  @OptionGroup var pipeline: PipelineOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let engine = try pipeline.engine()
    let assessments = try engine.assess(keys: false)
    let batch = BatchRun(engine)
    let found = batch.hasSubmissions ? batch.status() : (stages: [:], problem: nil)
    if json {
      if let problem = found.problem { printError("the queue is not known: \(problem)") }
      print(
        StatusTable.json(
          assessments, pipeline: engine.pipeline, batch: Self.batch(assessments, engine, found.stages),
          jobs: found.stages
        ).prettyJSON)
      return
    }
    print(Self.text(assessments, engine, found.stages))
    if let problem = found.problem { print("the queue is not known: \(problem)") }
    if let holder = engine.folder.holder() { print("running: \(holder)") }
  }

  /// The table of stages and, for a matrix, that of its combinations.
  static func text(_ assessments: [StageAssessment], _ engine: Engine, _ jobs: [String: JobStatus]) -> String {
    StatusTable.text(assessments, jobs: jobs) + (batch(assessments, engine, jobs).map { "\n\n" + $0.text } ?? "")
  }

  private static func batch(
    _ assessments: [StageAssessment], _ engine: Engine, _ jobs: [String: JobStatus]
  ) -> BatchTable? {
    BatchTable(
      assessments, pipeline: engine.pipeline, folder: engine.folder, columns: StageCatalog.columns(), jobs: jobs)
  }
}

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Say why stages run or are skipped: the fields of their keys that differ.")

  @OptionGroup var pipeline: PipelineOptions
  @Argument(help: "Stages, by full names, names in the file or patterns; all of them if left out.") var stages:
    [String] = []

  func run() throws {
    let engine = try pipeline.engine()
    let wanted = try engine.names(matching: stages)
    for assessment in try engine.assess() where stages.isEmpty || wanted.contains(assessment.stage.name) {
      print(StatusTable.explanation(assessment))
    }
  }
}
