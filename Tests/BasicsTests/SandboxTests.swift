import Foundation
import Testing

@testable import Basics

@Suite struct SandboxTests {
  struct Refused: Error, CustomStringConvertible { let description = "not today" }

  private func run(bytes: Int = 64 << 20, _ body: () throws -> Void) -> Sandbox.Outcome {
    Sandbox.run(seconds: 1, bytes: bytes, lock: NativeLock.hdf5, body)
  }

  @Test func whatEndsWellPassesAndChangesNothingHere() {
    var value = 1
    #expect(run { value = 2 } == .passed)
    #expect(value == 1)
  }

  @Test func whatIsThrownComesBackAsText() {
    #expect(run { throw Refused() } == .failed("not today"))
  }

  @Test func aCrashIsNotOurs() {
    #expect(run { raise(SIGSEGV) } == .crashed(signal: SIGSEGV))
    #expect(run { abort() } == .crashed(signal: SIGABRT))
  }

  @Test func whatDoesNotEndIsEnded() {
    let outcome = run { while true { _ = getppid() } }
    #expect(outcome == .tooLong(seconds: 1))
  }

  /// More memory than allowed is refused by the kernel; what becomes of the trial then is its own affair.
  @Test func memoryIsLimited() {
    let outcome = run(bytes: 16 << 20) {
      let block = mmap(nil, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      if block == MAP_FAILED { throw Refused() }
    }
    #expect(outcome == .failed("not today"))
  }

  @Test func theLockIsFreeInTheSandboxWhoeverHeldIt() {
    NativeLock.hdf5.lock()
    defer { NativeLock.hdf5.unlock() }
    let outcome = run {
      NativeLock.hdf5.lock()
      NativeLock.hdf5.unlock()
    }
    #expect(outcome == .passed)
  }

  /// A lock on a file that is open for writing must not live on in the trial.
  @Test func whatIsOpenForWritingIsClosedInTheSandbox() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("trial-\(UUID().uuidString)")
    try Data([1]).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let writing = open(file.path, O_RDWR | O_CLOEXEC)
    let reading = open(file.path, O_RDONLY | O_CLOEXEC)
    defer { for descriptor in [writing, reading] { close(descriptor) } }
    let outcome = run {
      guard fcntl(writing, F_GETFD) < 0, fcntl(reading, F_GETFD) >= 0 else { throw Refused() }
    }
    #expect(outcome == .passed)
    #expect(fcntl(writing, F_GETFD) >= 0)
  }
}
