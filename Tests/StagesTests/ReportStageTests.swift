import Artifacts
import Basics
import Foundation
import Records
import TestSupport
import Testing
import Workflow

@testable import Stages

@Suite struct ReportStageTests {
  @Test func setsAnswersSideBySide() throws {
    let scratch = try Scratch()
    let samples = try StageInput("fresh", "sample", in: scratch.url) { try $0.write(Recorded.sample.samples, 10) }
    let traced = try StageInput("traced", "reweight", in: scratch.url, inputs: ["samples": [samples]]) { writer in
      try writer.write(Recorded.reweight.freeEnergy.deltaF, 3.79)
      try writer.write(Recorded.reweight.freeEnergy.interval, [3.7, 3.9])
      try writer.write(Recorded.reweight.effectiveFraction, 0.2)
    }
    let umbrella = try StageInput("umbrella", "umbrella", in: scratch.url, warnings: ["window 3 is short"]) { writer in
      try writer.write(Recorded.umbrella.freeEnergy.deltaF, 3.86)
      try writer.write(Recorded.umbrella.freeEnergy.standardError, 0.04)
    }

    var said: [String] = []
    let output = try ArtifactWriter(url: scratch.file("report.h5"))
    let context = StageContext(
      stage: "report", seed: 1, values: ["compare": ["traced", "umbrella"]],
      inputs: ["compare": [traced, umbrella]], output: output,
      checkpoints: CheckpointStore(folder: scratch.url, stage: "report", key: "k"), temperature: 300,
      system: MoleculeFiles(), log: { said.append($0) })
    try ReportStage.run(context)
    let artifact = try output.commit(as: ReportStage.type, "report")

    let page = try String(contentsOf: scratch.file("report.html"), encoding: .utf8)
    #expect(page.contains("window 3 is short") && page.contains("0 &lt; phi &lt; 2 rad"))
    #expect(page.contains("fresh"), "the stages behind the compared ones belong to the page")
    #expect(said.joined().contains("WARNING  umbrella: window 3 is short"))

    #expect(try artifact.read(Recorded.report.stages) == ["traced", "umbrella"])
    #expect(try artifact.read(Recorded.report.deltaF).values == [3.79, 3.86])
    let errors = try artifact.read(Recorded.report.standardError).values
    #expect(errors[0].isNaN && errors[1] == 0.04)
    #expect(try artifact.read(Recorded.report.table).contains("3.70 to 3.90"))
  }
}
