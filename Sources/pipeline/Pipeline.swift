import ArgumentParser
import Foundation
import Molecules
import Workflow

@main
struct Pipeline: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pipeline",
    abstract: "Runs molecular-simulation workflows that are written down in a pipeline file.",
    discussion: """
      Finished stages are kept in runs/<name>/<stage>.h5 and run again only when something they depend on changes.

      Exit codes: 0 done; 1 a stage failed; 2 wrong usage, a wrong pipeline file, or the run folder is in use; \
      75 interrupted, resumable by the command that is printed.

      Words of verdicts and tables: docs/glossary.md, and the end of every report's page.

      Completions for bash, zsh and fish: pipeline --generate-completion-script SHELL

      Example: pipeline run alanine.yaml
      """,
    version: PackageVersion.text,
    subcommands: [
      ExampleCommand.self, InitCommand.self, RunCommand.self, CheckCommand.self, StatusCommand.self, WatchCommand.self,
      ExplainCommand.self,
      GraphCommand.self,
      VerifyCommand.self,
      InspectCommand.self, ExportCommand.self, PrepareCommand.self, ReportCommand.self, CleanCommand.self,
      SchemaCommand.self, DoctorCommand.self, SubmitCommand.self, CancelCommand.self, StageCommand.self,
      JobCommand.self, ServeEmulatorCommand.self,
    ])

  static func main() {
    signal(SIGXFSZ, SIG_IGN)  // a file that may not grow is an error of the write, not the end of the program
    let arguments = Array(CommandLine.arguments.dropFirst())
    if let text = Misspelt.command(arguments) {
      printError(text)
      Foundation.exit(2)
    }
    var command: (any ParsableCommand)?
    do {
      command = try parseAsRoot()
      try command?.run()
    } catch {
      leave(with: error, after: command)
    }
  }

  /// Prints the error and ends the process with the code that is promised for it.
  private static func leave(with error: any Error, after command: (any ParsableCommand)?) -> Never {
    func fail(_ text: String, _ code: Int32) -> Never {
      printError(text)
      Foundation.exit(code)
    }
    func stop(_ text: String, _ code: Int32) -> Never {
      fail([text, NextStep.text(after: error, of: command)].compactMap { $0 }.joined(separator: "\n"), code)
    }
    switch error {
    case let code as ExitCode: Foundation.exit(code.rawValue)
    case let error as PipelineFileError: stop("\(error)", 2)
    case let error as BatchError: stop("error: \(error)", error.isUsage ? 2 : 1)
    case ExampleError.unknown: stop("error: \(error)", 2)
    case let error as PeptideSequenceError: stop("error: \(error)", 2)
    case let error as EngineError: stop("error: \(error)", error.isUsage ? 2 : 1)
    default:
      let message = fullMessage(for: error)
      switch exitCode(for: error) {
      case .success:
        print(Completions.completed(message))
        Foundation.exit(0)
      case .validationFailure:
        let next = Misspelt.option(message, Array(CommandLine.arguments.dropFirst()))
        fail([message, next].compactMap { $0 }.joined(separator: "\n"), 2)
      default: stop("error: \(error)", 1)
      }
    }
  }
}
