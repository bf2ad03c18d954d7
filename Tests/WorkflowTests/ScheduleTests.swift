import Artifacts
import Foundation
import Testing

@testable import Workflow

/// Holds several stages at a time and ends them in an order of the test's own, one after the other in this process.
final class FakeExecutor: StageExecutor {
  let capacity: Int
  private let engine: Engine
  private let newestFirst: Bool
  private var open: [ReadyStage] = []
  private(set) var started: [String] = []
  private(set) var mostAtOnce = 0
  /// Called with the stage's name before it is run.
  var beforeWork: (String) -> Void = { _ in }
  /// Stages that cannot be started.
  var refused: Set<String> = []
  /// What to say of a stage instead of running it.
  var answers: [String: StageResult] = [:]

  init(_ engine: Engine, capacity: Int, newestFirst: Bool = true) {
    self.engine = engine
    self.capacity = capacity
    self.newestFirst = newestFirst
  }

  func start(_ job: ReadyStage) throws {
    if refused.contains(job.stage.name) { throw EngineError.cannotStart(program: "x", reason: "no such file") }
    open.append(job)
    started.append(job.stage.name)
    mostAtOnce = max(mostAtOnce, open.count)
  }

  func next() throws -> (stage: String, result: StageResult) {
    let job = newestFirst ? open.removeLast() : open.removeFirst()
    beforeWork(job.stage.name)
    return (job.stage.name, answers[job.stage.name] ?? engine.execute(job))
  }
}

@Suite struct ScheduleTests {
  static let batch = """
    name: demo
    matrix: { system: { AC: { f: 2 }, ET: { f: 3 }, KS: { f: 4 } } }
    stages:
      frames: { uses: source }
      train:  { uses: scale, of: frames, factor: "${system.f}" }
      sample: { uses: scale, of: train }
      report: { uses: gather, compare: [sample] }
    """

  private func results(_ outcome: RunOutcome) -> [String: StageOutcome.Result] {
    Dictionary(uniqueKeysWithValues: outcome.stages.map { ($0.stage, $0.result) })
  }

  private func digests(_ outcome: RunOutcome) -> [String: String?] {
    Dictionary(uniqueKeysWithValues: outcome.stages.map { ($0.stage, $0.digest) })
  }

  @Test func sideBySideGivesTheSame() throws {
    let straight = try Workplace()
    let expected = try straight.run(Self.batch).outcome
    for capacity in [1, 2, 5] {
      let place = try Workplace()
      let engine = place.engine(try place.load(Self.batch))
      let executor = FakeExecutor(engine, capacity: capacity)
      let outcome = try engine.run(RunOptions(), executor: executor)
      #expect(outcome.exitCode == 0)
      #expect(digests(outcome) == digests(expected))
      #expect(executor.mostAtOnce == min(capacity, 3))
      #expect(executor.started.first == "frames" && executor.started.last == "report")
      #expect(outcome.stages.map(\.stage) == expected.stages.map(\.stage), "told in the pipeline's order")
    }
  }

  @Test func oneBrokenCellLeavesTheOthersAlone() throws {
    for capacity in [1, 3] {
      let place = try Workplace()
      let engine = place.engine(try place.load(Self.batch))
      let executor = FakeExecutor(engine, capacity: capacity, newestFirst: false)
      executor.answers = ["train@AC": .failed("its process crashed: signal 11")]
      var options = RunOptions()
      options.keepGoing = true
      let outcome = try engine.run(options, executor: executor)
      #expect(outcome.exitCode == 1)
      let found = results(outcome)
      #expect(found["train@AC"] == .failed("its process crashed: signal 11"))
      #expect(found["sample@AC"] == .notRun("'train@AC' is not finished"))
      #expect(found["report"] == .notRun("'train@AC' is not finished"), "the first of what it reads")
      for stage in ["train@ET", "sample@ET", "train@KS", "sample@KS"] {
        guard case .ran? = found[stage] else {
          Issue.record("\(stage): \(found[stage].debugDescription)")
          continue
        }
      }
      _ = RunLog.shared.take(engine.folder.url)
      // mended: only the broken cell runs, and the report
      #expect(try place.run(Self.batch).ran == ["train@AC", "sample@AC", "report"])
    }
  }

  @Test func withoutKeepGoingRunningStagesAreFinishedAndNoMoreBegun() throws {
    let place = try Workplace()
    let engine = place.engine(try place.load(Self.batch))
    let executor = FakeExecutor(engine, capacity: 2, newestFirst: false)
    executor.answers = ["train@AC": .failed("told to")]
    let outcome = try engine.run(RunOptions(), executor: executor)
    #expect(outcome.exitCode == 1)
    #expect(executor.started == ["frames", "train@AC", "train@ET"])
    guard case .ran? = results(outcome)["train@ET"] else {
      Issue.record("train@ET was not finished")
      return
    }
    #expect(results(outcome)["train@KS"] == .notRun("the run was stopped before it"))
  }

  @Test func aStageThatCannotBeStartedFailsAlone() throws {
    let place = try Workplace()
    let engine = place.engine(try place.load(Self.batch))
    let executor = FakeExecutor(engine, capacity: 2)
    executor.refused = ["train@ET"]
    var options = RunOptions()
    options.keepGoing = true
    let outcome = try engine.run(options, executor: executor)
    #expect(results(outcome)["train@ET"] == .failed("x cannot be started: no such file"))
    #expect(outcome.exitCode == 1)
    #expect(outcome.stages.filter { $0.digest != nil }.count == 5)
  }

  @Test func anInputDamagedUnderTwoReadersIsMadeAgainOnce() throws {
    let place = try Workplace()
    let engine = place.engine(try place.load(Self.batch))
    let executor = FakeExecutor(engine, capacity: 2)
    let artifact = engine.folder.artifact("frames")
    var isDamaged = false
    executor.beforeWork = { stage in
      guard stage.hasPrefix("train"), !isDamaged else { return }
      isDamaged = true
      try? Data("not HDF5".utf8).write(to: artifact)
    }
    let outcome = try engine.run(RunOptions(), executor: executor)
    #expect(outcome.exitCode == 0)
    #expect(executor.started.filter { $0 == "frames" }.count == 2)
    let files = try FileManager.default.contentsOfDirectory(atPath: engine.folder.url.path)
    #expect(files.filter { $0.contains(".damaged") } == ["frames.h5.damaged"])
    let straight = try Workplace()
    #expect(digests(outcome) == digests(try straight.run(Self.batch).outcome))
  }

  @Test func selectsCells() throws {
    let place = try Workplace()
    let engine = place.engine(try place.load(Self.batch))
    func selected(_ set: (inout RunOptions) -> Void) throws -> Set<String> {
      var options = RunOptions()
      set(&options)
      return try engine.selection(options)
    }
    #expect(try selected { $0.only = ["*@AC"] } == ["train@AC", "sample@AC"])
    #expect(try selected { $0.only = ["@AC", "frames"] } == ["frames", "train@AC", "sample@AC"])
    #expect(try selected { $0.only = ["train"] } == ["train@AC", "train@ET", "train@KS"])
    #expect(try selected { $0.until = "sample@ET" } == ["frames", "train@ET", "sample@ET"])
    #expect(try selected { $0.from = "sample" } == ["sample@AC", "sample@ET", "sample@KS", "report"])
    #expect {
      try selected { $0.only = ["tain"] }
    } throws: { "\($0)" == "there is no stage 'tain'; did you mean 'train'? (known: frames, train, sample, report)" }
  }

  @Test func threadsAreSharedAndKeptOverAnInterruption() throws {
    var options = RunOptions()
    let cores = ProcessInfo.processInfo.activeProcessorCount
    #expect(options.defaultThreads == cores)
    options.jobs = 2 * cores
    #expect(options.defaultThreads == 1)
    options.threads = 3
    #expect(options.defaultThreads == 3)
    options.jobs = nil

    let text = "name: demo\nstages: { long: { uses: count, steps: 6 } }"
    let place = try Workplace()
    let folder = place.runFolder(try place.load(text))
    let interruption = Interruption()
    CountStage.hooks.set(folder.url) { if $0 == 3 { interruption.request() } }
    #expect(try place.run(text, options: options, interruption: interruption).outcome.exitCode == 75)
    CountStage.hooks.set(folder.url) { _ in }
    var other = options
    other.threads = 2
    let warned = try Workplace()
    try FileManager.default.copyItem(
      at: place.folder.appendingPathComponent("runs"), to: warned.folder.appendingPathComponent("runs"))
    _ = try warned.run(text, options: other)
    #expect(warned.lines.contains { $0.hasPrefix("warning: long: begun with 3 threads, goes on with 2") })
    #expect(try Artifact.open(warned.runFolder(warned.load()).artifact("long"), verify: true).provenance.threads == 2)
    _ = try place.run(text)
    #expect(!place.lines.contains { $0.contains("begun with") })
    #expect(try Artifact.open(folder.artifact("long"), verify: true).provenance.threads == 3)
  }

  @Test func theDeviceIsNoPartOfAKeyAndAChangeOfItIsTold() throws {
    let text = "name: demo\nstages: { numbers: { uses: source }, long: { uses: count, steps: 6 } }"
    let place = try Workplace()
    let pipeline = try place.load(text)
    #expect(pipeline.settings == ["device": "auto"])
    let folder = place.runFolder(pipeline)
    let interruption = Interruption()
    CountStage.hooks.set(folder.url) { if $0 == 3 { interruption.request() } }
    #expect(try place.run(text, overrides: ["device=cuda"], interruption: interruption).outcome.exitCode == 75)
    CountStage.hooks.set(folder.url) { _ in }
    func device(_ stage: String) throws -> String {
      try Artifact.open(folder.artifact(stage), verify: true).provenance.device
    }
    #expect(try device("numbers") == "cpu")  // it says nothing of a device
    #expect(try place.run("device: cpu\n" + text).ran == ["long"])
    #expect(
      place.lines.contains {
        $0.hasPrefix("warning: long: begun on cuda: Test, goes on on cpu: its result will differ")
      })
    #expect(try device("long") == "cpu")
    #expect(try place.run(text, overrides: ["device=cuda"]).ran.isEmpty)
    #expect(
      place.problems("device: gpu\n" + text)
        == "test.yaml:1:9: device: unknown value 'gpu'; did you mean 'cpu'? (known: auto, cpu, cuda)")
  }

  // MARK: The table of a batch

  @Test func tellsHowFarEachCellHasCome() throws {
    let place = try Workplace()
    let pipeline = try place.load(Self.batch)
    let engine = place.engine(pipeline)
    let executor = FakeExecutor(engine, capacity: 1)
    executor.answers = ["train@AC": .failed("no"), "sample@KS": .interrupted]
    var options = RunOptions()
    options.keepGoing = true
    let outcome = try engine.run(options, executor: executor)
    let columns = [BatchColumn("T", unit: "K", dataset: "results/temperature", scale: 2, decimals: 1)]
    let table = try #require(BatchTable(outcome, pipeline: pipeline, folder: engine.folder, columns: columns))
    let lines = table.text.split(separator: "\n").map { line in
      line.split(separator: "  ", omittingEmptySubsequences: true).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    #expect(lines[0] == ["system", "finished", "T train / K", "T sample / K", "time"])
    #expect(lines[2] == ["AC", "failed: train", "–", "–", "–"])
    #expect(lines[3].prefix(4) == ["ET", "done", "600.0", "600.0"])
    #expect(lines[4].prefix(4) == ["KS", "interrupted: sample", "600.0", "–"])
    #expect(table.json[1]?["results"]?["sample/results/temperature"] == 300.0)
    #expect(table.json[1]?["cell"] == ["system": "ET"])
    let looked = try #require(
      BatchTable(try engine.assess(), pipeline: pipeline, folder: engine.folder, columns: columns))
    #expect(looked.text.contains("0 of 2") && looked.text.contains("1 of 2"))
    let plain = try place.load(EngineTests.chain)
    #expect(BatchTable(outcome, pipeline: plain, folder: engine.folder, columns: columns) == nil)
    let json = StatusTable.json(outcome, pipeline: pipeline, batch: table)
    #expect(json["stages"]?[1]?["cell"] == ["system": "AC"])
  }
}
