import ArgumentParser
import Basics
import Foundation
import OpenMM
import Stages
import Torch
import Workflow
import XTB

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Show the libraries, the device, threads and disk space, and what is missing.",
    discussion: "Example: pipeline doctor")

  @OptionGroup var results: JSONOption

  func run() throws {
    var table = TextTable(columns: ["part", "found"])
    table.addRow(["program", programText])
    for (name, version) in Libraries.versions { table.addRow([name, version]) }
    for (name, library) in Libraries.loaded { table.addRow(["\(name) is", "\(library.path) (\(library.build))"]) }
    table.addRow(["OpenMM platforms", OpenMMLibrary.platforms.joined(separator: ", ")])
    table.addRow(["device", Runtime.deviceSummary])
    let (allowed, all) = (AllowedCores.count, ProcessInfo.processInfo.processorCount)
    let others = allowed == all ? "" : " (this process may use them; the machine has \(all))"
    table.addRow(["threads", "\(allowed)" + others])
    table.addRow(["memory", NumberText.fixed(Double(ProcessInfo.processInfo.physicalMemory) / 1e9, 1) + " GB"])
    let space = DiskSpace.free(in: URL(fileURLWithPath: "."))
    table.addRow(["free disk space here", space.map { NumberText.fixed($0 / 1e9, 1) + " GB" } ?? NumberText.absent])
    table.addRow(["stage types", StageCatalog.all.map { $0.type }.joined(separator: ", ")])
    for (name, found) in optionalParts() { table.addRow([name, found]) }
    let strangers = Libraries.warnings
    let problems = missing(space: space)
    results.print([
      "version": .string(PackageVersion.current),
      "parts": .list(table.rows.map { ["part": .string($0[0]), "found": .string($0[1])] }),
      "warnings": .list(strangers.map { .string($0) }), "missing": .list(problems.map { .string($0) }),
    ])
    if !results.json {
      print(table.rendered())
      for warning in strangers { print("warning: \(warning)") }
      for problem in problems { print("missing: \(problem)") }
    }
    if !problems.isEmpty || !strangers.isEmpty { throw ExitCode(1) }
    if !results.json { print("nothing is missing that every run needs") }
  }

  /// What the program runs from.
  private var programText: String {
    guard let installation = Installation.current else { return "\(PackageVersion.current), by itself" }
    let place = "\(installation.isWheel ? "installed wheel" : "checkout") \(installation.root.path)"
    return PackageVersion.current + ", " + place + (installation.commit.map { " (commit \($0))" } ?? "")
  }

  private var checkout: URL? { Installation.current.flatMap { $0.isWheel ? nil : $0.root } }

  /// What `./bootstrap` makes when asked: whether it is there, and what needs it. Empty for a program outside a checkout.
  private func optionalParts() -> [(name: String, found: String)] {
    guard let root = checkout else { return [] }
    return [
      ("prepare", "prepare/bin/python", "peptides by 'prepare' and 'init --peptide'"),
      ("amber", "amber/bin/python", "small molecules by 'prepare --smiles' and 'init --smiles'"),
      ("checks", "checks/bin/python", "the checks of .ci/run and the scripts of docs/python.md"),
      ("cuda", "installed-cuda", "training and sampling on a GPU"),
    ].map { part, file, need in
      let isThere = FileManager.default.fileExists(atPath: root.appendingPathComponent(".deps/\(file)").path)
      return ("optional: \(part)", isThere ? "is there (\(need))" : "not installed; ./bootstrap --\(part) adds \(need)")
    }
  }

  private func missing(space: Double?) -> [String] {
    var problems: [String] = []
    if !OpenMMLibrary.platforms.contains("Reference") {
      problems.append("OpenMM's Reference platform; run ./bootstrap again")
    }
    do { _ = try XTBLibrary.version() } catch { problems.append("\(error)") }
    if let root = checkout {
      for part in ["torch/lib/libtorch_cpu.so", "OpenMM.libs/lib/libOpenMM.so", "plotly/package_data/plotly.min.js"] {
        let path = root.appendingPathComponent(".deps/\(part)").path
        if !FileManager.default.fileExists(atPath: path) { problems.append(".deps/\(part); run ./bootstrap") }
      }
    }
    if let space, space < 2e9 { problems.append("disk space: less than 2 GB are free here; make room or use --runs") }
    return problems
  }
}
