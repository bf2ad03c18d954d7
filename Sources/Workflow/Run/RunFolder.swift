import Artifacts
import Basics
import Foundation

/// The folder of one pipeline's artifacts, runs/<name>, and its lock.
public final class RunFolder {
  public let url: URL
  private var lockDescriptor: Int32 = -1
  private(set) var mode: LockMode?  // How this process holds the folder; nil where it does not
  private var lease: Lease?  // The folder's own, beside the kernel's lock
  private var parentLease: Lease?  // Of the run that started this process
  var stageLeases: [Lease] = []  // Those of stages that this process holds
  /// Something to know of how it is held: that its file system has no locks.
  public private(set) var warning: String?

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
  ///
  /// Beside the lock stands a `Lease`, which keeps other hosts out where the lock does not reach them; `warning` says so where the file
  /// system has no locks at all.
  public func lock(as command: String, mode: LockMode = .exclusive) throws {
    do { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) } catch {
      throw EngineError.folder(url.path, "cannot be made (mkdir)")
    }
    let path = lockPath
    let opened = FileCalls.open(path, O_RDWR | O_CREAT)
    guard opened >= 0 else { throw EngineError.folder(path, "cannot be opened (open)") }
    // out of the way of the descriptors that a child process finds at fixed numbers
    let moved = fcntl(opened, F_DUPFD_CLOEXEC, 10)
    if moved >= 0 { close(opened) }
    let descriptor = moved >= 0 ? moved : opened
    var isLocked = true
    var locking = FileCalls.lock(descriptor, exclusive: mode == .exclusive)
    // whoever only looks holds it for a moment
    for _ in 0..<10 {
      guard case .taken = locking else { break }
      usleep(20_000)
      locking = FileCalls.lock(descriptor, exclusive: mode == .exclusive)
    }
    switch locking {
    case .held: warning = nil
    case .taken:
      defer { close(descriptor) }
      throw EngineError.locked(folder: url.path, holder: holderText(descriptor))
    case .unsupported(let code):
      isLocked = false
      warning =
        "\(url.relativePath): this file system has no locks (flock: \(FileCalls.text(code))). A note that this run renews "
        + "(\(Self.leaseName)) keeps other runs out, on other hosts too; after a run that was killed, another host waits until the note is "
        + "\(NumberText.duration(seconds: Lease.limit)) old. With locks there is no such wait: name a folder on another file system by --runs "
        + "(Lustre: mount it with -o flock)"
    case .failed(let code):
      close(descriptor)
      throw EngineError.folder(path, "cannot be locked (flock)", code: code)
    }
    do { lease = try takeLease(command, mode, isLocked: isLocked) } catch {
      close(descriptor)
      guard let taken = error as? Lease.Taken else { throw error }
      throw EngineError.locked(folder: url.path, holder: taken.holder)
    }
    lockDescriptor = descriptor
    self.mode = mode
    switch mode {
    case .exclusive: note(command)
    case .shared: ftruncate(descriptor, 0)  // what an earlier run noted is no longer so
    }
  }

  static let leaseName = ".lease"

  /// Each of two that come at the same time makes its own note before it looks for the other's, so that one of them at least sees the other.
  private func takeLease(_ reason: String, _ mode: LockMode, isLocked: Bool) throws -> Lease? {
    let alone = url.appendingPathComponent(Self.leaseName)
    let own: Lease?
    switch mode {
    case .exclusive: own = try Lease.take(alone, as: reason, isLocked: isLocked)
    case .shared:
      try Lease.clear(alone, isLocked: isLocked)
      let name = "\(Self.leaseName)-\(UUID().uuidString.prefix(8))"
      own = try Lease.take(url.appendingPathComponent(name), as: reason, isLocked: isLocked)
    }
    do {
      for other in mode == .shared ? [alone] : sharedLeases { try Lease.clear(other, isLocked: isLocked) }
    } catch {
      own?.release()
      throw error
    }
    return own
  }

  /// The notes of those who share the folder.
  private var sharedLeases: [URL] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return names.sorted().filter { $0.hasPrefix(Self.leaseName + "-") && FileSystem.Temporary($0) == nil }
      .map(url.appendingPathComponent)
  }

  /// What there is to say of who holds the folder: its only holder by the note in the lock, jobs by those in their stages'.
  private func holderText(_ lock: Int32) -> String {
    let stages = StageLock.holders(in: self)
    if let first = stages.first { return first + (stages.count > 1 ? "; and \(stages.count - 1) more" : "") }
    return LockNote(lock)?.text ?? "holder unknown"
  }

  /// Says, for whoever finds the folder taken, who holds it and why.
  func note(_ reason: String) { LockNote.write(reason, to: lockDescriptor) }

  /// The run that started this process is gone: its folder is this process's, as long as it works.
  func inherit(_ reason: String) {
    note(reason)
    parentLease?.renew(as: reason)
  }

  /// The lock to hand to a child process, which then holds the folder too. Throws `EngineError.folder` without a lock.
  func lockForChild() throws -> Int32 {
    guard lockDescriptor >= 0 else { throw EngineError.folder(path: url.path, reason: "is not locked") }
    return lockDescriptor
  }

  /// Takes over the lock that the parent process handed on. False if the descriptor is not this folder's lock.
  func adoptLock(_ descriptor: Int32) -> Bool {
    guard Self.isOpen(descriptor, at: lockPath) else { return false }
    let locking = FileCalls.lock(descriptor, exclusive: true)
    switch locking {
    case .held, .unsupported: break
    case .taken, .failed: return false
    }
    lockDescriptor = descriptor
    mode = .exclusive
    parentLease = Lease(of: url.appendingPathComponent(Self.leaseName), isLocked: locking == .held)
    return true
  }

  /// Throws `EngineError.folder` where the folder of that name is no longer the one that was locked: it was moved, renamed or
  /// replaced, and another run may hold what is there now. So it is where another run took the folder, or the stage, for one that nobody
  /// works on.
  func checkPlace() throws {
    try checkFolder()
    if let lost = ([lease, parentLease].compactMap { $0 } + stageLeases).first(where: \.isLost) {
      throw EngineError.folder(
        path: lost.url.path,
        reason: "another run has taken this place, because this one's note had not been renewed for "
          + "\(NumberText.duration(seconds: Lease.limit)) or was deleted; nothing more is written here; wait for the other run, then run again"
      )
    }
  }

  private func checkFolder() throws {
    guard lockDescriptor >= 0, !Self.isOpen(lockDescriptor, at: lockPath) else { return }
    if case .unknown(let code) = FileCalls.presence(lockPath) {
      throw EngineError.folder(url.path, "cannot be looked at (stat)", code: code)
    }
    if Self.isOpen(lockDescriptor, at: lockPath) { return }  // it could not be told a moment ago
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

  /// Who works in the folder; nil where nobody does, as far as can be told.
  public func holder() -> String? {
    let descriptor = FileCalls.open(lockPath, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let locking = FileCalls.lock(descriptor, exclusive: false)
    if locking == .taken { return holderText(descriptor) }
    let isLocked = locking == .held
    if isLocked { flock(descriptor, LOCK_UN) }  // a run that begins this moment must not find it taken
    // jobs share it
    let stages = StageLock.holders(in: self)
    if !stages.isEmpty { return stages.joined(separator: "\nrunning: ") }
    return ([url.appendingPathComponent(Self.leaseName)] + sharedLeases).lazy
      .compactMap { Lease.holder(of: $0, isLocked: isLocked) }.first
  }

  public func unlock() {
    lease?.release()
    (lease, parentLease) = (nil, nil)
    if lockDescriptor >= 0, warning != nil { ftruncate(lockDescriptor, 0) }
    if lockDescriptor >= 0 { close(lockDescriptor) }
    lockDescriptor = -1
    mode = nil
  }
}

/// What the holder of a lock notes in its file about itself.
struct LockNote {
  let text: String

  /// Nil where nothing is noted.
  init?(_ descriptor: Int32) {
    var buffer = [UInt8](repeating: 0, count: 2000)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    if text.isEmpty { return nil }
  }

  static func text(_ reason: String) -> String {
    "process \(getpid()) on \(FileSystem.host), since \(Date().formatted(.iso8601)): \(reason)"
  }

  static func write(_ reason: String, to descriptor: Int32) {
    ftruncate(descriptor, 0)
    _ = (text(reason) + "\n").withCString { pwrite(descriptor, $0, strlen($0), 0) }
  }
}
