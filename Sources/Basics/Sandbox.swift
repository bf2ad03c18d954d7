import Foundation

/// Tries in a process of its own what might end this one: reading a file with a library that was written for sound files.
///
/// The sandbox sees everything as it is now and changes nothing here. Memory, processor time and real time are limited.
public enum Sandbox {
  public enum Outcome: Equatable, Sendable {
    case passed
    /// What the body threw, as text.
    case failed(String)
    /// The signal that ended the sandbox.
    case crashed(signal: Int32)
    case tooLong(seconds: Int)
  }

  /// `bytes` is how much more memory than now the sandbox may take. `lock` is held meanwhile by this thread, so that the sandbox does
  /// not find it held by one that it does not have.
  public static func run(seconds: Int, bytes: Int, lock: NativeLock, _ body: () throws -> Void) -> Outcome {
    // A thread that is not there in the sandbox may have held some lock of the runtime. That is rare: the sandbox then waits for it
    // and does nothing, and another one is made.
    once(seconds: seconds, bytes: bytes, lock: lock, body) ?? once(seconds: seconds, bytes: bytes, lock: lock, body)
      ?? .tooLong(seconds: seconds)
  }

  /// Reads a file with a library in a sandbox, with memory and time in proportion to the file's size. Returns what is wrong with it; where
  /// something is, do not try again outside, where memory is not limited.
  public static func fault(
    reading url: URL, by library: String, lock: NativeLock, _ body: () throws -> Void
  ) -> String? {
    let size = (try? FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int) ?? 0
    switch run(seconds: 1 + size >> 23, bytes: (256 << 20) + 4 * size, lock: lock, body) {
    case .passed: return nil
    case .failed(let message): return message
    case .crashed: return "\(library) crashes on it: the file is damaged"
    case .tooLong(let seconds): return "\(library) does not come to an end with it in \(seconds) s"
    }
  }

  /// Nil where it took too long without working.
  private static func once(seconds: Int, bytes: Int, lock: NativeLock, _ body: () throws -> Void) -> Outcome? {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return .failed("pipe: \(String(cString: strerror(errno)))") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    lock.lock()
    let child = fork()
    if child == 0 {
      lock.renew()
      inside(ends[1], seconds: seconds, bytes: bytes, body)
    }
    let code = errno
    lock.unlock()
    close(ends[1])
    let reader = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
    guard child > 0 else { return .failed("fork: \(String(cString: strerror(code)))") }
    let text = (try? reader.readToEnd()) ?? Data()
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7f
    switch signal {
    case 0: return status == 0 ? .passed : .failed(String(decoding: text, as: UTF8.self))
    case SIGALRM: return nil
    case SIGXCPU: return .tooLong(seconds: seconds)
    default: return .crashed(signal: signal)
    }
  }

  /// The sandbox. Leaves by `_exit`, so that nothing of the process that was copied is flushed or closed twice.
  private static func inside(_ messages: Int32, seconds: Int, bytes: Int, _ body: () throws -> Void) -> Never {
    for number in [SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGALRM, SIGXCPU] { signal(number, SIG_DFL) }
    var all = sigset_t()
    sigfillset(&all)
    sigprocmask(SIG_UNBLOCK, &all, nil)
    // What is open for writing is none of the sandbox's business, and may hold a lock that must not outlive the process that took
    // it. What is open for reading stays: a library does not open again a file that it has open.
    for descriptor in 3..<min(getdtablesize(), 4096) where descriptor != messages {
      let flags = fcntl(descriptor, F_GETFL)
      if flags >= 0, flags & O_ACCMODE != O_RDONLY { close(descriptor) }
    }
    let null = open("/dev/null", O_RDWR)
    for descriptor: Int32 in 0...2 { dup2(null, descriptor) }
    func limit(_ resource: __rlimit_resource, to value: Int) {
      // at the hard limit of processor time the kernel kills without a word
      var limits = rlimit(rlim_cur: rlim_t(value), rlim_max: rlim_t(value + 1))
      _ = setrlimit(__rlimit_resource_t(resource.rawValue), &limits)
    }
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.prefix { $0 != " " }
    if let pages = pages.flatMap({ Int($0) }) {
      limit(RLIMIT_AS, to: pages * Int(sysconf(Int32(_SC_PAGESIZE))) + bytes)
    }
    limit(RLIMIT_CORE, to: 0)
    // counted from 0 in a new process, in whole seconds
    limit(RLIMIT_CPU, to: seconds)
    alarm(UInt32(clamping: 3 * seconds))
    do {
      try body()
    } catch {
      let text = Array("\(error)".utf8.prefix(4000))
      _ = write(messages, text, text.count)
      _exit(1)
    }
    _exit(0)
  }
}
