import Foundation
import TestSupport
import Testing

/// File systems that refuse calls, one call after the other. The library that stands in for them is compiled here.
@Suite(.serialized, .tags(.slow)) struct StoreFaultTests {
  private static let source = Package.fixture("faults/faults.c")

  private static let hasCompiler: Bool = {
    guard let program = try? Program(),
      let result = try? program.finish(
        program.start(["-c", "cc --version"], executable: URL(fileURLWithPath: "/bin/sh")))
    else { return false }
    return result.code == 0
  }()

  /// A tenth of a percent of all pairs of calls and errors, spread over them; Benchmarks/StoreFaults tries each.
  @Test(.enabled(if: hasCompiler, "there is no C compiler here"))
  func whateverCallFailsTheRunIsCompleteOrSaysWhy() throws {
    let program = try Program()
    let benchmark = try Program.executable().deletingLastPathComponent().appendingPathComponent("store-fault-benchmark")
    let result = try program.finish(program.start(["60"], executable: benchmark))
    print(result.output)
    #expect(result.code == 0, "\(result.output)\(result.errors)")
    #expect(result.output.contains("60 of ") && result.output.contains(", 0 wrong"))
  }

  /// Scratch of clusters: flock is not known there, in the words of different file systems.
  @Test(.enabled(if: hasCompiler, "there is no C compiler here"), arguments: [ENOLCK, ENOSYS, EOPNOTSUPP, 524])
  func aFileSystemWithoutLocks(code: Int32) throws {
    let program = try TinyPipeline.program(short: true)
    let library = program.folder.appendingPathComponent("faults.so")
    let compiled = try program.finish(
      program.start(
        ["cc", "-shared", "-fPIC", "-o", library.path, Self.source.path, "-ldl"],
        executable: URL(fileURLWithPath: "/usr/bin/env")))
    #expect(compiled.code == 0, "\(compiled.errors)")
    let environment = TinyPipeline.environment.merging([
      "LD_PRELOAD": library.path, "FAULT_UNDER": program.folder.appendingPathComponent("runs").path,
      "FAULT_CALL": "flock",
      "FAULT_NUMBER": "1", "FAULT_ON": "1", "FAULT_ERRNO": "\(code)",
    ]) { $1 }
    func run(_ words: String..., faults: [String: String] = [:]) throws -> Program.Result {
      try program.finish(program.start(words, environment: environment.merging(faults) { $1 }))
    }
    // a run beside it, of which there is nothing but its note
    let held = try program.start(
      ["run", "tiny.yaml"] + TinyPipeline.options,
      environment: environment.merging(["BOLTZMILL_FAULT": "engine.after-work=hang"]) { $1 })
    #expect(program.wait(seconds: 60) { program.text(held.tag, "err").contains("frames (ingest)") })
    let second = try run("run", "tiny.yaml", "--threads", "1")
    #expect(
      second.code == 2
        && second.errors.contains("is in use by another run (process \(held.process.processIdentifier) on "))
    #expect(try run("status", "tiny.yaml").output.contains("running: process "))
    #expect(try run("clean", "tiny.yaml").output.contains("in use: process "))
    kill(held.process.processIdentifier, SIGKILL)
    _ = try program.finish(held)
    // with several processes too, whose lock is inherited
    let words = ["run", "tiny.yaml"] + TinyPipeline.options + (code == ENOSYS ? ["--jobs", "1"] : [])
    let result = try program.finish(program.start(words, environment: environment))
    #expect(result.code == 0, "\(result.errors)")
    let warnings = result.errors.split(separator: "\n").filter { $0.contains("this file system has no locks") }
    #expect(warnings.count == 1, "\(result.errors)")
    #expect(warnings.first?.contains("keeps other runs out, on other hosts too") == true)
    #expect(try TinyPipeline.digests(TinyPipeline.runFolder(program), short: true) == TinyPipeline.short.get().digests)
    #expect(try run("clean", "tiny.yaml", "--all", "--yes").code == 0)
  }
}
