import Foundation

/// Runs stages side by side, each in a process of its own: a stage that crashes takes nothing else with it.
///
/// The processes are in process groups of their own, so that Ctrl-C reaches this process alone; it hands every request to
/// stop on as one SIGTERM. All reading and waiting happens in `next`, in one thread.
final class ChildProcesses: StageExecutor {
  private final class Child {
    let stage: String
    let process: pid_t
    let lifeline: Int32  // Its end tells the child that this process is gone
    var messages, output: Stream
    var result: StageResult?
    var wasAskedToStop = false

    init(stage: String, process: pid_t, lifeline: Int32, messages: Int32, output: Int32) {
      (self.stage, self.process, self.lifeline) = (stage, process, lifeline)
      (self.messages, self.output) = (Stream(descriptor: messages), Stream(descriptor: output))
    }
  }

  private struct Stream {
    let descriptor: Int32
    var isOpen = true
    var pending: [UInt8] = []

    /// The lines that have become whole; at the end of the pipe also the last, unfinished one.
    mutating func lines() -> [String] {
      guard isOpen else { return [] }
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        if count > 0 { pending += buffer[..<count] }
        if count == 0 || (count < 0 && errno != EAGAIN) { isOpen = false }
        // a stage that prints without end and without lines must not fill the memory
        guard count > 0, pending.count < 16 << 20 else { break }
      }
      var parts = pending.split(separator: 10, omittingEmptySubsequences: false)
      let rest = parts.popLast() ?? []
      let keepsRest = isOpen && rest.count < 1 << 20
      if !keepsRest, !rest.isEmpty { parts.append(rest) }
      pending = keepsRest ? Array(rest) : []
      return parts.map { String(decoding: $0, as: UTF8.self) }
    }

    mutating func close() { Foundation.close(descriptor) }
  }

  static let maximumJobs = 256

  let capacity: Int
  private let worker: WorkerCommand
  private let folder: RunFolder
  private let console: any RunDisplay
  private let interruption: Interruption
  private let beforeStart: () -> Void
  private var children: [Child] = []

  /// `folder` is locked by this process; `beforeStart` is called before each process is started.
  init(
    jobs: Int, worker: @escaping WorkerCommand, folder: RunFolder, console: any RunDisplay, interruption: Interruption,
    beforeStart: @escaping () -> Void
  ) {
    capacity = max(1, min(jobs, Self.maximumJobs))
    (self.worker, self.folder, self.console) = (worker, folder, console)
    (self.interruption, self.beforeStart) = (interruption, beforeStart)
  }

  deinit {
    // only after an error that ended the run: the children see their lifelines end, and stop
    for child in children {
      RunningChildren.remove(child.process)
      for descriptor in [child.lifeline, child.messages.descriptor, child.output.descriptor] { close(descriptor) }
    }
  }

  // MARK: Start

  func start(_ ready: ReadyStage) throws {
    beforeStart()
    let lifeline = try Pipe()
    defer { close(lifeline.reading) }
    let messages = try Pipe()
    defer { close(messages.writing) }
    let output = try Pipe()
    defer { close(output.writing) }
    let arguments = worker(ready.stage.name, ready.assessment.key ?? "", ready.threads, ready.checkpointInterval)
    do {
      let process = try spawn(
        [CommandLine.arguments.first ?? "pipeline"] + arguments,
        descriptors: [
          (lifeline.reading, WorkerChannel.lifeline), (output.writing, STDOUT_FILENO), (output.writing, STDERR_FILENO),
          (messages.writing, WorkerChannel.messages), (try folder.lockForChild(), WorkerChannel.lock),
        ])
      RunningChildren.add(process)
      for descriptor in [messages.reading, output.reading] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
      children.append(
        Child(
          stage: ready.stage.name, process: process, lifeline: lifeline.writing, messages: messages.reading,
          output: output.reading))
    } catch {
      for descriptor in [lifeline.writing, messages.reading, output.reading] { close(descriptor) }
      throw error
    }
  }

  /// A pipe whose ends no child inherits by accident, at numbers that the child's own do not overlap.
  private struct Pipe {
    let reading, writing: Int32

    init() throws {
      var ends: [Int32] = [0, 0]
      guard pipe(&ends) == 0 else {
        throw EngineError.cannotStart(program: "a stage's process", reason: String(cString: strerror(errno)))
      }
      let moved = ends.map { fcntl($0, F_DUPFD_CLOEXEC, 10) }
      let code = errno
      for end in ends { close(end) }
      guard moved.allSatisfy({ $0 >= 0 }) else {
        for end in moved where end >= 0 { close(end) }
        throw EngineError.cannotStart(program: "a stage's process", reason: String(cString: strerror(code)))
      }
      (reading, writing) = (moved[0], moved[1])
    }
  }

  private func spawn(_ arguments: [String], descriptors: [(from: Int32, to: Int32)]) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    for (from, to) in descriptors { posix_spawn_file_actions_adddup2(&actions, from, to) }
    var none = sigset_t()
    sigemptyset(&none)
    var ours = sigset_t()
    sigemptyset(&ours)
    for number in [SIGINT, SIGTERM, SIGUSR1, SIGPIPE] { sigaddset(&ours, number) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &ours)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process: pid_t = 0
    let program = "/proc/self/exe"  // this one, whatever happened to its file since
    let code = posix_spawn(&process, program, &actions, &attributes, words, environ)
    guard code == 0 else { throw EngineError.cannotStart(program: program, reason: String(cString: strerror(code))) }
    return process
  }

  // MARK: Wait

  func next() throws -> (stage: String, result: StageResult) {
    while true {
      guard !children.isEmpty else { throw EngineError.noWorkers }
      passOnInterruption()
      wait()
      for child in children {
        receive(child)
        if let result = ended(child) {
          children.removeAll { $0 === child }
          return (child.stage, result)
        }
      }
    }
  }

  private func passOnInterruption() {
    guard interruption.isRequested else { return }
    for child in children where !child.wasAskedToStop {
      child.wasAskedToStop = true
      kill(child.process, SIGTERM)
    }
  }

  /// Until something can be read, a signal came, or a moment has passed.
  private func wait() {
    var requests: [pollfd] = []
    for child in children {
      for stream in [child.messages, child.output] where stream.isOpen {
        requests.append(pollfd(fd: stream.descriptor, events: Int16(POLLIN), revents: 0))
      }
    }
    // a child that has closed both of its pipes is about to end
    let isClosing = children.contains { !$0.messages.isOpen && !$0.output.isOpen }
    _ = poll(&requests, nfds_t(requests.count), isClosing ? 5 : 200)
  }

  private func receive(_ child: Child) {
    for line in child.output.lines() where !line.isEmpty { console.line("\(child.stage): \(line)") }
    let progress = console.progress(of: child.stage)
    for line in child.messages.lines() where !line.isEmpty {
      guard let message = try? JSONDecoder().decode(WorkerMessage.self, from: Data(line.utf8)) else { continue }
      switch message {
      case .line(let text): console.line(text)
      case .begin(let title, let total, let unit): progress.begin(title, total: total, unit: unit)
      case .update(let completed, let metrics):
        progress.update(completed: completed, metrics: metrics.compactMap { $0.count == 2 ? ($0[0], $0[1]) : nil })
      case .end: progress.end()
      case .result(let result): child.result = result
      }
    }
  }

  /// What became of the child, if it has ended.
  private func ended(_ child: Child) -> StageResult? {
    var status: Int32 = 0
    let found = waitpid(child.process, &status, WNOHANG)
    if found == 0 || (found < 0 && errno == EINTR) { return nil }
    RunningChildren.remove(child.process)
    receive(child)  // what it said last
    console.progress(of: child.stage).end()
    close(child.lifeline)
    child.messages.close()
    child.output.close()
    return child.result ?? .failed(Self.unexplained(status))
  }

  /// The end of a process that did not say why.
  private static func unexplained(_ status: Int32) -> String {
    let signal = status & 0x7f
    guard signal != 0 else {
      return "its process ended with code \((status >> 8) & 0xff) and said nothing; what it printed is above"
    }
    let hint = signal == SIGKILL ? "; somebody killed it, or the machine ran out of memory" : ""
    return "its process crashed: signal \(signal) (\(String(cString: strsignal(signal))))\(hint)"
  }
}

/// The running children, for the signal handler: a second Ctrl-C ends them and this process at once.
enum RunningChildren {
  /// 0 where there is none. Written by one thread; read by the handler.
  nonisolated(unsafe) static let table: UnsafeMutablePointer<pid_t> = {
    let table = UnsafeMutablePointer<pid_t>.allocate(capacity: ChildProcesses.maximumJobs)
    table.initialize(repeating: 0, count: ChildProcesses.maximumJobs)
    return table
  }()

  static func add(_ process: pid_t) {
    for slot in 0..<ChildProcesses.maximumJobs where table[slot] == 0 {
      table[slot] = process
      return
    }
  }

  static func remove(_ process: pid_t) {
    for slot in 0..<ChildProcesses.maximumJobs where table[slot] == process { table[slot] = 0 }
  }
}
