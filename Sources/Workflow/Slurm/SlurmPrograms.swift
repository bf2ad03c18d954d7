import Foundation
import Subprocess

/// The programs of Slurm that this package calls: sbatch, squeue, scancel and scontrol. Words reach them as they are, through
/// no shell.
public struct SlurmPrograms: Sendable {
  struct Answer: Sendable {
    var code: Int32
    var output = ""
    var errors = ""
  }

  /// Runs a program with its words; tests put another one here.
  let run: @Sendable (_ program: String, _ words: [String]) throws -> Answer

  /// Those on the PATH.
  public static let installed = SlurmPrograms { program, words in
    let box = Box()
    let done = DispatchSemaphore(value: 0)
    Task.detached {
      do {
        let result = try await Subprocess.run(
          .name(program), arguments: Arguments(words), output: .string(limit: 64 << 20), error: .string(limit: 1 << 20))
        let code: Int32 =
          switch result.terminationStatus {
          case .exited(let number): number
          case .signaled(let number): 128 + number
          }
        box.answer = .success(Answer(code: code, output: result.standardOutput, errors: result.standardError))
      } catch {
        box.answer = .failure(Self.translated(error, program))
      }
      done.signal()
    }
    done.wait()
    return try (box.answer ?? .failure(SlurmError.unavailable(program: program, reason: "it did not run"))).get()
  }

  private final class Box: @unchecked Sendable {
    /// Written before the semaphore is signalled, read after.
    var answer: Result<Answer, any Error>?
  }

  private static func translated(_ error: any Error, _ program: String) -> SlurmError {
    if let error = error as? SubprocessError, error.code == .executableNotFound {
      return .unavailable(program: program, reason: "it is not on the PATH; is Slurm installed here?")
    }
    return .unavailable(program: program, reason: "\(error)")
  }

  /// What the program printed. Throws `SlurmError.refused` where it ended with another code than 0.
  func output(_ program: String, _ words: [String]) throws -> String {
    let answer = try run(program, words)
    guard answer.code == 0 else {
      let said = answer.errors.trimmingCharacters(in: .whitespacesAndNewlines)
      throw SlurmError.refused(program: program, code: answer.code, said: said.isEmpty ? "nothing" : said)
    }
    return answer.output
  }
}

/// What can go wrong between this package and Slurm.
public enum SlurmError: Error, Equatable, CustomStringConvertible {
  case unavailable(program: String, reason: String)
  /// One of Slurm's programs did not do what it was asked.
  case refused(program: String, code: Int32, said: String)
  /// sbatch answered something else than the number of a job.
  case unexpected(program: String, answer: String)
  /// Nothing was submitted from this run folder.
  case notSubmitted(folder: String)
  case badRecord(file: String, reason: String)
  case notAJob
  /// A stage waits in the queue with other parameters than the file has now.
  case queuedOtherwise(stage: String, job: String)
  case badPath(String)

  public var description: String {
    switch self {
    case .unavailable(let program, let reason): "\(program) cannot be run: \(reason)"
    case .refused(let program, let code, let said): "\(program) ended with code \(code) and said: \(said)"
    case .unexpected(let program, let answer): "\(program) answered \(answer.debugDescription), not the number of a job"
    case .notSubmitted(let folder): "nothing was submitted from \(folder)"
    case .badRecord(let file, let reason):
      "\(file) cannot be used: \(reason); "
        + "if jobs of it are left, end them by scancel; then delete it"
    case .notAJob: "this command is for the jobs that 'submit' makes"
    case .queuedOtherwise(let stage, let job):
      "stage '\(stage)' is in the queue already (job \(job)) with other parameters or inputs than it has now; "
        + "cancel first, then submit"
    case .badPath(let path):
      "Slurm cannot write to \(path.debugDescription): no \\ and no line ends in its name, please"
    }
  }

  /// True where the user has to change the command; false where something failed.
  public var isUsage: Bool {
    switch self {
    case .notSubmitted, .notAJob, .queuedOtherwise, .badPath: true
    default: false
    }
  }
}
