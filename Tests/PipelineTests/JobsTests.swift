import Artifacts
import Foundation
import TestSupport
import Testing

/// `run --jobs`: stages in processes of their own, through the real program.
@Suite
struct JobsTests {
  /// Two cells: frames and an emulator each.
  private func text(steps: String, extra: String = "") -> String {
    let alanine = Package.alanine.path
    return """
      name: batch
      seed: 1
      matrix:
        system:
          left: { file: \(alanine)/alanine-left.nc, steps: \(steps) }
          beta: { file: \(alanine)/alanine-beta.nc, steps: \(steps) }
      system:
        topology: \(alanine)/alanine.pdb
        forcefield: \(alanine)/system.xml
      stages:
        frames:   { uses: ingest, trajectory: "${system.file}", stride: 50 }
        emulator: { uses: emulator, frames: frames, network: { width: 16, depth: 1 }, training: { steps: "${system.steps}", batch: 64 } }
      \(extra)
      """
  }

  private func digests(_ program: Program, _ runs: String) throws -> [String: String] {
    let folder = program.folder.appendingPathComponent("\(runs)/batch")
    var found: [String: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".h5") {
      let artifact = try Artifact.open(folder.appendingPathComponent(name), verify: true)
      found[name] = artifact.provenance.contentDigest
      #expect(artifact.provenance.threads == 1)
    }
    return found
  }

  private func children(of process: Int32) -> [Int32] {
    let path = "/proc/\(process)/task/\(process)/children"
    return ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: " ").compactMap { Int32($0) }
  }

  private func command(_ process: Int32) -> String {
    ((try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? "")
      .replacingOccurrences(of: "\0", with: " ")
  }

  /// The processes of the stages, once all `count` of them have written a checkpoint.
  private func training(_ program: Program, _ run: Process, count: Int = 2) throws -> [(id: Int32, command: String)] {
    let folder = program.folder.appendingPathComponent("runs/batch")
    let ready = program.wait(seconds: 90) {
      let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      return files.filter { $0.hasPrefix("emulator@") && $0.hasSuffix("ckpt-B.h5") }.count == count
    }
    #expect(ready)
    return children(of: run.processIdentifier).map { ($0, command($0)) }
  }

  @Test func sameBitsAsOneAfterTheOther() throws {
    let program = try Program()
    try program.write(text(steps: "20"), to: "batch.yaml")
    let plain = try program.run("run", "batch.yaml", "--threads", "1", "--runs", "plain")
    #expect(plain.code == 0, "\(plain.errors)")
    let jobs = try program.run("run", "batch.yaml", "--threads", "1", "--jobs", "3", "--runs", "jobs")
    #expect(jobs.code == 0, "\(jobs.errors)")
    #expect(jobs.errors.contains("] emulator@beta: done in "))
    #expect(jobs.errors.contains("emulator@left: "), "the stage's own lines")
    let expected = try digests(program, "plain")
    #expect(expected.keys.sorted() == ["emulator@beta.h5", "emulator@left.h5", "frames@beta.h5", "frames@left.h5"])
    #expect(try digests(program, "jobs") == expected)
    let again = try program.run("run", "batch.yaml", "--jobs", "2", "--runs", "jobs")
    #expect(again.output.components(separatedBy: "skipped").count == 5)
    // nobody but a run starts a stage's process
    let alone = try program.run(
      "run-stage", "batch.yaml", "--runs", "jobs", "--stage", "frames@left", "--key", "x", "--threads", "1",
      "--checkpoint-interval", "1")
    #expect(alone.code == 2)
    #expect(alone.errors.contains("this command is for processes that 'run --jobs' starts"))
  }

  @Test func aKilledChildFailsAloneAndTheOthersGoOn() throws {
    let program = try Program()
    try program.write(text(steps: "1000000"), to: "batch.yaml")
    let started = try program.start(
      ["run", "batch.yaml", "--jobs", "2", "--threads", "1", "--keep-going", "--checkpoint-interval", "0.1"])
    let found = try training(program, started.process)
    #expect(found.count == 2)
    let victim = try #require(found.first { $0.command.contains("emulator@left") })
    kill(victim.id, SIGKILL)
    #expect(program.wait(seconds: 30) { program.text(started.tag, "err").contains("emulator@left: failed") })
    #expect(started.process.isRunning)
    let rest = children(of: started.process.processIdentifier)
    #expect(rest.count == 1)
    kill(started.process.processIdentifier, SIGUSR1)
    let result = try program.finish(started)
    #expect(result.code == 1)
    #expect(result.errors.contains("error: stage 'emulator@left': its process crashed: signal 9 (Killed)"))
    #expect(result.errors.contains("interrupted in stage 'emulator@beta'; its checkpoint is saved"))
    #expect(result.errors.contains("emulator@left up to step "), "the killed stage's checkpoint is kept")
    #expect(rest.allSatisfy { kill($0, 0) != 0 })
  }

  @Test func interruptedAndResumedWithTheSameBits() throws {
    let program = try Program()
    // long enough to be caught at work
    try program.write(text(steps: "6000"), to: "batch.yaml")
    let straight = try program.run("run", "batch.yaml", "--jobs", "2", "--threads", "1", "--runs", "straight")
    #expect(straight.code == 0, "\(straight.errors)")
    let words = ["run", "batch.yaml", "--jobs", "2", "--threads", "1", "--checkpoint-interval", "0.1"]
    let started = try program.start(words)
    _ = try training(program, started.process)
    kill(started.process.processIdentifier, SIGINT)
    let stopped = try program.finish(started)
    #expect(stopped.code == 75, "\(stopped.errors)")
    #expect(stopped.errors.contains("interrupted in stage 'emulator@left'"))
    #expect(stopped.errors.components(separatedBy: "stopping after the next checkpoint").count == 2, "said once")
    #expect(stopped.errors.hasSuffix("pipeline \(words.joined(separator: " "))\n"))
    // other jobs, and threads left to the program: a stage goes on with as many as it was begun with
    let resumed = try program.run("run", "batch.yaml", "--jobs", "1")
    #expect(resumed.code == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("from the checkpoint of step "))
    #expect(try digests(program, "runs") == digests(program, "straight"))
  }

  @Test func aKilledRunTakesItsChildrenWithIt() throws {
    let program = try Program()
    try program.write(text(steps: "1000000"), to: "batch.yaml")
    let started = try program.start(
      ["run", "batch.yaml", "--jobs", "2", "--threads", "1", "--checkpoint-interval", "0.1"])
    let found = try training(program, started.process)
    #expect(found.count == 2)
    kill(started.process.processIdentifier, SIGKILL)
    started.process.waitUntilExit()
    #expect(program.wait(seconds: 30) { found.allSatisfy { kill($0.id, 0) != 0 } })
    let status = try program.run("status", "batch.yaml")
    #expect(!status.output.contains("running:"), "the lock is gone with them")
    #expect(status.output.contains("checkpoint at step"))
  }

  @Test func aSecondInterruptEndsEverythingAtOnce() throws {
    let program = try Program()
    try program.write(text(steps: "1000000"), to: "batch.yaml")
    let started = try program.start([
      "run", "batch.yaml", "--jobs", "2", "--threads", "1", "--checkpoint-interval", "0.1",
    ])
    let found = try training(program, started.process)
    for child in found { kill(child.id, SIGSTOP) }  // they cannot answer
    kill(started.process.processIdentifier, SIGINT)
    usleep(300_000)
    #expect(started.process.isRunning)
    kill(started.process.processIdentifier, SIGINT)
    let result = try program.finish(started)
    #expect(result.code == 75)
    #expect(program.wait(seconds: 10) { found.allSatisfy { kill($0.id, 0) != 0 } })
  }

  @Test func oneBrokenCellLeavesTheOthersAlone() throws {
    let program = try Program()
    let left = try Data(contentsOf: Package.alanine.appendingPathComponent("alanine-left.nc"))
    try left.prefix(left.count / 2).write(to: program.folder.appendingPathComponent("cut.nc"))
    let broken = text(steps: "20").replacingOccurrences(
      of: "matrix:\n  system:", with: "matrix:\n  system:\n    cut: { file: cut.nc, steps: 20 }")
    try program.write(broken, to: "batch.yaml")
    for words in [["--jobs", "2"], []] {
      let runs = "runs\(words.count)"
      let result = try program.finish(
        program.start(["run", "batch.yaml", "--keep-going", "--runs", runs] + words))
      #expect(result.code == 1)
      #expect(result.errors.contains("error: stage 'frames@cut': "))
      #expect(result.errors.contains("finished frames@left, emulator@left, frames@beta, emulator@beta"))
      #expect(result.output.contains("emulator@cut"))
    }
  }
}
