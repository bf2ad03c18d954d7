import Foundation
import TestSupport
import Testing

/// Batches through a real Slurm, by the real program. Slurm takes about three seconds over every job.
@Suite(.serialized, .tags(.slow), .enabled(if: RealSlurm.isThere, "\(RealSlurm.reason)"))
struct SubmitTests {
  private static let together = "unit: system\ndefaults: { cpus: 1, time: 10, signal_lead: 60 }"

  @Test func twoCellsToAFinishedReportAsInOneProcess() throws {
    let batch = try Batch()
    let dry = try batch.submit("--dry-run", "--verbose")
    #expect(dry.code == 0, "\(dry.errors)")
    #expect(dry.output.contains("sbatch --parsable --job-name=batch/emulator"))
    #expect(dry.output.contains("'--dependency=aftercorr:<frames>'"))
    #expect(dry.output.contains("'--dependency=afterok:<traced>_0:<traced>_1'"))
    #expect(batch.queue().isEmpty)
    let result = try batch.submit("--wait")
    #expect(result.code == 0, "\(result.errors)\(result.output)\(batch.log("frames+0"))")
    #expect(try batch.digests() == batch.plainDigests())
    #expect(try batch.digests().count == 9)
    // the summary of the batch stands at the end of the run, and of status
    for text in [result.output, try batch.status()] {
      #expect(text.contains("dF traced"))
      #expect(text.components(separatedBy: "\n").contains { $0.hasPrefix("two") && $0.contains("done") }, "\(text)")
    }
    #expect(try batch.submit().output.contains("nothing has to run"))
  }

  @Test func oneJobForEachCell() throws {
    let batch = try Batch(profile: Self.together)
    let result = try batch.submit("--wait")
    #expect(result.code == 0, "\(result.errors)\(result.output)")
    #expect(result.output.contains("frames@one, emulator@one, fresh@one, ... (8)"), "\(result.output)")
    #expect(batch.log("system+1").contains("traced@two: done in"))
    #expect(try batch.digests() == batch.plainDigests())
  }

  @Test func toldToStopItSavesACheckpointAndComesBack() throws {
    let batch = try Batch(steps: Batch.long, profile: Self.together)
    #expect(try batch.submit("--only", "emulator@one,frames@one").code == 0)
    _ = try #require(batch.process(of: "emulator@one"), "\(batch.log("system+0"))")
    let job = try #require(batch.queue().first?.split(separator: " ").first.map(String.init))
    // as Slurm does before the time limit (--signal)
    RealSlurm.call("scancel", "--signal=USR1", "--batch", job)
    #expect(batch.program.wait(seconds: 30) { batch.queue().first?.contains("PENDING") == true })
    let status = try batch.status()
    #expect(status.contains("requeued, pending (BeginTime)"), "\(status)")
    #expect(status.contains("checkpoint at step"))
    let result = try batch.submit("--wait", "--only", "emulator@one,frames@one")
    #expect(result.code == 0, "\(result.errors)\(result.output)\(batch.log("system+0"))")
    let log = batch.log("system+0")
    #expect(log.contains("back to the queue"))
    #expect(log.contains("start 2: frames@one, emulator@one"))
    #expect(log.contains("from the checkpoint of step"))
    let expected = try batch.plainDigests()
    for name in ["frames@one.h5", "emulator@one.h5"] { #expect(try batch.digests()[name] == expected[name]) }
    #expect(expected.count == 9)
  }

  @Test func killedWithoutNoticeItIsNamedAndResumed() throws {
    let batch = try Batch(steps: Batch.long, profile: Self.together)
    #expect(try batch.submit().code == 0)
    let process = try #require(batch.process(of: "emulator@one"), "\(batch.log("system+0"))")
    kill(process, SIGKILL)
    #expect(batch.program.wait(seconds: 60) { batch.queue().isEmpty })
    let status = try batch.status()
    #expect(status.contains("error: stage 'emulator@one' (job "), "\(status)")
    #expect(status.contains("its process was ended on"))
    #expect(status.contains("not run: a stage it needs did not finish"), "the report")
    #expect(status.components(separatedBy: "\n").contains { $0.hasPrefix("two") && $0.contains("done") })
    let again = try batch.submit("--wait")
    #expect(again.code == 0, "\(again.errors)\(again.output)")
    #expect(batch.log("system+0", submission: 2).contains("from the checkpoint of step"))
    #expect(try batch.digests() == batch.plainDigests())
  }

  @Test func aFailingCellLeavesTheOthersAlone() throws {
    let batch = try Batch(broken: true)
    let result = try batch.submit("--wait")
    #expect(result.code == 1)
    #expect(result.output.contains("error: stage 'frames@cut' (job "), "\(result.output)")
    let status = try batch.status()
    #expect(status.contains("cut.nc"), "\(status)")
    let rows = status.components(separatedBy: "\n")
    #expect(rows.contains { $0.hasPrefix("cut") && $0.contains("failed: frames") })
    #expect(rows.contains { $0.hasPrefix("one") && $0.contains("done") })
    #expect(rows.contains { $0.hasPrefix("emulator@cut") && $0.contains("not run") })
    #expect(rows.contains { $0.hasPrefix("report") && $0.contains("not run") })
    #expect(try batch.digests().count == 8)
    #expect(batch.queue().isEmpty, "what waited for the failed one is gone too")
  }

  @Test func submittedTwiceHeldAndCancelled() throws {
    let batch = try Batch(steps: 1_000_000, profile: Self.together)
    let stranger = RealSlurm.call("sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 300")
      .trimmingCharacters(in: .whitespacesAndNewlines)
    defer { RealSlurm.call("scancel", stranger) }
    #expect(try batch.submit().code == 0)
    #expect(batch.queue().count == 3)
    let second = try batch.submit()
    #expect(second.code == 0)
    #expect(second.output.contains("already in the queue, not submitted again: "), "\(second.output)")
    #expect(second.output.contains("emulator@one (") && second.output.contains("report ("))
    #expect(second.output.contains("nothing was left to submit"))
    #expect(batch.queue().count == 3)
    let other = try batch.submit("--set", "emulator.training.steps=7")
    #expect(other.code == 2)
    #expect(other.errors.contains("stage 'emulator@one' is in the queue already (job "), "\(other.errors)")
    // the folder is shared by the jobs, and by nobody else
    _ = try #require(batch.process(of: "emulator@one"))
    let process = try #require(batch.process(of: "emulator@two"))
    let run = try batch.run("run", "batch.yaml")
    #expect(run.code == 2)
    #expect(run.errors.contains("is in use by another run (process "), "\(run.errors)")
    #expect(run.errors.contains("_0, stage 'emulator@one'; and 1 more)"))
    let status = try batch.status()
    #expect(status.contains("running on "), "\(status)")
    #expect(status.contains("_1, stage 'emulator@two'"))
    let cancelled = try batch.run("cancel", "batch.yaml")
    #expect(cancelled.output.contains("cancelled 2 jobs"), "\(cancelled.output)")
    #expect(batch.program.wait(seconds: 30) { batch.queue().isEmpty })
    #expect(RealSlurm.call("squeue", "--noheader", "--jobs=\(stranger)").contains(stranger))
    #expect(kill(process, 0) != 0)
    let after = try batch.status()
    #expect(after.contains("cancelled"), "\(after)")
    #expect(after.contains("checkpoint at step"), "it saved what it had")
    #expect(try batch.run("cancel", "batch.yaml").output == "nothing of this run is in the queue\n")
  }

  @Test func aJobWaitsForARunThatHoldsTheFolder() throws {
    let batch = try Batch(steps: 1_000_000, profile: Self.together)
    #expect(try batch.submit("--only", "frames@two").code == 0)
    #expect(batch.program.wait(seconds: 30) { batch.queue().isEmpty })
    let run = try batch.program.start(
      ["run", "batch.yaml", "--only", "*@one", "--checkpoint-interval", "0.1"],
      environment: RealSlurm.shared.environment)
    let checkpoint = batch.program.folder.appendingPathComponent("runs/batch/emulator@one.ckpt-A.h5").path
    #expect(batch.program.wait(seconds: 60) { FileManager.default.fileExists(atPath: checkpoint) })
    let refused = try batch.submit("--only", "emulator@two")
    #expect(refused.code == 2)
    #expect(refused.errors.contains("is in use by another run (process \(run.process.processIdentifier) on "))
    kill(run.process.processIdentifier, SIGINT)
    #expect(try batch.program.finish(run).code == 75)
  }
}

/// What becomes of a batch when the cluster is disturbed, on a Slurm of its own: the jobs go on, to the same bits.
@Suite(.serialized, .tags(.slow), .enabled(if: RealSlurm.isThere, "\(RealSlurm.reason)")) struct DisturbedClusterTests {
  private static let together = "unit: system\ndefaults: { cpus: 1, time: 10, signal_lead: 60 }"
  private let slurm = RealSlurm.disturbed

  /// The stages of a batch under way, once a job has saved a checkpoint, and the command that waits for them.
  private func waiting(_ batch: Batch) throws -> (process: Process, tag: String) {
    let waiting = try batch.submitting(["--wait"])
    _ = try #require(batch.process(of: "emulator@one"), "\(batch.log("system+0"))")
    return waiting
  }

  @Test func theControllerIsKilledAndComesBack() throws {
    let batch = try Batch(steps: Batch.long, profile: Self.together, on: slurm)
    let waiting = try waiting(batch)
    try slurm.killController()
    let status = try batch.status()
    #expect(status.contains("not known: the queue does not answer"), "\(status)")
    slurm.startController()
    let result = try batch.program.finish(waiting)
    #expect(result.code == 0, "\(result.errors)\(result.output)\(batch.log("system+0"))")
    #expect(try batch.digests() == batch.plainDigests())
    #expect(!batch.log("system+0").contains("start 2"), "the job noticed")
  }

  @Test func aNodeDrainsFailsAndComesBack() throws {
    let node = slurm.call("sinfo", "--noheader", "--format=%N").trimmingCharacters(in: .whitespacesAndNewlines)
    func set(_ state: String) { slurm.call("scontrol", "update", "nodename=\(node)", "state=\(state)", "reason=test") }
    let batch = try Batch(steps: Batch.long, profile: Self.together, on: slurm)
    let waiting = try waiting(batch)
    set("drain")
    #expect(slurm.call("sinfo", "--noheader", "--format=%T").contains("drain"))
    // what runs goes on; it is the node's failure that ends it
    set("down")
    #expect(batch.program.wait(seconds: 30) { batch.queue().allSatisfy { $0.contains("PENDING") } }, "\(batch.queue())")
    set("resume")
    let result = try batch.program.finish(waiting)
    #expect(result.code == 0, "\(result.errors)\(result.output)\(batch.log("system+0"))")
    let log = batch.log("system+0")
    #expect(log.contains("start 2: frames@one, emulator@one") && log.contains("from the checkpoint of step"), "\(log)")
    #expect(try batch.digests() == batch.plainDigests())
  }
}

/// The one slow test: Slurm counts time in minutes.
@Suite(.tags(.slow), .enabled(if: RealSlurm.isThere, "\(RealSlurm.reason)")) struct TimeLimitTests {
  /// The job gets no notice before the limit, and sleeps until Slurm ends it.
  @Test func endedByItsTimeLimitItComesBack() throws {
    let batch = try Batch(steps: Batch.long, profile: "unit: system\ndefaults: { cpus: 1, time: 1, signal_lead: 0 }")
    #expect(try batch.submit("--only", "frames@one,emulator@one").code == 0)
    let process = try #require(batch.process(of: "emulator@one"), "\(batch.log("system+0"))")
    kill(process, SIGSTOP)
    #expect(batch.program.wait(seconds: 150) { batch.log("system+0").contains("DUE TO TIME LIMIT") })
    let result = try batch.submit("--wait", "--only", "frames@one,emulator@one")
    #expect(result.code == 0, "\(result.errors)\(result.output)")
    let log = batch.log("system+0")
    #expect(log.contains("start 2: frames@one, emulator@one"), "\(log)")
    #expect(log.contains("from the checkpoint of step"))
    let found = try batch.digests()
    let expected = try batch.plainDigests()
    #expect(found.count == 2)
    for (name, digest) in found { #expect(expected[name] == digest, "\(name)") }
  }
}
