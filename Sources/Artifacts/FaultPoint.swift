import Foundation

/// A place in the store or the engine where a test can make the process die, fail or meet a full disk.
///
/// Debug builds read BOLTZMILL_FAULT, like "store.before-rename:3=kill": at the third time this process reaches the place, it
/// is killed. `throw` is an error of no known cause, `full` a disk without space, `hang` never goes on; "trace=FILE" writes
/// every place passed to a file, one name a line. In a release build nothing of this exists. The crash suite goes through `allCases`.
public enum FaultPoint: String, CaseIterable, Sendable {
  /// The store: one artifact or checkpoint, from an empty folder to a file that survives a power failure.
  case beforeTemporary = "store.before-temporary"
  case afterTemporary = "store.after-temporary"
  /// A dataset exists and its values do not, or a stream is half as long as it will be.
  case midWrite = "store.mid-write"
  case beforeClose = "store.before-close"  // All data is handed to HDF5; most of it is in memory only
  case beforeSeal = "store.before-seal"  // The HDF5 file is whole, without its seal
  case midSeal = "store.mid-seal"  // Half of the seal is written
  case beforeSync = "store.before-sync"
  case beforeRename = "store.before-rename"
  case afterRename = "store.after-rename"
  case afterCommit = "store.after-commit"
  /// A checkpoint is committed; the next one will go over the older of the two.
  case betweenGenerations = "checkpoint.between-generations"
  case midRemoval = "checkpoint.mid-removal"  // One of the two checkpoints of a finished stage is removed
  case beforeStage = "engine.before-stage"  // The engine: one stage
  case afterWork = "engine.after-work"  // The stage's work is done, its artifact is not committed
  case afterArtifact = "engine.after-artifact"  // The artifact is committed; checkpoints and marks are still there
  case betweenStages = "engine.between-stages"
  case beforeNotes = "engine.before-notes"  // Every stage is finished; what was verified is not yet noted

  /// Passes the place: does nothing unless BOLTZMILL_FAULT names it. Throws what the fault is made of.
  public func pass() throws {
    #if DEBUG
      try FaultPlan.shared?.pass(self)
    #endif
  }

  /// The error of `throw`.
  public struct Failure: Error, Equatable, CustomStringConvertible {
    public let point: FaultPoint
    public var description: String { "a fault was asked for at \(point.rawValue)" }
  }
}

#if DEBUG
  /// What BOLTZMILL_FAULT asks for.
  final class FaultPlan: @unchecked Sendable {
    enum Action: Equatable { case kill, fail, full, hang, trace(String) }

    static let shared = ProcessInfo.processInfo.environment["BOLTZMILL_FAULT"].flatMap(FaultPlan.init)

    private let point: FaultPoint?
    private let action: Action
    private var left: Int
    private let lock = NSLock()

    /// nil where the text asks for nothing known.
    init?(_ text: String) {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { return nil }
      if parts[0] == "trace" {
        (point, action, left) = (nil, .trace(parts[1]), 0)
        return
      }
      let place = parts[0].split(separator: ":").map(String.init)
      guard let name = place.first, let point = FaultPoint(rawValue: name) else { return nil }
      let actions: [String: Action] = ["kill": .kill, "throw": .fail, "full": .full, "hang": .hang]
      guard let action = actions[parts[1]] else { return nil }
      (self.point, self.action) = (point, action)
      left = place.count > 1 ? Int(place[1]) ?? 1 : 1
    }

    func pass(_ passed: FaultPoint) throws {
      lock.lock()
      defer { lock.unlock() }
      if case .trace(let file) = action {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return }
        let line = Array((passed.rawValue + "\n").utf8)
        _ = write(descriptor, line, line.count)
        close(descriptor)
        return
      }
      guard passed == point else { return }
      left -= 1
      guard left == 0 else { return }
      switch action {
      case .kill:
        kill(getpid(), SIGKILL)
        while true { pause() }
      case .fail: throw FaultPoint.Failure(point: passed)
      case .full: throw ArtifactError.system(call: "write", file: passed.rawValue, code: ENOSPC)
      case .hang: while true { pause() }
      case .trace: break
      }
    }
  }
#endif
