import Foundation

public enum EngineError: Error, Equatable, CustomStringConvertible {
  case unreadableInput(file: String, reason: String)
  /// A finished stage's artifact may be sound, and it cannot be read now.
  case unreachable(file: String, reason: String)
  case locked(folder: String, holder: String)  // Another run holds the run folder
  case stageLocked(stage: String, holder: String)  // Another job works on the stage
  case folder(path: String, reason: String)
  case unknownStage(String, known: [String])
  /// `--only` or `--from` leaves out a stage that a selected one needs and that is not finished.
  case inputNotFinished(stage: String, input: String)
  case emptySelection
  case noArtifact(stage: String, file: String)
  case stageFailed(stage: String, message: String)
  case noWorkers  // Stages were to run in processes of their own, and nobody said how to start one
  case cannotStart(program: String, reason: String)
  case notAWorker
  case changedMeanwhile(stage: String)

  public var description: String {
    switch self {
    case .unreadableInput(let file, let reason): "\(file) cannot be read: \(reason)"
    case .unreachable(_, let reason): "\(reason); nothing was changed: mend this, then run again"
    case .locked(let folder, let holder):
      "\(folder) is in use by another run (\(holder)); wait for it or stop it, then run again"
    case .stageLocked(let stage, let holder): "stage '\(stage)' is being run already (\(holder))"
    case .folder(let path, let reason): "\(path): \(reason)"
    case .unknownStage(let name, let known): "there is no stage '\(name)'" + Suggestion.text(for: name, among: known)
    case .inputNotFinished(let stage, let input):
      "stage '\(stage)' needs '\(input)', which is not finished and not selected; "
        + "run it first, or use --until \(stage)"
    case .emptySelection: "the selection leaves no stage to run"
    case .noArtifact(let stage, let file): "stage '\(stage)' has no artifact yet (\(file)); run the pipeline first"
    case .stageFailed(let stage, let message): "stage '\(stage)': \(message)"
    case .noWorkers: "stages can run side by side only through the program 'pipeline'"
    case .notAWorker: "this command is for processes that 'run --jobs' starts"
    case .changedMeanwhile(let stage):
      "the pipeline file or an input of stage '\(stage)' changed while the run was going on; run again"
    case .cannotStart(let program, let reason): "\(program) cannot be started: \(reason)"
    }
  }

  /// `what` was not possible; `code` says why.
  static func folder(_ path: String, _ what: String, code: Int32 = errno) -> EngineError {
    .folder(path: path, reason: "\(what): \(String(cString: strerror(code)))")
  }

  static func unknownStage(_ name: String, in pipeline: PipelineDefinition) -> EngineError {
    .unknownStage(name, known: pipeline.stages.map(\.name))
  }

  /// True where the user has to change the command; false where something failed.
  public var isUsage: Bool {
    switch self {
    case .folder, .stageFailed, .unreachable, .noWorkers, .cannotStart, .changedMeanwhile: false
    default: true
    }
  }
}
