import Foundation

/// The words and the script that sbatch is given for one job of a plan.
enum BatchScript {
  /// A word as bash reads it back: nothing in it is expanded.
  static func quoted(_ word: String) -> String {
    let isPlain = word.utf8.allSatisfy { byte in
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        || "_@%+=:,./-".utf8.contains(byte)
    }
    return isPlain && !word.isEmpty ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }

  /// The user's lines, and then the program, in the shell's place, so that Slurm's signals reach it.
  static func text(title: String, prologue: [String], command: [String]) -> String {
    let title = title.unicodeScalars.map { $0.value < 32 ? " " : String($0) }.joined()
    return (["#!/bin/bash", "# \(title)"] + prologue + ["exec " + command.map(quoted).joined(separator: " "), ""])
      .joined(separator: "\n")
  }

  /// Task numbers as Slurm writes them: 0-3,7.
  static func range(_ numbers: [Int]) -> String {
    var parts: [String] = []
    var index = 0
    let numbers = numbers.sorted()
    while index < numbers.count {
      var end = index
      while end + 1 < numbers.count, numbers[end + 1] == numbers[end] + 1 { end += 1 }
      parts.append(end == index ? "\(numbers[index])" : "\(numbers[index])-\(numbers[end])")
      index = end + 1
    }
    return parts.joined(separator: ",")
  }

  /// The value of --dependency; nil without any. Tasks are listed one by one: Slurm takes a whole array for failed as soon as a
  /// task of it was ever requeued.
  static func dependency(
    _ dependencies: [JobPlan.Dependency], number: (JobPlan.TaskReference.Job) -> String
  ) -> String? {
    let matching = dependencies.compactMap { dependency -> String? in
      if case .corresponding(let job) = dependency { number(job) } else { nil }
    }
    let others = dependencies.flatMap { dependency -> [String] in
      guard case .all(let references) = dependency else { return [] }
      return references.map { number($0.job) + ($0.task.map { "_\($0)" } ?? "") }
    }
    let parts =
      (matching.isEmpty ? [] : ["aftercorr:" + matching.joined(separator: ":")])
      + (others.isEmpty ? [] : ["afterok:" + others.joined(separator: ":")])
    return parts.isEmpty ? nil : parts.joined(separator: ",")
  }

  /// The words for sbatch but for the script's file. `log` is where a task's output goes, without its ending; `dependency` as
  /// above.
  static func words(
    for job: JobPlan.Job, title: String, comment: String, log: String, workingFolder: String, dependency: String?
  ) throws -> [String] {
    for path in [log, workingFolder] where path.contains("\\") || path.contains(where: \.isNewline) {
      throw SlurmError.badPath(path)
    }
    var words = ["--parsable", "--job-name=\(title)", "--comment=\(comment)"]
    let numbers = job.tasks.compactMap(\.id)
    if !numbers.isEmpty {
      words.append("--array=" + range(numbers) + (job.resources.maxConcurrent.map { "%\($0)" } ?? ""))
    }
    if let dependency { words += ["--dependency=\(dependency)", "--kill-on-invalid-dep=yes"] }
    let file = log.replacingOccurrences(of: "%", with: "%%") + (numbers.isEmpty ? "" : "+%a") + ".log"
    words += ["--requeue", "--open-mode=append", "--output=\(file)", "--chdir=\(workingFolder)", "--ntasks=1"]
    return words + job.resources.words
  }
}
