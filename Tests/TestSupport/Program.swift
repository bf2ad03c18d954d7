import Foundation

/// Runs the built `pipeline` as a child process, in a folder of its own.
public final class Program {
  public struct Result {
    public let code: Int32
    /// The signal that ended it, if one did.
    public let signal: Int32?
    public let output: String
    public let errors: String
  }

  private let scratch: Scratch
  public var folder: URL { scratch.url }

  public init() throws { scratch = try Scratch() }

  public func write(_ text: String, to name: String) throws { try scratch.write(text, to: name) }

  /// Takes the files of a folder of Tests/Fixtures into the program's folder.
  public func take(_ fixtures: String) throws {
    let source = Package.fixture(fixtures)
    for name in try FileManager.default.contentsOfDirectory(atPath: source.path) {
      try FileManager.default.copyItem(
        at: source.appendingPathComponent(name), to: folder.appendingPathComponent(name))
    }
  }

  /// The program stands beside the test bundle.
  public static func executable() throws -> URL {
    let bundle = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("pipeline")
  }

  /// Starts `pipeline`, or another program that is given the arguments.
  public func start(
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
  public func finish(_ started: (process: Process, tag: String)) throws -> Result {
    if !wait(seconds: 120, until: { !started.process.isRunning }) { kill(started.process.processIdentifier, SIGKILL) }
    started.process.waitUntilExit()
    let status = started.process.terminationStatus
    return Result(
      code: status, signal: started.process.terminationReason == .uncaughtSignal ? status : nil,
      output: text(started.tag, "out"), errors: text(started.tag, "err"))
  }

  public func run(_ arguments: String...) throws -> Result { try finish(start(arguments)) }

  private func file(_ tag: String, _ name: String) -> URL { folder.appendingPathComponent(".\(tag).\(name)") }

  public func text(_ tag: String, _ name: String) -> String {
    (try? String(contentsOf: file(tag, name), encoding: .utf8)) ?? ""
  }

  /// Waits until `condition` holds; false after `seconds`.
  public func wait(seconds: Double, until condition: () -> Bool) -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while Date() < end {
      if condition() { return true }
      usleep(20_000)
    }
    return condition()
  }
}
