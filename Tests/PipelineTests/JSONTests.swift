import Foundation
import TestSupport
import Testing

/// What each command prints with `--json`, held against docs/json.md: every key that is printed stands there, every key that stands there
/// is printed.
@Suite(.tags(.slow)) struct JSONTests {
  /// The page: by command, its keys, and those that are not always there.
  private struct Page {
    var keys: [String: Set<String>] = [:]
    var sometimes: [String: Set<String>] = [:]

    init() throws {
      let text = try String(contentsOf: Package.root.appendingPathComponent("docs/json.md"), encoding: .utf8)
      var command = ""
      for line in text.split(separator: "\n") {
        if line.hasPrefix("## ") { command = String(line.dropFirst(3)) }
        guard let match = line.firstMatch(of: #/^\| `([^`]+)` \|(.*)\|$/#) else { continue }
        let path = String(match.1)
        keys[command, default: []].insert(path)
        if match.2.contains("*sometimes*") { sometimes[command, default: []].insert(path) }
      }
    }

    /// With what stands around them: `a[].b` says that there is a list `a`.
    func closure(_ command: String) -> Set<String> {
      var found: Set<String> = []
      for key in keys[command] ?? [] {
        var key = key
        while !key.isEmpty, found.insert(key).inserted {
          if key.hasSuffix("[]") {
            key = String(key.dropLast(2))
          } else {
            key = key.lastIndex(of: ".").map { String(key[..<$0]) } ?? ""
          }
        }
      }
      return found
    }
  }

  /// Collects what is printed.
  private final class Seen {
    var page: Page
    var keys: [String: Set<String>] = [:]
    init() throws { page = try Page() }

    func add(_ command: String, _ text: String) throws {
      let value = try #require(
        try? JSONSerialization.jsonObject(with: Data(text.utf8)), "\(command) prints no JSON: \(text.prefix(300))")
      #expect(value is [String: Any], "\(command)")
      walk(command, value, "", page.closure(command))
    }

    private func walk(_ command: String, _ value: Any, _ path: String, _ known: Set<String>) {
      if let list = value as? [Any] {
        if !list.isEmpty { keys[command, default: []].insert(path + "[]") }
        for element in list { walk(command, element, path + "[]", known) }
      }
      guard let object = value as? [String: Any] else { return }
      let prefix = path.isEmpty ? "" : path + "."
      if known.contains(prefix + "*") {
        if !object.isEmpty { keys[command, default: []].insert(prefix + "*") }
        return
      }
      for (key, inner) in object {
        #expect(known.contains(prefix + key), "\(command) prints \(prefix + key), which docs/json.md does not know")
        keys[command, default: []].insert(prefix + key)
        walk(command, inner, prefix + key, known)
      }
      // all that may stand in such an object
      let own = known.filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains { ".[".contains($0) } }
      for key in own where object[String(key.dropFirst(prefix.count))] == nil && !isSometimes(command, key) {
        Issue.record("\(command): docs/json.md has \(key), which an output lacks")
      }
    }

    private func isSometimes(_ command: String, _ key: String) -> Bool {
      page.sometimes[command]?.contains { $0 == key || $0.hasPrefix(key + "[") || $0.hasPrefix(key + ".") } == true
    }

    func expectAll() {
      for (command, keys) in page.keys {
        let printed = self.keys[command] ?? []
        // a list of texts may be empty
        let missing = keys.filter {
          !printed.contains($0) && !($0.hasSuffix("[]") && printed.contains(String($0.dropLast(2))))
        }
        #expect(missing.isEmpty, "docs/json.md has keys of \(command) that nothing printed: \(missing.sorted())")
      }
    }
  }

  private static let text = """
    name: mini
    seed: 1
    matrix: { width: [4, 8] }
    system: { topology: "\(Package.alanine.path)/alanine.pdb", forcefield: "\(Package.alanine.path)/system.xml" }
    stages:
      frames: { uses: ingest, trajectory: "\(Package.alanine.path)/alanine-left.nc", stride: 200 }
      samples: { uses: toy-samples, system: checkerboard, count: 200 }
      model:
        { uses: toy-energy-model, samples: samples, grid: 12, network: { width: "${width}", depth: 1 }, training: { steps: 4, batch: 32 } }
      report: { uses: report, compare: [model] }
    """

  /// Programs that only pretend to be Slurm's.
  private static let slurm = [
    "sbatch": """
    for word; do case $word in --comment=*) comment=${word#--comment=};; esac; done
    number=$(( $(cat number 2>/dev/null || echo 100) + 1 )); echo $number >number; echo $number
    [ -n "$AT_ONCE" ] || echo "$number|$number|N/A|PENDING|Priority|N/A||$comment" >>queue
    """, "squeue": "[ -z \"$SILENT\" ] || exit 1; cat queue 2>/dev/null || true", "scancel": "true", "scontrol": "true",
    "sacct": "exit 1",
  ]

  @Test func everyCommandPrintsWhatThePageSays() throws {
    let program = try Program()
    try program.write(Self.text, to: "mini.yaml")
    try program.write("unit: stage\n", to: "profile.yaml")
    for (name, script) in Self.slurm {
      try program.write("#!/bin/sh\ncd \(program.folder.path)\n\(script)\n", to: name)
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o755], ofItemAtPath: program.folder.appendingPathComponent(name).path)
    }
    let path = program.folder.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
    let seen = try Seen()
    @discardableResult func call(
      _ words: String..., code: Int32 = 0, page: String? = nil, environment: [String: String] = [:]
    ) throws -> Program.Result {
      let result = try program.finish(
        program.start(words + ["--json"], environment: environment.merging(["PATH": path]) { $1 }))
      #expect(result.code == code, "\(words): \(result.errors)")
      try seen.add(page ?? words[0], result.output)
      return result
    }
    // nothing is there yet; jobs wait in the queue
    try call("submit", "mini.yaml", "--profile", "profile.yaml", "--dry-run", environment: ["SILENT": "1"])
    try call("submit", "mini.yaml", "--profile", "profile.yaml")
    try call("submit", "mini.yaml", "--profile", "profile.yaml")
    try call("status", "mini.yaml")
    let cancelled = try call("cancel", "mini.yaml")
    #expect(cancelled.output.contains("\"10"))
    for name in ["runs", "queue"] {
      try FileManager.default.removeItem(at: program.folder.appendingPathComponent(name))
    }
    try call("submit", "mini.yaml", "--profile", "profile.yaml", "--wait", code: 75, environment: ["AT_ONCE": "1"])
    try FileManager.default.removeItem(at: program.folder.appendingPathComponent("runs"))
    // a stage that is at work, by its note
    let running = #"""
      {"host":"n1","place":{"words":[]},"process":1,"started":"2026-01-01T00:00:00Z","updated":"2026-01-01T00:01:00Z","threads":1,
      "stage":"frames","warnings":["w"],"work":{"title":"reading","unit":"frames","total":10,"completed":5,"rate":1,
      "metrics":[{"name":"loss","value":"0.5","history":[1,0.5]}]}}
      """#
    try FileManager.default.createDirectory(
      at: program.folder.appendingPathComponent("runs/mini"), withIntermediateDirectories: true)
    try program.write(running, to: "runs/mini/.frames.progress")
    try call("status", "mini.yaml")
    try call("clean", "mini.yaml")
    // a run of which one stage fails, and one of all
    try call(
      "run", "mini.yaml", "--only", "frames,samples,model", "--set", "model.training.batch=100000", "--keep-going",
      code: 1)
    try call("run", "mini.yaml", "--threads", "1")
    try call("run", "mini.yaml", "--dry-run", page: "status")
    try call("run", "\(Package.root.path)/pipelines/alanine.yaml", "--dry-run", page: "status")
    for words in [["status"], ["explain"], ["graph"], ["verify"], ["report"], ["check"]] {
      try call(words[0], "mini.yaml")
    }
    try call("report", "mini.yaml", "--batch", "mini.html")
    try call("explain", "mini.yaml", "model")
    try call("explain", "mini.yaml", "--set", "model.training.steps=5")
    for words in ["frames", "samples"] { try call("inspect", "mini.yaml", words) }
    try call("export", "mini.yaml", "frames", "--output", "frames.nc")
    try program.write("mine\n", to: "runs/mini/mine.txt")
    try call("clean", "mini.yaml", "--all")
    // a file that is wrong, and one that is well but for a warning
    try call("check", "mini.yaml", "--set", "samples.cuont=1", code: 2)
    try call("check", "mini.yaml", "--set", "stages.frames.stride=100000")
    try call("doctor")
    try call("schema", "--artifacts")
    let propanol = Package.root.appendingPathComponent("datasets/propanol").path
    try call(
      "init", "--forcefield", "\(propanol)/solvated.prmtop", "--output", "own.yaml", "--trajectory",
      "\(propanol)/md1.nc")
    try call("example")
    try call("example", "checkerboard", "--output", "example")
    try call("example", "alanine-quick", "--output", "example")
    if PrepareTests.isInstalled { try call("prepare", "AC", "--output", "AC") } else { seen.page.keys["prepare"] = nil }
    seen.expectAll()
  }
}
