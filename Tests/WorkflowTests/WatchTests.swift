import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// A run as somebody sees it who watches.
@Suite struct WatchTests {
  private func watcher(_ place: Workplace, _ pipeline: PipelineDefinition, patience: Double = 0) -> RunWatcher {
    let watcher = RunWatcher(columns: [BatchColumn("warmth", unit: "K", dataset: "results/temperature", decimals: 0)]) {
      place.engine(pipeline)
    }
    watcher.patience = patience
    return watcher
  }

  private func states(_ run: RunSnapshot) -> [String] { run.rows.map { "\($0.stage) \($0.state.rawValue)" } }

  @Test func aRunFromItsBeginningToItsEnd() throws {
    let place = try Workplace()
    let pipeline = try place.load(StageProgressTests.text)
    let watcher = watcher(place, pipeline, patience: 60)
    let before = try watcher.look()
    #expect(states(before) == ["count open", "twice open"])
    #expect(!before.isOver, "a run is given time to begin")
    var during: RunSnapshot?
    _ = try StageProgressTests.whileCounting(place) { _ in during = try watcher.look() }
    let seen = try #require(during)
    #expect(states(seen) == ["count running", "twice open"])
    #expect(!seen.isOver && seen.holder?.contains("run demo") == true)
    #expect(seen.rows[0].progress?.work?.percent == 25)
    let after = try watcher.look()
    #expect(states(after) == ["count finished", "twice finished"])
    #expect(after.isOver && after.exitCode == 0 && after.holder == nil)
    #expect(after.rows[1].numbers == ["warmth 300 K"])

    let lines = [(nil, before), (before, seen), (seen, seen), (seen, after)].map { old, new in
      WatchView.changes(from: old, to: new).map { String($0.dropFirst(9)) }
    }
    #expect(lines[0] == ["count: to come, no artifact yet", "twice: to come, no artifact yet"])
    #expect(lines[1].count == 2 && lines[1][0].hasPrefix("running: process "))
    #expect(lines[1][1].hasPrefix("count: running, count 25 %, 10 of 40 steps"), "\(lines[1])")
    #expect(lines[2].isEmpty, "nothing has changed")
    #expect(lines[3].count == 2 && lines[3][0].hasPrefix("count: finished in "))
    #expect(lines[3][1].hasPrefix("twice: finished in ") && lines[3][1].hasSuffix(", warmth 300 K"))
  }

  /// The code is the run's, whatever it ran of the file.
  @Test func theEndOfARunIsItsOwn() throws {
    let place = try Workplace()
    func run(_ overrides: [String] = [], only: [String] = [], interrupted: Bool = false) throws -> RunSnapshot {
      let pipeline = try place.load(StageProgressTests.text, overrides: overrides)
      let interruption = Interruption()
      let engine = place.engine(pipeline, interruption: interruption)
      try engine.folder.lock(as: "run demo")
      defer { engine.folder.unlock() }
      if interrupted { CountStage.hooks.set(engine.folder.url) { if $0 == 3 { interruption.request() } } }
      var options = RunOptions()
      options.only = only
      _ = try engine.run(options)
      engine.folder.unlock()
      return try watcher(place, pipeline).look()
    }
    let stopped = try run(interrupted: true)
    #expect(stopped.isOver && stopped.exitCode == 75)
    #expect(states(stopped) == ["count interrupted", "twice open"])
    #expect(stopped.rows[0].text == "no artifact yet (checkpoint at step 3)")
    let part = try run(only: ["count"])
    #expect(part.isOver && part.exitCode == 0, "all of what was to run")
    #expect(states(part) == ["count finished", "twice open"])
    let failed = try run(["twice.mode=fail"])
    #expect(failed.isOver && failed.exitCode == 1)
    #expect(failed.rows[1].text == "told to fail" && states(failed)[1] == "twice failed")
    #expect(try run().exitCode == 0)
    // one that was killed leaves no word
    let pipeline = try place.load(StageProgressTests.text, overrides: ["count.steps=50"])
    LastRun.forget(in: place.runFolder(pipeline))
    let killed = try watcher(place, pipeline).look()
    #expect(killed.isOver && killed.exitCode == 75)
  }

  // MARK: The screen

  private func row(
    _ name: String, _ state: RunSnapshot.State, text: String = "", metrics: Int = 0, warnings: [String] = []
  ) -> RunSnapshot.Row {
    var progress: StageProgress?
    if state == .running {
      var work = StageWork(title: "training of something with a long name", total: 20_000, unit: "steps")
      (work.completed, work.rate) = (9000, 123.4)
      work.metrics = (0..<metrics).map {
        StageWork.Metric(name: "loss \($0)", value: "0.\($0)123", history: (0..<60).map { 1 / Double($0 + 1) })
      }
      let start = Date(timeIntervalSince1970: 0)
      progress = StageProgress(
        stage: name, started: start, updated: start.addingTimeInterval(100), host: "n1", process: 1, threads: 2,
        work: work,
        warnings: warnings, place: .own)
    }
    return RunSnapshot.Row(
      stage: name, type: "scale", state: state, text: text, seconds: state == .finished ? 12.34 : nil, numbers: [],
      progress: progress, warnings: warnings.map { ("warning", $0) })
  }

  private func snapshot(_ rows: [RunSnapshot.Row]) -> RunSnapshot {
    RunSnapshot(
      pipeline: "alanine", folder: "runs/alanine", holder: "process 7 on n1, since 2026: pipeline run alanine.yaml",
      rows: rows, problem: nil, isOver: false, exitCode: 75, date: Date(timeIntervalSince1970: 0))
  }

  @Test func oneScreenHoldsIt() throws {
    let few = [
      row("frames", .finished), row("emulator", .running, metrics: 3, warnings: ["few frames"]),
      row("reweighting", .open, text: "depends on the result of emulator"),
    ]
    let many =
      (0..<50).map { row("frames@\($0)", .finished) }
      + (0..<30).map {
        row(
          "emulator-of-many@\($0)", .running, metrics: 4, warnings: ["one\ntwo " + String(repeating: "x", count: 300)])
      }
      + [row("broken", .failed, text: String(repeating: "no ", count: 100) + "\nmore")]
      + (0..<400).map { row("later@\($0)", .open, text: "depends") }
    for (columns, rows) in [(80, 24), (40, 10), (200, 60), (1, 1)] {
      for run in [few, many, []] {
        let lines = WatchView(columns: columns, rows: rows, hasColours: false).screen(snapshot(run), footer: "q leaves")
        #expect(lines.count <= max(10, rows), "\(lines.count)")
        #expect(lines.allSatisfy { $0.count <= max(40, columns) && !$0.contains("\u{1B}") && !$0.contains("\n") })
        #expect(lines.last == "q leaves")
      }
    }
    let screen = WatchView(columns: 80, rows: 24, hasColours: false).screen(snapshot(few), footer: "q leaves")
    #expect(screen[0] == "alanine  1 of 3 stages finished, 1 running")
    #expect(screen.contains { $0.hasPrefix("✓  frames") && $0.contains("finished") && $0.contains("12.3 s") })
    #expect(screen.contains { $0.hasPrefix("▶  emulator") && $0.contains("45 %") && $0.contains("1 min 29 s left") })
    #expect(screen.contains { $0.hasPrefix("·  reweighting") && $0.contains("to come") })
    #expect(screen.contains { $0.contains("loss 0") && $0.contains("█") && $0.contains("▁") }, "\(screen)")
    #expect(screen.contains("warning: emulator: few frames"))
    let crowded = WatchView(columns: 80, rows: 24, hasColours: false).screen(snapshot(many), footer: "")
    #expect(crowded.contains { $0.hasPrefix("✗  broken") }, "what went wrong is never left out")
    #expect(crowded.contains { $0.contains(" more: 50 of ") }, "\(crowded)")
    #expect(crowded.contains { $0.hasPrefix("26 earlier warnings: see status; warning: emulator-of-many@26: one") })
  }
}
