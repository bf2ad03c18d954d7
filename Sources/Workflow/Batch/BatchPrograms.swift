import Foundation
import Subprocess

/// The programs of a batch system. Words reach them as they are, through no shell.
struct BatchPrograms: Sendable {
  struct Answer: Sendable {
    var code: Int32
    var output = ""
    var errors = ""
  }

  /// Runs a program with its words; tests put another one here.
  let run: @Sendable (_ program: String, _ words: [String]) throws -> Answer

  /// Those on the PATH. `system` is whose they are, for messages.
  static func installed(_ system: String) -> BatchPrograms { BatchPrograms { try run($0, $1, system) } }

  private static func run(_ program: String, _ words: [String], _ system: String) throws -> Answer {
    let box = ResultBox<Answer>()
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
        box.result = .success(Answer(code: code, output: result.standardOutput, errors: result.standardError))
      } catch { box.result = .failure(translated(error, program, system)) }
      done.signal()
    }
    done.wait()
    return try (box.result ?? .failure(BatchError.unavailable(program: program, reason: "it did not run"))).get()
  }

  private static func translated(_ error: any Error, _ program: String, _ system: String) -> BatchError {
    if let error = error as? SubprocessError, error.code == .executableNotFound {
      return .unavailable(program: program, reason: "it is not on the PATH; is \(system) installed here?")
    }
    return .unavailable(program: program, reason: "\(error)")
  }

  /// What a program printed that is called with these words, its name first. Throws `BatchError.refused` where it ended with
  /// another code than 0.
  func output(_ command: [String]) throws -> String {
    let answer = try answer(command)
    guard answer.code == 0 else { throw refusal(command.first ?? "", answer) }
    return answer.output
  }

  func answer(_ command: [String]) throws -> Answer { try run(command.first ?? "", Array(command.dropFirst())) }

  /// What a program says that ended with another code than 0.
  func refusal(_ program: String, _ answer: Answer) -> BatchError {
    let said = answer.errors.trimmingCharacters(in: .whitespacesAndNewlines)
    return .refused(program: program, code: answer.code, said: said.isEmpty ? "nothing" : said)
  }
}

/// Carries a result from one thread to another: written before the semaphore is signalled, read after.
final class ResultBox<Value>: @unchecked Sendable { var result: Result<Value, any Error>? }
