import Artifacts
import Basics
import Foundation
import Records
import Testing
import Workflow

@testable import Stages

@Suite struct ReportStageTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("report-\(UUID().uuidString)")

  private func input(
    _ name: String, _ type: String, inputs: [String: [StageInput]] = [:], warnings: [String] = [],
    _ fill: (ArtifactWriter) throws -> Void
  ) throws -> StageInput {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("\(name).h5"))
    try fill(writer)
    let now = Date()
    _ = try writer.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: name, stageType: type, stageVersion: 1, seed: 1, start: now, end: now,
        wallSeconds: 1, warnings: warnings))
    return StageInput(
      name: name, type: type, artifact: try Artifact.open(writer.url, verify: false), inputs: inputs)
  }

  @Test func setsAnswersSideBySide() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let samples = try input("fresh", "sample") { try $0.write(Recorded.sample.samples, 10) }
    let traced = try input("traced", "reweight", inputs: ["samples": [samples]]) { writer in
      try writer.write(Recorded.reweight.freeEnergy.deltaF, 3.79)
      try writer.write(Recorded.reweight.freeEnergy.interval, [3.7, 3.9])
      try writer.write(Recorded.reweight.effectiveFraction, 0.2)
    }
    let umbrella = try input("umbrella", "umbrella", warnings: ["window 3 is short"]) { writer in
      try writer.write(Recorded.umbrella.freeEnergy.deltaF, 3.86)
      try writer.write(Recorded.umbrella.freeEnergy.standardError, 0.04)
    }

    var said: [String] = []
    let output = try ArtifactWriter(url: folder.appendingPathComponent("report.h5"))
    let context = StageContext(
      stage: "report", seed: 1, values: ["compare": ["traced", "umbrella"]],
      inputs: ["compare": [traced, umbrella]], output: output,
      checkpoints: CheckpointStore(folder: folder, stage: "report", key: "k"), temperature: 300,
      system: SystemFiles([:]),
      log: { said.append($0) })
    try ReportStage.run(context)
    let now = Date()
    _ = try output.commit(
      provenance: Provenance(
        key: "k", canonical: "{}", stage: "report", stageType: "report", stageVersion: 1, seed: 1, start: now, end: now,
        wallSeconds: 1))

    let page = try String(contentsOf: folder.appendingPathComponent("report.html"), encoding: .utf8)
    #expect(page.contains("window 3 is short") && page.contains("0 &lt; phi &lt; 2 rad"))
    #expect(page.contains("fresh"), "the stages behind the compared ones belong to the page")
    #expect(said.joined().contains("WARNING  umbrella: window 3 is short"))

    let artifact = try Artifact.open(output.url, verify: true)
    #expect(try artifact.read(Recorded.report.stages) == ["traced", "umbrella"])
    #expect(try artifact.read(Recorded.report.deltaF).values == [3.79, 3.86])
    let errors = try artifact.read(Recorded.report.standardError).values
    #expect(errors[0].isNaN && errors[1] == 0.04)
    #expect(try artifact.read(Recorded.report.table).contains("3.70 to 3.90"))
  }

  @Test func aFolderThatCannotBeWrittenIsNamed() {
    let error = ReportStageError.unwritable(file: "runs/a/report.html", reason: "no space left")
    #expect("\(error)".hasPrefix("runs/a/report.html: cannot be written (no space left)"))
  }
}
