import Basics
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
  /// A stage has to run, or is to be compared, and one of its input files is not there.
  case inputMissing(stage: String, file: String)
  /// A finished stage cannot be compared with an input file that is not there.
  case inputArchived(stage: String, file: String)
  case inputRemoved(stage: String, input: String)  // What it reads was removed on purpose, and is not selected
  /// A file that somebody wants to write would take the place of one that must stay.
  case notReplaceable(file: String, reason: String)
  case noArtifact(stage: String, file: String)
  case stageFailed(stage: String, message: String)
  case noWorkers  // Stages were to run in processes of their own, and nobody said how to start one
  case cannotStart(program: String, reason: String)
  case notAWorker
  case changedMeanwhile(stage: String)
  /// A file was replaced or written to between its digest, which is in the stage's key, and the end of the stage.
  case inputChanged(file: String, stage: String?)

  /// A file went away meanwhile, or the file system is of two minds: nothing is known of its content.
  static func listedAndNotThere(_ url: URL) -> EngineError {
    .unreachable(file: url.path, reason: "\(url.path): its folder lists it, and open says that there is no such file")
  }

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
    case .inputMissing(let stage, let file):
      "stage '\(stage)' needs \(file), which is not there; bring it back, and run again"
    case .inputArchived(let stage, let file):
      "stage '\(stage)' is finished, and its input \(file) is not there, so that it cannot be compared; bring the file back, or take the "
        + "result as it is by --archived"
    case .inputRemoved(let stage, let input):
      "stage '\(stage)' needs '\(input)', which was removed on purpose (clean --intermediate) and is not selected; "
        + "select it too, or use --until \(stage)"
    case .emptySelection: "the selection leaves no stage to run"
    case .notReplaceable(let file, let reason): "\(file) \(reason); name another file"
    case .noArtifact(let stage, let file): "stage '\(stage)' has no artifact yet (\(file)); run the pipeline first"
    case .stageFailed(let stage, let message): "stage '\(stage)': \(message)"
    case .noWorkers: "stages can run side by side only through the program 'pipeline'"
    case .notAWorker: "this command is for processes that 'run --jobs' starts"
    case .changedMeanwhile(let stage):
      "the pipeline file or an input of stage '\(stage)' changed while the run was going on; run again"
    case .inputChanged(let file, let stage):
      "an input of \(stage.map { "stage '\($0)'" } ?? "the run") changed while the run was going on (\(file)); run again"
    case .cannotStart(let program, let reason): "\(program) cannot be started: \(reason)"
    }
  }

  /// `what` was not possible; `code` says why.
  static func folder(_ path: String, _ what: String, code: Int32 = errno) -> EngineError {
    .folder(path: path, reason: "\(what): \(FileCalls.text(code)); \(FileCalls.advice(code))")
  }

  static func unknownStage(_ name: String, in pipeline: PipelineDefinition) -> EngineError {
    .unknownStage(name, known: pipeline.stages.map(\.name))
  }

  /// True where the user has to change the command; false where something failed.
  public var isUsage: Bool {
    switch self {
    case .folder, .stageFailed, .unreachable, .noWorkers, .cannotStart, .changedMeanwhile, .inputChanged: false
    default: true
    }
  }
}
