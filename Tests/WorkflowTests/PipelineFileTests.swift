import Foundation
import TestSupport
import Testing

@testable import Workflow

@Suite struct PipelineFileTests {
  static let good = """
    name: demo
    seed: 7
    temperature: 310
    stages:
      second: { uses: scale, of: first, training: { steps: 100 } }
      first:  { uses: source, values: [1, 2.5] }
      all:    { uses: gather, compare: [second, first] }
    """

  @Test func readsAFile() throws {
    let place = try Workplace()
    let pipeline = try place.load(Self.good)
    #expect(pipeline.name == "demo")
    #expect(pipeline.seed == 7)
    #expect(pipeline.stages.map(\.name) == ["first", "second", "all"])
    let second = try #require(pipeline["second"])
    #expect(second.shared["temperature"] == 310.0)
    #expect(second.parameters["training"] == ["steps": 100, "learning_rate": .number(1e-3)])
    #expect(second.parameters["factor"] == .number(2))
    #expect(pipeline["first"]?.shared.isEmpty == true)
    #expect(pipeline["all"]?.inputNames == ["second", "first"])
  }

  @Test func namesWhatIsWrongAndWhere() throws {
    let place = try Workplace()
    let text = """
      name: demo
      sead: 7
      temperature: warm
      stages:
        first:  { uses: source, values: [1, 2000], nots: x }
        second: { uses: scale, of: frist, training: { stpes: 100 } }
        third:  { uses: scal, of: first }
        fourth: { uses: scale, of: all, mode: plane }
        fifth:  { uses: scale, training: { steps: many, learning_rate: 0 } }
        all:    { uses: gather, compare: [second, third], against: zeros }
        six/7:  { uses: source, file: nowhere.bin }
        eighth: { of: first }
        ninth:  source
      """
    #expect(
      place.problems(text) == """
        test.yaml:2:1: unknown key 'sead' in the file; did you mean 'seed'? (known: name, seed, device, temperature, system, matrix, stages)
        test.yaml:3:14: temperature: 'warm' is not a number
        test.yaml:5:39: stage 'first': values[1]: 2000 is out of range: -1000 to 1000
        test.yaml:5:46: unknown key 'nots' in stage 'first' (source); did you mean 'note'? \
        (known: values, file, note, warning, uses)
        test.yaml:6:30: stage 'second': of: there is no stage 'frist'; did you mean 'first'? \
        (known: first, second, third, fourth, fifth, all, six/7, eighth, ninth)
        test.yaml:6:49: unknown key 'stpes' in stage 'second': training; did you mean 'steps'? \
        (known: steps, learning_rate)
        test.yaml:7:19: unknown stage type 'scal'; did you mean 'scale'? (known: source, scale, count, gather, molecule, text)
        test.yaml:8:30: stage 'fourth': of: stage 'all' is of type gather; needed: source or scale or count
        test.yaml:8:41: stage 'fourth': mode: unknown value 'plane'; did you mean 'plain'? \
        (known: plain, fail, crash-never)
        test.yaml:9:3: stage 'fifth' needs 'of' (what is scaled)
        test.yaml:9:45: stage 'fifth': training.steps: 'many' is not a whole number
        test.yaml:9:66: stage 'fifth': training.learning_rate: 0 is out of range: above 0
        test.yaml:10:62: stage 'all': against: there is no stage 'zeros'; did you mean 'zero'? \
        (known: nothing, zero, first, second, third, fourth, fifth, all, six/7, eighth, ninth)
        test.yaml:11:3: stage name "six/7" is not usable as a file name; use letters, digits and _ @ . - only, \
        beginning with a letter, a digit or _, at most 100, without .h5, .ckpt- and .part-
        test.yaml:11:33: stage 'six/7': file: there is no file nowhere.bin
        test.yaml:12:3: stage 'eighth' needs 'uses' (a stage type: source, scale, count, gather, molecule, text)
        test.yaml:13:11: stage 'ninth': 'source' is not a group such as { uses: ingest, ... }
        """)
  }

  @Test(arguments: [
    ("", "test.yaml:1:1: the file is empty"),
    ("- a\n- b\n", "test.yaml:1:1: the file: a list of 2 is not a group of keys (name, stages, ...)"),
    ("name: x\n", "test.yaml:1:1: the file needs 'stages' (a group of stages by name)"),
    ("stages: {}\n", "test.yaml:1:9: stages: a group of keys is not a group of stages by name"),
    (
      "name: ../x\nstages: { a: { uses: source } }",
      "test.yaml:1:7: name \"../x\" is not usable as a file name; use letters, digits and _ @ . - only, beginning with a letter, a digit or _, at most 100, without .h5, .ckpt- and .part-"
    ),
    ("stages:\n  a: { uses: source }\n  a: { uses: source }\n", "test.yaml:2:3: 'a' is given twice"),
    ("stages:\n  a: { uses: source, note: x, note: y }\n", "test.yaml:2:22: 'note' is given twice"),
    (
      "stages:\n  a: { uses: source\n",
      "test.yaml:3:1: not valid YAML: while parsing a flow mapping: did not find expected ',' or '}'"
    ),
    ("stages:\n  a: { uses: source, note: *x }\n", "test.yaml:2:28: not valid YAML: found undefined alias"),
    (
      "stages:\n  a: { uses: scale, of: b }\n  b: { uses: scale, of: a }\n",
      "test.yaml:2:3: stages need each other in a circle: a -> b -> a"
    ),
    ("stages:\n  a: { uses: scale, of: a }\n", "test.yaml:2:3: stages need each other in a circle: a -> a"),
    ("stages:\n  a: { uses: molecule }\n", "test.yaml:1:1: stage 'a' needs 'topology' in 'system:'"),
    ("seed: -1\nstages: { a: { uses: source } }", "test.yaml:1:7: seed: -1 is out of range: at least 0"),
    ("seed: '1'\nstages: { a: { uses: source } }", "test.yaml:1:7: seed: the text '1' is not a whole number"),
    (
      "system: { torsions: { phi: [1, 2, 3] } }\nstages: { a: { uses: source } }",
      "test.yaml:1:28: system: torsions.phi: a list of 3 is out of range: exactly 4 values"
    ),
    (
      "stages: { zero: { uses: source }, a: { uses: gather, compare: zero, against: zero } }",
      "test.yaml:1:78: stage 'a': against: 'zero' is a stage here and a word of its own; rename the stage"
    ),
  ])
  func refuses(text: String, message: String) throws {
    #expect(try Workplace().problems(text) == message)
  }

  @Test func overridesValues() throws {
    let place = try Workplace()
    let pipeline = try place.load(
      Self.good, overrides: ["second.training.steps=5", "seed=9", "stages.first.values=[4, 5]", "second.factor=1e0"])
    #expect(pipeline.seed == 9)
    #expect(pipeline["second"]?.parameters["training"]?["steps"] == 5)
    #expect(pipeline["first"]?.parameters["values"] == [.number(4), .number(5)])
    #expect(
      place.problems(Self.good, overrides: ["secnd.training.steps=5"])
        == "--set secnd.training.steps=5: there is no stage or key 'secnd'; did you mean 'second'? "
        + "(known: second, first, all, name, seed, device, temperature, system, matrix)")
    #expect(
      place.problems(Self.good, overrides: ["second.training.stpes=5"])
        == "--set second.training.stpes=5: unknown key 'stpes' in stage 'second': training; did you mean 'steps'? "
        + "(known: steps, learning_rate)")
    #expect(place.problems(Self.good, overrides: ["second"]).contains("write it as stage.parameter=value"))
    #expect(
      place.problems(Self.good, overrides: ["second.training.steps=[1"])
        .hasPrefix("--set second.training.steps=[1: not valid YAML"))
  }

  @Test func extendsAnotherFile() throws {
    let place = try Workplace()
    try FileManager.default.createDirectory(
      at: place.folder.appendingPathComponent("base"), withIntermediateDirectories: true)
    try place.write("abc", to: "base/data.bin")
    try place.write(
      """
      name: base
      seed: 1
      stages:
        a: { uses: source, file: data.bin }
        b: { uses: scale, of: a, training: { steps: 10, learning_rate: 0.5 } }
        c: { uses: scale, of: a }
      """, to: "base/base.yaml")
    let pipeline = try place.load(
      """
      extends: base/base.yaml
      name: derived
      stages:
        b: { training: { steps: 20 } }
        c: null
      """)
    #expect(pipeline.name == "derived")
    #expect(pipeline.seed == 1)
    #expect(pipeline.stages.map(\.name) == ["a", "b"])
    #expect(pipeline["b"]?.parameters["training"] == ["steps": 20, "learning_rate": .number(0.5)])
    #expect(
      pipeline["a"]?.parameters["file"]?.string
        == place.folder.appendingPathComponent("base/data.bin").standardizedFileURL.path)

    try place.write("extends: test.yaml\n", to: "other.yaml")
    #expect(
      place.problems("extends: other.yaml\n")
        == "other.yaml:1:10: 'extends' goes in a circle: test.yaml -> other.yaml -> test.yaml")
    #expect(place.problems("extends: none.yaml\n") == "test.yaml:1:10: extends: there is no file none.yaml")
    try place.write("stages: { a: { uses: source, note: [1] } }", to: "base/bad.yaml")
    #expect(
      place.problems("extends: base/bad.yaml\n") == "base/bad.yaml:1:36: stage 'a': note: a list of one is not a text")
  }

  @Test func aliasesAndMergesWork() throws {
    let pipeline = try Workplace().load(
      """
      stages:
        a: &first { uses: source, values: 3, note: x }
        b: { <<: *first, note: y }
      """)
    #expect(pipeline["b"]?.parameters["values"] == [.number(3)])
    #expect(pipeline["b"]?.parameters["note"] == "y")
  }

  @Test func findsFiles() throws {
    let place = try Workplace()
    try FileManager.default.createDirectory(
      at: place.folder.appendingPathComponent("pipelines"), withIntermediateDirectories: true)
    try place.write(Self.good, to: "pipelines/alanine.yaml")
    #expect(try PipelineLoader.find("alanine.yaml", workingFolder: place.folder).shown == "pipelines/alanine.yaml")
    #expect(try PipelineLoader.find("alanine", workingFolder: place.folder).shown == "pipelines/alanine.yaml")
    try place.write(Self.good, to: "alanine.yaml")
    #expect(try PipelineLoader.find("alanine", workingFolder: place.folder).shown == "alanine.yaml")
    #expect {
      try PipelineLoader.find("alanin", workingFolder: place.folder)
    } throws: {
      "\($0)"
        == "alanin: there is no such file here or in pipelines/; did you mean 'alanine.yaml'? (known: alanine.yaml)"
    }
  }

  // MARK: Hostile documents

  @Test func limitsDocuments() throws {
    let place = try Workplace()
    let large = String(repeating: "# x\n", count: 100_000)
    #expect(place.problems(large) == "test.yaml: the file has 400000 bytes; a pipeline file may have at most 262144")
    #expect(place.problems(String(repeating: "[", count: 60_000)).contains("test.yaml:1:"))
    #expect(
      place.problems("a: " + String(repeating: "[", count: 500) + String(repeating: "]", count: 500)).contains("nested")
    )
    #expect(place.problems(String(repeating: "- ", count: 900) + "x").contains("nested"))
    #expect(place.problems(String(repeating: "- ", count: 90_000) + "x").contains("test.yaml:1:"))
    try Data([0x6e, 0xff, 0xfe]).write(to: place.folder.appendingPathComponent("test.yaml"))
    expectError(saying: "UTF-8") { try place.load() }
    expectError(saying: "/dev/zero", "regular file") {
      try PipelineLoader(registry: fakeRegistry).load(URL(fileURLWithPath: "/dev/zero"))
    }
    expectError(saying: "regular file") { try PipelineLoader(registry: fakeRegistry).load(place.folder) }
  }

  @Test func limitsAliases() throws {
    let place = try Workplace()
    var bomb = "a0: &a0 [x, x, x, x]\n"
    for level in 1...30 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1), *a\(level - 1)]\n" }
    #expect(place.problems(bomb).contains("more than 50000 values"))
    for key in ["? *a30 : x", "*a30 : x", "? [*a30]\n: x", "{ [*a30]: x }", "[*a30] # comment\n  : x"] {
      #expect(place.problems(bomb + key).contains("cannot be used beside aliases"), "\(key)")
    }
  }

  /// Each takes below half a second on an idle machine; a hang would take minutes.
  @Test func quickOnAwkwardDocuments() throws {
    let place = try Workplace()
    let clock = ContinuousClock()
    for text in [
      String(repeating: "]#", count: 120_000), String(repeating: "*a ", count: 80_000),
      "{" + (0..<20_000).map { "k\($0): 1" }.joined(separator: ", ") + "}", String(repeating: "&a ", count: 80_000),
      "stages: {" + (0..<8000).map { "s\($0): {uses: source}" }.joined(separator: ", ") + "}",
    ] {
      let elapsed = clock.measure { _ = place.problems(text) }
      #expect(elapsed < .seconds(10), "\(text.prefix(20)): \(elapsed)")
    }
  }

  @Test func suggestsByEditDistance() {
    #expect(Suggestion.distance("steps", "stpes") == 1)
    #expect(Suggestion.distance("", "abc") == 3)
    #expect(Suggestion.distance("kitten", "sitting") == 3)
    #expect(Suggestion.nearest(to: "energy_model", among: ["emulator", "energy-model"]) == "energy-model")
    #expect(Suggestion.nearest(to: "xyz", among: ["steps"]) == nil)
  }
}
