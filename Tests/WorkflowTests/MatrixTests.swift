import Foundation
import Testing

@testable import Workflow

@Suite struct MatrixTests {
  static let text = """
    name: demo
    seed: 7
    system: { topology: "${system.topology}" }
    matrix:
      system: { AC: { topology: ac.pdb, values: [1, 2] }, ET: { topology: et.pdb, values: [3] } }
      loss: [both, 0.5]
    stages:
      shared: { uses: source, values: 5 }
      start:  { uses: source, values: "${system.values}", note: "of ${system.name}" }
      train:  { uses: scale, of: start, training: { learning_rate: 0.1 }, mode: plain }
      tuned:  { uses: scale, of: train, factor: 3, over: loss }
      mine:   { uses: molecule }
      common: { uses: scale, of: shared }
      all:    { uses: gather, compare: [tuned, common] }
      each:   { uses: gather, compare: [train, tuned], against: start }
    """

  private func place() throws -> Workplace {
    let place = try Workplace()
    try place.write("AC", to: "ac.pdb")
    try place.write("ET", to: "et.pdb")
    return place
  }

  @Test func multipliesOnlyOverWhatAStageDependsOn() throws {
    let place = try place()
    let pipeline = try place.load(Self.text)
    #expect(
      Set(pipeline.stages.map(\.name)) == [
        "shared", "start@AC", "train@AC", "tuned@AC-both", "mine@AC", "common", "each@AC", "tuned@AC-0.5", "start@ET",
        "train@ET", "tuned@ET-both", "mine@ET", "tuned@ET-0.5", "all", "each@ET",
      ])
    #expect(Set(pipeline.stages.map(\.base)).count == 8)
    #expect(pipeline.stages.count == 15)
    #expect(pipeline["tuned@ET-0.5"]?.inputNames == ["train@ET"])
    #expect(pipeline["common"]?.inputNames == ["shared"])
    // a list of stages collects every cell
    #expect(
      pipeline["all"]?.inputNames == ["tuned@AC-both", "tuned@AC-0.5", "tuned@ET-both", "tuned@ET-0.5", "common"])
    // but those of its own cell where it belongs to one through another input
    #expect(pipeline["each@ET"]?.inputNames == ["train@ET", "tuned@ET-both", "tuned@ET-0.5", "start@ET"])
    #expect(pipeline["start@AC"]?.parameters["values"] == [.number(1), .number(2)])
    #expect(pipeline["start@ET"]?.parameters["note"] == "of ET")
    #expect(pipeline["mine@ET"]?.shared["topology"]?.string?.hasSuffix("/et.pdb") == true)
    #expect(
      pipeline["tuned@ET-0.5"]?.cell == [.init(axis: "system", label: "ET"), .init(axis: "loss", label: "0.5")])
    #expect(pipeline.axes == ["system", "loss"])
    #expect(pipeline.cells == [["AC", "both"], ["AC", "0.5"], ["ET", "both"], ["ET", "0.5"]])
  }

  static let roles = """
    matrix:
      system: { AC: { role: train }, ET: { role: train }, GN: { role: test } }
      scale: [1, 2]
    stages:
      start:  { uses: source, values: 1, note: "${system.name}", where: { system.role: train } }
      other:  { uses: source, values: 2, note: "${system.name}", where: { system.role: test } }
      few:    { uses: scale, of: start, factor: "${scale}", where: { system: [AC, GN], scale: 2 } }
      all:    { uses: gather, compare: [start, other, few] }
    """

  /// `where` says which entries a stage is run for; lists collect what there is.
  @Test func runsForSomeEntries() throws {
    let pipeline = try Workplace().load(Self.roles.replacingOccurrences(of: "[AC, GN]", with: "AC"))
    #expect(
      Set(pipeline.stages.map(\.name)) == ["start@AC", "start@ET", "other@GN", "few@AC-2", "all"])
    #expect(pipeline["all"]?.inputNames == ["start@AC", "start@ET", "other@GN", "few@AC-2"])
    // of an entry whose input is not there the file is wrong, and not silently smaller
    let message = try Workplace().problems(Self.roles)
    #expect(
      message.contains("stage 'few@GN-2': of: 'start' is not run for system: GN, scale: 2: its 'where' leaves that out")
    )
  }

  @Test func oneCellAfterTheOther() throws {
    let names = try place().load(Self.text).stages.map(\.name)
    let last = try #require(names.lastIndex { $0.hasSuffix("@AC") })
    let first = try #require(names.firstIndex { $0.contains("@ET") })
    #expect(last < first)
  }

  @Test func cellsAreIndependentReplicates() throws {
    let place = try Workplace()
    let text = """
      name: demo
      matrix: { replicate: [1, 2, 3] }
      stages: { a: { uses: count, over: replicate }, b: { uses: scale, of: a } }
      """
    let (outcome, ran) = try place.run(text)
    #expect(ran == ["a@1", "b@1", "a@2", "b@2", "a@3", "b@3"])
    #expect(Set(outcome.stages.compactMap(\.digest)).count == 6)
    #expect(try place.run(text).ran == [])
    // one more cell leaves the others as they are
    #expect(try place.run(text.replacingOccurrences(of: "2, 3", with: "2, 4, 3")).ran == ["a@4", "b@4"])
  }

  @Test func keysOfAFileWithoutAMatrixAreThoseOfTheSameStages() throws {
    let place = try Workplace()
    _ = try place.run("name: demo\nstages: { a: { uses: source }, b: { uses: scale, of: a } }")
    // a matrix that a stage does not depend on leaves it alone
    let text = """
      name: demo
      matrix: { factor: [1, 2] }
      stages: { a: { uses: source }, b: { uses: scale, of: a }, c: { uses: scale, of: a, factor: "${factor}" } }
      """
    #expect(try place.run(text).ran == ["c@1", "c@2"])
  }

  @Test func placeholdersKeepTheirType() throws {
    let place = try Workplace()
    try place.write("abc", to: "x-3.bin")
    let pipeline = try place.load(
      """
      matrix:
        run: [{ name: long, training: { steps: 7, learning_rate: 0.5 }, index: 3, files: { data: x } }]
      stages:
        a: { uses: source, file: "${run.files.data}-${run.index}.bin", note: "$${run} costs $5, ${run}" }
        b: { uses: scale, of: a, training: "${run.training}", factor: "${run.index}" }
        c: { uses: scale, of: a, training: { steps: "${run.training.steps}" } }
      """)
    #expect(pipeline["a@long"]?.parameters["note"] == "${run} costs $5, long")
    #expect(pipeline["a@long"]?.parameters["file"]?.string?.hasSuffix("/x-3.bin") == true)
    #expect(pipeline["b@long"]?.parameters["training"] == ["steps": 7, "learning_rate": 0.5])
    #expect(pipeline["b@long"]?.parameters["factor"] == 3.0)
    #expect(pipeline["c@long"]?.parameters["training"]?["steps"] == 7)
  }

  @Test func includesAndExcludes() throws {
    let pipeline = try Workplace().load(
      """
      matrix:
        a: [x, y]
        b: [1, 2, 3]
        exclude: [{ a: x, b: 2.0 }, { b: 3 }]
        include: [{ a: z, b: 9 }, { a: y, b: 1 }]
      stages: { s: { uses: source, note: "${a}", values: "${b}" } }
      """)
    #expect(pipeline.stages.map(\.name) == ["s@x-1", "s@y-1", "s@y-2", "s@z-9"])
    #expect(pipeline["s@z-9"]?.parameters["values"] == [9.0])
  }

  @Test func temperatureAndFieldsOfTheSystemCount() throws {
    let place = try place()
    let text = """
      temperature: ${temperature}
      system: { topology: "${system}.pdb", state: { to: "${width}" } }
      matrix: { temperature: [300, 310.5], system: [ac, et], width: [1, 2] }
      stages: { a: { uses: source }, s: { uses: scale, of: a }, m: { uses: molecule } }
      """
    let pipeline = try place.load(text)
    #expect(pipeline.stages.count == 1 + 2 + 8)
    #expect(pipeline["s@310.5"]?.shared["temperature"] == 310.5)
    #expect(pipeline["m@300-et-2"]?.shared["state"]?["to"] == 2.0)
    #expect(pipeline["a"] != nil)
    // the whole section at once
    let whole = try place.load(
      "system: ${s}\nmatrix: { s: { A: { topology: ac.pdb }, B: { topology: et.pdb } } }\nstages: { m: { uses: molecule } }"
    )
    #expect(whole["m@B"]?.shared["topology"]?.string?.hasSuffix("/et.pdb") == true)
  }

  @Test func overridesAndExtendsReachTheMatrix() throws {
    let place = try place()
    #expect(
      try place.load(Self.text, overrides: ["matrix.loss=[one]", "train.factor=9"])["train@ET"]?.parameters["factor"]
        == 9.0)
    try place.write(Self.text, to: "base.yaml")
    let derived = try place.load(
      """
      extends: base.yaml
      matrix: { system: { AC: null }, loss: [x] }
      """)
    #expect(derived.cells == [["ET", "x"]])
    #expect(try place.load("extends: base.yaml\nmatrix: { loss: [x] }").cells.count == 2)
    let message = place.problems(Self.text, overrides: ["train@AC.factor=9"])
    #expect(message.contains("it changes every cell of the matrix: write train instead of train@AC"))
  }

  @Test(arguments: [
    (
      "matrix: { a: [1], b: [2] }\nstages: { s: { uses: source, note: 'x${aa}', values: '${b}' } }",
      """
      test.yaml:1:11: matrix: no stage depends on axis 'a'; use ${a} in a parameter, or give a stage 'over: a'
      test.yaml:2:36: ${aa}: the matrix has no axis 'aa' (known: a, b)
      """
    ),
    (
      "matrix: { inclde: [{ name: x }] }\nstages: { s: { uses: source } }",
      "test.yaml:1:11: matrix: no stage depends on axis 'inclde'; use ${inclde} in a parameter, "
        + "or give a stage 'over: inclde'; did you mean 'include'?"
    ),
    (
      "stages: { s: { uses: source, note: '${a}' } }",
      "test.yaml:1:36: ${a}: the matrix has no axis 'a'"
    ),
    (
      "stages: { s: { uses: source, over: a } }",
      "test.yaml:1:30: unknown key 'over' in stage 's' (source) "
        + "(known: values, file, note, warning, uses)"
    ),
    (
      "matrix: { a: [1] }\nstages: { s: { uses: source, over: b, note: '${a}' } }",
      "test.yaml:2:36: stage 's': over: the matrix has no axis 'b' (known: a)"
    ),
    (
      "matrix: { a: [1] }\nstages: { s: { uses: source, where: { b.x: 1 }, note: '${a}' } }",
      "test.yaml:2:39: stage 's': where: the matrix has no axis 'b' (known: a)"
    ),
    (
      "matrix: { a: [1] }\nstages: { s: { uses: source, where: { '.': 2 }, note: '${a}' } }",
      "test.yaml:2:39: stage 's': where: the matrix has no axis '' (known: a)"
    ),
    (
      "matrix: { a: [1, 2] }\nstages: { s: { uses: source, where: { a: [1, 3] }, note: '${a}' } }",
      "test.yaml:2:46: stage 's': where: no entry of 'a' has a 3"
    ),
    (
      "matrix: { a: { x: { b: 1, c: 1 }, y: { b: 2, c: 2 } } }\n"
        + "stages: { s: { uses: source, where: { a.b: 1, a.c: 2 }, note: '${a.b}' } }",
      "test.yaml:2:37: stage 's': where: no combination of the matrix has all of this"
    ),
    (
      "matrix: { a: [1] }\nstages: { s: { uses: source, where: { a: 2 }, note: '${a}' } }",
      "test.yaml:2:42: stage 's': where: no entry of 'a' has a 2"
    ),
    ("matrix: { a: [] }\nstages: { s: { uses: source } }", "test.yaml:1:14: matrix: axis 'a' has no entries"),
    ("matrix: { a: {} }\nstages: { s: { uses: source } }", "test.yaml:1:14: matrix: axis 'a' has no entries"),
    (
      "matrix: {}\nstages: { s: { uses: source } }",
      "test.yaml:1:9: matrix: there is no axis; write, for example, matrix: { system: [AC, ET] }"
    ),
    (
      "matrix: { a: x }\nstages: { s: { uses: source } }",
      "test.yaml:1:14: matrix: a: 'x' is not a list of entries, or a group of them by name"
    ),
    (
      "matrix: { 1a: [x] }\nstages: { s: { uses: source } }",
      #"test.yaml:1:11: matrix: "1a" cannot be an axis; use letters, digits, _ and -, beginning with a letter or _"#
    ),
    (
      "matrix: { a: [x, {k: 1}, [1, 2], null] }\nstages: { s: { uses: source } }",
      """
      test.yaml:1:18: matrix: a needs 'name' (what this entry is called in stage names)
      test.yaml:1:26: matrix: a: a list of 2 is not a word, a number or a group with a name; \
      name a list like this: a: { fine: [36, 24] }
      test.yaml:1:34: matrix: a: nothing is not a word, a number or a group with a name; \
      name a list like this: a: { fine: [36, 24] }
      """
    ),
    (
      "matrix: { a: [x/1, x_1, 2, 2] }\nstages: { s: { uses: source } }",
      """
      test.yaml:1:20: matrix: the entries 'x/1' and 'x_1' of axis 'a' would both be called 'x_1' in stage names
      test.yaml:1:28: matrix: axis 'a' has the entry '2' twice
      """
    ),
    (
      "matrix: { a: [x-y, x], b: [z, y-z] }\nstages: { s: { uses: source, note: '${a}${b}' } }",
      "test.yaml:2:11: two stages would be called 's@x-y-z' ('s' for a: x-y, b: z and 's' for a: x, b: y-z); "
        + "rename one, or an entry of the matrix"
    ),
    (
      "matrix: { a: [x] }\nstages: { s: { uses: source, over: a }, s@x: { uses: source } }",
      "test.yaml:2:41: two stages would be called 's@x' ('s' for a: x and 's@x'); rename one, or an entry of the matrix"
    ),
    (
      "matrix: { a: [{name: x, k: 1}] }\nstages: { s: { uses: source, values: '${a.kk}', note: '${a' } }",
      """
      test.yaml:2:38: unknown key 'a.kk' in entry 'x' of axis 'a'; did you mean 'a.k'? (known: a.k, a.name)
      test.yaml:2:55: '${a' is no placeholder; write ${axis} or ${axis.key}, or $${ for the signs themselves
      """
    ),
    (
      "matrix: { a: { x: [1, 2] } }\nstages: { s: { uses: source, note: 'of ${a}' } }",
      "test.yaml:2:36: ${a}: a list of 2 is not a word inside a longer text"
    ),
    (
      "matrix: { a: [x], exclude: [{ a: y }, { c: x }], include: [{}, { a: z, d: 1 }] }\nstages: { s: { uses: source } }",
      """
      test.yaml:1:34: matrix: exclude: a: unknown value 'y' (known: x)
      test.yaml:1:41: matrix: exclude: the matrix has no axis 'c' (known: a)
      test.yaml:1:60: matrix: include: a group of keys is not a combination such as { system: AC }
      test.yaml:1:72: matrix: include: the matrix has no axis 'd' (known: a)
      """
    ),
    (
      "matrix: { a: [x], b: [y], include: [{ a: z }] }\nstages: { s: { uses: source, note: '${a}${b}' } }",
      "test.yaml:1:37: matrix: include needs 'b' (a combination names an entry of every axis)"
    ),
    (
      "matrix: { a: [x], exclude: [{ a: x }] }\nstages: { s: { uses: source, over: a } }",
      "test.yaml:1:9: matrix: 'exclude' leaves no combination"
    ),
    (
      "name: ${a}\nseed: ${a}\nmatrix: { a: [1] }\nstages: { s: { uses: source, over: a } }",
      "test.yaml:1:7: 'name' is the whole run's and cannot be '${a}'"
    ),
    (
      "matrix: { a: [x, y] }\nstages: { s: { uses: source, note: [1], over: a, notes: 3 }, t: { uses: scale, of: r } }",
      """
      test.yaml:2:36: stage 's@x': note: a list of one is not a text
      test.yaml:2:50: unknown key 'notes' in stage 's@x' (source); did you mean 'note'? \
      (known: values, file, note, warning, uses, over, where)
      test.yaml:2:84: stage 't': of: there is no stage 'r' (known: s, t)
      """
    ),
    (
      "matrix: { v: { low: 1, high: 5000 } }\nstages: { s: { uses: source, values: '${v}' } }",
      "test.yaml:1:30: stage 's@high': values: 5000 is out of range: -1000 to 1000"
    ),
    (
      "matrix: { a: [1, 2] }\nstages: { s: { uses: scale, of: t, over: a }, t: { uses: scale, of: s } }",
      "test.yaml:2:11: stages need each other in a circle: s@1 -> t@1 -> s@1"
    ),
    (
      "matrix: { v: ['${w}'], w: [1] }\nstages: { s: { uses: source, values: '${v}' } }",
      "test.yaml:1:9: matrix: '${w}': the matrix's own values cannot have placeholders"
    ),
  ])
  func refuses(text: String, message: String) throws {
    let problems = try Workplace().problems(text)
    if text.hasPrefix("name: ${a}") {
      #expect(problems.hasPrefix(message) && problems.contains("test.yaml:2:7: 'seed' is the whole run's"))
    } else {
      #expect(problems == message)
    }
  }

  @Test func largeMatricesAreRefusedQuickly() throws {
    let place = try Workplace()
    let clock = ContinuousClock()
    let numbers = (0..<5000).map(String.init).joined(separator: ", ")
    let axes = (0..<32).map { "a\($0): [1, 2]" }.joined(separator: ", ")
    let ones = (0..<13).map { "a\($0): [1, 2]" }.joined(separator: ", ")
    let long = String(repeating: "x", count: 100_000)
    let cases: [(String, String)] = [
      ("matrix: { \(axes) }\nstages: { s: { uses: source } }", "combinations or more; at most 10000"),
      ("matrix: { a: [\(numbers)], b: [1, 2, 3] }\nstages: { s: { uses: source } }", "15000 combinations"),
      (
        "matrix: { a: [\(numbers)], b: [1, 2] }\nstages: {"
          + (0..<3000).map { "s\($0): {uses: source, note: '${a}${b}'}" }.joined(separator: ", ") + "}",
        "the matrix makes more than 20000 stages"
      ),
      (
        "matrix: { \(ones) }\nstages: { all: {uses: source, over: [\((0..<13).map { "a\($0)" }.joined(separator: ","))]}, "
          + (1..<3000).map { number in
            "s\(number): {uses: source, over: ["
              + (0..<13).filter { number & (1 << $0) != 0 }.map { "a\($0)" }.joined(separator: ",") + "]}"
          }.joined(separator: ", ") + "}", "the matrix makes more than"
      ),
      (
        "matrix: { a: ['\(long)'] }\nstages: { s: { uses: source, note: '\(String(repeating: "${a}", count: 20_000))' } }",
        "more than 4096 bytes"
      ),
      (
        "matrix: { a: [\(numbers)] }\nstages: { s: { uses: source, over: a }, g: { uses: gather, compare: ["
          + String(repeating: "s, ", count: 10_000) + "s] } }", "more than 200000 inputs"
      ),
    ]
    for (text, message) in cases {
      var problems = ""
      let elapsed = clock.measure { problems = place.problems(text) }
      #expect(problems.contains(message), "\(text.prefix(40)): \(problems.prefix(300))")
      #expect(elapsed < .seconds(10), "\(text.prefix(40)): \(elapsed)")
      print("refused in \(elapsed): \(text.prefix(40))")
    }
  }
}
