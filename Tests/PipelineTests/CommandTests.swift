import Foundation
import TestSupport
import Testing

/// What stands around every command: its help, its version, completions, and what to type after an error.
@Suite struct CommandTests {
  private struct Help: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable { let name: String }
      let names: [Name]?
      let abstract: String?
    }
    struct Command: Decodable {
      let commandName: String
      let abstract, discussion: String?
      let subcommands: [Command]?
      let arguments: [Argument]?
      let shouldDisplay: Bool?
    }
    let command: Command
  }

  private func commands(_ program: Program) throws -> [Help.Command] {
    let dump = try program.run("--experimental-dump-help")
    let root = try JSONDecoder().decode(Help.self, from: Data(dump.output.utf8)).command
    return [root] + (root.subcommands ?? [])
  }

  /// Walks all commands: each says what it does and shows how it is called, in words that it understands.
  @Test func everyCommandHasHelpAndAnExample() throws {
    let program = try Program()
    let found = try commands(program).filter { $0.shouldDisplay != false && $0.commandName != "help" }
    #expect(found.count > 15)
    for command in found {
      let lines = (command.discussion ?? "").split(separator: "\n")
      let example = lines.first { $0.hasPrefix("Example: pipeline ") }?.dropFirst("Example: pipeline ".count)
      guard let words = example?.split(separator: " ").map(String.init) else {
        Issue.record("the help of '\(command.commandName)' has no line 'Example: pipeline ...'")
        continue
      }
      #expect(command.abstract?.isEmpty == false, "\(command.commandName)")
      #expect(command.commandName == "pipeline" || words.first == command.commandName, "\(words)")
      // options of the example are those of the command
      let names = (found.first { $0.commandName == words.first }?.arguments ?? []).flatMap { $0.names ?? [] }.map(
        \.name)
      for option in words where option.hasPrefix("--") {
        #expect(names.contains(String(option.dropFirst(2))), "\(command.commandName): \(option)")
      }
      for argument in command.arguments ?? [] {
        #expect(argument.abstract?.isEmpty == false, "\(command.commandName): \(argument.names?.map(\.name) ?? [])")
      }
    }
  }

  @Test func everyCommandThatPrintsResultsHasJSON() throws {
    let program = try Program()
    let found = try commands(program).filter { $0.shouldDisplay != false }
    let with = found.filter { command in
      (command.arguments ?? []).contains { ($0.names ?? []).contains { $0.name == "json" } }
    }.map(\.commandName)
    let page = try String(contentsOf: Package.root.appendingPathComponent("docs/json.md"), encoding: .utf8)
    let documented = page.split(separator: "\n").filter { $0.hasPrefix("## ") }.map { String($0.dropFirst(3)) }
    #expect(with.count >= 14)
    for name in with where name != "init" { #expect(documented.contains(name), "docs/json.md says nothing of \(name)") }
    for name in documented { #expect(with.contains(name), "\(name) has no --json") }
  }

  /// The version stands in one place; the changelog and the citation say the same.
  @Test func oneVersion() throws {
    let result = try Program().run("--version")
    #expect(result.code == 0)
    let version = try #require(
      result.output.firstMatch(of: #/^boltzmill (\d+\.\d+\.\d+) \(.*LibTorch \d.*OpenMM \d.*\)\n$/#)
    ).1
    func text(_ name: String) throws -> String {
      try String(contentsOf: Package.root.appendingPathComponent(name), encoding: .utf8)
    }
    #expect(try text("CITATION.cff").contains("\nversion: \(version)\n"))
    #expect(try text("CHANGELOG.md").contains("\(version)"))
    let numbers = try text("CHANGELOG.md").matches(of: #/[Vv]ersion (\d+\.\d+\.\d+)/#).map { String($0.1) }
    #expect(numbers.first == String(version), "the newest that the changelog names")
  }

  // MARK: Completions

  private static let text = """
    matrix: { width: [4, 8] }
    stages:
      samples: { uses: toy-samples, system: checkerboard, count: 200 }
      model: { uses: toy-energy-model, samples: samples, network: { width: "${width}" } }
    """

  private func place() throws -> Program {
    let program = try Program()
    try program.write(Self.text, to: "toy.yaml")
    try program.write("wrong", to: "wrong.yaml")
    for folder in ["pipelines", "data"] {
      try FileManager.default.createDirectory(
        at: program.folder.appendingPathComponent(folder), withIntermediateDirectories: true)
    }
    try program.write(Self.text, to: "pipelines/shipped.yaml")
    try program.write(Self.text, to: "data/inner.yml")
    return program
  }

  /// As the shells' scripts ask for it: `words` with the one that is to be completed last.
  private func completions(
    _ program: Program, _ command: String, _ argument: String, _ words: [String]
  ) throws -> [String] {
    let last = words.last ?? ""
    let result = try program.finish(
      program.start(
        ["---completion", command, "--", argument, "\(words.count)", "\(last.utf8.count)", "pipeline"] + words,
        environment: ["SAP_SHELL": "bash", "SAP_SHELL_VERSION": "5.2"]))
    #expect(result.code == 0, "\(result.errors)")
    return result.output.split(whereSeparator: { "\n\0".contains($0) }).map(String.init).filter { !$0.isEmpty }
  }

  @Test func filesAndStagesAreOffered() throws {
    let program = try place()
    func ask(_ command: String, _ argument: String, _ words: String...) throws -> [String] {
      try completions(program, command, argument, words)
    }
    let file = "positional@0"
    #expect(try ask("run", file, "run", "") == ["toy.yaml", "wrong.yaml", "shipped.yaml", "data/", "pipelines/"])
    #expect(try ask("status", file, "status", "data/") == ["data/inner.yml"])
    #expect(try ask("watch", file, "watch", "sh") == ["shipped.yaml"])
    let all = ["samples", "model@4", "model@8", "model", "@4", "@8"]
    #expect(try ask("run", "--only", "run", "toy.yaml", "--only", "") == all)
    #expect(try ask("run", "--from", "run", "shipped.yaml", "--from", "mo") == ["model@4", "model@8", "model"])
    #expect(try ask("run", "--only", "run", "toy", "--only", "samples,@") == ["samples,@4", "samples,@8"])
    #expect(
      try ask("submit", "--only", "submit", "--set", "matrix.width=[2]", "toy.yaml", "--only", "model@") == ["model@2"])
    #expect(try ask("export", "positional@1", "export", "data/inner.yml", "model@") == ["model@4", "model@8"])
    #expect(try ask("inspect", "positional@1", "inspect", "toy.yaml", "") == ["samples", "model@4", "model@8"])
    #expect(try ask("explain", "positional@1", "explain", "toy.yaml", "s") == ["samples"])
    // bash takes words apart at @, and replaces the last part alone
    #expect(try ask("run", "--only", "run", "toy.yaml", "--only", "model", "@", "") == ["4", "8"])
    #expect(try ask("run", "--only", "run", "toy.yaml", "--only", "samples,model", "@") == ["@4", "@8"])
    #expect(try ask("run", "--only", "run", "toy.yaml", "--only", "@") == ["@4", "@8"])
    #expect(try ask("explain", "positional@1", "explain", "toy.yaml", "@", "8") == ["8"])
    #expect(
      try ask("run", "--only", "run", "--set", "matrix.width", "=", "[2]", "toy.yaml", "--only", "model", "@", "")
        == ["2"])
    // nothing is offered of a file that cannot be read, and nothing is said
    #expect(try ask("run", "--only", "run", "wrong.yaml", "--only", "").isEmpty)
    #expect(try ask("run", "--only", "run", "--only", "").isEmpty)
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func scriptsAreMade(shell: String) throws {
    let program = try place()
    let script = try program.run("--generate-completion-script", shell)
    #expect(script.code == 0)
    for word in ["watch", "--only", "---completion", "json"] { #expect(script.output.contains(word), "\(word)") }
    // a shell that is here finds no fault with it
    try program.write(script.output, to: "completions")
    guard let interpreter = ["/bin/\(shell)", "/usr/bin/\(shell)"].first(where: FileManager.default.isExecutableFile)
    else {
      return
    }
    let read = try program.finish(
      program.start(["-n", "completions"], executable: URL(fileURLWithPath: interpreter)))
    #expect(read.code == 0, "\(read.errors)")
  }

  /// A real bash completes a command line.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/bin/bash"), "there is no bash here"))
  func bashCompletes() throws {
    let program = try place()
    let folder = try Program.executable().deletingLastPathComponent().path
    try program.write(
      """
      PATH=\(folder):$PATH
      source <(pipeline --generate-completion-script bash)
      [[ $COMP_WORDBREAKS != *@* ]] && echo "names of stages are words"
      function=$(complete -p pipeline | sed 's/.*-F \\([^ ]*\\).*/\\1/')
      complete_line() {
        COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; read -r -a COMP_WORDS <<<"$COMP_LINE"
        [ "${COMP_LINE: -1}" != " " ] || COMP_WORDS+=("")
        COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMPREPLY=(); COMP_TYPE=9; COMP_KEY=9
        "$function" pipeline "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null
        echo "$1: ${COMPREPLY[*]}"
      }
      complete_line 'pipeline wat'
      complete_line 'pipeline run t'
      complete_line 'pipeline run toy.yaml --only mod'
      complete_line 'pipeline explain toy.yaml sa'
      """, to: "try.bash")
    let result = try program.finish(
      program.start(["--norc", "try.bash"], executable: URL(fileURLWithPath: "/bin/bash")))
    let lines = result.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    for expected in [
      "names of stages are words", "pipeline wat: watch", "pipeline run t: toy.yaml",
      "pipeline run toy.yaml --only mod: model@4 model@8 model",
      "pipeline explain toy.yaml sa: samples",
    ] { #expect(lines.contains(expected), "\(result.output)\(result.errors)") }
  }

  // MARK: Errors

  /// The last line of an error is a command, and one that the program takes.
  @Test func errorsEndWithWhatToType() throws {
    let program = try place()
    func next(_ words: String..., code: Int32 = 2) throws -> String {
      let result = try program.finish(program.start(words))
      #expect(result.code == code, "\(words): \(result.errors)")
      let last = String(result.errors.split(separator: "\n").last ?? "")
      #expect(last.hasPrefix("next: "), "\(words): \(result.errors)")
      return last.replacing(#/^next: \S*pipeline /#) { _ in "" }
    }
    #expect(try next("run", "toy.yaml", "--only", "modle") == "graph toy.yaml")
    #expect(try next("inspect", "toy.yaml", "model@4") == "run toy.yaml --until model@4")
    #expect(
      try next("run", "toy.yaml", "--only", "model@4", "--runs", "a b") == "run toy.yaml --runs 'a b' --until model@4")
    #expect(try next("run", "wrong.yaml") == "check wrong.yaml")
    // where the message says all that helps, nothing more is said
    for words in [["check", "none.yaml"], ["run", "toy.yaml", "--set", "samples.cuont=2"]] {
      #expect(try !program.finish(program.start(words)).errors.contains("next: "), "\(words)")
    }
    #expect(try next("run", "toy.yaml", "--set", "samples.count") == "graph toy.yaml")
    #expect(try next("cancel", "toy.yaml") == "submit toy.yaml --profile slurm.yaml")
    #expect(try next("export", "toy.yaml", "samples", "--output", "toy.yaml") == "run toy.yaml --until samples")
    #expect(try next("prepare", "AXC", "--output", "x") == "prepare --help")
  }
}
