import Foundation
import Testing

@testable import Workflow

@Suite struct JobPlanTests {
  private static let text = """
    name: demo
    matrix: { system: [AC, ET, GN], loss: [both, one] }
    stages:
      shared: { uses: source }
      start:  { uses: source, note: "${system}" }
      train:  { uses: scale, of: start, over: loss }
      each:   { uses: gather, compare: train, against: start }
      all:    { uses: gather, compare: [train, shared] }
    """

  /// Each job as a line: name, numbers, stages of the first task, what it waits for.
  private func lines(_ plan: JobPlan) -> [String] {
    plan.jobs.map { job in
      func name(_ reference: JobPlan.TaskReference.Job) -> String {
        switch reference {
        case .planned(let index): "<\(plan.jobs[index].name)>"
        case .queued(let number): number
        }
      }
      let dependency = Slurm().condition(of: batchJob(dependencies: job.dependencies.map { $0.named(name) }))
      let numbers = Slurm.range(job.tasks.compactMap(\.id))
      let stages = job.tasks.first?.stages.joined(separator: " ") ?? ""
      return [job.name, numbers, stages, dependency ?? ""].joined(separator: " | ")
    }
  }

  private func batchJob(
    title: String = "", log: String = "", tasks: [Int] = [], resources: BatchResources = BatchResources(),
    dependencies: [BatchJob.Dependency] = []
  ) -> BatchJob {
    BatchJob(
      title: title, comment: "boltzmill A 0", script: "/runs/train.sh", log: log, workingFolder: "/home", tasks: tasks,
      resources: resources, dependencies: dependencies)
  }

  private func plan(
    _ stages: Set<String>? = nil, queued: [String: JobPlan.TaskReference] = [:], profile: BatchProfile = BatchProfile()
  ) throws -> JobPlan {
    let pipeline = try Workplace().load(Self.text)
    return JobPlan(
      pipeline, stages: stages ?? Set(pipeline.stages.map(\.name)), queued: queued, profile: profile)
  }

  @Test func anArrayForEachStageOfTheFile() throws {
    // tasks are numbered by the first combination of the matrix they belong to; those that correspond wait one by one
    #expect(
      try lines(plan()) == [
        "shared |  | shared | ", "start | 0,2,4 | start@AC | ", "train | 0,2,4 | train@AC-both | aftercorr:<start>",
        "train~2 | 1 | train@AC-one | afterok:<start>_0", "train~3 | 3 | train@ET-one | afterok:<start>_2",
        "train~4 | 5 | train@GN-one | afterok:<start>_4", "each | 0 | each@AC | aftercorr:<train>,afterok:<train~2>_1",
        "each~2 | 2 | each@ET | aftercorr:<train>,afterok:<train~3>_3",
        "all |  | all | afterok:<shared>:<train>_0:<train>_2:<train>_4:<train~2>_1:<train~3>_3:<train~4>_5",
        "each~3 | 4 | each@GN | aftercorr:<train>,afterok:<train~4>_5",
      ])
  }

  @Test func oneTaskForEachEntryOfAnAxis() throws {
    var profile = BatchProfile()
    profile.unit = .axis("system")
    #expect(
      try lines(plan(profile: profile)) == [
        "shared |  | shared | ", "system | 0-2 | start@AC train@AC-both train@AC-one each@AC | ",
        "all |  | all | afterok:<shared>:<system>_0:<system>_1:<system>_2",
      ])
  }

  /// A stage outside an entry stands between two of the entry: its task is divided, and nothing waits in a circle.
  @Test func anEntryIsDividedWhereAnotherJobStandsBetween() throws {
    let pipeline = try Workplace().load(
      """
      name: demo
      matrix: { system: [AC, ET] }
      stages:
        start: { uses: source, note: "${system}" }
        train: { uses: scale, of: start }
        all:   { uses: gather, compare: train }
        again: { uses: gather, compare: [train, all], over: system }
      """.replacingOccurrences(of: "compare: [train, all]", with: "compare: train, against: first")
        .replacingOccurrences(of: "all:   { uses: gather, compare: train }", with: "first: { uses: source }"))
    var profile = BatchProfile()
    profile.unit = .axis("system")
    let plan = JobPlan(pipeline, stages: Set(pipeline.stages.map(\.name)), profile: profile)
    #expect(
      lines(plan) == [
        "system | 0-1 | start@AC train@AC | ", "first |  | first | ",
        "system~2 | 0-1 | again@AC | aftercorr:<system>,afterok:<first>",
      ])
  }

  @Test func whatIsFinishedIsNotWaitedForAndWhatIsQueuedIs() throws {
    let stages: Set = ["train@AC-both", "train@ET-both", "all"]
    #expect(
      try lines(plan(stages)) == ["train | 0,2 | train@AC-both | ", "all |  | all | afterok:<train>_0:<train>_2"])
    let queued = [
      "start@AC": JobPlan.TaskReference(job: .queued("17"), task: 0),
      "start@ET": JobPlan.TaskReference(job: .queued("17"), task: 2),
      "shared": JobPlan.TaskReference(job: .queued("9"), task: nil),
    ]
    #expect(
      try lines(plan(stages, queued: queued)) == [
        "train | 0,2 | train@AC-both | aftercorr:17", "all |  | all | afterok:<train>_0:<train>_2:9",
      ])
    #expect(
      try lines(plan(["train@AC-one"], queued: queued)) == ["train | 1 | train@AC-one | afterok:17_0"])
  }

  @Test func otherResourcesAreAnotherArrayAndLargeArraysAreDivided() throws {
    var profile = BatchProfile()
    profile.stages = [("start@ET", BatchResources(["memory": "64G"]))]
    #expect(
      try lines(plan(["start@AC", "start@ET", "start@GN"], profile: profile)) == [
        "start | 0,4 | start@AC | ", "start~2 | 2 | start@ET | ",
      ])
    profile = BatchProfile()
    profile.maximumArray = 2
    let stages: Set = ["start@AC", "start@ET", "start@GN", "train@AC-both", "train@ET-both", "train@GN-both"]
    #expect(
      try lines(plan(stages, profile: profile)) == [
        "start | 0 | start@AC | ", "start~2 | 0 | start@ET | ", "start~3 | 0 | start@GN | ",
        "train | 0 | train@AC-both | aftercorr:<start>", "train~2 | 0 | train@ET-both | aftercorr:<start~2>",
        "train~3 | 0 | train@GN-both | aftercorr:<start~3>",
      ])
  }

  // MARK: Words

  @Test func wordsReachBashAsTheyAre() throws {
    let words = [
      "plain", "", "two words", "it's", "$(touch x)", "`id`", "a\\b", "\"q\"", "new\nline", "*", "~", "é", "-x",
      "a;b|c&d",
    ]
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    let program = "import sys; sys.stdout.write('\\0'.join(sys.argv[1:]))"
    process.arguments = ["-c", (["python3", "-c", program] + words).map(ShellText.quoted).joined(separator: " ")]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(String(decoding: data, as: UTF8.self).components(separatedBy: "\0") == words)
  }

  @Test func theScriptIsTheUsersLinesAndTheProgram() {
    let text = ShellText.script(
      title: "a\nrm -rf /", prologue: ["module load x"], command: ["/opt/my tools/pipeline", "run-job"])
    #expect(text == "#!/bin/bash\n# a rm -rf /\nmodule load x\nexec '/opt/my tools/pipeline' run-job\n")
  }

  @Test func theWordsForSbatch() throws {
    let job = batchJob(
      title: "demo/train", log: "/runs/100%/train", tasks: [3, 1, 2, 9],
      resources: BatchResources(["max_concurrent": 5]), dependencies: [.corresponding(job: "7")])
    #expect(
      try Slurm().command(for: job) == [
        "sbatch", "--parsable", "--job-name=demo/train", "--comment=boltzmill A 0", "--array=1-3,9%5",
        "--dependency=aftercorr:7", "--kill-on-invalid-dep=yes", "--requeue", "--open-mode=append",
        "--output=/runs/100%%/train+%a.log", "--chdir=/home", "--ntasks=1", "--signal=B:USR1@120", "/runs/train.sh",
      ])
    #expect(throws: BatchError.badPath("/a\\b", system: "Slurm")) {
      _ = try Slurm().command(for: batchJob(log: "/a\\b"))
    }
  }
}
