import Foundation

/// Whether someone asked the run to stop. SIGINT and SIGTERM do, SIGHUP (a terminal that closes), and what batch systems send before they
/// kill: SIGUSR1, SIGUSR2, SIGXCPU. A second SIGINT ends the process at once. SIGHUP that is ignored when the run begins (nohup) stays
/// ignored.
public final class Interruption: @unchecked Sendable {
  private let lock = NSLock()
  private var requested = false

  public init() {}

  public var isRequested: Bool { observesSignals && signalCount.pointee > 0 || lock.withLock { requested } }

  /// Whether one of the signals was SIGTERM: whoever sent it may soon end the process by force.
  public var wasTerminated: Bool { observesSignals && terminationCount.pointee > 0 }

  public func request() { lock.withLock { requested = true } }

  private var observesSignals = false
  private static let observed = [SIGINT, SIGTERM, SIGHUP, SIGXCPU, SIGUSR1, SIGUSR2]
  private static let ignored = 1  // SIG_IGN as a number

  /// From now on signals count. Once per process. A `silent` process does not say so: the one that started it does. `farewell` is what a
  /// second SIGINT says before it ends the process.
  public func observeSignals(silent: Bool = false, farewell: String? = nil) {
    if let farewell, let text = strdup(farewell + "\n") {
      (farewellText.pointee, farewellLength.pointee) = (text, Int32(strlen(text)))
    }
    observesSignals = true
    silence.pointee = silent ? 1 : 0
    _ = farewellText.pointee
    _ = RunningChildren.table
    signal(SIGPIPE, SIG_IGN)  // a reader of the log that leaves does not end the run
    signalCount.pointee = 0
    interruptCount.pointee = 0
    terminationCount.pointee = 0
    // whoever started this process may have had them blocked, and a mask is inherited
    var set = sigset_t()
    sigemptyset(&set)
    for number in Self.observed { sigaddset(&set, number) }
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
    for number in Self.observed {
      var action = sigaction()
      if number == SIGHUP {
        var before = sigaction()
        sigaction(number, nil, &before)
        if before.__sigaction_handler.sa_handler.map({ unsafeBitCast($0, to: Int.self) }) == Self.ignored { continue }
      }
      action.__sigaction_handler.sa_handler = { number in
        // only what is safe in a signal handler: stores, write, kill and _exit
        if number == SIGINT {
          interruptCount.pointee += 1
          if interruptCount.pointee > 1 {
            var slot = 0
            while slot < 256 {
              if RunningChildren.table[slot] > 0 { kill(RunningChildren.table[slot], SIGKILL) }
              slot += 1
            }
            if let text = farewellText.pointee { _ = write(STDERR_FILENO, text, Int(farewellLength.pointee)) }
            _exit(RunOutcome.interruptedExitCode)
          }
        }
        if number == SIGTERM { terminationCount.pointee += 1 }
        signalCount.pointee += 1
        if silence.pointee != 0 { return }
        let text: StaticString = "\npipeline: stopping after the next checkpoint (Ctrl-C again: at once)\n"
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
      }
      action.sa_flags = SA_RESTART
      sigaction(number, &action, nil)
    }
  }
}

private func cell() -> UnsafeMutablePointer<Int32> {
  let pointer = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
  pointer.initialize(to: 0)
  return pointer
}

// Written by the handler. They are touched before it is installed, so that it never initialises them.
nonisolated(unsafe) private let signalCount = cell()
nonisolated(unsafe) private let interruptCount = cell()
nonisolated(unsafe) private let terminationCount = cell()
nonisolated(unsafe) private let silence = cell()
nonisolated(unsafe) private let farewellLength = cell()
nonisolated(unsafe) private let farewellText = {
  let pointer = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: 1)
  pointer.initialize(to: nil)
  return pointer
}()
