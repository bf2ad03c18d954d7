import Foundation

/// Runs the built `pipeline` as a child process, in a folder of its own.
final class Program {
  struct Result {
    let code: Int32
    /// The signal that ended it, if one did.
    let signal: Int32?
    let output: String
    let errors: String
  }

  static let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let alanine = packageRoot.appendingPathComponent("datasets/alanine")

  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("pipeline-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func write(_ text: String, to name: String) throws {
    try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
  }

  /// The program stands beside the test bundle.
  static func executable() throws -> URL {
    let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("pipeline")
  }

  /// Starts `pipeline`, or another program that is given the arguments.
  func start(
    _ arguments: [String], environment: [String: String] = [:], executable: URL? = nil
  ) throws -> (process: Process, tag: String) {
    let tag = UUID().uuidString
    let process = Process()
    process.executableURL = try executable ?? Self.executable()
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    for name in ["out", "err"] {
      _ = FileManager.default.createFile(atPath: file(tag, name).path, contents: nil)
    }
    process.standardOutput = try FileHandle(forWritingTo: file(tag, "out"))
    process.standardError = try FileHandle(forWritingTo: file(tag, "err"))
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return (process, tag)
  }

  /// Waits for the end, at most two minutes.
  func finish(_ started: (process: Process, tag: String)) throws -> Result {
    if !wait(seconds: 120, until: { !started.process.isRunning }) { kill(started.process.processIdentifier, SIGKILL) }
    started.process.waitUntilExit()
    let status = started.process.terminationStatus
    return Result(
      code: status, signal: started.process.terminationReason == .uncaughtSignal ? status : nil,
      output: text(started.tag, "out"), errors: text(started.tag, "err"))
  }

  func run(_ arguments: String...) throws -> Result { try finish(start(arguments)) }

  private func file(_ tag: String, _ name: String) -> URL { folder.appendingPathComponent(".\(tag).\(name)") }

  func text(_ tag: String, _ name: String) -> String {
    (try? String(contentsOf: file(tag, name), encoding: .utf8)) ?? ""
  }

  /// Waits until `condition` holds; false after `seconds`.
  func wait(seconds: Double, until condition: () -> Bool) -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while Date() < end {
      if condition() { return true }
      usleep(20_000)
    }
    return condition()
  }
}
