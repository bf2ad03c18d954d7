import Artifacts
import Foundation
import TestSupport

/// A Slurm of one node that is started for these tests and stopped with their process.
struct RealSlurm {
  struct Unavailable: Error { let reason: String }

  static let shared = RealSlurm("slurm")
  /// One of its own for tests that kill its daemons.
  static let disturbed = RealSlurm("disturbed")

  static var isThere: Bool { if case .success = shared.configuration { true } else { false } }

  static var reason: String {
    switch shared.configuration {
    case .success(let path): "running with \(path)"
    case .failure(let error): error.reason
    }
  }

  /// The path of its configuration.
  private let configuration: Result<String, Unavailable>

  private init(_ name: String) { configuration = Self.start(name) }

  var environment: [String: String] {
    guard case .success(let path) = configuration else { return [:] }
    return ["SLURM_CONF": path, "OMP_WAIT_POLICY": "passive"]
  }

  /// Kills its controller, as a machine that fails would: once it has written down the jobs of which it knows, which takes it up to five
  /// seconds. Those that it has not written down it forgets.
  func killController() throws {
    let folder = URL(fileURLWithPath: environment["SLURM_CONF"] ?? "").deletingLastPathComponent()
    func saved() -> Date? {
      let path = folder.appendingPathComponent("state/job_state").path
      return try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
    }
    let before = saved()
    for _ in 0..<100 where saved() == before { usleep(100_000) }
    let text = try String(contentsOf: folder.appendingPathComponent("slurmctld.pid"), encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    guard let process = Int32(text), kill(process, SIGKILL) == 0 else {
      throw Unavailable(reason: "no controller: \(text)")
    }
  }

  /// Starts the controller again, with the state that it left.
  func startController() { call("slurmctld") }

  private static func start(_ name: String) -> Result<String, Unavailable> {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(getpid())").path
    let script = Package.root.appendingPathComponent("Tests/Slurm/start-slurm").path
    let answer = run("/bin/bash", [script, folder, "\(getpid())"])
    let path = answer.output.trimmingCharacters(in: .whitespacesAndNewlines)
    return answer.code == 0 ? .success(path) : .failure(Unavailable(reason: answer.errors))
  }

  /// Runs one of Slurm's own programs against it.
  @discardableResult static func call(_ program: String, _ words: String...) -> String { shared.call(program, words) }

  @discardableResult func call(_ program: String, _ words: String...) -> String { call(program, words) }

  private func call(_ program: String, _ words: [String]) -> String {
    let answer = Self.run("/usr/bin/env", [program] + words, environment: environment)
    return answer.output + answer.errors
  }

  private static func run(
    _ program: String, _ words: [String], environment: [String: String] = [:]
  ) -> (code: Int32, output: String, errors: String) {
    let base = FileManager.default.temporaryDirectory.appendingPathComponent("call-\(UUID().uuidString)")
    let files = ["out", "err"].map { base.appendingPathExtension($0) }
    defer { for file in files { try? FileManager.default.removeItem(at: file) } }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = words
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    for file in files { _ = FileManager.default.createFile(atPath: file.path, contents: nil) }
    process.standardOutput = try? FileHandle(forWritingTo: files[0])
    process.standardError = try? FileHandle(forWritingTo: files[1])
    do { try process.run() } catch { return (127, "", "\(error)") }
    process.waitUntilExit()
    let texts = files.map { (try? String(contentsOf: $0, encoding: .utf8)) ?? "" }
    return (process.terminationStatus, texts[0], texts[1])
  }
}

/// A batch of two cells of the least size that runs, in a folder of its own.
final class Batch {
  let program: Program
  private let steps: Int
  private let slurm: RealSlurm

  /// Steps of a training that lasts long enough to be caught at it.
  static let long = 8000

  init(
    steps: Int = 6, profile: String = "defaults: { cpus: 1, time: 10 }", broken: Bool = false,
    on slurm: RealSlurm = .shared
  ) throws {
    program = try Program()
    (self.steps, self.slurm) = (steps, slurm)
    let (left, beta) = ("\(Package.alanine.path)/alanine-left.nc", "\(Package.alanine.path)/alanine-beta.nc")
    var cut = ""
    if broken {
      let data = try Data(contentsOf: URL(fileURLWithPath: left))
      try data.prefix(data.count / 2).write(to: program.folder.appendingPathComponent("cut.nc"))
      cut = "cut: { files: [cut.nc], stride: 50 }"
    }
    try program.write(
      """
      name: batch
      seed: 1
      matrix:
        system:
          one: { files: [\(left), \(beta)], stride: 50 }
          two: { files: [\(left), \(beta)], stride: 40 }
          \(cut)
      system:
        topology: \(Package.alanine.path)/alanine.pdb
        forcefield: \(Package.alanine.path)/system.xml
      stages:
        frames:   { uses: ingest, trajectory: "${system.files}", stride: "${system.stride}" }
        emulator: { uses: emulator, frames: frames, network: { width: 8, depth: 1 }, training: { steps: \(steps), batch: 32 } }
        fresh:    { uses: sample, emulator: emulator, count: 200, log_density: stochastic-trace }
        traced:   { uses: reweight, samples: fresh, density: stochastic-trace }
        report:   { uses: report, compare: traced }

      """, to: "batch.yaml")
    try program.write(profile + "\n", to: "slurm.yaml")
  }

  deinit { _ = try? run("cancel", "batch.yaml") }

  func run(_ words: String...) throws -> Program.Result {
    try program.finish(program.start(words, environment: slurm.environment))
  }

  func submit(_ words: String...) throws -> Program.Result { try program.finish(submitting(words)) }

  func submitting(_ words: [String]) throws -> (process: Process, tag: String) {
    try program.start(
      ["submit", "batch.yaml", "--profile", "slurm.yaml", "--checkpoint-interval", "0.3"] + words,
      environment: slurm.environment)
  }

  func status() throws -> String { try run("status", "batch.yaml").output }

  /// The content of every artifact, by file name.
  func digests(_ runs: String = "runs") throws -> [String: String] {
    let folder = program.folder.appendingPathComponent("\(runs)/batch")
    var found: [String: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".h5") {
      let artifact = try Artifact.open(folder.appendingPathComponent(name), verify: true)
      found[name] = artifact.provenance.contentDigest
    }
    return found
  }

  /// What one process gives that runs everything in a row; made once for each number of steps.
  func plainDigests() throws -> [String: String] {
    try Self.lock.withLock {
      if let known = Self.plain[steps] { return known }
      let result = try run("run", "batch.yaml", "--runs", "plain", "--threads", "1")
      guard result.code == 0 else { throw RealSlurm.Unavailable(reason: result.errors) }
      let digests = try digests("plain")
      Self.plain[steps] = digests
      return digests
    }
  }

  private static let lock = NSLock()
  nonisolated(unsafe) private static var plain: [Int: [String: String]] = [:]

  private var folder: URL { program.folder.appendingPathComponent("runs/batch") }

  /// The process of the job that works on a stage, once the stage has saved a checkpoint.
  func process(of stage: String) -> Int32? {
    let checkpoint = folder.appendingPathComponent("\(stage).ckpt-A.h5").path
    guard program.wait(seconds: 60, until: { FileManager.default.fileExists(atPath: checkpoint) }) else { return nil }
    let note = (try? String(contentsOf: folder.appendingPathComponent(".\(stage).held"), encoding: .utf8)) ?? ""
    return note.split(separator: " ").dropFirst().first.flatMap { Int32($0) }
  }

  /// What the tasks of a submission printed, by the name of the file.
  func log(_ name: String, submission: Int = 1) -> String {
    (try? String(contentsOf: folder.appendingPathComponent("slurm/\(submission)/\(name).log"), encoding: .utf8)) ?? ""
  }

  /// The lines of this batch's jobs in the queue, such as `12_0 RUNNING batch/system`.
  func queue() -> [String] {
    slurm.call("squeue", "--noheader", "--array", "--format=%i %T %j %o").split(separator: "\n").map(String.init)
      .filter { $0.contains(program.folder.path) }
  }
}
