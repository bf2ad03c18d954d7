import Foundation

/// The folder of one pipeline's artifacts, runs/<name>, and its lock.
public final class RunFolder {
  public let url: URL
  private var lockDescriptor: Int32 = -1
  private(set) var mode: LockMode?  // How this process holds the folder; nil where it does not

  public init(_ url: URL) { self.url = url }

  /// `runs` is the folder of all runs (`--runs`).
  public convenience init(runs: URL, pipeline: PipelineDefinition) {
    self.init(runs.appendingPathComponent(pipeline.name, isDirectory: true))
  }

  deinit { unlock() }

  public func artifact(_ stage: String) -> URL { url.appendingPathComponent("\(stage).h5") }

  /// Present while a finished stage is being run again on demand (`--force`), so that a resumed run goes on with it.
  func forcedMark(_ stage: String) -> URL { url.appendingPathComponent(".\(stage).forced") }

  var verified: URL { url.appendingPathComponent(".verified.json") }

  public enum LockMode: Sendable {
    case exclusive  // Alone: it may touch every file
    /// Beside other jobs of the same kind: it touches the files of those stages alone whose `StageLock` it holds.
    case shared
  }

  /// Takes the folder for this process, making it if need be. The kernel drops the lock when the process ends, however it
  /// ends. Throws `EngineError.locked` with what is known of the holder.
  public func lock(as command: String, mode: LockMode = .exclusive) throws {
    do { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) } catch {
      throw EngineError.folder(url.path, "cannot be made")
    }
    let path = lockPath
    let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard opened >= 0 else { throw EngineError.folder(path, "cannot be opened") }
    // out of the way of the descriptors that a child process finds at fixed numbers
    let moved = fcntl(opened, F_DUPFD_CLOEXEC, 10)
    if moved >= 0 { close(opened) }
    let descriptor = moved >= 0 ? moved : opened
    guard flock(descriptor, (mode == .exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 else {
      let code = errno
      let holder = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      guard code == EWOULDBLOCK else { throw EngineError.folder(path, "cannot be locked", code: code) }
      throw EngineError.locked(folder: url.path, holder: holderText(holder))
    }
    lockDescriptor = descriptor
    self.mode = mode
    switch mode {
    case .exclusive: note(command)
    case .shared: ftruncate(descriptor, 0)  // what an earlier run noted is no longer so
    }
  }

  /// What there is to say of who holds the folder: its only holder by the note in the lock, jobs by those in their stages'.
  private func holderText(_ lock: FileHandle) -> String {
    let stages = StageLock.holders(in: self)
    if let first = stages.first { return first + (stages.count > 1 ? "; and \(stages.count - 1) more" : "") }
    let text = (try? lock.read(upToCount: 2000)).flatMap { String(data: $0, encoding: .utf8) } ?? ""
    let shown = text.trimmingCharacters(in: .whitespacesAndNewlines)
    return shown.isEmpty ? "holder unknown" : shown
  }

  /// Says, for whoever finds the folder taken, who holds it and why.
  func note(_ reason: String) { Self.write(note: reason, to: lockDescriptor) }

  static func write(note reason: String, to descriptor: Int32) {
    ftruncate(descriptor, 0)
    let host = ProcessInfo.processInfo.hostName
    let note = "process \(getpid()) on \(host), since \(Date().formatted(.iso8601)): \(reason)\n"
    _ = note.withCString { pwrite(descriptor, $0, strlen($0), 0) }
  }

  /// The lock to hand to a child process, which then holds the folder too. Throws `EngineError.folder` without a lock.
  func lockForChild() throws -> Int32 {
    guard lockDescriptor >= 0 else { throw EngineError.folder(path: url.path, reason: "is not locked") }
    return lockDescriptor
  }

  /// Takes over the lock that the parent process handed on. False if the descriptor is not this folder's lock.
  func adoptLock(_ descriptor: Int32) -> Bool {
    guard Self.isOpen(descriptor, at: lockPath), flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return false }
    lockDescriptor = descriptor
    mode = .exclusive
    return true
  }

  /// Throws `EngineError.folder` where the folder of that name is no longer the one that was locked: it was moved, renamed or
  /// replaced, and another run may hold what is there now.
  func checkPlace() throws {
    guard lockDescriptor >= 0, !Self.isOpen(lockDescriptor, at: lockPath) else { return }
    throw EngineError.folder(
      path: url.path,
      reason: "was moved or replaced during the run; put it back or give its place by --runs, and run again")
  }

  private var lockPath: String { url.appendingPathComponent(".lock").path }

  /// Whether the descriptor is of the file that stands at the path now.
  static func isOpen(_ descriptor: Int32, at path: String) -> Bool {
    var (held, found) = (stat(), stat())
    return fstat(descriptor, &held) == 0 && stat(path, &found) == 0 && held.st_ino == found.st_ino
      && held.st_dev == found.st_dev
  }

  public func holder() -> String? {
    let descriptor = open(lockPath, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    guard flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK else {
      // jobs share it
      let stages = StageLock.holders(in: self)
      return stages.isEmpty ? nil : stages.joined(separator: "\nrunning: ")
    }
    return holderText(handle)
  }

  public func unlock() {
    if lockDescriptor >= 0 { close(lockDescriptor) }
    lockDescriptor = -1
    mode = nil
  }
}
