import Foundation
import Testing

@testable import Workflow

/// A batch system of this test's own, in this process: it runs what was submitted one after the other, when it is told to.
private final class Queue: BatchSystem, @unchecked Sendable {
  let name = "Toy"
  let cancelProgram = "toycancel"
  let fields = [
    ParameterField("lane", .choice(["slow", "fast"]), optional: true, help: "how soon"), BatchResources.cpusField,
    BatchResources.requeueLimitField,
  ]
  private struct Item {
    var entry: QueueEntry
    let job: BatchJob
  }
  private var items: [Item] = []
  private(set) var requeued: [String] = []

  func problems(in resources: BatchResources) -> [BatchResources.Problem] { [] }
  func summary(of resources: BatchResources) -> String { resources.text("lane") ?? "" }

  func place(in environment: [String: String]) -> JobPlace? {
    environment["TOY_JOB"].map { JobPlace(job: $0, task: environment["TOY_TASK"].flatMap { Int($0) }) }
  }

  func command(for job: BatchJob) throws -> [String] { ["toy", job.script] }

  func condition(of job: BatchJob) -> String? { job.dependencies.isEmpty ? nil : "\(job.dependencies.count) before" }

  func submit(_ job: BatchJob) throws -> String {
    let number = "\(Set(items.map(\.entry.number)).count + 1)"
    for task in job.tasks.isEmpty ? [nil] : job.tasks.map(Optional.init) {
      let entry = QueueEntry(
        job: JobPlace.name(number, task: task), number: number, task: task, state: .pending, word: "pending",
        comment: job.comment)
      items.append(Item(entry: entry, job: job))
    }
    return number
  }

  func queue() throws -> [QueueEntry] { items.map(\.entry) }
  func history(of jobs: [String]) -> [String: QueueEntry] { [:] }
  func isPassing(_ error: BatchError) -> Bool { false }
  func limits() -> BatchLimits { BatchLimits() }
  func cancel(_ numbers: [String]) throws { change({ numbers.contains($0.number) }, to: .cancelled) }
  func standing(of job: String) -> JobStanding { .running }

  func requeue(_ job: String) throws {
    requeued.append(job)
    change({ $0.job == job }, to: .pending)
  }

  private func change(_ isMeant: (QueueEntry) -> Bool, to state: QueueEntry.State) {
    for index in items.indices where isMeant(items[index].entry) { items[index].entry.state = state }
  }

  /// Runs the first task that waits. False where none does.
  func step(_ run: (_ job: Int, _ environment: [String: String]) throws -> Int32) throws -> Bool {
    guard let index = items.firstIndex(where: { $0.entry.state == .pending }) else { return false }
    let entry = items[index].entry
    items[index].entry.state = .running
    var environment = ["TOY_JOB": entry.job]
    if let task = entry.task { environment["TOY_TASK"] = "\(task)" }
    let code = try run(Int(entry.comment.split(separator: " ").last ?? "") ?? 0, environment)
    if items[index].entry.state == .running { items[index].entry.state = code == 0 ? .ended : .failed }
    return true
  }
}

/// The seam behind which a batch system stands: another one than Slurm, from the profile to the last stage.
@Suite struct BatchSystemTests {
  /// A batch of two cells; also of the tests of Slurm.
  static let text = """
    name: demo
    matrix: { system: [AC, ET] }
    stages:
      start: { uses: source, note: "${system}" }
      count: { uses: count, over: system }
      train: { uses: scale, of: start }
      all:   { uses: gather, compare: train }
    """

  @Test func anotherSystemRunsAPipelineToItsEnd() throws {
    let queue = Queue()
    let systems: [any BatchSystem] = [Slurm(programs: BatchPrograms { _, _ in .init(code: 1) }), queue]
    let place = try Workplace()
    let pipeline = try place.load(Self.text)
    let engine = place.engine(pipeline)
    try place.write("system: toy\ndefaults: { lane: fast, cpus: 3 }", to: "toy.yaml")
    let profile = try BatchProfileReader.read(
      place.folder.appendingPathComponent("toy.yaml"), shownAs: "toy.yaml", for: pipeline, registry: fakeRegistry,
      systems: systems)
    let run = BatchRun(engine, profile: profile, systems: systems)
    let request = BatchRun.Request(
      profile: profile, file: place.folder.appendingPathComponent("test.yaml"), shownFile: "test.yaml",
      program: "/opt/pipeline", workingFolder: place.folder.path)
    let submission = try run.submit(request)
    #expect(submission.jobs.map(\.number) == ["1", "2", "3", "4"])
    #expect(submission.jobs.map(\.after) == ["", "", "1 before", "1 before"])
    #expect(submission.jobs.map(\.resources) == Array(repeating: "fast", count: 4))
    #expect(try run.submit(request).jobs.isEmpty, "all of it is in the queue")

    // the first task is told to stop half-way, and comes back
    let interruption = Interruption()
    CountStage.hooks.set(engine.folder.url) { if $0 == 3 { interruption.request() } }
    var codes: [Int32] = []
    while try queue.step({ job, environment in
      let console = Console(isTerminal: false, clock: { 0 }, output: { place.lines.append($0) })
      let folder = place.runFolder(pipeline)
      let signal = codes.count < 3 ? interruption : Interruption()
      let task = try JobRun(
        folder: folder, submission: 1, job: job, interruption: signal, environment: environment, systems: systems)
      codes.append(
        task.run(console: console) {
          Engine(pipeline: pipeline, folder: folder, console: console, interruption: signal)
        })
      return codes.last ?? 1
    }) {}
    #expect(codes == [0, 0, 75, 0, 0, 0, 0, 0], "\(place.lines)")
    #expect(queue.requeued == ["2_0"])
    #expect(try engine.assess().allSatisfy { $0.state == .upToDate })
    // found again without the profile, by what is in the run folder
    let found = BatchRun(engine, systems: systems)
    #expect(found.system.name == "Toy")
    let status = found.status().stages
    #expect(status.count == 7 && status.values.allSatisfy { $0.state == .finished })
    #expect(StatusTable.text(try engine.assess(), jobs: status).contains(" Toy"))
    #expect(FileManager.default.fileExists(atPath: engine.folder.url.appendingPathComponent("toy/1/train.sh").path))
  }

  @Test func whatWaitsIsCancelled() throws {
    let queue = Queue()
    let place = try Workplace()
    let run = BatchRun(place.engine(try place.load(Self.text)), systems: [queue])
    #expect(throws: BatchError.notSubmitted(folder: run.engine.folder.url.path)) { try run.cancel() }
    _ = try run.submit(
      BatchRun.Request(
        profile: BatchProfile(), file: place.folder.appendingPathComponent("test.yaml"), shownFile: "test.yaml",
        program: "/opt/pipeline", workingFolder: place.folder.path))
    #expect(try run.cancel() == ["1", "2", "3", "4"])
    #expect(run.status().stages.values.allSatisfy { $0.state == .cancelled })
    #expect(try run.cancel().isEmpty)
  }

  /// A profile's words are those of its system; where there is one system alone, there is no choice.
  @Test func aProfileNamesItsSystem() throws {
    let place = try Workplace()
    let pipeline = try place.load(Self.text)
    func problems(_ text: String, _ systems: [any BatchSystem]) throws -> String {
      try place.write(text, to: "profile.yaml")
      do {
        _ = try BatchProfileReader.read(
          place.folder.appendingPathComponent("profile.yaml"), shownAs: "profile.yaml", for: pipeline,
          registry: fakeRegistry, systems: systems)
        return "nothing"
      } catch {
        return "\(error)"
      }
    }
    let both: [any BatchSystem] = [Slurm(), Queue()]
    #expect(try problems("system: toy\ndefaults: { lane: slow }", both) == "nothing")
    #expect(try problems("system: slurm\ndefaults: { partition: work }", both) == "nothing")
    #expect(try problems("defaults: { partition: work }", both) == "nothing")
    #expect(try problems("system: toy\ndefaults: { partition: work }", both).contains("unknown key 'partition'"))
    #expect(try problems("system: tory", both).contains("did you mean 'toy'? (known: slurm, toy)"))
    #expect(try problems("system: slurm", [Slurm()]).contains("unknown key 'system' in the profile"))
  }
}
