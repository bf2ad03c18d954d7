import Foundation
import TestSupport
import Testing

/// `pipeline watch` beside a run, through the real program.
@Suite(.serialized, .tags(.slow)) struct WatchCaseTests {
  private func text(steps: Int) -> String {
    """
    name: long
    matrix: { width: [8, 16] }
    stages:
      samples: { uses: toy-samples, system: checkerboard, count: 400 }
      model:
        { uses: toy-energy-model, samples: samples, grid: 8, network: { width: "${width}", depth: 1 }, training: { steps: \(steps), batch: 32 } }
    """
  }

  private func isUnderWay(_ program: Program, _ stage: String) -> Bool {
    FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("runs/long/.\(stage).progress").path)
  }

  /// Two stages at a time, each in a process of its own, watched from elsewhere: by lines, on a screen, and by `status`.
  @Test func aRunWithSeveralProcesses() throws {
    let program = try Program()
    try program.write(text(steps: 1_000_000), to: "long.yaml")
    let run = try program.start(["run", "long.yaml", "--jobs", "2", "--threads", "1", "--checkpoint-interval", "0.5"])
    let watch = try program.start(["watch", "long.yaml", "--interval", "0.2"])
    #expect(program.wait(seconds: 60) { isUnderWay(program, "model@8") && isUnderWay(program, "model@16") })
    let status = try program.run("status", "long.yaml")
    #expect(
      status.output.contains("model@8   toy-energy-model  running"),
      "\(status.output)")
    #expect(status.output.contains("of 1,000,000 steps"), "\(status.output)")
    let found = try program.run("status", "long.yaml", "--json").output
    let json = try #require(try JSONSerialization.jsonObject(with: Data(found.utf8)) as? [String: Any])
    let stages = try #require(json["stages"] as? [[String: Any]])
    let progress = try #require(stages.last?["progress"] as? [String: Any])
    #expect(progress["gone"] as? Bool == false && progress["process"] as? Int32 != run.process.processIdentifier)
    let work = try #require(progress["work"] as? [String: Any])
    let metrics = try #require(work["metrics"] as? [[String: Any]])
    #expect(metrics.contains { ($0["history"] as? [Double] ?? []).count > 1 }, "losses have a course: \(metrics)")

    // on a terminal of 80 by 24; q leaves it, and the run goes on
    let screen = try onATerminal(program, ["watch", "long.yaml"], typing: "q")
    #expect(screen.code == 75)
    #expect(screen.output.contains("\u{1B}[?1049h") && screen.output.contains("\u{1B}[?1049l"), "put back as it was")
    #expect(screen.output.contains("1 of 3 stages finished, 2 running"), "\(screen.output)")
    #expect(screen.output.contains("▶") && screen.output.contains("\u{1B}[1m"))
    let plain = try onATerminal(program, ["watch", "long.yaml"], typing: "q", environment: ["NO_COLOR": "1"])
    #expect(plain.output.contains("▶") && !plain.output.contains(#/\u{1B}\[[0-9;]*m/#), "no colours")
    let dumb = try onATerminal(program, ["watch", "long.yaml"], typing: "\u{3}", environment: ["TERM": "dumb"])
    #expect(dumb.output.contains("running") && !dumb.output.contains("\u{1B}"), "\(dumb.output)")
    #expect(dumb.code == 75)
    // so does SIGINT
    let other = try program.start(["watch", "long.yaml"])
    #expect(program.wait(seconds: 30) { program.text(other.tag, "out").contains("running") })
    kill(other.process.processIdentifier, SIGINT)
    #expect(try program.finish(other).code == 75)
    #expect(run.process.isRunning)

    kill(run.process.processIdentifier, SIGINT)
    #expect(try program.finish(run).code == 75)
    let watched = try program.finish(watch)
    #expect(watched.code == 75, "as the run's: \(watched.output)\(watched.errors)")
    #expect(!watched.output.contains("\u{1B}"))
    for line in ["samples: finished in ", "model@8: running, ", "model@16: interrupted, ", "running: process "] {
      #expect(watched.output.contains(line), "\(line): \(watched.output)")
    }
    #expect(watched.errors.contains("pipeline run long.yaml"), "what to type next")
    #expect(!isUnderWay(program, "model@8") && !isUnderWay(program, "model@16"))
  }

  /// What it says to type goes on with that run, overrides and all; a second Ctrl-C leaves the same word.
  @Test func itGoesOnWithTheRunThatWas() throws {
    let program = try Program()
    try program.write(text(steps: 10), to: "long.yaml")
    let words = ["run", "long.yaml", "--set", "model.training.steps=1000000", "--threads", "1"]
    let run = try program.start(words + ["--checkpoint-interval", "0.5"])
    #expect(program.wait(seconds: 60) { isUnderWay(program, "model@8") })
    kill(run.process.processIdentifier, SIGINT)
    #expect(try program.finish(run).code == 75)
    let watched = try program.run("watch", "long.yaml")
    let command = "pipeline run long.yaml --set model.training.steps=1000000\n"
    #expect(watched.code == 75 && watched.errors.hasSuffix(command), "\(watched.errors)")
    #expect(try program.run("watch", "runs/long").errors.hasSuffix(command), "the folder names its file")
    let plan = try program.run("run", "long.yaml", "--dry-run").output
    #expect(plan.contains("of other parameters (training.steps: 1000000 -> 10) is there; it is replaced"), "\(plan)")

    let again = try program.start(words)
    #expect(program.wait(seconds: 60) { isUnderWay(program, "model@8") })
    kill(again.process.processIdentifier, SIGSTOP)
    kill(again.process.processIdentifier, SIGINT)
    kill(again.process.processIdentifier, SIGCONT)
    #expect(program.wait(seconds: 30) { program.text(again.tag, "err").contains("stopping after") })
    kill(again.process.processIdentifier, SIGINT)
    let ended = try program.finish(again)
    #expect(ended.code == 75 && ended.errors.contains("resume with: "), "\(ended.errors)")
    #expect(ended.errors.contains("--set model.training.steps=1000000"), "\(ended.errors)")

    // finished results that --set replaces are named
    try program.write(text(steps: 10), to: "short.yaml")
    #expect(try program.run("run", "short.yaml", "--threads", "1", "--until", "samples").code == 0)
    let set = try program.run("run", "short.yaml", "--threads", "1", "--until", "samples", "--set", "samples.count=300")
    #expect(
      set.errors.contains("note: --set replaces finished results: samples (count: 400 -> 300, took "), "\(set.errors)")
    #expect(!(try program.run("run", "short.yaml", "--threads", "1", "--until", "samples").errors.contains("replaces")))
  }

  @Test func theEndOfARunIsTheEndOfTheWatch() throws {
    let program = try Program()
    try program.write(text(steps: 10), to: "long.yaml")
    #expect(try program.run("run", "long.yaml", "--threads", "1").code == 0)
    let done = try program.run("watch", "long.yaml")
    #expect(done.code == 0 && done.output.components(separatedBy: "finished in").count == 4, "\(done.output)")
    // killed: nobody says how it ended
    try program.write(text(steps: 1_000_000), to: "long.yaml")
    let run = try program.start(["run", "long.yaml", "--threads", "1"])
    #expect(program.wait(seconds: 60) { isUnderWay(program, "model@8") })
    kill(run.process.processIdentifier, SIGKILL)
    run.process.waitUntilExit()
    let status = try program.run("status", "long.yaml")
    #expect(status.output.contains("its process \(run.process.processIdentifier) on "), "\(status.output)")
    let killed = try program.run("watch", "long.yaml")
    #expect(killed.code == 75 && killed.output.contains("model@8: gone, its process"), "\(killed.output)")
    #expect(try program.run("clean", "long.yaml").output.contains(".model@8.progress"))
    #expect(try program.run("watch", "none.yaml").code == 2)
  }

  /// A page of what is finished, saying what is not; the whole one takes its place.
  @Test func aReportOfWhatThereIs() throws {
    let program = try Program()
    try program.write(text(steps: 10) + "\n  report: { uses: report, compare: [model] }\n", to: "long.yaml")
    let nothing = try program.run("report", "long.yaml")
    #expect(
      nothing.code == 2 && nothing.errors.hasSuffix("pipeline run long.yaml --until report\n"), "\(nothing.errors)")
    #expect(try program.run("run", "long.yaml", "--threads", "1", "--only", "samples,model@8").code == 0)
    let part = try program.run("report", "long.yaml")
    #expect(part.code == 0, "\(part.errors)")
    #expect(part.output.contains("model@8") && part.output.contains("\nnot finished: model@16\n"), "\(part.output)")
    #expect(part.output.contains("page: runs/long/report.partial.html"))
    let folder = program.folder.appendingPathComponent("runs/long")
    let page = try String(contentsOf: folder.appendingPathComponent("report.partial.html"), encoding: .utf8)
    #expect(page.contains("long, without model@16: not finished"))
    #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent("report.h5").path))
    #expect(try program.run("verify", "long.yaml").output.contains("sound    report.partial.html"))
    #expect(try program.run("clean", "long.yaml").output.contains("report.partial.html"))
    #expect(try program.run("run", "long.yaml", "--threads", "1").code == 0)
    let whole = try program.run("report", "long.yaml")
    #expect(whole.output.contains("page: runs/long/report.html") && !whole.output.contains("not finished"))
    #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent("report.partial.html").path))
  }

  /// Through `script`, which gives the program a terminal, and types half a second after the watch has shown something. The program
  /// takes the place of script's shell, whichever that is: one that waits beside it (dash) would get the Ctrl-C too, and die of it.
  private func onATerminal(
    _ program: Program, _ words: [String], typing: String, environment: [String: String] = [:]
  ) throws -> Program.Result {
    let command = ([try Program.executable().path] + words).joined(separator: " ")
    let variables = ["TERM": "xterm", "COLUMNS": "80", "NO_COLOR": ""].merging(environment) { $1 }
    try program.write(
      """
      set -o pipefail
      rm -f seen
      typing() {
        for ((i = 0; i < 300; i++)); do grep -q running seen && break; sleep 0.1; done 2>/dev/null
        sleep 0.5; printf '\(typing)'; sleep 1
      }
      typing | script -qefc "stty cols 80 rows 24; exec \(command)" /dev/null | tee seen
      """, to: "terminal.sh")
    return try program.finish(
      program.start(["terminal.sh"], environment: variables, executable: URL(fileURLWithPath: "/bin/bash")))
  }
}
