import Artifacts
import Foundation
import Testing

@testable import Workflow

@Suite struct ViewTests {
  @Test func drawsTheGraph() throws {
    let pipeline = try Workplace().load(EngineTests.chain)
    #expect(
      PipelineGraph.text(pipeline) == """
        first (source)
        second (scale) <- of: first
        third (scale) <- of: second
        side (source)
        all (gather) <- compare: third, side
        """)
    #expect(PipelineGraph.dot(pipeline).contains("\"third\" -> \"all\" [label=\"compare\"];"))
    #expect(PipelineGraph.mermaid(pipeline).contains("s2 -- compare --> s4"))
  }

  @Test func schemaStatesTheParameters() throws {
    let schema = PipelineSchema.schema(fakeRegistry)
    let scale = try #require(schema["definitions"]?["scale"])
    #expect(scale["required"] == ["of"])
    #expect(scale["additionalProperties"] == false)
    #expect(scale["properties"]?["factor"]?["x-unit"] == "nm")
    #expect(scale["properties"]?["training"]?["properties"]?["steps"]?["default"] == 20000)
    #expect(scale["properties"]?["training"]?["properties"]?["learning_rate"]?["exclusiveMinimum"] == 0)
    // a placeholder may stand for any value
    #expect(scale["properties"]?["factor"]?["type"] == ["number", "string"])
    #expect(scale["properties"]?["factor"]?["pattern"] != nil)
    #expect(scale["properties"]?["of"]?["pattern"] == nil)
    #expect(scale["properties"]?["mode"]?["anyOf"]?[0]?["enum"]?[0] == "plain")
    #expect(schema["properties"]?["matrix"]?["properties"]?["exclude"] != nil)
    // it is JSON
    let data = Data(schema.prettyJSON.utf8)
    #expect(try JSONDecoder().decode(ParameterValue.self, from: data)["title"] == "boltzmill pipeline")
  }

  @Test func inspectsAnArtifact() throws {
    let place = try Workplace()
    _ = try place.run(EngineTests.chain)
    let folder = place.runFolder(try place.load())
    let text = try ArtifactInspection.text(Artifact.open(folder.artifact("second"), verify: false))
    #expect(text.contains("stage second (scale, version 1)"))
    #expect(text.contains("versions: LibTest 1.2"))
    #expect(text.contains("results/\n  temperature = 300  K\n"))
    #expect(text.hasSuffix("values = [2, 4, 6]"))
    let first = try ArtifactInspection.text(Artifact.open(folder.artifact("first"), verify: false))
    #expect(first.hasSuffix("values = [1, 2, 3]  nm"))
  }

  @Test func dryRunSaysWhatWouldHappen() throws {
    let place = try Workplace()
    _ = try place.run(EngineTests.chain)
    let engine = try place.engine(place.load(overrides: ["second.factor=3"]))
    var options = RunOptions()
    options.until = "third"
    let table = StatusTable.dryRun(try engine.assess(), selected: try engine.selection(options))
    let rows = table.split(separator: "\n").dropFirst(2).map { (line) -> String in
      let cells: [Substring] = line.split(separator: "  ", omittingEmptySubsequences: true)
      return cells.map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " | ")
    }
    #expect(
      rows == [
        "first | source | skip | same key, sound artifact", "second | scale | run | factor: 2 -> 3",
        "third | scale | run, or skip if nothing changes | depends on the result of second",
        "side | source | leave | same key, sound artifact",
        "all | gather | leave | depends on the result of second, third",
      ])
  }

  @Test func jsonOfARun() throws {
    let place = try Workplace()
    let (outcome, _) = try place.run(EngineTests.chain, overrides: ["second.mode=fail"])
    let json = StatusTable.json(outcome, pipeline: try place.load())
    #expect(json["exit_code"] == 1)
    #expect(json["stages"]?[1]?["error"] == "told to fail")
    #expect(json["stages"]?[0]?["result"] == "ran")
  }

  // MARK: Progress

  @Test func plainLinesAreSparse() {
    var now = 0.0
    var lines: [String] = []
    let console = Console(isTerminal: false, clock: { now }, output: { lines.append($0) })
    let progress = console.progress(of: "emulator")
    progress.begin("training", total: 20_000, unit: "steps")
    for step in stride(from: 1000, through: 4000, by: 100) {
      progress.update(completed: step, metrics: [("loss", "0.5")])
      now += 1
    }
    progress.end()
    #expect(
      lines == [
        "emulator: training 10 %, 2,000 of 20,000 steps, 100 steps/s, 3 min 00 s left, loss 0.5\n",
        "emulator: training 15 %, 3,000 of 20,000 steps, 100 steps/s, 2 min 50 s left, loss 0.5\n",
        "emulator: training 20 %, 4,000 of 20,000 steps, 100 steps/s, 2 min 40 s left, loss 0.5\n",
      ])
  }

  @Test func aBarOnATerminal() {
    var now = 0.0
    var text = ""
    let console = Console(isTerminal: true, clock: { now }, width: { 100 }, output: { text += $0 })
    let progress = console.progress(of: "emulator")
    progress.begin("training", total: 100, unit: "steps")
    progress.update(completed: 0)
    now = 5
    progress.update(completed: 50)
    console.line("a line")
    progress.end()
    let bar = "\r\u{1B}[2Ktraining ██████████░░░░░░░░░░ 50 %  50 of 100 steps, 10 steps/s, 5.0 s left"
    #expect(text == bar + "\r\u{1B}[2Ka line\n")
  }

  @Test func oneBarForEachRunningStage() {
    var now = 0.0
    var text = ""
    let console = Console(isTerminal: true, showsStages: true, clock: { now }, width: { 60 }, output: { text += $0 })
    let bars = ["a@1", "a@2"].map { console.progress(of: $0) }
    for bar in bars {
      bar.begin("count", total: 10, unit: "steps")
      bar.update(completed: 0)
    }
    now = 1
    bars[0].update(completed: 5)
    bars[1].update(completed: 1)  // too soon to draw again
    now = 2
    bars[1].update(completed: 2)
    let erase = "\r\u{1B}[2K\u{1B}[1A\u{1B}[2K"
    let second =
      "\r\u{1B}[2Ka@1: count ████░░░░ 50 %  5 steps/s, 1.0 s left\n"
      + "a@2: count █░░░░░░░ 20 %  1 steps/s, 8.0 s left"
    #expect(text.hasSuffix(erase + second))
    text = ""
    console.line("a line")
    #expect(text == erase + "a line\n" + second)
    text = ""
    bars[0].end()
    #expect(text == erase)
  }

  @Test func canonicalJSONIsOneText() throws {
    let value: ParameterValue = ["b": 1, "a": [true, nil, 0.1, "x\"\\\n\u{1}é"], "c": 3.0]
    #expect(value.canonicalJSON == #"{"a":[true,null,0.1,"x\"\\\n\u0001é"],"b":1,"c":3}"#)
    let back = try JSONDecoder().decode(ParameterValue.self, from: Data(value.canonicalJSON.utf8))
    #expect(back.canonicalJSON == value.canonicalJSON)
    #expect(ParameterValue.number(1e-5).canonicalJSON == "1e-05")
  }
}
