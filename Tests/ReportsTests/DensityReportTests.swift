import Artifacts
import Foundation
import Records
import TestSupport
import Testing

@testable import Reports

@Suite struct DensityReportTests {
  private func model(
    _ name: String, in folder: URL, score: Int, samples: String, kl: Double, wall: Double = 60
  ) throws -> ReportedStage {
    let writer = try ArtifactWriter(url: folder.appendingPathComponent("\(name).h5"))
    let record = Recorded.toyEnergyModel
    try writer.write(record.divergence, kl)
    try writer.write(record.x, [-1.0, 0, 1])
    try writer.write(record.y, [-1.0, 1])
    try writer.write(record.trueLogDensity, [0, 0, -Double.infinity, 0, 0, -1], shape: [2, 3])
    try writer.write(record.logDensity, [0, -kl, -1, 0, 0.5, -1], shape: [2, 3])
    let start = Date(timeIntervalSince1970: 1_790_000_000)
    _ = try writer.commit(
      provenance: Provenance(
        key: "k", canonical: #"{"parameters":{"losses":{"score":\#(score)},"samples":"\#(samples)"}}"#, stage: name,
        stageType: "toy-energy-model", stageVersion: 1, seed: 1, start: start, end: start, wallSeconds: wall))
    return ReportedStage(
      name: name, type: "toy-energy-model", artifact: try Artifact.open(writer.url, verify: false))
  }

  @Test func equalRunsAreOneRowAndTheMedianIsDrawnBesideTheTruth() throws {
    let scratch = try Scratch()
    let compared = try [
      model("model@both-1", in: scratch.url, score: 1, samples: "s@1", kl: 0.03),
      model("model@both-2", in: scratch.url, score: 1, samples: "s@2", kl: 0.01, wall: 120),
      model("model@both-3", in: scratch.url, score: 1, samples: "s@3", kl: 0.02, wall: 90),
      model("model@alone-1", in: scratch.url, score: 0, samples: "s@1", kl: 0.5),
    ]
    let report = try Report(compared: compared, options: ReportTests.options)
    #expect(
      report.summary.rows == [
        ["model@both", "3", "0.0200", "0.0100", "0.0100", "0.0300", "1 min 30 s"],
        ["model@alone-1", "1", "0.5000", "–", "0.5000", "0.5000", "1 min 00 s"],
      ])
    #expect(report.sections.map(\.title) == ["Densities", "Timing", "All results", "Provenance"])
    let figures = report.sections[0].figures
    #expect(figures.map(\.id) == ["truth-model@both-3", "density-model@both-3", "density-model@alone-1"])
    guard case .heatMap(_, _, let z, _, let range, _)? = figures[1].series.first else {
      Issue.record("no map")
      return
    }
    // row by row of y, densities and not their logarithms, on the truth's scale
    #expect(z == [[1, exp(-0.02), exp(-1)], [1, exp(0.5), exp(-1)]])
    #expect(range == 0...1)
    let page = try ReportPage(report).html(plotly: nil)
    #expect(page.contains("systems whose density is known") && !page.contains("300 K"))
    #expect(page.components(separatedBy: "<svg ").count == 4)
  }

  @Test func namesInCommon() {
    #expect(ReportedRun.commonName(["m@a-1", "m@a-2"]) == "m@a")
    #expect(ReportedRun.commonName(["m@1", "m@12"]) == "m")
    #expect(ReportedRun.commonName(["m"]) == "m")
    #expect(ReportedRun.commonName(["one", "other"]) == "o")
  }
}
