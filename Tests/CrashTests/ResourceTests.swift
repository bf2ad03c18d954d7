import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// The machine runs out of something, or someone else is in the way: each has a defined end, and the next run goes on.
@Suite(.tags(.slow)) struct ResourceTests {
  private static let isRoot = geteuid() == 0
  private static let shell = URL(fileURLWithPath: "/bin/sh")

  /// Runs a line of shell in which "$@" is the program and its arguments.
  private func run(_ program: Program, through script: String, _ words: [String] = ["run", "tiny.yaml"]) throws
    -> Program.Result
  {
    let arguments = ["-c", script, "sh", try Program.executable().path] + words + TinyPipeline.options
    return try program.finish(
      program.start(arguments, environment: TinyPipeline.environment, executable: Self.shell))
  }

  private static func succeeds(_ script: String) -> Bool {
    guard let program = try? Program(),
      let result = try? program.finish(program.start(["-c", script], executable: shell))
    else { return false }
    return result.code == 0
  }

  private static let mayMount = isRoot && succeeds("unshare -m mount -t tmpfs tmpfs .")

  /// As a user who is not root, the test needs nothing.
  private static let mayBeNobody =
    !isRoot
    || succeeds("setpriv --reuid=65534 --regid=65534 --clear-groups '\((try? Program.executable().path) ?? "")' schema")

  private func run(_ program: Program, _ words: String...) throws -> Program.Result {
    try program.finish(program.start(words + TinyPipeline.options, environment: TinyPipeline.environment))
  }

  private func expectReference(_ folder: URL, _ comment: Comment? = nil) throws {
    #expect(try TinyPipeline.digests(folder, short: true) == TinyPipeline.short.get().digests, comment)
  }

  /// A whole run folder, to be spoilt.
  private func finished() throws -> Program {
    let program = try TinyPipeline.program(short: true)
    try FileManager.default.createDirectory(
      at: program.folder.appendingPathComponent("runs"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: TinyPipeline.runFolder(TinyPipeline.short.get().program), to: TinyPipeline.runFolder(program))
    return program
  }

  // MARK: Disk

  /// Files may not grow past a limit: as on a full disk, writes fail, here with EFBIG.
  @Test(arguments: [0, 8, 64])
  func filesMayNotGrow(kilobytes: Int) throws {
    let program = try TinyPipeline.program(short: true)
    // of the messages too: they are read through the shell's own pipe
    let failed = try run(program, through: "(ulimit -f \(2 * kilobytes); \"$@\"; echo \"code $?\" >&2) 2>&1 | cat")
    #expect(failed.output.contains("code 1"), "\(failed.output)")
    #expect(failed.output.contains("File too large"), "\(failed.output)")
    #expect(!failed.output.contains("damaged"))
    let again = try run(program, "run", "tiny.yaml")
    #expect(again.code == 0, "\(again.errors)")
    try expectReference(TinyPipeline.runFolder(program))
  }

  @Test(.enabled(if: mayMount, "mounting a small file system needs root, and leave to do so"))
  func aFullFileSystem() throws {
    let program = try TinyPipeline.program(short: true)
    try FileManager.default.createDirectory(
      at: program.folder.appendingPathComponent("runs"), withIntermediateDirectories: true)
    // in a mount namespace of its own, which goes with its last process; what is there in the end is copied out
    let script = """
      mount -t tmpfs -o size=200k tmpfs runs || { echo cannot mount; exit 0; }
      "$@"; echo "code $?" >&2
      mount -o remount,size=64m runs; ls -A runs/tiny
      "$@"; echo "then $?" >&2
      mkdir kept && cp -a runs/tiny kept/
      """
    try program.write(script, to: "script")
    let result = try run(program, through: "exec unshare -m sh script \"$@\"")
    #expect(result.errors.contains("code 1"), "\(result.errors)")
    #expect(result.errors.contains("No space left on device"), "\(result.errors)")
    #expect(result.errors.contains("then 0"), "\(result.errors)")
    #expect(!result.errors.contains("damaged"))
    try expectReference(program.folder.appendingPathComponent("kept/tiny"))
    #expect(TinyPipeline.leftovers(program.folder.appendingPathComponent("kept/tiny")).isEmpty)
  }

  @Test(.enabled(if: mayMount, "mounting needs root, and leave to do so"))
  func aReadOnlyFileSystem() throws {
    let program = try finished()
    let url = TinyPipeline.runFolder(program).appendingPathComponent("proposals.h5")
    try FileManager.default.removeItem(at: url)
    let script = """
      mount --bind runs runs && mount -o remount,ro,bind runs || { echo cannot mount; exit 0; }
      "$@"
      """
    try program.write(script, to: "script")
    let refused = try run(program, through: "exec unshare -m sh script \"$@\"")
    #expect(refused.code == 1, "\(refused.errors)")
    #expect(refused.errors.contains("Read-only file system"), "\(refused.errors)")
    let looked = try program.finish(
      program.start(
        ["-c", "exec unshare -m sh script \"$@\"", "sh", try Program.executable().path, "status", "tiny.yaml"],
        executable: Self.shell))
    #expect(looked.code == 0, "\(looked.errors)")
    #expect(looked.output.contains("no artifact yet"))
    #expect(try run(program, "run", "tiny.yaml").code == 0)
    try expectReference(TinyPipeline.runFolder(program))
  }

  /// A finished stage that may not be read is sound for all one knows: nothing is set aside, nothing is made again.
  @Test(.enabled(if: mayBeNobody, "running as nobody needs setpriv, and leave to do so"))
  func anArtifactThatMayNotBeRead() throws {
    let program = try finished()
    let folder = TinyPipeline.runFolder(program)
    let url = folder.appendingPathComponent("frames.h5")
    let before = try Data(contentsOf: url)
    var script = "\"$@\""
    if Self.isRoot {
      // nobody, who owns the folder but not this file
      #expect(chmod(program.folder.path, 0o777) == 0 && chmod(folder.path, 0o777) == 0)
      #expect(chmod(folder.appendingPathComponent(".lock").path, 0o666) == 0)
      script = "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\""
    }
    chmod(url.path, 0)
    let refused = try run(program, through: script)
    chmod(url.path, 0o644)
    #expect(refused.code == 1, "\(refused.errors)")
    #expect(refused.errors.contains("frames.h5: open failed: Permission denied"), "\(refused.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.contains("damaged") })
    #expect(try Data(contentsOf: url) == before)
    let again = try run(program, "run", "tiny.yaml", "--json")
    #expect(again.output.components(separatedBy: "\"skipped\"").count == 4, "\(again.output)")
  }

  @Test func aFolderThatCannotBeMade() throws {
    let program = try TinyPipeline.program(short: true)
    try program.write("in the way", to: "runs")
    let refused = try run(program, "run", "tiny.yaml")
    #expect(refused.code == 1)
    #expect(refused.errors.contains("runs/tiny: cannot be made"), "\(refused.errors)")
  }

  // MARK: Handles

  /// However few file handles there are, a run ends well or with an error that names the cause, and damages nothing.
  @Test func tooFewFileHandles() throws {
    let program = try finished()
    let folder = TinyPipeline.runFolder(program)
    try FileManager.default.removeItem(at: folder.appendingPathComponent("proposals.h5"))
    var refused = 0
    for handles in [5, 6, 7, 8, 10] {
      let result = try run(program, through: "ulimit -n \(handles); exec \"$@\"")
      #expect(result.signal == nil, "\(handles): \(result.errors)")
      #expect(!result.errors.contains("damaged"), "\(handles): \(result.errors)")
      if result.code != 0 { refused += 1 }
      #expect(result.code == 0 || !result.errors.isEmpty, "\(handles): it says nothing")
    }
    print("\(refused) of 5 runs with 5 to 10 file handles were refused")
    #expect(try run(program, "run", "tiny.yaml").code == 0)
    try expectReference(folder)
  }

  // MARK: Two at once

  @Test func aSecondRunSaysWhoHoldsTheFolder() throws {
    let program = try TinyPipeline.program(short: true)
    let started = try program.start(
      ["run", "tiny.yaml"] + TinyPipeline.options,
      environment: TinyPipeline.environment.merging(["BOLTZMILL_FAULT": "engine.after-work=hang"]) { $1 })
    #expect(program.wait(seconds: 60) { program.text(started.tag, "err").contains("frames (ingest)") })
    let holder = "process \(started.process.processIdentifier) on "
    let second = try run(program, "run", "tiny.yaml")
    #expect(second.code == 2)
    #expect(second.errors.contains("is in use by another run (\(holder)"), "\(second.errors)")
    // by another name of the same folder too
    try FileManager.default.createSymbolicLink(
      at: program.folder.appendingPathComponent("alias"),
      withDestinationURL: program.folder.appendingPathComponent("runs"))
    let third = try run(program, "run", "tiny.yaml", "--runs", "alias")
    #expect(third.code == 2)
    #expect(third.errors.contains(holder), "\(third.errors)")
    kill(started.process.processIdentifier, SIGKILL)
    _ = try program.finish(started)
    // the lock went with the process
    #expect(try run(program, "run", "tiny.yaml").code == 0)
    try expectReference(TinyPipeline.runFolder(program))
  }

  // MARK: Clock

  /// Artifacts from the future, as after a clock that was set back, are as good as any.
  @Test func timesDoNotMatter() throws {
    let program = try finished()
    let folder = TinyPipeline.runFolder(program)
    for (days, name) in [(3650.0, "frames.h5"), (-20_000.0, "emulator.h5"), (1, ".verified.json")] {
      try FileManager.default.setAttributes(
        [.modificationDate: Date().addingTimeInterval(days * 86_400)],
        ofItemAtPath: folder.appendingPathComponent(name).path)
    }
    let (_, outcome) = try TinyPipeline.runHere(program)
    #expect(outcome.stages.allSatisfy { $0.result == .skipped })
  }

  /// A file changed in place that looks as old as before is found by the time of its last change of state.
  @Test func aChangeThatHidesItsTimeIsFound() throws {
    let program = try finished()
    let folder = TinyPipeline.runFolder(program)
    _ = try TinyPipeline.runHere(program)
    let url = folder.appendingPathComponent("frames.h5")
    var status = stat()
    #expect(stat(url.path, &status) == 0)
    let handle = try FileHandle(forUpdating: url)
    try handle.seek(toOffset: UInt64(status.st_size / 2))
    try handle.write(contentsOf: Data([0xa5, 0x5a]))
    try handle.close()
    var times = [status.st_atim, status.st_mtim]
    #expect(utimensat(AT_FDCWD, url.path, &times, 0) == 0)
    let (lines, _) = try TinyPipeline.runHere(program)
    #expect(lines.contains("frames.h5.damaged"), "\(lines)")
    try expectReference(folder)
  }

  // MARK: Place

  @Test func aRunFolderMovedRenamedOrLinked() throws {
    let program = try finished()
    let skipsAll = { (result: Program.Result) in
      result.code == 0 && result.output.components(separatedBy: "\"skipped\"").count == 4
    }
    let manager = FileManager.default
    try manager.moveItem(
      at: program.folder.appendingPathComponent("runs"), to: program.folder.appendingPathComponent("elsewhere"))
    #expect(skipsAll(try run(program, "run", "tiny.yaml", "--json", "--runs", "elsewhere")))
    // a link to the folder of runs, to the run folder, and to an artifact
    try manager.createSymbolicLink(
      atPath: program.folder.appendingPathComponent("runs").path, withDestinationPath: "elsewhere")
    #expect(skipsAll(try run(program, "run", "tiny.yaml", "--json")))
    let elsewhere = program.folder.appendingPathComponent("elsewhere")
    try manager.moveItem(
      at: elsewhere.appendingPathComponent("tiny"), to: program.folder.appendingPathComponent("archive"))
    try manager.createSymbolicLink(
      atPath: elsewhere.appendingPathComponent("tiny").path, withDestinationPath: "../archive")
    #expect(skipsAll(try run(program, "run", "tiny.yaml", "--json")))
    let archive = program.folder.appendingPathComponent("archive")
    try manager.moveItem(
      at: archive.appendingPathComponent("frames.h5"), to: program.folder.appendingPathComponent("frames-of-old.h5"))
    try manager.createSymbolicLink(
      atPath: archive.appendingPathComponent("frames.h5").path, withDestinationPath: "../frames-of-old.h5")
    #expect(skipsAll(try run(program, "run", "tiny.yaml", "--json")))
    // a link that leads nowhere or in a circle is damage
    for target in ["nowhere", "frames.h5"] {
      try manager.removeItem(at: archive.appendingPathComponent("frames.h5"))
      try manager.createSymbolicLink(
        atPath: archive.appendingPathComponent("frames.h5").path, withDestinationPath: target)
      let mended = try run(program, "run", "tiny.yaml")
      #expect(mended.code == 0, "\(target): \(mended.errors)")
      try expectReference(TinyPipeline.runFolder(program), "\(target)")
    }
  }

  /// The folder is taken away under a running program: an error, no crash; brought back, the run goes on.
  @Test func aRunFolderTakenAway() throws {
    let program = try TinyPipeline.program(short: true, trainingSteps: 100_000)
    let started = try program.start(
      ["run", "tiny.yaml"] + TinyPipeline.options, environment: TinyPipeline.environment)
    let folder = TinyPipeline.runFolder(program)
    #expect(
      program.wait(seconds: 60) {
        FileManager.default.fileExists(atPath: folder.appendingPathComponent("emulator.ckpt-B.h5").path)
      })
    let away = program.folder.appendingPathComponent("away")
    try FileManager.default.moveItem(at: folder, to: away)
    let result = try program.finish(started)
    #expect(result.code == 1, "\(result.errors)")
    #expect(result.errors.contains("error: stage 'emulator'"), "\(result.errors)")
    try? FileManager.default.removeItem(at: folder)
    try FileManager.default.moveItem(at: away, to: folder)
    try program.write(TinyPipeline.text(short: true), to: "tiny.yaml")
    #expect(try run(program, "run", "tiny.yaml").code == 0)
    try expectReference(folder)
  }
}
