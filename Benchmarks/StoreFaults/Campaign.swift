import Artifacts
import Foundation

/// Lets every system call that the store makes fail in turn, with each error that Linux documents for it.
final class Campaign {
  /// The errors of each call: its manual page's, and those of network file systems.
  static let errors: [(call: String, codes: [Int32])] = [
    (
      "open",
      [
        EACCES, EBUSY, EDQUOT, EEXIST, EFAULT, EFBIG, EINTR, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE,
        ENODEV, ENOENT,
        ENOMEM, ENOSPC, ENOTDIR, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM, EROFS, ETXTBSY, EWOULDBLOCK, EIO, ESTALE,
      ]
    ),
    ("write", [EBADF, EDESTADDRREQ, EDQUOT, EFAULT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EPERM, EPIPE]),
    (
      "rename",
      [
        EACCES, EBUSY, EDQUOT, EEXIST, EFAULT, EINVAL, EISDIR, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC,
        ENOTDIR,
        ENOTEMPTY, EPERM, EROFS, EXDEV, EIO, ESTALE,
      ]
    ),
    ("fsync", [EBADF, EDQUOT, EINTR, EINVAL, EIO, ENOSPC, EROFS]),
    ("fsync-folder", [EBADF, EDQUOT, EINTR, EINVAL, EIO, ENOSPC, EROFS]),
    ("flock", [EBADF, EINTR, EINVAL, ENOLCK, EWOULDBLOCK, ENOSYS, EOPNOTSUPP, 524]),
    (
      "link",
      [EACCES, EDQUOT, EEXIST, EIO, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM, EROFS, EXDEV]
    ),
    (
      "unlink",
      [EACCES, EBUSY, EFAULT, EINVAL, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, ESTALE]
    ),
    ("stat", [EACCES, EBADF, EFAULT, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW, ESTALE]),
    (
      "statvfs",
      [EACCES, EBADF, EFAULT, EINTR, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOSYS, ENOTDIR, EOVERFLOW]
    ),
    (
      "mkdir",
      [EACCES, EDQUOT, EEXIST, EINVAL, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM, EROFS]
    ),
    ("truncate", [EACCES, EBADF, EFBIG, EINTR, EINVAL, EIO, EISDIR, EPERM, EROFS, ETXTBSY]),
  ]

  struct Fault {
    let call: String
    let number: Int  // Which of these calls
    let isLasting: Bool  // And all that come after it
    let code: Int32

    var text: String {
      "\(call) no. \(number)\(isLasting ? " and on" : ""): \(String(cString: strerror(code))) (\(code))"
    }
  }

  enum Outcome { case completed, endedByMessage, wrong(String) }

  private let work: URL
  private let library: URL
  private let start: URL  // A finished run with other parameters
  private var reference: [String: String] = [:]

  /// Builds the library that makes calls fail. Nil where there is no C compiler.
  init?(work: URL, source: URL) throws {
    self.work = work
    library = work.appendingPathComponent("faults.so")
    start = work.appendingPathComponent("start")
    guard try Self.succeeds("/usr/bin/env", ["cc", "-shared", "-fPIC", "-o", library.path, source.path, "-ldl"]) else {
      return nil
    }
    try FileManager.default.createDirectory(at: start, withIntermediateDirectories: true)
    try Data([3, 1, 4, 1, 5]).write(to: start.appendingPathComponent("numbers.bin"))
    try write(offset: 1, in: start)
    guard try run(start).code == 0 else { throw Failure(text: "the run without faults fails") }
    try Data("mine\n".utf8).write(to: start.appendingPathComponent("runs/tiny/mine.txt"))
    try Data("not an artifact".utf8).write(to: start.appendingPathComponent("runs/tiny/mine.h5"))
    try write(offset: 2, in: start)
    let whole = try copy("reference")
    guard try run(whole).code == 0 else { throw Failure(text: "the second run without faults fails") }
    reference = try digests(whole)
  }

  struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
  }

  /// Every fault there is: each of the calls that a run makes, by itself and with all that follow, with each error.
  func faults() throws -> [Fault] {
    let folder = try copy("trace")
    let trace = work.appendingPathComponent("trace.txt")
    guard try run(folder, ["FAULT_TRACE": trace.path]).code == 0 else { throw Failure(text: "the traced run fails") }
    var counts: [String: Int] = [:]
    for line in try String(contentsOf: trace, encoding: .utf8).split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2 { counts[String(words[0])] = Int(words[1]) }
    }
    print("calls of a run:", Self.errors.map { "\($0.call) \(counts[$0.call] ?? 0)" }.joined(separator: ", "))
    return Self.errors.flatMap { call, codes -> [Fault] in
      let count = counts[call] ?? 0
      return codes.flatMap { code -> [Fault] in
        guard count > 0 else { return [] }
        // who is interrupted for ever gets nowhere
        return (1...count).map { Fault(call: call, number: $0, isLasting: false, code: code) }
          + (code == EINTR ? [] : [Fault(call: call, number: 1, isLasting: true, code: code)])
      }
    }
  }

  /// Runs with the fault, and once more without.
  func attempt(_ fault: Fault, name: String) throws -> Outcome {
    let folder = try copy(name)
    defer { try? FileManager.default.removeItem(at: folder) }
    var environment = [
      "FAULT_CALL": fault.call, "FAULT_NUMBER": "\(fault.number)", "FAULT_ERRNO": "\(fault.code)",
    ]
    if fault.isLasting { environment["FAULT_ON"] = "1" }
    let first = try run(folder, environment)
    if let signal = first.signal { return .wrong("it was ended by signal \(signal): \(first.errors)") }
    if first.code == 0 {
      // the run says that it is complete: so it is, whatever the disk did to it
      guard try digests(folder) == reference else {
        return .wrong("it ended with 0 and is not complete: \(first.errors)")
      }
    } else if let lacking = lacking(first.errors, fault, folder) {
      return .wrong("its message names no \(lacking): \(first.errors)")
    }
    let second = try run(folder)
    guard second.code == 0 else { return .wrong("the next run ends with \(second.code): \(second.errors)") }
    guard try digests(folder) == reference else { return .wrong("the next run is another one") }
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("runs/tiny").path)
    if let left = files.first(where: { $0.contains(".damaged") || $0.contains(".ckpt-") }) {
      return .wrong("\(left) is left")
    }
    for (name, text) in [("runs/tiny/mine.txt", "mine\n"), ("runs/tiny/mine.h5", "not an artifact")] {
      guard (try? Data(contentsOf: folder.appendingPathComponent(name))) == Data(text.utf8) else {
        return .wrong("\(name) is not what it was")
      }
    }
    return first.code == 0 ? .completed : .endedByMessage
  }

  /// What a message ought to name and does not.
  private func lacking(_ message: String, _ fault: Fault, _ folder: URL) -> String? {
    // that somebody else works in the folder is what this error says
    if fault.call == "flock", fault.code == EWOULDBLOCK, message.contains("is in use by another run") { return nil }
    // and that a name does not exist any more
    let isGone = ["was moved or replaced", "no such file"].contains(where: message.contains)
    if fault.call == "stat", [ENOENT, ENOTDIR].contains(fault.code), isGone { return nil }
    if !message.contains("runs/tiny") { return "path" }
    let words = ["fsync-folder": "fsync", "truncate": "truncat"][fault.call] ?? fault.call
    // the HDF5 library speaks of its own calls
    // a folder that cannot be looked at is made, in vain
    if !message.contains(words), !message.contains("H5"), !(fault.call == "stat" && message.contains("(mkdir)")) {
      return "call"
    }
    // the run itself says "resume with" after every failure
    let own = message.split(separator: "\n").filter { !$0.hasPrefix("resume with") }.joined(separator: "\n")
    return ["run again", "runs again", "--runs"].contains(where: own.contains) ? nil : "way out"
  }

  // MARK: Runs

  private func copy(_ name: String) throws -> URL {
    let folder = work.appendingPathComponent(name)
    try? FileManager.default.removeItem(at: folder)
    guard try Self.succeeds("/bin/cp", ["-a", start.path, folder.path]) else { throw Failure(text: "cp fails") }
    return folder
  }

  private func write(offset: Int, in folder: URL) throws {
    try Data(TinyRun.text(offset: offset).utf8).write(to: folder.appendingPathComponent("tiny.yaml"))
  }

  private func digests(_ folder: URL) throws -> [String: String] {
    var found: [String: String] = [:]
    for stage in TinyRun.stages {
      let url = folder.appendingPathComponent("runs/tiny/\(stage).h5")
      found[stage] = (try? Artifact.open(url, verify: true))?.provenance.contentDigest ?? "none"
    }
    found["page.html"] =
      (try? String(contentsOf: folder.appendingPathComponent("runs/tiny/page.html"), encoding: .utf8)) ?? "none"
    return found
  }

  private func run(_ folder: URL, _ faults: [String: String] = [:]) throws -> (
    code: Int32, signal: Int32?, errors: String
  ) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["run", folder.path]
    var environment = ProcessInfo.processInfo.environment
    if !faults.isEmpty {
      environment.merge(faults) { $1 }
      environment["FAULT_UNDER"] = folder.appendingPathComponent("runs").path
      environment["LD_PRELOAD"] = library.path
    }
    process.environment = environment
    let file = folder.appendingPathComponent("errors.txt")
    _ = FileManager.default.createFile(atPath: file.path, contents: nil)
    process.standardError = try FileHandle(forWritingTo: file)
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let status = process.terminationStatus
    return (
      status, process.terminationReason == .uncaughtSignal ? status : nil,
      (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    )
  }

  private static func succeeds(_ program: String, _ arguments: [String]) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
