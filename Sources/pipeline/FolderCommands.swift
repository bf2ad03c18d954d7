import ArgumentParser
import Foundation
import Workflow

struct VerifyCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Read every artifact and checkpoint again and compare it with its digest.",
    discussion: "Example: pipeline verify alanine.yaml")

  @OptionGroup var pipeline: PipelineOptions
  @OptionGroup var results: JSONOption

  func run() throws {
    let engine = try pipeline.engine()
    let found = engine.verify()
    for file in found where !results.json {
      print(
        file.note.map { "other    \(file.file): \($0)" } ?? file.problem.map { "DAMAGED  \(file.file): \($0)" }
          ?? "sound    \(file.file)")
    }
    let (damaged, read) = (found.filter { $0.problem != nil }, found.filter(\.wasRead))
    if !results.json { print("\(read.count) files read, \(damaged.count) damaged") }
    results.print([
      "folder": .string(engine.folder.url.relativePath), "read": .integer(read.count),
      "damaged": .integer(damaged.count),
      "files": .list(
        found.map { file in
          [
            "file": .string(file.file),
            "result": .string(file.problem != nil ? "damaged" : file.note != nil ? "other" : "sound"),
            "reason": .optional(file.problem ?? file.note),
          ]
        }),
    ])
    if !damaged.isEmpty {
      printError(
        "damaged artifacts are set aside and made again by: " + CommandLineText.command(["run"] + pipeline.words))
      throw ExitCode(1)
    }
    guard read.isEmpty else { return }
    printError("nothing was checked: \(engine.folder.url.relativePath) holds no artifact")
    throw ExitCode(1)
  }
}

struct CleanCommand: PipelineCommand {
  static let configuration = CommandConfiguration(
    commandName: "clean", abstract: "List what a run folder no longer needs; delete it with --yes.",
    discussion: """
      Damaged files set aside, leftovers of killed runs, checkpoints of finished stages, artifacts of stages \
      that are not in the file, with the files that belong to them. What this program did not write, and what another pipeline \
      file made, is left alone and named. Nothing is deleted without --yes.

      Example: pipeline clean alanine.yaml --intermediate
      """)

  @OptionGroup var pipeline: PipelineOptions
  @Flag(help: "Every artifact and checkpoint of this file's pipeline.") var all = false
  @Flag(
    help:
      "Also finished artifacts that the final results no longer need; they count as finished, and are made again when needed."
  )
  var intermediate = false
  @Flag(help: "Also artifacts in this folder that other pipeline files made.") var others = false
  @Flag(help: "Delete the files.") var yes = false
  @OptionGroup var results: JSONOption

  func run() throws {
    let engine = try pipeline.engine()
    if yes, FileManager.default.fileExists(atPath: engine.folder.url.path) {
      try engine.folder.lock(as: CommandLineText.command(["clean"] + pipeline.words))
      if let warning = engine.folder.warning { printError("warning: \(warning)") }
    } else if let holder = engine.folder.holder() {
      results.json ? printError("in use: \(holder)") : print("in use: \(holder)")
    }
    let found = try engine.upkeep(all: all, intermediate: intermediate, others: others)
    let files = found.removable
    for file in files where !results.json {
      print("\(file.url.lastPathComponent)  \(file.bytes) bytes  \(file.reason)")
    }
    for file in found.left where !results.json { print("left alone: \(file.file) (\(file.reason))") }
    if yes { try engine.remove(files) }
    let total = files.reduce(0) { $0 + $1.bytes }
    results.print([
      "folder": .string(engine.folder.url.relativePath), "deleted": .bool(yes), "bytes": .integer(total),
      "files": .list(
        files.map {
          [
            "file": .string($0.url.lastPathComponent), "bytes": .integer($0.bytes), "reason": .string($0.reason),
          ]
        }), "left": .list(found.left.map { ["file": .string($0.file), "reason": .string($0.reason)] }),
    ])
    if results.json { return }
    let advice = yes || files.isEmpty ? "" : "; nothing was deleted, --yes deletes them"
    print("\(files.count) files, \(total) bytes\(yes ? " deleted" : "")\(advice)")
  }
}
