import Foundation
import TestSupport
import Testing

@testable import Workflow

/// Values by names whose order counts, and texts in the place of values.
@Suite struct EntriesTests {
  private enum BoxStage: StageType {
    static let type = "box"
    static let version = 1
    static let summary = "reads boxes"
    static let reads = [EntriesTests.boxes]
    static let parameters: [ParameterField] = []
    static func run(_ context: StageContext) throws {}
  }

  private static let kind = ParameterKind.entries(
    .textOr(
      .list(.map(.list(.number(), count: 2...2), example: "{ x: [0, 1] }"), acceptsSingle: true, count: 1...9)),
    example: "{ a: { x: [0, 1] } }")

  private static let boxes = SharedField(
    in: "room", ParameterField("boxes", kind, optional: true, help: "boxes by name"))

  private func value(_ text: String) throws -> ParameterValue {
    let place = try Scratch()
    try place.write("stages: { s: { uses: box } }\n\(text)", to: "p.yaml")
    let registry = StageRegistry([BoxStage.self], shared: [Self.boxes])
    do {
      let pipeline = try PipelineLoader(registry: registry).load(
        place.url.appendingPathComponent("p.yaml"), shownAs: "p.yaml")
      let stage = try #require(pipeline["s"])
      // and the key holds what the stage is given, in that order
      let key = try StageKey(stage, in: pipeline, digests: [:], files: FileDigests()).canonical
      let value = stage.shared["boxes"] ?? .null
      #expect(key.contains(value == .null ? "\"system\":{}" : "\"boxes\":\(value.canonicalJSON)"))
      return value
    } catch let error as PipelineFileError { return .string("\(error)") }
  }

  @Test func namesKeepTheirOrderAndSingleValuesAreLists() throws {
    #expect(
      try value("room: { boxes: { z: { x: [0, 1] }, a: [ { x: [1, 2], y: [3, 4] } ], m: some text } }").canonicalJSON
        == #"[{"name":"z","value":[{"x":[0,1]}]},{"name":"a","value":[{"x":[1,2],"y":[3,4]}]},{"name":"m","value":"some text"}]"#
    )
    #expect(try value("seed: 1") == .null)
  }

  @Test func whatIsWrongIsNamed() throws {
    #expect(
      try value("room: { boxes: [1] }").string?.contains(
        "boxes: a list of one is not a group such as { a: { x: [0, 1] } }") == true)
    #expect(
      try value("room: { boxes: { z: { x: [0, one] } } }").string?.contains(
        "room: boxes.z.x[1]: 'one' is not a number") == true)
    #expect(
      try value("room: { boxes: { z: [] } }").string?.contains("a list of 0 is out of range: 1 to 9 values") == true)
  }

  @Test func theSchemaKnowsThem() throws {
    let schema = PipelineSchema.schema(StageRegistry([BoxStage.self], shared: [Self.boxes]))
    let boxes = try #require(schema["properties"]?["room"]?["properties"]?["boxes"])
    #expect(boxes["type"] == ["object", "string"] && boxes["additionalProperties"]?["anyOf"]?[0]?["type"] == "string")
  }
}
