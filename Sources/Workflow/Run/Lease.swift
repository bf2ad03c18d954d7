import Artifacts
import Basics
import Foundation

/// Keeps a place for one process where the kernel's lock does not reach: on file systems without locks, and from one host to another where
/// each host has locks of its own (FUSE, NFS without `lockd`).
///
/// It is a note that is made exclusively and that its process renews every few seconds. Whoever finds one renewed a short time ago leaves.
/// Times are compared with that of a file just made beside it: hosts have clocks of their own, and the file system has one.
final class Lease {
  /// s between two renewals. Debug builds read BOLTZMILL_LEASE, for tests that cannot wait.
  nonisolated(unsafe) static var interval: Double = {
    #if DEBUG
      if let text = ProcessInfo.processInfo.environment["BOLTZMILL_LEASE"], let value = Double(text) { return value }
    #endif
    return 10
  }()

  /// A note that was not renewed for so long, s, is that of a process that is gone.
  static var limit: Double { 18 * interval }

  /// How long a note is looked at before it is taken for that of a process that is gone, s.
  private static var patience: Double { 2.5 * interval }

  /// Who is in the way, for messages.
  struct Taken: Error { let holder: String }

  let url: URL
  private let reason: String
  private let isLocked: Bool
  private let guardian = NSLock()
  private var identity: LeaseNote.Identity
  private var renewals = 0
  private var lost = false

  /// Makes the note. Nil where that is not possible and the kernel's lock, which `isLocked` says is held, has to do alone. Throws `Taken`,
  /// or `EngineError.folder`.
  static func take(_ url: URL, as reason: String, isLocked: Bool) throws -> Lease? {
    for _ in 0..<20 {
      if let identity = LeaseNote.make(url, LeaseNote.text(reason)) {
        let lease = Lease(url, reason, identity, isLocked: isLocked)
        Renewals.shared.add(lease)
        return lease
      }
      let code = errno
      guard code == EEXIST else {
        if isLocked { return nil }
        throw EngineError.folder(url.path, "cannot be made (open)", code: code)
      }
      try clear(url, isLocked: isLocked)
    }
    if isLocked { return nil }
    throw Taken(holder: "others try to take \(url.path) at the same time")
  }

  /// Removes a note that a process left that is gone. Throws `Taken` where the process is at work, as far as can be told.
  static func clear(_ url: URL, isLocked: Bool) throws {
    guard let note = LeaseNote(url) else { return }
    let holder = note.holder(isLocked: isLocked)
    // where the lock says that nobody is there, and where the note is old, it is looked at whether it is renewed all the same
    if let holder, !isLocked { throw Taken(holder: holder) }
    if holder != nil || note.isElsewhere && !isLocked, isRenewed(url, note) {
      throw Taken(holder: holder ?? note.words)
    }
    note.remove()
  }

  private static func isRenewed(_ url: URL, _ note: LeaseNote) -> Bool {
    let watch = Stopwatch()
    while watch.seconds < patience {
      usleep(UInt32(min(0.5, interval / 4) * 1e6))
      guard let now = LeaseNote(url) else { return false }
      if now.identity != note.identity || now.state != note.state { return true }
    }
    return false
  }

  /// The note of the run that started this process, which is renewed here once that run is gone: see `renew`.
  init?(of parent: URL, isLocked: Bool) {
    guard let note = LeaseNote(parent) else { return nil }
    (url, reason, identity, self.isLocked) = (parent, "", note.identity, isLocked)
  }

  private init(_ url: URL, _ reason: String, _ identity: LeaseNote.Identity, isLocked: Bool) {
    (self.url, self.reason, self.identity, self.isLocked) = (url, reason, identity, isLocked)
  }

  /// From now on this process renews the note, which says why.
  func renew(as reason: String) {
    LeaseNote.inherit(url, guardian.withLock { identity }, reason)
    Renewals.shared.add(self)
  }

  /// Another one has taken the place: what is done from now on may be done twice. Without the kernel's lock a note that is gone says so
  /// too: whoever took the place may have come to its end.
  var isLost: Bool {
    guardian.withLock {
      if let note = LeaseNote(url) {
        lost = lost || note.identity != identity
      } else if !isLocked, FileCalls.presence(url.path) == .absent {
        lost = true
      }
      return lost
    }
  }

  fileprivate func renew() {
    guardian.withLock {
      guard !lost else { return }
      renewals += 1
      switch LeaseNote.renew(url, identity, renewals) {
      case .renewed, .notNow: break
      case .another: lost = true
      case .gone where !isLocked: lost = true
      case .gone: if let made = LeaseNote.make(url, LeaseNote.text(reason)) { identity = made }
      }
    }
  }

  func release() {
    Renewals.shared.remove(self)
    guardian.withLock {
      if !lost { LeaseNote.remove(url, ifStill: identity) }
      lost = true
    }
  }

  /// Who holds a place, by its note; nil where nobody does, as far as can be told without waiting.
  static func holder(of url: URL, isLocked: Bool) -> String? {
    LeaseNote(url)?.holder(isLocked: isLocked)
  }

  /// One thread renews all notes of the process.
  private final class Renewals: @unchecked Sendable {
    static let shared = Renewals()
    private let lock = NSLock()
    private var leases: [ObjectIdentifier: Lease] = [:]
    private var isRunning = false

    func add(_ lease: Lease) {
      lock.withLock {
        leases[ObjectIdentifier(lease)] = lease
        guard !isRunning else { return }
        isRunning = true
        let thread = Thread { [self] in run() }
        thread.stackSize = 256 << 10
        thread.start()
      }
    }

    func remove(_ lease: Lease) { lock.withLock { _ = leases.removeValue(forKey: ObjectIdentifier(lease)) } }

    private func run() {
      while true {
        // in short steps, so that a note that is made meanwhile is renewed in time
        let watch = Stopwatch()
        while watch.seconds < interval { usleep(UInt32(min(1, interval) * 1e6)) }
        let all = lock.withLock { () -> [Lease] in
          if leases.isEmpty { isRunning = false }
          return Array(leases.values)
        }
        if all.isEmpty { return }
        for lease in all { lease.renew() }
      }
    }
  }
}

/// The file of a lease: who made it, for people in its first line and for programs in its second, and how often it was renewed.
struct LeaseNote {
  /// Of a note: a file's number alone is given again at once when the file is gone.
  struct Identity: Equatable {
    fileprivate let inode: UInt64
    fileprivate let word: String  // That no other note has
  }

  let words: String
  let identity: Identity
  let state: String  // Changes with every renewal
  private let url: URL
  private let place: ProcessPlace
  private let length: Int  // Of both lines
  private let renewed: Double  // s since 1970, by the file system's clock

  /// Nil where there is none, or it cannot be looked at.
  init?(_ url: URL) {
    let descriptor = FileCalls.open(url.path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    self.init(url, descriptor)
  }

  private init?(_ url: URL, _ descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    var buffer = [UInt8](repeating: 0, count: 4000)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    words = lines.first.flatMap { $0.isEmpty ? nil : $0 } ?? "holder unknown"
    // the place of its process, and a word that no other note has
    let second = lines.count > 1 ? lines[1].split(separator: " ").map(String.init) : []
    place = ProcessPlace(second.count == 5 ? Array(second.prefix(4)) : [])
    (self.url, renewed) = (url, Self.modified(status))
    length = lines.prefix(2).reduce(0) { $0 + $1.utf8.count + 1 }
    identity = Identity(inode: UInt64(status.st_ino), word: second.last ?? words)
    state = "\(renewed) \(lines.dropFirst(2).joined())"
  }

  private static func modified(_ status: stat) -> Double {
    Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
  }

  // MARK: Whose it is

  /// Made on another host, or in another container: its process cannot be asked here.
  var isElsewhere: Bool { place.isElsewhere }

  /// Who is at work, with what there is to know of the note; nil where nobody is, as far as it says. On one machine the kernel's lock, where
  /// it is held here, is believed.
  func holder(isLocked: Bool) -> String? {
    if isLocked, place.isOnThisMachine { return nil }
    if !isElsewhere { return place.isAtWork ? words : nil }
    let age = (Self.now(beside: url) ?? Date().timeIntervalSince1970) - renewed
    guard age < Lease.limit else { return nil }
    let time =
      age < -Lease.interval
      ? "bears a time in the future" : "was renewed \(NumberText.duration(seconds: max(0, age))) ago"
    return "\(words); its note \(Engine.shown(url)) \(time): if that process is gone, wait until the note is "
      + "\(NumberText.duration(seconds: Lease.limit)) old, or delete it"
  }

  /// The time of the file system, s since 1970; nil where nothing can be written.
  private static func now(beside url: URL) -> Double? {
    let probe = FileSystem.temporary(for: url)
    let descriptor = FileCalls.open(probe.path, O_WRONLY | O_CREAT | O_EXCL)
    guard descriptor >= 0 else { return nil }
    defer {
      close(descriptor)
      unlink(probe.path)
    }
    var status = stat()
    return fstat(descriptor, &status) == 0 ? modified(status) : nil
  }

  // MARK: The file

  static func text(_ reason: String, word: String = UUID().uuidString) -> String {
    let place = ProcessPlace.own.words + [word]
    return LockNote.text(reason) + "\n" + place.joined(separator: " ") + "\n" + count(0)
  }

  private static func count(_ renewals: Int) -> String { String(format: "%012d\n", renewals) }

  /// Makes it, unless there is one. Nil, and errno.
  static func make(_ url: URL, _ text: String) -> Identity? {
    let descriptor = FileCalls.open(url.path, O_RDWR | O_CREAT | O_EXCL)
    guard descriptor >= 0 else { return nil }
    let made = write(text, descriptor, 0) ? LeaseNote(url, descriptor)?.identity : nil
    let code = errno
    close(descriptor)
    if made == nil { unlink(url.path) }
    errno = code
    return made
  }

  private static func write(_ text: String, _ descriptor: Int32, _ place: Int) -> Bool {
    let bytes = Array(text.utf8)
    return FileCalls.patiently { Int32(pwrite(descriptor, bytes, bytes.count, off_t(place))) } == bytes.count
  }

  /// Says that this process holds it now: it is the same note.
  static func inherit(_ url: URL, _ identity: Identity, _ reason: String) {
    let descriptor = FileCalls.open(url.path, O_RDWR)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    guard LeaseNote(url, descriptor)?.identity == identity else { return }
    ftruncate(descriptor, 0)
    _ = write(text(reason, word: identity.word), descriptor, 0)
  }

  enum Renewal { case renewed, another, gone, notNow }

  /// The file is opened each time: what has its name now is what others see.
  static func renew(_ url: URL, _ identity: Identity, _ renewals: Int) -> Renewal {
    let descriptor = FileCalls.open(url.path, O_RDWR)
    guard descriptor >= 0 else { return errno == ENOENT ? .gone : .notNow }
    defer { close(descriptor) }
    guard let note = LeaseNote(url, descriptor) else { return .notNow }
    guard note.identity == identity else { return .another }
    let isWritten = write(count(renewals), descriptor, note.length)
    return futimens(descriptor, nil) == 0 || isWritten ? .renewed : .notNow
  }

  static func remove(_ url: URL, ifStill identity: Identity) {
    if LeaseNote(url)?.identity == identity { unlink(url.path) }
  }

  /// Removes this one. Another one that has taken its place in the meantime is put back.
  func remove() {
    let aside = FileSystem.temporary(for: url)
    guard rename(url.path, aside.path) == 0 else { return }
    if LeaseNote(aside)?.identity != identity, link(aside.path, url.path) != 0, errno != EEXIST {
      rename(aside.path, url.path)
    } else {
      unlink(aside.path)
    }
  }
}
