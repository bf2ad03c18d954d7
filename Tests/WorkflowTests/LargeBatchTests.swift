import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// What has to stay in proportion where a matrix has thousands of cells; Benchmarks/Batch measures it.
@Suite struct LargeBatchTests {
  private static func text(cells: Int) -> String {
    let entries = (0..<cells).map { "    m\($0): { value: \(Double($0) / 10) }" }.joined(separator: "\n")
    return """
      name: demo
      matrix:
        molecule:
      \(entries)
      stages:
        a: { uses: source, values: "${molecule.value}" }
        b: { uses: scale, of: a }
        c: { uses: scale, of: b }
        once: { uses: source }
        all: { uses: gather, compare: c, against: once }

      """
  }

  /// Reads a value for which stages stand in: which they are.
  private enum BesideStage: StageType {
    static let type = "beside"
    static let version = 1
    static let summary = "knows who stands beside it"
    static let beside = SharedField(
      ParameterField("beside", .string, optional: true, help: "the stages beside"),
      standIn: { $0.stages.isEmpty ? .null : .string($0.stages.map(\.name).joined(separator: " ")) })
    static let reads = [beside]

    struct Inputs: StageInputs { let of = Input("what", of: SourceStage.self, BesideStage.self) }
    static func run(_ context: StageContext) throws {}
  }

  /// What stands in for a value is told by the stages of the same cell and those of none. Looking at all stages for each, 2,000 molecules
  /// took a minute to load.
  @Test func standInsSeeTheirOwnCell() throws {
    let place = try Workplace()
    try place.write(
      Self.text(cells: 2000).replacingOccurrences(of: "scale", with: "beside").replacingOccurrences(
        of: "{ uses: gather, compare: c, against: once }", with: "{ uses: beside, of: once }"))
    let registry = StageRegistry([SourceStage.self, BesideStage.self], shared: [BesideStage.beside])
    let watch = Date()
    let pipeline = try PipelineLoader(registry: registry).load(
      place.folder.appendingPathComponent("test.yaml"), shownAs: "test.yaml", workingFolder: place.folder)
    #expect(Date().timeIntervalSince(watch) < 30)
    #expect(pipeline.stages.count == 6002)
    func beside(_ name: String) -> [String] {
      pipeline[name]?.shared["beside"]?.string?.split(separator: " ").map(String.init) ?? []
    }
    #expect(Set(beside("b@m7")) == ["a@m7", "b@m7", "c@m7", "once", "all"] && beside("b@m7").count == 5)
    #expect(Set(beside("c@m1999")) == ["a@m1999", "b@m1999", "c@m1999", "once", "all"])
    #expect(beside("all").count == 6002)
  }

  /// A status opens no artifact that is as it was when it was verified.
  @Test func whatIsKnownOfAnArtifactIsReadWithoutOpeningIt() throws {
    let place = try Workplace()
    _ = try place.run(Self.text(cells: 2))
    let folder = place.runFolder(try place.load())
    let artifact = try Artifact.open(folder.artifact("b@m1"), verify: true)
    let known = VerifiedArtifacts(folder: folder)
    #expect(try known.provenance("b@m1")?.provenance == artifact.provenance)
    let range = try #require(artifact.provenancePlace)
    #expect(Artifact.provenance(of: artifact.url, at: range) == artifact.provenance)
    #expect(Artifact.provenance(of: artifact.url, at: range.lowerBound + 1..<range.upperBound) == nil)
    let paths = ["results/temperature", "results/nothing"]
    #expect(known.numbers("b@m1", at: paths) == [300, nil])
    known.save()
    let text = try String(contentsOf: folder.verified, encoding: .utf8)
    #expect(text.contains("300.0"))
    #expect(VerifiedArtifacts(folder: folder).numbers("b@m1", at: paths) == [300, nil])
    #expect(try known.provenance("b@nothing") == nil)
    // made anew, it is another one
    _ = try place.run(Self.text(cells: 2), overrides: ["b.factor=3"])
    let again = VerifiedArtifacts(folder: folder)
    let new = try Artifact.open(folder.artifact("b@m1"), verify: true).provenance
    #expect(new != artifact.provenance)
    #expect(try again.provenance("b@m1")?.provenance == new)
  }

  // MARK: Arrays

  private final class Cluster: @unchecked Sendable {
    var answers: [String: String] = [:]  // By program
    var words: [[String]] = []

    var slurm: Slurm {
      Slurm(
        programs: BatchPrograms { program, words in
          self.words.append([program] + words)
          let answer = self.answers[program]
          return .init(code: answer == nil ? 1 : 0, output: answer ?? "", errors: "no answer")
        })
    }
  }

  private static let configuration = """
    Configuration data as of 2026-01-01T00:00:00
    MaxArraySize            = 1001
    MaxJobCount             = 10000
    MaxJobId                = 67043328
    """

  @Test func limitsAreReadFromTheQueue() {
    let cluster = Cluster()
    #expect(cluster.slurm.limits() == BatchLimits())
    cluster.answers = ["scontrol": Self.configuration]
    #expect(cluster.slurm.limits() == BatchLimits(largestArray: 1001, jobs: 10_000))
    cluster.answers["sacctmgr"] = "500\n2000\n"
    #expect(cluster.slurm.limits().ownJobs == 2000)
    cluster.answers["sacctmgr"] = "500\n\n"
    #expect(cluster.slurm.limits().ownJobs == 500)
    cluster.answers["sacctmgr"] = "\n"
    #expect(cluster.slurm.limits().ownJobs == nil)
  }

  /// A thousand cells are one array job a layer where the cluster takes that, and no more pieces than it needs otherwise.
  @Test(arguments: [(1001, 4), (400, 10), (0, 4)]) func aThousandCellsAreOneArrayALayer(largest: Int, jobs: Int) throws
  {
    let place = try Workplace()
    let cluster = Cluster()
    cluster.answers = ["squeue": ""]
    if largest > 0 { cluster.answers["scontrol"] = "MaxArraySize = \(largest)\nMaxJobCount = 2000\n" }
    let run = BatchRun(place.engine(try place.load(Self.text(cells: 1000))), systems: [cluster.slurm])
    let request = BatchRun.Request(
      profile: BatchProfile(), file: place.folder.appendingPathComponent("test.yaml"), shownFile: "test.yaml",
      program: "/opt/pipeline", workingFolder: place.folder.path)
    let submission = try run.submit(request, dryRun: true)
    // three layers, and two stages of no cell
    #expect(submission.jobs.count == jobs + 1, "\(submission.jobs.map(\.name))")
    #expect(submission.jobs.map(\.stages.count).reduce(0, +) == 3002)
    #expect(submission.jobs.map(\.stages.count).max() == (largest == 400 ? 400 : 1000))
    #expect(
      submission.remarks.contains { $0.contains("3002 tasks are submitted, and the cluster takes 2000") }
        == (largest > 0))
  }

  @Test func aProfileThatAsksForMoreIsToldSo() {
    let limits = BatchLimits(largestArray: 1001, jobs: 10_000, ownJobs: 500)
    #expect(limits.warnings(tasks: 400, given: 1000) == [])
    #expect(
      limits.warnings(tasks: 400, given: 5000) == [
        "max_array of the profile is 5000, and the cluster takes arrays of 1001 tasks"
      ])
    #expect(limits.warnings(tasks: 501, given: nil).first?.contains("takes 500 of one user at a time") == true)
  }
}
