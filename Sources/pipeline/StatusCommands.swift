import ArgumentParser
import Stages
import Workflow

struct StatusCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show each stage's state, why, when it was finished, and its warnings.",
    discussion: """
      Of stages that run, how far they are; 'watch' shows that as it goes on.

      Example: pipeline status alanine.yaml
      """)

  @OptionGroup var pipeline: PipelineOptions
  @OptionGroup var results: JSONOption

  func run() throws {
    let engine = try pipeline.engine()
    let assessments = try engine.assess(keys: false)
    let batch = BatchRun(engine)
    let found = batch.hasSubmissions ? batch.status() : (stages: [:], problem: nil)
    let progress = engine.folder.progress()
    if results.json {
      if let problem = found.problem { printError("the queue is not known: \(problem)") }
      results.print(
        StatusTable.json(
          assessments, pipeline: engine.pipeline, batch: Self.batch(assessments, engine, found.stages),
          jobs: found.stages, progress: progress))
      return
    }
    print(Self.text(assessments, engine, found.stages, progress))
    if let problem = found.problem { print("the queue is not known: \(problem)") }
    if let holder = engine.folder.holder() { print("running: \(holder)") }
  }

  /// The table of stages and, for a matrix, that of its combinations.
  static func text(
    _ assessments: [StageAssessment], _ engine: Engine, _ jobs: [String: JobStatus],
    _ progress: [String: StageProgress] = [:]
  ) -> String {
    StatusTable.text(assessments, jobs: jobs, progress: progress)
      + (batch(assessments, engine, jobs).map { "\n\n" + $0.text } ?? "")
  }

  static func batch(
    _ assessments: [StageAssessment], _ engine: Engine, _ jobs: [String: JobStatus]
  ) -> BatchTable? {
    BatchTable(
      assessments, pipeline: engine.pipeline, folder: engine.folder, columns: StageCatalog.columns(), jobs: jobs)
  }
}

struct ExplainCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Say why stages run or are skipped: the fields of their keys that differ.",
    discussion: """
      Of stages that are named, their keys too.

      Example: pipeline explain alanine.yaml emulator
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Argument(
    help: "Stages, by full names, names in the file or patterns; all of them if left out.",
    completion: Completions.selections) var stages: [String] = []
  @OptionGroup var results: JSONOption

  func run() throws {
    let engine = try pipeline.engine()
    let wanted = try engine.names(matching: stages)
    let assessments = try engine.assess().filter { stages.isEmpty || wanted.contains($0.stage.name) }
    if results.json { return results.print(StatusTable.explanations(assessments, pipeline: engine.pipeline)) }
    for assessment in assessments { print(StatusTable.explanation(assessment, keys: !stages.isEmpty)) }
  }
}
