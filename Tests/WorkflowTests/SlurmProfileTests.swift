import Foundation
import TestSupport
import Testing

@testable import Workflow

@Suite struct SlurmProfileTests {
  private static let pipeline = """
    name: demo
    matrix: { system: [AC, ET] }
    stages:
      start: { uses: source, note: "${system}" }
      train: { uses: scale, of: start }
      all:   { uses: gather, compare: train }
    """

  private func read(_ text: String) throws -> BatchProfile {
    let place = try Workplace()
    try place.write(text, to: "slurm.yaml")
    return try BatchProfileReader.read(
      place.folder.appendingPathComponent("slurm.yaml"), shownAs: "slurm.yaml", for: place.load(Self.pipeline),
      registry: fakeRegistry)
  }

  private func problems(_ text: String) -> String {
    do {
      _ = try read(text)
      return "nothing"
    } catch {
      return "\(error)"
    }
  }

  @Test func laterWordsOverrideEarlierOnes() throws {
    let profile = try read(
      """
      unit: system
      max_array: 500
      defaults: { partition: work, cpus: 2, time: 1:00:00, memory: 4G, prologue: module load cuda, signal_lead: 90 }
      types:  { scale: { partition: gpu, gres: "gpu:1", cpus: 8 } }
      stages:
        train:    { time: 2-00:00:00, max_concurrent: 20 }
        "@ET":    { memory: 8G, options: [--exclusive, --mail-type=FAIL] }
      together: { time: 600, requeue_limit: 7 }
      """)
    #expect(profile.unit == .axis("system"))
    #expect(profile.maximumArray == 500)
    let pipeline = try Workplace().load(Self.pipeline)
    let own = try #require(pipeline["train@ET"].map { profile.resources(for: $0) })
    #expect(
      own.text("partition") == "gpu" && own.cpus == 8 && own.text("time") == "2-00:00:00" && own.text("memory") == "8G")
    #expect(own.prologue == ["module load cuda"])
    #expect(
      Slurm.words(own) == [
        "--partition=gpu", "--time=2-00:00:00", "--cpus-per-task=8", "--mem=8G", "--gres=gpu:1",
        "--signal=B:USR1@90", "--exclusive", "--mail-type=FAIL",
      ])
    let all = try #require(pipeline["all"])
    #expect(Slurm.words(profile.resources(for: all)).first == "--partition=work")
    let group = pipeline.stages.filter { $0.name.hasSuffix("@AC") }
    #expect(profile.resources(for: group).text("time") == "600")
    #expect(profile.resources(for: group).requeueLimit == 7)
    #expect(profile.resources(for: group).text("partition") == "work", "types are single stages' alone")
    #expect(Slurm.words(BatchResources(["signal_lead": 0])).isEmpty)
    #expect(Slurm.words(BatchResources()) == ["--signal=B:USR1@120"])
  }

  @Test func whatIsWrongStandsByFileAndLine() {
    let text = problems(
      """
      unit: sytem
      defaults: { partion: work, cpus: 0, time: soon, memory: 4 GB }
      types: { scael: {} }
      stages:
        trian: { cpus: 2 }
        all:
          options: [--array=1-3, -n 4]
          partition: "a b"
          prologue: ["one\\ntwo"]
          time: 2
          signal_lead: 120
      extra: 1
      """)
    for expected in [
      "slurm.yaml:1:7: unit: unknown value 'sytem'; did you mean 'system'? (known: stage, system)",
      "slurm.yaml:2:13: unknown key 'partion' in defaults; did you mean 'partition'?",
      "slurm.yaml:2:34: defaults.cpus: 0 is out of range: 1 to 4096",
      "slurm.yaml:2:43: defaults.time: 'soon' is not a time limit of a minute or more",
      "slurm.yaml:2:57: defaults.memory: '4 GB' is not a size such as 4G or 4000M",
      "slurm.yaml:3:10: unknown stage type 'scael'; did you mean 'scale'?",
      "slurm.yaml:5:3: stages: there is no stage 'trian'; did you mean 'train'?",
      "slurm.yaml:7:15: stages.all.options: --array is set by 'submit' or by a key of the profile",
      "slurm.yaml:7:28: stages.all.options: '-n 4' is not a word such as --exclusive",
      "slurm.yaml:8:16: stages.all.partition: 'a b' is not one word",
      "slurm.yaml:9:16: stages.all.prologue: a text of several lines is not one line of shell each",
      "slurm.yaml:11:18: stages.all.signal_lead: 120 is out of range: less than the time limit, 120 s",
      "slurm.yaml:12:1: unknown key 'extra' in the profile",
    ] { #expect(text.contains(expected), "\(text)") }
    #expect(text.components(separatedBy: "\n").count == 13)
    #expect(problems("- a").contains("slurm.yaml:1:1: the profile: a list of one is not a group of keys"))
    #expect(problems("defaults: 4").contains("slurm.yaml:1:11: defaults: '4' is not a group"))
  }

  @Test(
    arguments: [
      ("90", 5400), ("90:30", 5430), ("2:00:00", 7200), ("1-12", 129_600), ("1-12:30", 131_400), ("1-00:00:01", 86_401),
      ("", nil), ("1:2:3:4", nil), ("-5", nil), ("1-", nil), ("2h", nil), ("1-2-3", nil), ("１", nil),
    ] as [(String, Int?)]) func timeLimits(text: String, seconds: Int?)
  {
    #expect(Slurm.seconds(ofTime: text) == seconds)
  }

  @Test func theShippedProfileFitsAnyMatrixOfSystems() throws {
    let place = try Workplace()
    // its stage types are not those of this test's registry: what is said of them is all that may be wrong
    do {
      _ = try BatchProfileReader.read(
        Package.root.appendingPathComponent("pipelines/slurm.yaml"), shownAs: "slurm.yaml",
        for: place.load(Self.pipeline),
        registry: fakeRegistry)
    } catch let error as PipelineFileError {
      for finding in error.findings {
        guard case .unknownStageType = finding.problem else {
          Issue.record("\(finding)")
          continue
        }
      }
    }
  }
}
