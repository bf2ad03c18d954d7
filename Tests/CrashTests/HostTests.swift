import Foundation
import TestSupport
import Testing

/// Two hosts that share a run folder: namespaces with a name, processes, a network and a boot of their own, on one disk. They need root.
@Suite(.serialized, .tags(.slow)) struct HostTests {
  private static let entered = """
    mount --make-rprivate / && mount --bind "$PWD/boot-$1" /proc/sys/kernel/random/boot_id && hostname "$1" && shift && exec "$@"
    """

  private static let canEnter: Bool = {
    guard let program = try? Program() else { return false }
    try? program.write("here\n", to: "boot-here")
    let result = try? program.finish(on("here", program, executable: URL(fileURLWithPath: "/bin/true"), []))
    return result?.code == 0
  }()

  private static func on(
    _ host: String, _ program: Program, executable: URL? = nil, _ words: [String], environment: [String: String] = [:]
  ) throws -> (process: Process, tag: String) {
    let path = try executable?.path ?? Program.executable().path
    // what stands between is not to see faults that are meant for the program
    let given = environment.map { "\($0)=\($1)" }
    return try program.start(
      [
        "--uts", "--net", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child", "/bin/bash", "-c", entered, "_",
        host,
      ]
        + ["/usr/bin/env"] + given + [path] + words,
      executable: URL(fileURLWithPath: "/usr/bin/unshare"))
  }

  /// A tiny pipeline in a folder of two hosts.
  private final class Shared {
    let program: Program
    let withLocks: Bool
    static let interval = 1.0

    init(withLocks: Bool, trainingSteps: Int = 6) throws {
      program = try TinyPipeline.program(short: true, trainingSteps: trainingSteps)
      self.withLocks = withLocks
      for host in ["one", "two", "three", "four"] { try program.write("boot-of-\(host)\n", to: "boot-\(host)") }
      guard !withLocks else { return }
      let compiled = try program.finish(
        program.start(
          ["cc", "-shared", "-fPIC", "-o", library, Package.fixture("faults/faults.c").path, "-ldl"],
          executable: URL(fileURLWithPath: "/usr/bin/env")))
      guard compiled.code == 0 else { throw TinyPipeline.Failure(text: compiled.errors) }
    }

    private var library: String { program.folder.appendingPathComponent("faults.so").path }
    var folder: URL { TinyPipeline.runFolder(program) }
    var note: URL { folder.appendingPathComponent(".lease") }

    func start(_ host: String, _ words: [String], fault: String? = nil) throws -> (process: Process, tag: String) {
      var environment = TinyPipeline.environment
      environment["BOLTZMILL_LEASE"] = "\(Self.interval)"
      environment["BOLTZMILL_FAULT"] = fault
      if !withLocks {
        environment.merge([
          "LD_PRELOAD": library, "FAULT_UNDER": program.folder.appendingPathComponent("runs").path,
          "FAULT_CALL": "flock",
          "FAULT_NUMBER": "1", "FAULT_ON": "1", "FAULT_ERRNO": "\(ENOSYS)",
        ]) { $1 }
      }
      return try on(host, program, words, environment: environment)
    }

    func run(_ host: String) throws -> Program.Result {
      try program.finish(start(host, ["run", "tiny.yaml"] + TinyPipeline.options))
    }

    /// As if it had not been renewed for an hour.
    func makeOld() {
      let old = timespec(tv_sec: time(nil) - 3600, tv_nsec: 0)
      _ = [old, old].withUnsafeBufferPointer { utimensat(AT_FDCWD, note.path, $0.baseAddress, 0) }
    }

    func temporaries() -> [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.contains(".tmp-") }
    }

    /// The process within the namespaces that runs the pipeline.
    func inner(_ started: (process: Process, tag: String)) -> Int32? {
      func children(_ process: Int32) -> [Int32] {
        let text = try? String(contentsOfFile: "/proc/\(process)/task/\(process)/children", encoding: .utf8)
        return (text ?? "").split(separator: " ").compactMap { Int32($0) }
      }
      return children(started.process.processIdentifier).first
    }
  }

  @Test(.enabled(if: canEnter, "namespaces need root"), arguments: [true, false])
  func aSecondHostIsRefused(withLocks: Bool) throws {
    let shared = try Shared(withLocks: withLocks)
    let first = try shared.start("one", ["run", "tiny.yaml"] + TinyPipeline.options, fault: "engine.after-work=hang")
    let part = shared.folder.appendingPathComponent("frames.part-0.h5").path
    #expect(
      shared.program.wait(seconds: 60) {
        shared.temporaries().count == 1 && FileManager.default.fileExists(atPath: part)
      })
    // parts come and go until the stage hangs
    func kept() -> [String] { shared.temporaries().filter { !$0.contains(".part-") } }
    let written = kept()
    let second = try shared.run("two")
    #expect(second.code == 2)
    #expect(second.errors.contains("is in use by another run (process 1 on one, since "), "\(second.errors)")
    #expect(second.errors.contains("or delete it") != withLocks, "\(second.errors)")
    let status = try shared.program.finish(shared.start("two", ["status", "tiny.yaml"]))
    #expect(status.output.contains("running: process 1 on one"), "\(status.output)\(status.errors)")
    let clean = try shared.program.finish(shared.start("two", ["clean", "tiny.yaml", "--all", "--yes"]))
    #expect(clean.code == 2 && clean.errors.contains("is in use by another run"), "\(clean.errors)")
    #expect(kept() == written && written.count == 1, "what the other host is writing stays")
    // the first host fails
    kill(try #require(shared.inner(first)), SIGKILL)
    _ = try shared.program.finish(first)
    if !withLocks {
      let early = try shared.run("two")
      #expect(early.code == 2 && early.errors.contains("its note runs/tiny/.lease was renewed "), "\(early.errors)")
      shared.makeOld()
    }
    let last = try shared.run("two")
    #expect(last.code == 0, "\(last.errors)")
    #expect(try TinyPipeline.digests(shared.folder, short: true) == TinyPipeline.short.get().digests)
    #expect(!FileManager.default.fileExists(atPath: shared.note.path))
  }

  @Test(.enabled(if: canEnter, "namespaces need root"), arguments: [true, false])
  func ofManyAtOnceOneRunsAndNoStageRunsTwice(withLocks: Bool) throws {
    let shared = try Shared(withLocks: withLocks)
    let started = try ["one", "two", "three", "four"].map {
      try shared.start($0, ["run", "tiny.yaml"] + TinyPipeline.options)
    }
    let results = try started.map { try shared.program.finish($0) }
    #expect(results.contains { $0.code == 0 } && results.allSatisfy { [0, 2].contains($0.code) })
    for stage in TinyPipeline.shortStages {
      let times = results.filter { $0.errors.contains("\(stage): done in ") }.count
      #expect(times == 1, "\(stage) ran \(times) times")
    }
    #expect(try TinyPipeline.digests(shared.folder, short: true) == TinyPipeline.short.get().digests)
  }

  /// A host that stood still for so long that it was taken for gone writes nothing more when it goes on.
  @Test(.enabled(if: canEnter, "namespaces need root")) func aHostThatWasTakenForGoneStops() throws {
    let shared = try Shared(withLocks: false, trainingSteps: 60)
    let first = try shared.start("one", ["run", "tiny.yaml"] + TinyPipeline.options)
    let checkpoint = shared.folder.appendingPathComponent("emulator.ckpt-A.h5").path
    #expect(shared.program.wait(seconds: 60) { FileManager.default.fileExists(atPath: checkpoint) })
    let process = try #require(shared.inner(first))
    defer { kill(process, SIGKILL) }
    kill(process, SIGSTOP)
    shared.makeOld()
    let second = try shared.run("two")
    #expect(second.code == 0, "\(second.errors)")
    let digests = try TinyPipeline.digests(shared.folder, short: true)
    // 'unshare' stops with its child
    for process in [process, first.process.processIdentifier] { kill(process, SIGCONT) }
    let stopped = try shared.program.finish(first)
    #expect(stopped.code == 1 && stopped.errors.contains("another run has taken this place"), "\(stopped.errors)")
    #expect(try TinyPipeline.digests(shared.folder, short: true) == digests)
  }
}
