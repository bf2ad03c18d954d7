import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// How long stages will take, by those that are finished: a number where all that counts is alike, and none elsewhere.
@Suite struct TimeEstimateTests {
  private static let paces = [
    StagePace("scale", work: [("training.steps", false), ("of.steps", false)], indifferent: ["mode"])
  ]
  private static let measured = [
    MeasuredStage("scale", given: ["factor": 3], seconds: 4, place: "on paper")
  ]

  private func text(_ name: String, steps: Int, count: Int = 10, further: String = "") -> String {
    """
    name: \(name)
    stages:
      counted: { uses: count, steps: \(count) }
      scaled: { uses: scale, of: counted, training: { steps: \(steps) }\(further) }
      first: { uses: source, values: [1] }
    """
  }

  private func estimates(
    _ place: Workplace, _ text: String, measured: [MeasuredStage] = []
  ) throws -> (outlook: TimeOutlook, assessments: [StageAssessment]) {
    let engine = place.engine(try place.load(text))
    let assessments = try engine.assess()
    return (
      TimeEstimates(engine, paces: Self.paces, measured: measured, subject: (.topology, "molecule")).of(
        StatusTable.toRun(assessments, selected: Set(assessments.map(\.stage.name)))), assessments
    )
  }

  @Test func aFinishedStageBesideTellsInProportion() throws {
    let place = try Workplace()
    _ = try place.run(text("done", steps: 100))
    let took = try Artifact.open(place.folder.appendingPathComponent("runs/done/scaled.h5"), verify: false).provenance
      .wallSeconds
    // two and a half times the steps, twice the input's; the mode does not count
    let (outlook, assessments) = try estimates(place, text("next", steps: 250, count: 20, further: ", mode: fail"))
    let found = outlook.estimates
    let scaled = try #require(found["scaled"])
    #expect(abs(scaled.seconds - 5 * took) < 1e-9 + 1e-9 * took)
    #expect(scaled.basis.hasPrefix("as 'scaled' in ") && scaled.basis.contains("runs/done took ("), "\(scaled)")
    #expect(scaled.basis.contains(", 5 times the work"))
    #expect(found.count == 1, "of types without a pace nothing is told")
    let table = StatusTable.dryRun(assessments, selected: Set(assessments.map(\.stage.name)), outlook: outlook)
    #expect(table.contains("one stage after the other; no estimate of counted, first. It rests on:"), "\(table)")
    // what counts is another
    #expect(try estimates(place, text("next", steps: 250, further: ", factor: 5")).outlook.estimates.isEmpty)
    #expect(
      try estimates(
        place,
        text("next", steps: 250, further: ", training: { steps: 1, learning_rate: 0.5 }")
          .replacingOccurrences(of: ", training: { steps: 250 }", with: "")
      ).outlook.estimates.isEmpty)
  }

  /// What the same stage took with other parameters says nothing.
  @Test func aStageThatWasMadeWithOtherParametersTellsNothing() throws {
    let place = try Workplace()
    _ = try place.run(text("done", steps: 100))
    #expect(try estimates(place, text("done", steps: 100, further: ", factor: 5")).outlook.estimates.isEmpty)
  }

  @Test func whatComesWithTheProgramIsTheLastResort() throws {
    let place = try Workplace()
    let paces = [StagePace("scale", work: [("training.steps", false)])]
    let engine = place.engine(try place.load(text("next", steps: 5000, further: ", factor: 3")))
    let all = try engine.assess()
    let found = TimeEstimates(engine, paces: paces, measured: Self.measured, subject: (.topology, "molecule")).of(all)
      .estimates
    #expect(found["scaled"] == TimeEstimate(seconds: 1, basis: "as on paper took (4.0 s), 0.25 times the work"))
    // without anything to rest on there is no number
    let none = TimeEstimates(engine, paces: paces, measured: [], subject: (.topology, "molecule")).of(all)
    #expect(none.estimates.isEmpty)
    let table = StatusTable.dryRun(all, selected: Set(all.map(\.stage.name)), outlook: none)
    #expect(table.contains("no estimate of the time"), "\(table)")
    #expect(!table.contains("about"))
  }
}
