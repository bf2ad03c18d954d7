import ArgumentParser
import Artifacts
import Foundation
import Stages
import Workflow

/// What to type after an error: its last line.
enum NextStep {
  /// Nil for a command that nobody types, and where the parser has said it already.
  static func text(after error: any Error, of command: (any ParsableCommand)?) -> String? {
    if case PreparationError.notInstalled(let environment) = error { return "next: ./bootstrap --\(environment)" }
    guard let words = words(after: error, command) else { return nil }
    return "next: " + CommandLineText.command(words)
  }

  static func words(after error: any Error, _ command: (any ParsableCommand)?) -> [String]? {
    if let command, !type(of: command).configuration.shouldDisplay { return nil }
    let file = (command as? any PipelineCommand)?.pipeline.words
    let help = [command.flatMap { type(of: $0).configuration.commandName }, "--help"].compactMap { $0 }
    // errors of `init` say themselves what to give
    if command is InitCommand { return nil }
    guard let file else { return help }
    switch error {
    case let error as EngineError: return words(error, file, help)
    case let error as PipelineFileError: return words(error, file)
    case let error as BatchError: return words(error, file)
    case is ArtifactError: return ["verify"] + file
    default: return help
    }
  }

  private static func words(_ error: EngineError, _ file: [String], _ help: [String]) -> [String] {
    switch error {
    case .locked, .stageLocked: ["watch"] + file
    case .unknownStage, .emptySelection: ["graph"] + file
    case .inputNotFinished(let stage, _), .inputRemoved(let stage, _), .noArtifact(let stage, _),
      .stageFailed(let stage, _):
      ["run"] + file + ["--until", stage]
    case .inputArchived: ["run"] + file + ["--archived"]
    case .inputMissing: ["check"] + file
    case .notReplaceable: help
    case .cannotStart: ["doctor"]
    case .notAWorker: ["run"] + file + ["--jobs", "2"]
    case .unreadableInput, .unreachable, .folder, .noWorkers, .changedMeanwhile, .inputChanged: ["run"] + file
    }
  }

  private static func words(_ error: PipelineFileError, _ file: [String]) -> [String]? {
    // a wrong --set, or a name that leads to no file: the file itself is in order, or is not there
    if let finding = error.findings.first(where: { $0.location.source.hasPrefix("--set") }) {
      if case .badOverride = finding.problem { return ["graph"] + file.prefix(1) }
      return nil
    }
    if case .unreadable? = error.findings.first?.problem, error.findings.first?.location.line == 0 { return nil }
    return ["check"] + file
  }

  private static func words(_ error: BatchError, _ file: [String]) -> [String] {
    switch error {
    case .unavailable: ["run"] + file
    case .refused, .unexpected, .badRecord: ["status"] + file
    case .notSubmitted, .notAJob: ["submit"] + file + ["--profile", "slurm.yaml"]
    case .queuedOtherwise: ["cancel"] + file
    case .badPath: ["submit", "--help"]
    }
  }
}
