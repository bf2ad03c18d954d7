import Artifacts
import Foundation
import TestSupport
import Testing

/// The shipped files of the two-dimensional systems, at a size that takes seconds, through the real program.
@Suite struct ToyPipelineTests {
  @Test(arguments: ["gaussians", "checkerboard"]) func shippedFilesRunAtATinySize(name: String) throws {
    let program = try Program()
    let file = Package.root.appendingPathComponent("pipelines/\(name).yaml").path
    let sizes = [
      "samples.count=200", "model.network.width=8", "model.network.depth=1", "model.training.steps=4",
      "model.training.batch=32", "model.grid=12",
    ]
    let result = try program.finish(
      program.start(["run", file, "--runs", "runs", "--threads", "1"] + sizes.flatMap { ["--set", $0] }))
    #expect(result.code == 0, "\(result.errors)")
    let folder = program.folder.appendingPathComponent("runs/\(name)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    let models = names.filter { $0.hasPrefix("model@") && $0.hasSuffix(".h5") }
    #expect(models.count == 9)
    for name in models {
      let artifact = try Artifact.open(folder.appendingPathComponent(name), verify: true)
      #expect(try artifact.scalar("results/kl", as: Double.self).isFinite)
      #expect(try artifact.shape("results/grid/log_density") == [12, 12])
    }
    let report = try Artifact.open(folder.appendingPathComponent("report.h5"), verify: true)
    #expect(try report.shape("results/kl") == [9])
    let table = try report.readString("results/table")
    #expect(["model@both", "model@score", "model@contrastive"].allSatisfy { table.contains($0) }, "\(table)")
    let page = try String(contentsOf: folder.appendingPathComponent("report.html"), encoding: .utf8)
    #expect(page.contains("truth-model@both"))
  }
}
