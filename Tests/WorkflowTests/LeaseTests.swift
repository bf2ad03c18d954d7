import Foundation
import TestSupport
import Testing

@testable import Workflow

/// The notes that keep processes apart where the kernel's lock does not reach: of this host, and as another one would leave them.
@Suite(.serialized) struct LeaseTests {
  private let scratch: Scratch
  private var url: URL { scratch.url.appendingPathComponent(".lease") }

  init() throws {
    scratch = try Scratch()
    // process-wide: other suites' notes are of this process, which is asked
    Lease.interval = 0.1
  }

  /// A note of a host that is another one by its boot.
  private func foreign(age: Double) throws {
    let text =
      "process 7 on elsewhere, since 2026-01-01T00:00:00Z: pipeline run x.yaml\nboot-of-elsewhere pid:[1] 7 99 word\n000000000003\n"
    try Data(text.utf8).write(to: url)
    setAge(age)
  }

  private func setAge(_ age: Double) {
    let time = Date().timeIntervalSince1970 - age
    let spec = timespec(tv_sec: Int(time.rounded(.down)), tv_nsec: Int((time - time.rounded(.down)) * 1e9))
    _ = [spec, spec].withUnsafeBufferPointer { utimensat(AT_FDCWD, url.path, $0.baseAddress, 0) }
  }

  private func holder(isLocked: Bool = false) -> String? {
    do {
      try Lease.take(url, as: "test", isLocked: isLocked)?.release()
      return nil
    } catch { return (error as? Lease.Taken)?.holder ?? "\(error)" }
  }

  @Test func oneProcessHoldsIt() throws {
    let lease = try #require(try Lease.take(url, as: "the first", isLocked: false))
    #expect(holder()?.hasSuffix(": the first") == true)
    #expect(Lease.holder(of: url, isLocked: false)?.hasPrefix("process \(getpid()) on ") == true)
    #expect(!lease.isLost)
    lease.release()
    #expect(!FileManager.default.fileExists(atPath: url.path))
    #expect(holder() == nil)
  }

  private func comesTrue(_ condition: () -> Bool) -> Bool {
    for _ in 0..<100 where !condition() { usleep(30_000) }
    return condition()
  }

  @Test func itIsRenewed() throws {
    let lease = try #require(try Lease.take(url, as: "test", isLocked: false))
    defer { lease.release() }
    let before = try #require(LeaseNote(url))
    #expect(comesTrue { LeaseNote(url).map { $0.state != before.state && $0.identity == before.identity } == true })
    // deleted by hand: where there is a lock it is made again
    unlink(url.path)
    #expect(lease.isLost)
    let locked = try #require(try Lease.take(url, as: "test", isLocked: true))
    defer { locked.release() }
    unlink(url.path)
    #expect(comesTrue { LeaseNote(url) != nil } && !locked.isLost)
  }

  @Test func aYoungNoteOfAnotherHostKeepsOut() throws {
    try foreign(age: 0)
    let text = try #require(holder())
    #expect(text.hasPrefix("process 7 on elsewhere, since "))
    #expect(
      text.contains(".lease was renewed ") && text.contains("wait until the note is 1.8 s old, or delete it"), "\(text)"
    )
    // of a clock that is ahead nothing follows
    setAge(-1000)
    #expect(holder()?.contains("bears a time in the future") == true)
  }

  @Test func anOldNoteIsTakenOver() throws {
    try foreign(age: 60)
    #expect(Lease.holder(of: url, isLocked: false) == nil)
    #expect(holder() == nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
  }

  /// Its clock is wrong, and it is at work: the note looks old and is renewed all the same.
  @Test func anOldNoteThatIsRenewedIsNotTakenOver() throws {
    try foreign(age: 60)
    let (url, place) = (url, self)
    let thread = Thread {
      for count in 4..<30 {
        usleep(20_000)
        let handle = try? FileHandle(forWritingTo: url)
        _ = try? handle?.seekToEnd()
        try? handle?.write(contentsOf: Data("\(count)\n".utf8))
        place.setAge(60)
      }
    }
    thread.start()
    #expect(holder()?.hasPrefix("process 7 on elsewhere") == true)
    while !thread.isFinished { usleep(10_000) }
  }

  /// The kernel's lock says that nobody is there: so it is, unless each host has locks of its own, and the note is renewed.
  @Test func underTheKernelsLockANoteIsWatched() throws {
    try foreign(age: 0)
    let watch = Date()
    #expect(holder(isLocked: true) == nil)
    #expect(Date().timeIntervalSince(watch) > 0.2, "it was looked at whether it is renewed")
    try foreign(age: 0)
    let (url, place) = (url, self)
    let thread = Thread {
      for _ in 0..<30 {
        usleep(20_000)
        if FileManager.default.fileExists(atPath: url.path) { place.setAge(0) }
      }
    }
    thread.start()
    #expect(holder(isLocked: true)?.hasPrefix("process 7 on elsewhere") == true)
    while !thread.isFinished { usleep(10_000) }
  }

  /// A note of a process of this host that is gone is nobody's, and one whose number was given again neither.
  @Test func processesOfThisHostAreAsked() throws {
    let lease = try #require(try Lease.take(url, as: "test", isLocked: false))
    var text = try String(contentsOf: url, encoding: .utf8)
    lease.release()
    let start = try #require(text.split(separator: "\n")[1].split(separator: " ").dropFirst(3).first)
    text = text.replacingOccurrences(of: " \(start) ", with: " 1 ")
    try Data(text.utf8).write(to: url)
    #expect(holder() == nil)
  }

  /// Whoever was taken for gone and is not writes nothing more.
  @Test func whoWasTakenOverIsTold() throws {
    let place = try Workplace()
    let engine = try place.engine(place.load("name: demo\nstages: { a: { uses: source } }"))
    try engine.folder.lock(as: "the first")
    let note = engine.folder.url.appendingPathComponent(RunFolder.leaseName)
    try engine.folder.checkPlace()
    // another host's, in its place
    unlink(note.path)
    try Data("process 7 on elsewhere, since then: run\nboot pid:[1] 7 99 word\n000000000001\n".utf8).write(to: note)
    expectError(saying: "another run has taken this place") { try engine.folder.checkPlace() }
    let outcome = try engine.run()
    guard case .failed(let text)? = outcome.stages.first?.result else {
      Issue.record("it ran")
      return
    }
    #expect(text.contains("another run has taken this place"))
    engine.folder.unlock()
    #expect(FileManager.default.fileExists(atPath: note.path), "the other's note stays")
  }

  @Test func manyAtOnceOneGetsIt() throws {
    for _ in 0..<5 {
      try foreign(age: 60)
      let lock = NSLock()
      nonisolated(unsafe) var taken: [Lease] = []
      let url = url
      DispatchQueue.concurrentPerform(iterations: 8) { _ in
        if let lease = try? Lease.take(url, as: "test", isLocked: false) { lock.withLock { taken.append(lease) } }
      }
      #expect(taken.filter { !$0.isLost }.count == 1)
      for lease in taken { lease.release() }
    }
  }
}
