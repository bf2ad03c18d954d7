import Artifacts
import Basics
import Foundation
import TestSupport
import Testing

@testable import Stages
@testable import Workflow

/// What finished runs rest on: the keys of the shipped pipelines, and what every stage type writes. A difference here means that users'
/// runs are made again, or that their scripts find other names: raise a version on purpose, say so in CHANGELOG.md, and
/// write the files anew with BOLTZMILL_GOLDEN=write.
@Suite(.serialized) struct GoldenTests {
  static let folder = Package.root.appendingPathComponent("Tests/Fixtures/golden")
  static let isWriting = ProcessInfo.processInfo.environment["BOLTZMILL_GOLDEN"] == "write"

  /// Of each pipeline file in pipelines/: the key of every stage, inputs' content left out.
  @Test func keysOfShippedPipelinesStay() throws {
    let pipelines = Package.root.appendingPathComponent("pipelines")
    var found: [String: [String: String]] = [:]
    let files = try FileManager.default.contentsOfDirectory(atPath: pipelines.path).sorted()
    // of peptide.yaml files are made, whose last digits are those of a processor
    for file in files where file.hasSuffix(".yaml") && !["slurm.yaml", "peptide.yaml"].contains(file) {
      let definition = try PipelineLoader(registry: StageCatalog.registry).load(pipelines.appendingPathComponent(file))
      let digests = FileDigests()
      for stage in definition.stages {
        found[file, default: [:]][stage.name] = try StageKey(stage, in: definition, digests: [:], files: digests).hex
      }
    }
    #expect(found.count >= 14)
    try compare(found, with: "keys.json")
  }

  /// Runs every stage type. What an artifact is made of (names, types, shapes, units, axes) is the same on every machine; its numbers
  /// are the same to the last bit on one kind of processor, so their digests are compared where that kind's are known.
  @Test(.tags(.slow)) func artifactsStay() throws {
    let definition = try PipelineLoader(registry: StageCatalog.registry).load(
      Self.folder.appendingPathComponent("golden.yaml"))
    #expect(Set(definition.stages.map { $0.type.type }) == Set(StageCatalog.all.map { $0.type }))
    // in a process of its own: the number of threads, on which last digits depend, is the whole process's
    let program = try Program()
    let run = try program.run(
      "run", Self.folder.appendingPathComponent("golden.yaml").path, "--threads", "1", "--runs", program.folder.path)
    #expect(run.code == 0, "\(run.errors)")
    let folder = RunFolder(runs: program.folder, pipeline: definition)
    var structure: [String: [String]] = [:]
    var digests: [String: String] = [:]
    for stage in definition.stages {
      let artifact = try Artifact.open(folder.artifact(stage.name), verify: true)
      structure[stage.name] = try Self.lines(artifact, "")
      digests[stage.name] = artifact.provenance.contentDigest
    }
    try GoldenComparisons(folder: folder, pipeline: definition).check()
    try compare(structure, with: "structure.json")
    let file = Self.folder.appendingPathComponent("digests.json")
    var known =
      (try? JSONDecoder().decode([String: [String: String]].self, from: Data(contentsOf: file))) ?? [:]
    if Self.isWriting {
      // what is another here than it was is another on every kind: theirs are not known any more, but where they are the new ones already
      let before = known[Self.processor] ?? [:]
      let changed = digests.filter { before[$0.key] != nil && before[$0.key] != $0.value }
      for kind in known.keys {
        for (stage, new) in changed where known[kind]?[stage] != new { known[kind]?[stage] = nil }
      }
      known[Self.processor] = digests
      try Self.encoded(known).write(to: file)
    } else if let expected = known[Self.processor] {
      // a stage that came since is not known on every kind
      for (stage, digest) in digests.sorted(by: { $0.key < $1.key }) {
        guard let known = expected[stage] else {
          print("digest of \(stage) not compared: none is known for \(Self.processor)")
          continue
        }
        #expect(known == digest, "\(stage)")
      }
      #expect(!expected.isEmpty)
    } else {
      // names, types, shapes, units and axes were compared above
      print("digests not compared: none are known for \(Self.processor)")
    }
  }

  /// Name and vector instructions: what decides in which order the libraries add.
  static let processor: String = {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    func value(_ name: String) -> String {
      lines.first { $0.hasPrefix(name) }?.split(separator: ":").dropFirst().joined().trimmingCharacters(
        in: .whitespaces)
        ?? ""
    }
    let vectors = value("flags").split(separator: " ").filter { word in
      ["avx", "fma", "amx"].contains { word.hasPrefix($0) }
    }
    return "\(value("model name")), \(vectors.sorted().joined(separator: " "))"
  }()

  private static func lines(_ artifact: Artifact, _ group: String) throws -> [String] {
    try artifact.list(group).flatMap { name -> [String] in
      let path = group.isEmpty ? name : "\(group)/\(name)"
      if path == "provenance" { return [] }
      if try artifact.isGroup(path) { return try lines(artifact, path) }
      let attributes = try ["units", "dims"].map { try artifact.attribute(path, $0) ?? "-" }
      return [
        ([path, Self.typeName(try artifact.typeName(path), at: path), "\(try artifact.shape(path))"] + attributes)
          .joined(separator: " | ")
      ]
    }
  }

  /// How long a long text is hangs on the digits of its numbers, and these on the kind of processor; the name of the kernel names it.
  private static func typeName(_ name: String, at path: String) -> String {
    if path.hasSuffix("force_provider") { return "string" }
    guard let match = name.wholeMatch(of: #/string of (\d+) bytes/#), let bytes = Int(match.1), bytes > 4096 else {
      return name
    }
    return "long string"
  }

  private static func encoded(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
  }

  private func compare<Value: Codable & Equatable>(_ found: [String: Value], with name: String) throws {
    let file = Self.folder.appendingPathComponent(name)
    if Self.isWriting { try Self.encoded(found).write(to: file) }
    let expected = try JSONDecoder().decode([String: Value].self, from: Data(contentsOf: file))
    #expect(expected.keys.sorted() == found.keys.sorted())
    for (key, value) in found.sorted(by: { $0.key < $1.key }) where expected[key] != value {
      if let value = value as? [String], let before = expected[key] as? [String] {
        for line in value where !before.contains(line) { Issue.record("\(key): new: \(line)") }
        for line in before where !value.contains(line) { Issue.record("\(key): gone: \(line)") }
      } else if let value = value as? [String: String], let before = expected[key] as? [String: String] {
        for stage in Set(value.keys).union(before.keys).sorted() where value[stage] != before[stage] {
          Issue.record("\(key): stage '\(stage)' has another key")
        }
      }
      let isSame = expected[key] == value
      #expect(isSame, "\(key)")
    }
  }
}
