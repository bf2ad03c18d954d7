import Foundation
import TestSupport
import Testing

@Suite struct UsageTests {
  @Test func helpAndUsageErrors() throws {
    let program = try Program()
    let help = try program.run("--help")
    #expect(help.code == 0)
    for word in [
      "run", "status", "explain", "graph", "verify", "inspect", "export", "report", "clean", "schema", "doctor",
      "Exit codes",
    ] {
      #expect(help.output.contains(word))
    }
    let unknown = try program.run("rum")
    #expect(unknown.code == 2)
    #expect(
      unknown.errors.hasPrefix("error: there is no command 'rum'; did you mean 'run'?\nnext: "), "\(unknown.errors)")
    #expect(try program.run("run").code == 2)
    #expect(try program.run("run", "x.yaml", "--threads", "0").errors.contains("--threads must be 1 to 4096"))
    #expect(try program.run("run", "x.yaml", "--checkpoint-interval", "-1").code == 2)
  }

  /// What is nearly right is told as it was meant, with the rest of the line as it was.
  @Test func misspeltWordsAreToldAsALineToPaste() throws {
    let program = try Program()
    try program.write("stages: { s: { uses: toy-samples, system: checkerboard, count: 300 } }\n", to: "toy.yaml")
    func last(_ words: [String]) throws -> String {
      let refused = try program.finish(program.start(words))
      #expect(refused.code == 2, "\(words)")
      #expect(refused.output.isEmpty)
      return refused.errors.split(separator: "\n").last.map(String.init) ?? ""
    }
    for (typed, meant) in [
      (["rnu", "toy.yaml", "--jobs", "2"], "run toy.yaml --jobs 2"),
      (["statsu", "toy.yaml"], "status toy.yaml"),
      (["run", "toy.yaml", "--dry-rum"], "run toy.yaml --dry-run"),
      (["run", "toy.yaml", "--job=2", "--set", "s.count=9"], "run toy.yaml --jobs=2 --set s.count=9"),
      (["toy.yaml"], "run toy.yaml"), (["frobnicate"], "--help"),
      (["status", "toy.yaml", "--xylophone"], "status --help"),
    ] {
      let line = try last(typed)
      #expect(line.hasPrefix("next: ") && line.hasSuffix("pipeline \(meant)"), "\(typed): \(line)")
    }
  }

  @Test func aValueThatIsNotThereIsSaidToBeMissing() throws {
    let program = try Program()
    try program.write("stages: { s: { uses: toy-samples, system: checkerboard, count: 300 } }\n", to: "toy.yaml")
    for (word, name) in [("s.count=", "s.count"), ("name= ", "name")] {
      let refused = try program.run("run", "toy.yaml", "--dry-run", "--set", word)
      #expect(refused.code == 2)
      #expect(refused.errors.contains("\(name) is given no value; write --set \(name)=VALUE"), "\(refused.errors)")
    }
  }

  /// A batch system's share of a node: the affinity mask counts, not the machine.
  @Test(.enabled(if: ProcessInfo.processInfo.processorCount > 1, "a machine with one core has nothing to share"))
  func onlyCoresThatAreAllowedCount() throws {
    let program = try Program()
    let doctor = try program.finish(
      program.start(
        ["-c", "0", try Program.executable().path, "doctor"], executable: URL(fileURLWithPath: "/usr/bin/taskset")))
    let all = ProcessInfo.processInfo.processorCount
    #expect(doctor.output.contains("1 (this process may use them; the machine has \(all))"), "\(doctor.output)")
  }

  @Test func missingAndWrongFiles() throws {
    let program = try Program()
    let missing = try program.run("run", "alanine.yaml")
    #expect(missing.code == 2)
    #expect(missing.errors.hasPrefix("alanine.yaml: there is no such file here or in pipelines/\n"))
    try program.write("stages:\n  frames: { uses: ingest, trajectory: none.nc, strid: 2 }\n", to: "wrong.yaml")
    let wrong = try program.run("run", "wrong.yaml")
    #expect(wrong.code == 2)
    #expect(wrong.output.isEmpty)
    let lines = wrong.errors.split(separator: "\n").map(String.init)
    #expect(lines.count == 4 && lines.last?.hasSuffix("pipeline check wrong.yaml") == true)
    #expect(lines[0] == "wrong.yaml:1:1: stage 'frames' needs 'topology' in 'system:'")
    #expect(lines[1].hasPrefix("wrong.yaml:2:39: stage 'frames': trajectory: there is no file none.nc"))
    #expect(
      lines[2].hasPrefix("wrong.yaml:2:48: unknown key 'strid' in stage 'frames' (ingest); did you mean 'stride'?"))
    #expect(!FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("runs").path))
  }

  @Test func schemaIsJSON() throws {
    let result = try Program().run("schema")
    #expect(result.code == 0)
    let schema = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    let definitions = try #require(schema["definitions"] as? [String: Any])
    #expect(definitions["ingest"] != nil && definitions["emulator"] != nil)
  }

  /// What programs are told of artifacts is what the page says, row by row.
  @Test func schemaOfArtifactsIsThePage() throws {
    struct Declarations: Decodable {
      struct Artifact: Decodable {
        struct Writer: Decodable { let type: String }
        struct Field: Decodable {
          let path, kind, type, meaning: String
          let unit: String?
          let axes: [String]
        }
        let types: [Writer]
        let fields: [Field]
      }
      let artifacts: [Artifact]
    }
    let program = try Program()
    let result = try program.run("schema", "--artifacts", "--json")
    #expect(result.code == 0, "\(result.errors)")
    let declared = try JSONDecoder().decode(Declarations.self, from: Data(result.output.utf8)).artifacts
    let page = try program.run("schema", "--artifacts").output.components(separatedBy: "\n## Checkpoints")[0]
    let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }
    let told = declared.flatMap(\.fields).map { field in
      let axes = field.axes.isEmpty ? "" : "[\(field.axes.joined(separator: ", "))]"
      let meaning = field.meaning.replacingOccurrences(of: "|", with: "\\|")
      return "| `\(field.path)` | \(field.type) | \(axes) | \(field.unit ?? "") | \(meaning) |"
    }
    #expect(told.count > 300)
    #expect(told == rows.map(String.init))
    let writers = ["emulator", "imported-emulator", "transferred-emulator", "refined-emulator"]
    #expect(declared.map { $0.types.map(\.type) }.contains(writers))
    // kinds that the stored type alone does not tell
    let emulator = try #require(declared.first { $0.types.contains { $0.type == "emulator" } }).fields
    #expect(emulator.first { $0.path == "training/tensors/NAME" }?.kind == "numbers")
    #expect(emulator.first { $0.path == "topology" }?.kind == "texts")
    #expect(emulator.first { $0.path == "emulator/header" }?.kind == "text")
    #expect(emulator.first { $0.path == "training/step" }?.kind == "number")

    let refused = try program.run("schema", "--stages", "--json")
    #expect(refused.code == 2)
    #expect(refused.errors.contains("'pipeline schema' has the parameters as JSON"))
  }

  @Test func doctorListsTheLibraries() throws {
    let result = try Program().run("doctor")
    for word in ["LibTorch", "OpenMM", "HDF5", "NetCDF", "device", "threads", "free disk space"] {
      #expect(result.output.contains(word))
    }
  }
}
