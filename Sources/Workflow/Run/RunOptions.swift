import Basics
import Foundation

/// What to run of a pipeline, and how.
public struct RunOptions {
  public var from: String?  // Only this stage and what needs it
  public var until: String?  // Only this stage and what it needs
  public var only: [String] = []  // Only these stages; names may hold `*` and `?`
  public var force: [String] = []  // Stages to run again though they are finished; names may hold `*` and `?`
  public var keepGoing = false  // Goes on with stages that do not need a failed one
  /// How many stages run side by side, each in a process of its own; nil: one after the other in this process.
  public var jobs: Int?
  /// Threads of each stage. Nil: the cores, divided by the jobs, and for a stage that goes on from a checkpoint as many as it
  /// was begun with, because the last digits of a result depend on them.
  public var threads: Int?
  public var cores: Int?  // The cores there are for the stages; nil: those that this process may use
  public var checkpointInterval = 60.0  // In s

  public init() {}

  /// Threads of a stage that is begun.
  public var defaultThreads: Int {
    threads ?? max(1, (cores ?? AllowedCores.count) / max(1, jobs ?? 1))
  }
}

public struct StageOutcome {
  public enum Result: Equatable {
    case skipped
    case ran(seconds: Double)
    case failed(String)
    case interrupted
    case notRun(String)  // Not started: a stage it needs failed, or the run ended before
    case notSelected
  }

  public let stage, type: String
  public let result: Result
  public let reason: String  // Why it ran or was skipped
  public let digest: String?
  public let remarks: [Remark]
  public var warnings: [String] { remarks.map(\.message) }
}

public struct RunOutcome {
  public static let interruptedExitCode: Int32 = 75

  public let stages: [StageOutcome]

  /// 0 done, 1 a stage failed, 75 interrupted and resumable.
  public var exitCode: Int32 {
    if stages.contains(where: { if case .failed = $0.result { true } else { false } }) { return 1 }
    let open = stages.contains {
      switch $0.result {
      case .interrupted, .notRun: true
      default: false
      }
    }
    return open ? Self.interruptedExitCode : 0
  }
}
