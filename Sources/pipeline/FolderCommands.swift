import ArgumentParser
import Foundation
import Workflow

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Read every artifact and checkpoint again and compare it with its digest.")

  @OptionGroup var pipeline: PipelineOptions

  func run() throws {
    let found = try pipeline.engine().verify()
    for file in found { print(file.problem.map { "DAMAGED  \(file.file): \($0)" } ?? "sound    \(file.file)") }
    let damaged = found.filter { $0.problem != nil }
    print("\(found.count) files read, \(damaged.count) damaged")
    if !damaged.isEmpty {
      printError(
        "damaged artifacts are set aside and made again by: " + CommandLineText.command(["run"] + pipeline.words))
      throw ExitCode(1)
    }
  }
}

struct CleanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clean", abstract: "List what a run folder no longer needs; delete it with --yes.",
    discussion:
      "Damaged files set aside, leftovers of killed runs, checkpoints of finished stages, artifacts of stages "
      + "that are not in the file. Nothing is deleted without --yes.")

  @OptionGroup var pipeline: PipelineOptions
  @Flag(help: "Every artifact and checkpoint.") var all = false
  @Flag(help: "Delete the files.") var yes = false

  func run() throws {
    let engine = try pipeline.engine()
    if yes, FileManager.default.fileExists(atPath: engine.folder.url.path) {
      try engine.folder.lock(as: CommandLineText.command(["clean"] + pipeline.words))
    }
    let files = try engine.removable(all: all)
    for file in files { print("\(file.url.lastPathComponent)  \(file.bytes) bytes  \(file.reason)") }
    if yes { try engine.remove(files) }
    let total = files.reduce(0) { $0 + $1.bytes }
    let advice = yes || files.isEmpty ? "" : "; nothing was deleted, --yes deletes them"
    print("\(files.count) files, \(total) bytes\(yes ? " deleted" : "")\(advice)")
  }
}
