import Basics
import Foundation
import Testing

@testable import Workflow

/// Numbers that must be even, which only the stage type itself knows.
private enum EvenStage: StageType {
  static let type = "even"
  static let version = 1
  static let summary = "refuses odd numbers beforehand"
  static let reads: [SharedField] = [.temperature, .topology]

  struct Inputs: StageInputs {
    let of = Input("another", of: EvenStage.self, optional: true)
  }

  struct Parameters: ParameterGroup {
    @Parameter("an even number") var number = 2
    @Parameter("throws") var throwing = false
    @Parameter("what it says that it writes") var bytes: Double?
  }

  static func check(_ stage: PlannedStage) throws {
    let parameters = try stage.parameters(Parameters.self)
    if parameters.throwing { throw EngineError.noWorkers }
    if !parameters.number.isMultiple(of: 2) { stage.refuse("\(parameters.number) is odd", at: .parameter("number")) }
    for input in stage.inputs(\Inputs.of) {
      let other = try input.parameters(Parameters.self).number
      if other > parameters.number { stage.warn("\(input.name) has \(other), \(stage.name) \(parameters.number)") }
    }
    if let bytes = parameters.bytes { stage.writes(atLeast: bytes) }
    let path = stage.shared["topology"]?.string ?? ""
    let text = stage.checking(.shared(.topology)) {
      try stage.once("text of \(path)") {
        lookedAt.count += 1
        return try String(contentsOfFile: path, encoding: .ascii)
      }
    }
    if text == "empty" { stage.refuse("the topology is empty", at: .shared(.topology)) }
  }

  static func run(_ context: StageContext) throws { try context.output.write("ran", [1.0], shape: [1]) }
}

private final class Looks: @unchecked Sendable { var count = 0 }
private let lookedAt = Looks()

/// What stage types find before anything runs.
@Suite(.serialized) struct PlannedStageTests {
  let place: Workplace

  init() throws {
    place = try Workplace()
    try place.write("full", to: "full.pdb")
    try place.write("empty", to: "empty.pdb")
  }

  func load(_ text: String) throws -> PipelineDefinition {
    try place.write(text)
    return try PipelineLoader(registry: StageRegistry([EvenStage.self], shared: [.temperature, .topology])).load(
      place.folder.appendingPathComponent("test.yaml"), shownAs: "test.yaml", workingFolder: place.folder)
  }

  func check(_ text: String, _ names: Set<String>? = nil) throws -> String {
    let pipeline = try load(text)
    do {
      return try pipeline.check(names ?? Set(pipeline.stages.map(\.name))).joined(separator: "\n")
    } catch let error as PipelineFileError {
      return "refused: \(error)"
    }
  }

  @Test func findingsNameTheLineOfTheValue() throws {
    let text = """
      system: { topology: full.pdb }
      stages:
        a: { uses: even, number: 4 }
        b: { uses: even, of: a, number: 3 }
        c: { uses: even, throwing: true }
      """
    let found = try check(text)
    #expect(found.hasPrefix("refused: test.yaml:4:35: 3 is odd\ntest.yaml:5:3: stage 'c': "))
    #expect(try check(text, ["a"]) == "")
  }

  @Test func warningsDoNotStopARun() throws {
    let found = try check(
      """
      system: { topology: full.pdb }
      stages:
        a: { uses: even, number: 4 }
        b: { uses: even, of: a }
      """)
    #expect(found == "test.yaml:4:3: a has 4, b 2")
  }

  @Test func whatManyStagesFindIsToldOnceAndLookedUpOnce() throws {
    lookedAt.count = 0
    let stages = "stages: { a: { uses: even }, b: { uses: even }, c: { uses: even } }"
    #expect(try check("system: { topology: empty.pdb }\n" + stages) == "refused: test.yaml:1:21: the topology is empty")
    #expect(lookedAt.count == 1)
    try Data([200, 201]).write(to: place.folder.appendingPathComponent("full.pdb"))
    let broken = try check("system: { topology: full.pdb }\n" + stages)
    #expect(broken.hasPrefix("refused: test.yaml:1:21: ") && broken.split(separator: "\n").count == 1)
    #expect(lookedAt.count == 2)
  }

  @Test func whatWillBeWrittenIsHeldAgainstTheRoomThatIsLeft() throws {
    let pipeline = try load(
      """
      system: { topology: full.pdb }
      stages:
        a: { uses: even, bytes: 3.0e9 }
        b: { uses: even, bytes: 1.5e9 }
        c: { uses: even }
      """)
    let folder = place.runFolder(pipeline)
    func found(_ names: Set<String>, free: Double?) throws -> String {
      do {
        return try pipeline.check(names, folder: folder, free: free).joined(separator: "\n")
      } catch let error as PipelineFileError {
        return "refused: \(error)"
      }
    }
    let needs =
      "test.yaml:3:3: what is to run writes at least 4.5 GB, the most of it 'a' with 3.0 GB, and \(folder.url.path) has "
    #expect(try found(["a", "b", "c"], free: 4.4e9).hasPrefix("refused: " + needs + "4.4 GB left"))
    #expect(try found(["a", "b", "c"], free: 4.6e9).hasPrefix(needs + "4.6 GB left"))
    #expect(try found(["a", "b", "c"], free: 1e10) == "")
    #expect(try found(["b", "c"], free: 4.4e9) == "")
    // a file that is there stays until the new one is whole
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    let there = folder.artifact("a")
    try Data().write(to: there)
    #expect(truncate(there.path, 2_900_000_000) == 0)
    #expect(try found(["a", "b", "c"], free: 4.4e9).hasPrefix("refused: "))
    // the disk of the run folder itself, which holds less than the largest number of bytes there is
    #expect(try pipeline.check(["c"], folder: folder) == [])
    #expect(try #require(DiskSpace.free(in: folder.url.appendingPathComponent("not/there"))) > 0)
  }

  @Test func finishedStagesAreNotLookedAt() throws {
    let pipeline = try load(
      "system: { topology: full.pdb }\nstages: { a: { uses: even }, b: { uses: even, number: 3 } }")
    let engine = place.engine(pipeline)
    try place.runFolder(pipeline).lock(as: "test")
    var options = RunOptions()
    options.until = "b"
    // the engine itself runs what it is told: commands ask first
    #expect(try engine.run(options).exitCode == 0)
    try engine.checkBeforehand(["a", "b"], engine.assess())
    #expect(throws: PipelineFileError.self) { try engine.checkBeforehand(["a", "b"], engine.assess(forced: ["b"])) }
  }
}
