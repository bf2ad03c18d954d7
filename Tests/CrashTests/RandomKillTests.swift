import Artifacts
import Basics
import Foundation
import TestSupport
import Testing

/// The whole chain, killed at random times, again and again, until it has got to its end.
@Suite(.tags(.slow)) struct RandomKillTests {
  /// BOLTZMILL_KILLS asks for more than the ten of a normal test run.
  private static let wanted = ProcessInfo.processInfo.environment["BOLTZMILL_KILLS"].flatMap { Int($0) } ?? 10

  @Test func killedAtRandomTimes() throws {
    let reference = try TinyPipeline.whole.get()
    var random = RandomStream(seed: 20_261, "kills")
    var kills = 0
    var campaigns = 0
    while kills < Self.wanted {
      let program = try TinyPipeline.program()
      let folder = TinyPipeline.runFolder(program)
      var killedHere = 0
      while true {
        let started = try program.start(
          ["run", "tiny.yaml"] + TinyPipeline.options, environment: TinyPipeline.environment)
        // the first tenths are the program's own start
        let patience = 0.1 + random.uniform() * reference.seconds
        if kills < Self.wanted, !program.wait(seconds: patience, until: { !started.process.isRunning }) {
          kill(started.process.processIdentifier, SIGKILL)
        }
        let result = try program.finish(started)
        if result.signal == SIGKILL {
          kills += 1
          killedHere += 1
          continue
        }
        #expect(result.code == 0, "after \(killedHere) kills:\n\(result.errors)")
        #expect(!result.errors.contains("damaged"), "\(result.errors)")
        break
      }
      campaigns += 1
      #expect(try TinyPipeline.digests(folder) == reference.digests, "after \(killedHere) kills")
      #expect(TinyPipeline.leftovers(folder).isEmpty)
    }
    print("crash: \(kills) kills at random times in \(campaigns) runs, all digests equal")
  }

  /// With stages side by side in processes of their own it is the run that is killed. Its stages see that it is gone, save what
  /// they have and leave; until then they hold the folder.
  @Test func killedAtRandomTimesWithTwoJobs() throws {
    let reference = try TinyPipeline.whole.get()
    var random = RandomStream(seed: 7, "kills of jobs")
    let program = try TinyPipeline.program()
    let folder = TinyPipeline.runFolder(program)
    let words = ["run", "tiny.yaml", "--jobs", "2"] + TinyPipeline.options
    var (kills, waits) = (0, 0)
    while true {
      let started = try program.start(words, environment: TinyPipeline.environment)
      let patience = 0.3 + 0.5 * random.uniform() * reference.seconds
      if kills < 4, !program.wait(seconds: patience, until: { !started.process.isRunning }) {
        kill(started.process.processIdentifier, SIGKILL)
      }
      let result = try program.finish(started)
      if result.signal == SIGKILL {
        kills += 1
      } else if result.code == 2, result.errors.contains("is in use"), waits < 300 {
        waits += 1
        usleep(100_000)
      } else {
        #expect(result.code == 0, "after \(kills) kills:\n\(result.errors)")
        break
      }
    }
    #expect(try TinyPipeline.digests(folder) == reference.digests, "after \(kills) kills")
    #expect(TinyPipeline.leftovers(folder).isEmpty)
    print("crash: \(kills) kills of a run with two jobs, all digests equal")
  }
}
