import Artifacts
import Foundation
import TestSupport
import Testing

@testable import Workflow

/// A busy cluster's programs: they do not answer, answer late, or say more than was asked.
@Suite struct SlurmAnswersTests {
  /// A queue, and what stands between it and whoever asks: scripts of what goes wrong, one entry a call.
  private final class Cluster: @unchecked Sendable {
    enum Mishap {
      case none
      case silent  // Nothing is done
      case takenAndSilent  // sbatch: the job is in the queue, and the caller is told of an error
    }

    private let lock = NSRecursiveLock()
    var mishaps: [String: [Mishap]] = [:]  // By program; none where the list is used up
    var banner: (before: String, after: String, errors: String) = ("", "", "")
    var number: (Int) -> String = { "\($0)\n" }
    var queue: [(number: Int, comment: String)] = []
    var calls: [String] = []
    var slept: [Double] = []
    var accounting: String?
    var afterCall: ((Int, Cluster) -> Void)?  // With how many calls there were

    static let timeout = "slurm_load_jobs error: Socket timed out on send/recv operation\n"

    func take(_ words: [String]) -> Int {
      let number = 100 + queue.count + 1
      queue.append((number, words.first { $0.hasPrefix("--comment=") }.map { String($0.dropFirst(10)) } ?? ""))
      return number
    }

    func answer(_ program: String, _ words: [String]) -> BatchPrograms.Answer {
      lock.withLock {
        calls.append(program)
        afterCall?(calls.count, self)
        var mishap = Mishap.none
        if var list = mishaps[program], !list.isEmpty {
          mishap = list.removeFirst()
          mishaps[program] = list
        }
        if case .silent = mishap { return .init(code: 1, errors: Self.timeout) }
        switch program {
        case "sbatch":
          let number = take(words)
          if case .takenAndSilent = mishap {
            return .init(code: 1, errors: "sbatch: error: Batch job submission failed: Socket timed out\n")
          }
          return .init(code: 0, output: banner.before + self.number(number) + banner.after, errors: banner.errors)
        case "squeue":
          let lines = queue.map { "\($0.number)|\($0.number)|N/A|PENDING|Priority|N/A||\($0.comment)\n" }
          return .init(code: 0, output: banner.before + lines.joined(), errors: banner.errors)
        case "scancel":
          queue.removeAll { words.contains("\($0.number)") }
          return .init(code: 0)
        case "sacct":
          return accounting.map { .init(code: 0, output: $0) }
            ?? .init(code: 1, errors: "Slurm accounting storage is disabled\n")
        default: return .init(code: 0)
        }
      }
    }

    func count(_ program: String) -> Int { calls.filter { $0 == program }.count }
    var programs: BatchPrograms { BatchPrograms { self.answer($0, $1) } }
    var patience: BatchPatience {
      var patience = BatchPatience()
      patience.sleep = { seconds in self.lock.withLock { self.slept.append(seconds) } }
      return patience
    }
  }

  private static let text = "name: demo\nstages: { a: { uses: source }, b: { uses: scale, of: a } }"

  private func setting() throws -> (place: Workplace, cluster: Cluster, run: BatchRun, request: BatchRun.Request) {
    let (place, cluster) = (try Workplace(), Cluster())
    let run = BatchRun(place.engine(try place.load(Self.text)), systems: [Slurm(programs: cluster.programs)])
    run.patience = cluster.patience
    let request = BatchRun.Request(
      profile: BatchProfile(), file: place.folder.appendingPathComponent("test.yaml"), shownFile: "test.yaml",
      program: "/opt/pipeline", workingFolder: place.folder.path)
    return (place, cluster, run, request)
  }

  // MARK: Banners

  @Test(arguments: [
    ("Welcome to the cluster\n", "", ""), ("", "Your job was submitted. Have 2 nice days!\n", ""),
    ("2026\n", "", "lua: job checked\n"), ("*** maintenance on 12 January ***\n\n", "\n42\n", "7\n"),
    ("sbatch: INFO: 4 cores\n", "", "101\n"),
  ]) func bannersAroundTheNumber(before: String, after: String, errors: String) throws {
    let (_, cluster, run, request) = try setting()
    cluster.banner = (before, after, errors)
    #expect(try run.submit(request).jobs.map(\.number) == ["101", "102"])
    #expect(cluster.count("sbatch") == 2)
    // not understood as jobs either
    #expect(run.status().stages.values.allSatisfy { $0.state == .pending })
  }

  @Test func numbersAreReadWhereTheQueueCannotBeAsked() {
    #expect(Slurm.number(in: "Welcome\n123\nbye\n") == "123")
    #expect(Slurm.number(in: "Welcome\nSubmitted batch job 123\n2026\n") == "123")
    #expect(Slurm.number(in: "123;cluster-1\n") == "123")
    #expect(Slurm.number(in: "2026\n123\n") == nil, "one of them; nobody knows which")
    #expect(Slurm.number(in: "welcome\n") == nil)
  }

  // MARK: Silence

  @Test func submittingWaitsForTheQueue() throws {
    let (_, cluster, run, request) = try setting()
    cluster.mishaps["squeue"] = [.silent, .silent, .silent]
    #expect(try run.submit(request).jobs.count == 2)
    #expect(cluster.slept == [1, 2, 4])
  }

  /// The controller takes the job, and its answer is lost: it is found in the queue, and not submitted again.
  @Test func aJobIsNeverSubmittedTwice() throws {
    let (_, cluster, run, request) = try setting()
    cluster.mishaps["sbatch"] = [.takenAndSilent, .takenAndSilent]
    #expect(try run.submit(request).jobs.map(\.number) == ["101", "102"])
    #expect(cluster.count("sbatch") == 2 && cluster.queue.count == 2)
    // and the second time there is nothing to do
    #expect(try run.submit(request).jobs.isEmpty)
    #expect(cluster.queue.count == 2)
  }

  /// It comes into the queue only after it was given up and submitted again: one of the two stays.
  @Test func aJobThatComesLateIsNotThereTwice() throws {
    let (_, cluster, run, request) = try setting()
    cluster.mishaps["sbatch"] = [.silent]
    var late: String?
    cluster.afterCall = { _, cluster in
      if cluster.calls.last == "sbatch", cluster.count("sbatch") == 2, late == nil, let record = try? run.store.read(1)
      {
        late = record.comment(of: 0)
        cluster.queue.append((99, record.comment(of: 0)))
      }
    }
    #expect(try run.submit(request).jobs.map(\.number) == ["99", "102"])
    #expect(cluster.queue.map(\.number) == [99, 102])
    #expect(cluster.count("scancel") == 1)
  }

  @Test func aRefusalIsNoSilence() throws {
    #expect(
      !Slurm().isPassing(.refused(program: "sbatch", code: 1, said: "sbatch: error: invalid partition specified: x")))
    #expect(!Slurm().isPassing(.unavailable(program: "squeue", reason: "it is not on the PATH")))
    for said in [
      "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
      "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
      "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:db:6819: Connection refused",
    ] { #expect(Slurm().isPassing(.refused(program: "sbatch", code: 1, said: said)), "\(said)") }
    let (_, cluster, run, request) = try setting()
    cluster.mishaps["squeue"] = Array(repeating: .silent, count: 50)
    expectError(saying: "Socket timed out") { _ = try run.submit(request) }
    #expect(cluster.count("sbatch") == 0)
  }

  @Test func waitingAsksAgainAndEndsByWhatBecameOfTheJobs() throws {
    let (_, cluster, run, request) = try setting()
    _ = try run.submit(request)
    cluster.mishaps["squeue"] = [.none, .silent, .silent, .silent, .none]
    cluster.afterCall = { _, cluster in if cluster.count("squeue") > 6 { cluster.queue = [] } }
    var said: [String] = []
    let ended = try run.wait { said.append($0) }
    #expect(cluster.slept.suffix(5) == [5, 5, 10, 20, 5])
    #expect(said.filter { $0.hasPrefix("the queue does not answer (") }.count == 1, "\(said)")
    #expect(said.contains("the queue answers again"))
    #expect(ended.mapValues(\.text) == ["a": "Slurm no longer knows", "b": "Slurm no longer knows"])
    // not for ever
    cluster.mishaps["squeue"] = Array(repeating: .silent, count: 1000)
    cluster.slept = []
    expectError(saying: "Socket timed out") { try run.wait { _ in } }
    #expect(cluster.slept.max() == 300 && cluster.slept.reduce(0, +) >= 86_400)
  }

  @Test func silenceIsToldFromLoss() throws {
    let (_, cluster, run, request) = try setting()
    _ = try run.submit(request)
    cluster.mishaps["squeue"] = [.silent]
    let silent = run.status()
    #expect(silent.problem != nil)
    #expect(
      silent.stages.mapValues(\.text) == [
        "a": "not known: the queue does not answer", "b": "not known: the queue does not answer",
      ])
    #expect(silent.stages["a"]?.state == .unknown && silent.stages["a"]?.job == "101")
    // out of the queue, and the accounting is silent, or there is none
    cluster.queue = []
    cluster.mishaps["sacct"] = [.silent]
    #expect(run.status().stages["a"]?.text == "not known: the accounting does not answer")
    #expect(run.status().stages["a"]?.text == "Slurm no longer knows")
  }

  @Test func cancellingAsksAgain() throws {
    let (_, cluster, run, request) = try setting()
    _ = try run.submit(request)
    cluster.mishaps["squeue"] = [.silent]
    cluster.mishaps["scancel"] = [.silent, .silent]
    #expect(try run.cancel() == ["101", "102"])
    #expect(cluster.queue.isEmpty)
  }

  // MARK: Accounting

  @Test(arguments: [
    (
      "101|OUT_OF_MEMORY|2026-01-02T03:04:05|n1\n101.batch|OUT_OF_MEMORY|2026-01-02T03:04:05|n1\n",
      "failed: its job had too little memory on n1"
    ),
    (
      "101|FAILED|2026-01-02T03:04:05|n1\n101.batch|OUT_OF_MEMORY|2026-01-02T03:04:05|n1\n101.extern|COMPLETED|Unknown|n1\n",
      "failed: its job had too little memory on n1"
    ),
    (
      "Welcome to the accounting\n101|TIMEOUT|2026-01-02T03:04:05|n1\n101.batch|CANCELLED|Unknown|n1\n",
      "its time limit was over"
    ),
    ("101|NODE_FAIL|2026-01-02T03:04:05|n1\n", "the node failed on n1"),
    ("101|CANCELLED by 1000|2026-01-02T03:04:05|None assigned\n", "cancelled"),
  ]) func whatAccountingSaysOfALostJob(text: String, expected: String) throws {
    let (_, cluster, run, request) = try setting()
    _ = try run.submit(request)
    cluster.queue = []
    cluster.accounting = text
    #expect(run.status().stages["a"]?.text == expected)
    let table = StatusTable.text(try run.engine.assess(), jobs: run.status().stages)
    #expect(table.contains(expected))
  }
}
