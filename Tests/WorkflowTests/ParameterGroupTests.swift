import Testing

@testable import Workflow

private struct Motion: ParameterGroup {
  @Parameter("between two places", unit: "ps", in: .positive) var step = 0.001
  @Parameter("how heavy") var mass: Double?

  init() {}
  init(step: Double) { _step.takeDefault(step) }
}

private struct Walk: ParameterGroup {
  @Parameter("its name") var name: String
  var motion = Motion(step: 0.5)
  @Parameter("where it rests") var rest = Motion()
}

@Suite struct ParameterGroupTests {
  /// A group that is a plain property lends its parameters to the one around it; as a parameter it is an object of its own.
  @Test func aPlainPropertyStandsInTheFileByItsParameters() throws {
    #expect(Walk.fields.map(\.name) == ["name", "step", "mass", "rest"])
    let given: [String: ParameterValue] = ["name": "a", "mass": 3, "rest": ["step": 2]]
    let resolved = try #require(Walk.fields.resolved(with: given))
    #expect(resolved.canonicalJSON == #"{"mass":3,"name":"a","rest":{"mass":null,"step":2},"step":0.5}"#)
    let (walk, other) = (try Walk(resolved: resolved), Walk())
    #expect(walk.motion.step == 0.5 && walk.motion.mass == 3)
    #expect(walk.rest.step == 2 && walk.rest.mass == nil)
    // what a file says is no part of the declaration
    #expect(other.motion.mass == nil && other.rest.step == 0.001)
    #expect(throws: ParameterGroupError.self) {
      try Walk(resolved: ["name": "a", "step": "long", "rest": ["step": 1]])
    }
  }
}
