import Artifacts
import Foundation
import TestSupport
import Testing

/// The real program, killed or made to fail at every named place of the store and the engine, then run again: the artifacts
/// are those of a run that was never touched.
@Suite(.tags(.slow)) struct FaultPointTests {
  private func run(_ program: Program, fault: String? = nil) throws -> Program.Result {
    var environment = TinyPipeline.environment
    environment["BOLTZMILL_FAULT"] = fault
    return try program.finish(program.start(["run", "tiny.yaml"] + TinyPipeline.options, environment: environment))
  }

  /// How often an undisturbed run passes each place.
  private static let passes = Result {
    let program = try TinyPipeline.program(short: true)
    let trace = program.folder.appendingPathComponent("trace")
    _ = try program.finish(
      program.start(
        ["run", "tiny.yaml"] + TinyPipeline.options, environment: ["BOLTZMILL_FAULT": "trace=\(trace.path)"]))
    let names = try String(contentsOf: trace, encoding: .utf8).split(separator: "\n").map(String.init)
    return Dictionary(names.map { ($0, 1) }, uniquingKeysWith: +)
  }

  @Test func everyPlaceIsPassed() throws {
    let passes = try Self.passes.get()
    for point in FaultPoint.allCases { #expect((passes[point.rawValue] ?? 0) > 0, "\(point.rawValue) is never passed") }
    #expect(passes.keys.allSatisfy { FaultPoint(rawValue: $0) != nil })
  }

  @Test func killedAtEveryPlaceAndResumed() throws {
    let reference = try TinyPipeline.short.get()
    let passes = try Self.passes.get()
    var kills = 0
    for (index, point) in FaultPoint.allCases.enumerated() {
      let program = try TinyPipeline.program(short: true)
      // not always the first time: once early, once late in the run
      let count = passes[point.rawValue] ?? 1
      let hit = max(1, count * (index % 3 + 1) / 4)
      let killed = try run(program, fault: "\(point.rawValue):\(hit)=kill")
      #expect(killed.signal == SIGKILL, "\(point.rawValue):\(hit): exit code \(killed.code)\n\(killed.errors)")
      kills += 1
      let resumed = try run(program)
      #expect(resumed.code == 0, "\(point.rawValue):\(hit)\n\(resumed.errors)")
      let folder = TinyPipeline.runFolder(program)
      #expect(try TinyPipeline.digests(folder, short: true) == reference.digests, "\(point.rawValue):\(hit)")
      #expect(TinyPipeline.leftovers(folder).isEmpty, "\(point.rawValue):\(hit)")
      #expect(!resumed.errors.contains("damaged"), "\(point.rawValue):\(hit)\n\(resumed.errors)")
    }
    print("crash: \(kills) kills at \(FaultPoint.allCases.count) places, all digests equal")
  }

  /// One run that is killed again and again, a place further each time, and once more at the same place.
  @Test func killedAllTheWay() throws {
    let reference = try TinyPipeline.short.get()
    let program = try TinyPipeline.program(short: true)
    var kills = 0
    for place in ["store.after-temporary", "store.before-rename", "store.after-rename:2", "store.mid-write:20"] {
      for _ in 0..<2 where try run(program, fault: "\(place)=kill").signal == SIGKILL { kills += 1 }
    }
    #expect(kills >= 6)
    #expect(try run(program).code == 0)
    #expect(try TinyPipeline.digests(TinyPipeline.runFolder(program), short: true) == reference.digests)
  }

  /// A full disk at every place, one after the other in one folder: each is told, nothing that was there is lost.
  @Test func aFullDiskAtEveryPlace() throws {
    let reference = try TinyPipeline.short.get()
    let program = try TinyPipeline.program(short: true)
    var failures = 0
    for (index, point) in FaultPoint.allCases.enumerated() {
      let failed = try run(program, fault: "\(point.rawValue)\(index % 2 == 0 ? "" : ":2")=full")
      if failed.code == 0 { continue }  // the run has got past the place by now
      failures += 1
      #expect(failed.code == 1, "\(point.rawValue): \(failed.code)\n\(failed.errors)")
      #expect(failed.errors.contains("No space left on device"), "\(point.rawValue)\n\(failed.errors)")
      #expect(failed.errors.contains("error: "))
    }
    #expect(failures >= 8)
    #expect(try run(program).code == 0)
    let folder = TinyPipeline.runFolder(program)
    #expect(try TinyPipeline.digests(folder, short: true) == reference.digests)
    #expect(TinyPipeline.leftovers(folder).isEmpty)
    print("crash: \(failures) runs that met a full disk, finished by the next one")
  }
}
