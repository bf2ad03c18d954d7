import Basics
import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// What running stages note of themselves, and what others see of it.
@Suite struct StageProgressTests {
  static let text = "name: demo\nstages: { count: { uses: count, steps: 40 }, twice: { uses: scale, of: count } }"

  /// Runs, and calls `look` once when the note of `count` is there with `steps` counted or more. The number of notes by the end.
  static func whileCounting(
    _ place: Workplace, _ text: String = text, note: Bool = true, options: RunOptions = RunOptions(),
    _ look: @escaping (Engine) throws -> Void
  ) throws -> RunOutcome {
    NotedProgress.interval = 0.02
    let pipeline = try place.load(text)
    let engine = place.engine(pipeline)
    try engine.folder.lock(as: "run demo")
    defer { engine.folder.unlock() }
    var isDone = false
    var problem: (any Error)?
    CountStage.hooks.set(engine.folder.url) { step in
      guard step >= 10, !isDone else { return }
      let end = Date().addingTimeInterval(20)
      let looker = place.engine(pipeline)
      while note, looker.folder.progress()["count"]?.work?.completed != step, Date() < end { usleep(5000) }
      isDone = true
      do { try look(looker) } catch { problem = error }
    }
    let outcome = try engine.run(options)
    if let problem { throw problem }
    #expect(isDone)
    return outcome
  }

  private static func notes(_ engine: Engine) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: engine.folder.url.path)) ?? []).filter {
      $0.contains(".progress")
    }
  }

  @Test func aRunningStageSaysHowFarItIs() throws {
    let place = try Workplace()
    let outcome = try Self.whileCounting(place) { engine in
      let note = try #require(engine.folder.progress()["count"])
      #expect(!note.isGone && note.process == getpid())
      #expect(note.work?.title == "count" && note.work?.completed == 10 && note.work?.total == 40)
      #expect(note.work?.percent == 25 && note.work?.unit == "steps")
      let assessments = try engine.assess(keys: false)
      let table = StatusTable.text(assessments, progress: engine.folder.progress())
      #expect(table.contains("running") && table.contains("count 25 %, 10 of 40 steps"), "\(table)")
      let json = StatusTable.json(assessments, pipeline: engine.pipeline, progress: engine.folder.progress())
      #expect(json["stages"]?[0]?["progress"]?["work"]?["completed"] == 10)
      #expect(json["stages"]?[1]?["progress"] == .null)
      // a note is a file of ours, in use
      #expect(engine.verify().allSatisfy { !$0.file.contains("progress") })
      let upkeep = try engine.upkeep(all: true, others: true)
      #expect(upkeep.removable.allSatisfy { !$0.url.lastPathComponent.contains("progress") })
      #expect(
        upkeep.left.contains { $0.file == ".count.progress" && $0.reason.hasPrefix("being written by a process") })
    }
    #expect(outcome.exitCode == 0)
    let engine = place.engine(try place.load())
    #expect(Self.notes(engine).isEmpty)
    #expect(try engine.assess().allSatisfy(\.isFinished))
  }

  @Test func whoDeletesANoteHarmsNothing() throws {
    let place = try Workplace()
    let outcome = try Self.whileCounting(place) { engine in
      try FileManager.default.removeItem(at: StageProgress.file(engine.folder, "count"))
      #expect(engine.folder.progress().isEmpty)
    }
    #expect(outcome.exitCode == 0)
    #expect(Self.notes(place.engine(try place.load())).isEmpty)
  }

  /// Nothing can be written under that name, as on a disk that is full or read-only.
  @Test func aNoteThatCannotBeWrittenIsLeft() throws {
    let place = try Workplace()
    let folder = place.runFolder(try place.load(Self.text))
    let inTheWay = StageProgress.file(folder, "count").appendingPathComponent("full")
    try FileManager.default.createDirectory(at: inTheWay, withIntermediateDirectories: true)
    let outcome = try Self.whileCounting(place, note: false) { engine in
      usleep(100_000)  // five attempts
      #expect(engine.folder.progress().isEmpty)
      #expect(Self.notes(engine) == [".count.progress"], "no temporary file is left either")
    }
    #expect(outcome.exitCode == 0, "\(outcome)")
  }

  @Test func warningsAreToldWhileTheStageRuns() throws {
    let place = try Workplace()
    NotedProgress.interval = 0.02
    let folder = RunFolder(place.folder)
    let progress = NotedProgress(
      place.engine(try place.load(Self.text)).console.progress(of: "a"), stage: "a", in: folder, threads: 2)
    progress.warn(Remark("thin ice"))
    progress.begin("training", total: 100, unit: "steps")
    for step in 1...300 { progress.update(completed: step, metrics: [("loss", "\(step)"), ("phase", "warm")]) }
    let end = Date().addingTimeInterval(20)
    while folder.progress()["a"]?.work?.completed != 300, Date() < end { usleep(5000) }
    let note = try #require(folder.progress()["a"])
    #expect(note.warnings == ["thin ice"] && note.threads == 2)
    let metrics = try #require(note.work?.metrics)
    #expect(metrics.map(\.name) == ["loss", "phase"] && metrics[1].history.isEmpty)
    // 300 values: points are means of eight, at most 64 of them
    #expect(metrics[0].history == (0..<37).map { 8 * Double($0) + 4.5 })
    progress.close()
    usleep(60_000)
    #expect(folder.progress().isEmpty, "nothing is written after the end")
  }

  /// The note of a run that was killed: told as such, and removed by the next run and by `clean`.
  @Test func theNoteOfAProcessThatIsGone() throws {
    let place = try Workplace()
    let engine = place.engine(try place.load(Self.text))
    try FileManager.default.createDirectory(at: engine.folder.url, withIntermediateDirectories: true)
    let words = ProcessPlace.own.words
    func leave(_ place: ProcessPlace) throws {
      try StageProgress(
        stage: "count", started: Date(), updated: Date(), host: "n1", process: 7, threads: 1,
        work: StageWork(title: "count", total: 40, unit: "steps"), warnings: [], place: place
      ).write(to: StageProgress.file(engine.folder, "count"))
    }
    // this one's number, given again; and one of a host that nobody here can ask: no lock and no lease says that it is at work
    for place in [ProcessPlace(Array(words.prefix(3)) + ["1"]), ProcessPlace(["elsewhere"] + words.dropFirst())] {
      try leave(place)
      #expect(engine.folder.progress()["count"]?.isGone == true)
    }
    let table = StatusTable.text(try engine.assess(keys: false), progress: engine.folder.progress())
    #expect(table.contains("no artifact yet; its process 7 on n1 is gone"), "\(table)")
    #expect(!table.contains("running"))
    let left = try engine.upkeep().removable
    #expect(
      left.map { "\($0.url.lastPathComponent): \($0.reason)" } == [".count.progress: left by a run that was killed"])
    try engine.remove(left)
    #expect(engine.folder.progress().isEmpty)
    try leave(ProcessPlace(Array(words.prefix(3)) + ["1"]))
    #expect(try place.run(Self.text).outcome.exitCode == 0)
    #expect(engine.folder.progress().isEmpty)
    // as long as somebody holds the folder, a process elsewhere may be at work
    try leave(ProcessPlace(["elsewhere"] + words.dropFirst()))
    let other = place.runFolder(engine.pipeline)
    try other.lock(as: "run demo")
    #expect(engine.folder.progress()["count"]?.isGone == false)
    other.unlock()
    #expect(engine.folder.progress()["count"]?.isGone == true)
    // what is no note of ours is left alone
    try Data("{}".utf8).write(to: StageProgress.file(engine.folder, "count"))
    #expect(engine.folder.progress().isEmpty)
    #expect(try engine.upkeep().removable.isEmpty)
  }

  @Test func theCourseOfANumber() {
    var history = MetricHistory()
    for value in [1, .nan, 2, .infinity, 3] as [Double] { history.add(value) }
    #expect(history.points == [1, 2, 3])
    for value in 0..<100_000 { history.add(Double(value)) }
    #expect((MetricHistory.limit / 2..<MetricHistory.limit).contains(history.points.count))
    #expect(zip(history.points, history.points.dropFirst()).allSatisfy { $0 < $1 })
    #expect(Sparkline.text([0, 1, 2, 3, 4, 5, 6, 7], cells: 20) == "▁▂▃▄▅▆▇█")
    #expect(Sparkline.text([4, 4, 4], cells: 20) == "▄▄▄")
    #expect(Sparkline.text([1, 3, 7, 9], cells: 2) == "▁█")
    #expect(Sparkline.text([.nan], cells: 5) == "" && Sparkline.text([1, 2], cells: 0) == "")
  }

  @Test func terminalsAndWhatMayBeWrittenToThem() {
    func terminal(_ environment: [String: String], isTerminal: Bool = true) -> [Bool] {
      let found = Terminal(1, isTerminal: isTerminal, environment: environment)
      return [found.isCapable, found.hasColours]
    }
    #expect(terminal(["TERM": "xterm-256color"]) == [true, true])
    #expect(terminal(["TERM": "xterm", "NO_COLOR": "1"]) == [true, false])
    #expect(terminal(["TERM": "xterm", "NO_COLOR": ""]) == [true, true])
    for term in ["dumb", "unknown", ""] { #expect(terminal(["TERM": term]) == [false, false]) }
    #expect(terminal([:]) == [false, false])
    #expect(terminal(["TERM": "xterm"], isTerminal: false) == [false, false])
  }
}
