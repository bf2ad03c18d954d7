import Foundation

/// What to run of a pipeline, and how.
public struct RunOptions {
  /// Only this stage and what needs it.
  public var from: String?
  /// Only this stage and what it needs.
  public var until: String?
  /// Only these stages; names may hold `*` and `?`.
  public var only: [String] = []
  /// Stages to run again though they are finished; names may hold `*` and `?`.
  public var force: [String] = []
  /// Goes on with stages that do not need a failed one.
  public var keepGoing = false
  /// How many stages run side by side, each in a process of its own; nil: one after the other in this process.
  public var jobs: Int?
  /// Threads of each stage. Nil: the cores, divided by the jobs, and for a stage that goes on from a checkpoint as many as it
  /// was begun with, because the last digits of a result depend on them.
  public var threads: Int?
  /// The cores there are for the stages; nil: the machine's.
  public var cores: Int?
  /// In s.
  public var checkpointInterval = 60.0

  public init() {}

  /// Threads of a stage that is begun.
  public var defaultThreads: Int {
    threads ?? max(1, (cores ?? ProcessInfo.processInfo.activeProcessorCount) / max(1, jobs ?? 1))
  }
}

/// What became of one stage in a run.
public struct StageOutcome {
  public enum Result: Equatable {
    case skipped
    case ran(seconds: Double)
    case failed(String)
    case interrupted
    /// Not started: a stage it needs failed, or the run ended before.
    case notRun(String)
    case notSelected
  }

  public let stage: String
  public let type: String
  public let result: Result
  /// Why it ran or was skipped.
  public let reason: String
  public let digest: String?
  public let warnings: [String]
}

/// What became of a run.
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
