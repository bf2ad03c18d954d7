import Artifacts
import Basics
import Foundation
import Workflow

// Stages that wait in place of work, so that what is left of a run's time is the engine's own.

enum WaitStage: StageType {
  static let type = "wait"
  static let version = 1
  static let summary = "waits, and writes some numbers"

  struct Parameters: ParameterGroup {
    @Parameter("how long", unit: "s", in: 0...3600) var seconds = 1.0
    @Parameter("how many numbers", in: 1...10_000_000) var count = 1000
    @Parameter("the first of them", in: 0...10_000_000) var first = 0
  }

  static func run(_ context: StageContext) throws {
    let parameters = try context.parameters(Parameters.self)
    let watch = Stopwatch()
    while watch.seconds < parameters.seconds {
      usleep(UInt32(min(0.05, max(0, parameters.seconds - watch.seconds)) * 1e6))
      try context.checkInterruption()
    }
    let values = (0..<parameters.count).map { Double($0 + parameters.first) }
    try context.output.write("values", values, shape: [values.count])
  }
}

enum GatherStage: StageType {
  static let type = "gather"
  static let version = 1
  static let summary = "reads them all"

  struct Inputs: StageInputs { let of = Input("what is gathered", eachOf: { $0.type == WaitStage.type }) }

  static func run(_ context: StageContext) throws {
    let sums = try context.inputs(\Inputs.of).map {
      try $0.artifact.read("values", as: Double.self).values.reduce(0, +)
    }
    try context.output.write("sums", sums, shape: [sums.count])
  }
}

/// A batch of stand-ins in a folder: each of its parts is a process of its own, so that its memory is known.
enum StandIns {
  static func text(cells: Int, seconds: Double) -> String {
    let entries = (0..<cells).map { "    m\($0): { first: \($0) }" }.joined(separator: "\n")
    return """
      name: batch
      matrix:
        molecule:
      \(entries)
      stages:
        work: { uses: wait, seconds: \(seconds), first: "${molecule.first}" }
        all:  { uses: gather, of: work }

      """
  }

  static let registry = StageRegistry([WaitStage.self, GatherStage.self])

  private final class Silent: RunDisplay {
    func line(_ text: String) { if text.contains("error") || text.contains("failed") { print(text) } }
    func progress(of stage: String) -> any Basics.ProgressReporting { SilentProgress() }
  }

  private static func pipeline(_ folder: URL) throws -> PipelineDefinition {
    try PipelineLoader(registry: registry).load(
      folder.appendingPathComponent("batch.yaml"), shownAs: "batch.yaml", workingFolder: folder)
  }

  private static func runFolder(_ folder: URL, _ pipeline: PipelineDefinition) -> RunFolder {
    RunFolder(runs: folder.appendingPathComponent("runs"), pipeline: pipeline)
  }

  /// One part, as the program would do it. Prints what it measured.
  static func part(_ words: [String]) throws -> Int32 {
    let folder = URL(fileURLWithPath: words[1], isDirectory: true)
    let watch = Stopwatch()
    let pipeline = try pipeline(folder)
    let loaded = watch.seconds
    let run = runFolder(folder, pipeline)
    func line(_ name: String, _ text: String) {
      print("  \(name.padding(toLength: 34, withPad: " ", startingAt: 0))\(text)")
    }
    switch words[0] {
    case "check":
      let assessments = try Engine(pipeline: pipeline, folder: run, console: Silent()).assess(keys: false)
      line(
        "plan: load, and look at \(assessments.count) stages", "\(seconds(loaded)), \(seconds(watch.seconds - loaded))")
    case "run":
      let jobs = Int(words[2])
      try run.lock(as: "batch-benchmark")
      let engine = Engine(
        pipeline: pipeline, folder: run, console: Silent(),
        worker: { stage, key, _, _ in ["stage", folder.path, stage, key] })
      var options = RunOptions()
      options.jobs = jobs
      options.threads = 1
      let outcome = try engine.run(options)
      let whole = watch.seconds
      let own = outcome.stages.reduce(0.0) { sum, stage in
        if case .ran(let seconds) = stage.result { sum + seconds } else { sum }
      }
      let count = outcome.stages.count
      let how = jobs.map { "--jobs \($0)" } ?? "one process"
      let cost = (whole - own / Double(jobs ?? 1)) / Double(count)
      line(
        "\(count) stages, \(how)",
        "\(seconds(whole)), their own \(seconds(own)): \(NumberText.fixed(1000 * cost, 1)) ms a stage")
      line("peak memory of that process", "\(peak()) MiB")
      return outcome.exitCode
    case "stage":
      let interruption = Interruption()
      let worker = try Worker(folder: run, interruption: interruption)
      let engine = Engine(pipeline: pipeline, folder: run, console: worker, interruption: interruption)
      var options = RunOptions()
      options.threads = 1
      return worker.run(engine, stage: words[2], key: words[3], options: options)
    case "status":
      let engine = Engine(pipeline: pipeline, folder: run, console: Silent())
      let assessments = try engine.assess()
      let text = StatusTable.text(assessments)
      let batch = BatchTable(assessments, pipeline: pipeline, folder: run, columns: [])?.text ?? ""
      line("status", "\(seconds(watch.seconds)), \(text.utf8.count + batch.utf8.count) bytes of text")
      line("peak memory of status", "\(peak()) MiB")
    default: return 2
    }
    return 0
  }

  static func seconds(_ value: Double) -> String { NumberText.fixed(value, 2) + " s" }

  /// The most memory that this process ever had, MiB.
  static func peak() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
  }
}
