import Basics
import Foundation
import TestSupport
import Testing

/// `pipeline example`, and where a program finds the files that come with it.
@Suite struct ShippedPipelineTests {
  private struct Found: Decodable {
    struct Example: Decodable { let name, about: String }
    let examples: [Example]
  }

  @Test func everyExampleCanBeCopiedAndIsFoundRight() throws {
    let program = try Program()
    let list = try program.run("example", "--json")
    let found = try JSONDecoder().decode(Found.self, from: Data(list.output.utf8)).examples
    let names = try FileManager.default.contentsOfDirectory(
      atPath: Package.root.appendingPathComponent("pipelines").path)
    #expect(found.map { $0.name + ".yaml" } == names.sorted())
    #expect(found.allSatisfy { !$0.about.isEmpty && $0.about.count < 160 })
    for example in found.map(\.name) where example != "peptide" {
      let copied = try program.run("example", example, "--output", "all")
      #expect(copied.code == 0, "\(example): \(copied.errors)")
      if example == "slurm" { continue }  // a cluster's profile
      let check = try program.run("check", "all/\(example).yaml")
      #expect(check.code == 0 && check.output.contains("nothing wrong was found"), "\(example): \(check.errors)")
    }
  }

  @Test func aCopyIsBesideItsDataAndReplacesNothing() throws {
    let program = try Program()
    let copied = try program.run("example", "alanine-quick")
    #expect(copied.code == 0 && copied.output.hasSuffix("run alanine-quick.yaml\n"), "\(copied.output)\(copied.errors)")
    let data = program.folder.appendingPathComponent("datasets/alanine/alanine-left.nc")
    #expect(
      FileManager.default.contentsEqual(
        atPath: data.path, andPath: Package.root.appendingPathComponent("datasets/alanine/alanine-left.nc").path))
    #expect(try program.run("example", "alanine-quick.yaml").code == 0)  // the same again

    try Data("mine".utf8).write(to: data)
    let refused = try program.run("example", "alanine-quick")
    #expect(
      refused.code == 1 && refused.errors.contains("alanine-left.nc is there already, is another, and is not replaced"))
    #expect(try String(contentsOf: data, encoding: .utf8) == "mine")
    let misspelt = try program.run("example", "alanine-quik")
    #expect(misspelt.code == 2 && misspelt.errors.contains("did you mean 'alanine-quick'?"), "\(misspelt.errors)")
  }

  @Test func aProgramKnowsACheckoutFromAWheel() throws {
    let scratch = try Scratch()
    let site = scratch.url.appendingPathComponent("env/lib/python3.12/site-packages/boltzmill/program")
    let program = site.appendingPathComponent("bin/pipeline")
    try FileManager.default.createDirectory(at: program.deletingLastPathComponent(), withIntermediateDirectories: true)
    #expect(Installation(above: program) == nil)
    try Data(#"{"version": "0.1.0", "commit": "1a2b3c4", "libraries": {}}"#.utf8).write(
      to: site.appendingPathComponent(Installation.mark))
    #expect(Installation(above: program) == nil)  // a file of that name alone is nothing
    try FileManager.default.createDirectory(
      at: site.appendingPathComponent("pipelines"), withIntermediateDirectories: true)
    let wheel = try #require(Installation(above: program))
    #expect(wheel.isWheel && wheel.root.path == site.path && wheel.commit == "1a2b3c4" && wheel.python == nil)

    let python = scratch.url.appendingPathComponent("env/bin/python3")
    try FileManager.default.createDirectory(at: python.deletingLastPathComponent(), withIntermediateDirectories: true)
    #expect(
      FileManager.default.createFile(atPath: python.path, contents: Data(), attributes: [.posixPermissions: 0o755]))
    #expect(wheel.python?.path == python.path)

    let own = try #require(Installation(above: Package.root.appendingPathComponent(".build/debug/pipeline")))
    #expect(!own.isWheel && own.root.path == Package.root.path && own.python == nil)
    let commit = own.commit.map { "commit \($0); " } ?? ""  // none where it is a worktree of another
    #expect(try Program().run("--version").output.hasPrefix("boltzmill 0.1.0 (\(commit)LibTorch "))
  }
}
