import Basics
import Foundation

/// The words by which this program runs one stage in a process of its own, under the lock of the run that starts it. The process finds
/// its ends of three pipes and the run folder's lock at fixed descriptors: see `WorkerChannel`.
public typealias WorkerCommand = (_ stage: String, _ key: String, _ threads: Int, _ checkpointInterval: Double) ->
  [String]

/// What a stage's process tells the run that started it: one JSON object a line.
enum WorkerMessage: Codable, Equatable {
  case line(String)
  case begin(title: String, total: Int, unit: String)
  case update(completed: Int, metrics: [[String]])
  case end
  case result(StageResult)
}

/// The descriptors that connect a stage's process with the run that started it.
enum WorkerChannel {
  /// Read by the process; its end says that the run is gone. It stands at standard input.
  static let lifeline: Int32 = 0
  static let messages: Int32 = 3  // Messages to the run
  /// The run folder's lock: as long as the process lives, the folder is taken, even if the run was killed.
  static let lock: Int32 = 4
}

/// The process of one stage: shows what happens by sending it to the run.
public final class Worker: RunDisplay {
  private let lock = NSLock()
  private let folder: RunFolder
  private let interruption: Interruption

  /// Takes over what the run that started this process has handed to it. Throws `EngineError.notAWorker` in a process that
  /// no run started.
  public init(folder: RunFolder, interruption: Interruption) throws {
    (self.folder, self.interruption) = (folder, interruption)
    guard folder.adoptLock(WorkerChannel.lock), fcntl(WorkerChannel.messages, F_GETFD) >= 0 else {
      throw EngineError.notAWorker
    }
    // libraries must not hand them on to programs of their own
    for descriptor in [WorkerChannel.messages, WorkerChannel.lock] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    watchLifeline()
  }

  /// When the run is gone, the stage saves a checkpoint and stops.
  private func watchLifeline() {
    let thread = Thread { [folder, interruption] in
      var byte: UInt8 = 0
      while true {
        let count = read(WorkerChannel.lifeline, &byte, 1)
        if count > 0 || (count < 0 && errno == EINTR) { continue }
        break
      }
      folder.inherit("the run was killed; one of its stages is still saving its checkpoint")
      interruption.request()
    }
    thread.stackSize = 256 << 10
    thread.start()
  }

  /// Runs the stage and tells the run what became of it. `key` is what the run expects to be made. Returns the exit code.
  public func run(_ engine: Engine, stage name: String, key: String, options: RunOptions) -> Int32 {
    let result: StageResult
    do {
      guard let stage = engine.pipeline[name] else { throw EngineError.unknownStage(name, in: engine.pipeline) }
      result = try StageRun(engine: engine, stage: stage, options: options, expectedKey: key).carryOut()
    } catch {
      result = .failed("\(error)")
    }
    send(.result(result))
    switch result {
    case .finished: return 0
    case .interrupted: return RunOutcome.interruptedExitCode
    case .damagedInput, .failed: return 1
    }
  }

  func send(_ message: WorkerMessage) {
    guard let data = try? JSONEncoder().encode(message) else { return }
    lock.withLock { StandardError.writeAll(data + [10], to: WorkerChannel.messages) }
  }

  public func line(_ text: String) { send(.line(text)) }
  public func progress(of stage: String) -> any Basics.ProgressReporting { Reporter(worker: self) }

  private final class Reporter: Basics.ProgressReporting {
    private let worker: Worker
    private var lastSent = -Double.infinity
    private var isFirst = true

    init(worker: Worker) { self.worker = worker }

    func begin(_ title: String, total: Int, unit: String) {
      isFirst = true
      worker.send(.begin(title: title, total: total, unit: unit))
    }

    func update(completed: Int, metrics: [(name: String, value: String)]) {
      let now = Double(DispatchTime.now().uptimeNanoseconds) * 1e-9
      guard isFirst || now - lastSent >= 0.2 else { return }
      isFirst = false
      lastSent = now
      worker.send(.update(completed: completed, metrics: metrics.map { [$0.name, $0.value] }))
    }

    func end() { worker.send(.end) }
  }
}
