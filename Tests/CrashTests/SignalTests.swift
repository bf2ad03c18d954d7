import Foundation
import TestSupport
import Testing

/// What the program does when it is asked to stop.
@Suite
struct SignalTests {
  private func start(_ program: Program, fault: String? = nil) throws -> (process: Process, tag: String) {
    var environment = TinyPipeline.environment
    environment["BOLTZMILL_FAULT"] = fault
    return try program.start(
      ["run", "tiny.yaml", "--threads", "1", "--checkpoint-interval", "0.1"], environment: environment)
  }

  private func waitForTraining(_ program: Program, _ tag: String) -> Bool {
    let checkpoint = TinyPipeline.runFolder(program).appendingPathComponent("emulator.ckpt-A.h5").path
    return program.wait(seconds: 60) {
      program.text(tag, "err").contains("emulator (emulator)") && FileManager.default.fileExists(atPath: checkpoint)
    }
  }

  /// Warnings of batch systems before a limit, a terminal that closes, and the two ways to stop a program by hand.
  @Test(arguments: [SIGUSR1, SIGTERM, SIGINT, SIGHUP, SIGXCPU, SIGUSR2])
  func aSignalSavesAndSaysHowToResume(number: Int32) throws {
    let program = try TinyPipeline.program(short: true, trainingSteps: 100_000)
    let started = try start(program)
    #expect(waitForTraining(program, started.tag))
    kill(started.process.processIdentifier, number)
    let result = try program.finish(started)
    #expect(result.code == 75, "\(result.errors)")
    #expect(result.errors.contains("interrupted in stage 'emulator'; its checkpoint is saved"))
    let command = "pipeline run tiny.yaml --threads 1 --checkpoint-interval 0.1\n"
    #expect(result.errors.hasSuffix(command), "\(result.errors)")
    #expect(
      !FileManager.default.fileExists(
        atPath: TinyPipeline.runFolder(program).appendingPathComponent("emulator.h5").path))
  }

  /// A step that takes for ever: the first SIGINT waits for it, the second does not.
  @Test func aSecondInterruptEndsTheProgramAtOnce() throws {
    let program = try TinyPipeline.program(short: true)
    let started = try start(program, fault: "engine.after-work=hang")
    #expect(program.wait(seconds: 60) { program.text(started.tag, "err").contains("frames (ingest)") })
    usleep(200_000)
    kill(started.process.processIdentifier, SIGINT)
    #expect(
      program.wait(seconds: 20) { program.text(started.tag, "err").contains("stopping after the next checkpoint") })
    usleep(300_000)
    #expect(started.process.isRunning)
    let second = Date()
    kill(started.process.processIdentifier, SIGINT)
    let result = try program.finish(started)
    #expect(result.code == 75)
    #expect(result.signal == nil)
    #expect(Date().timeIntervalSince(second) < 5)
    // and nothing is locked or spoilt
    let again = try program.finish(start(program))
    #expect(again.code == 0, "\(again.errors)")
    #expect(try TinyPipeline.digests(TinyPipeline.runFolder(program), short: true) == TinyPipeline.short.get().digests)
  }
}
