import Artifacts
import Foundation
import TestSupport
import Testing

/// The file has a variable of times into which its writer never put a value.
@Suite struct TimeNeverWrittenTests {
  @Test func framesAreTakenOverWithoutTimes() throws {
    let program = try Program()
    let source = Package.fixture("cases/time-never-written")
    for name in ["p.yaml", "meoh.pdb", "notime.nc"] {
      try FileManager.default.copyItem(
        at: source.appendingPathComponent(name), to: program.folder.appendingPathComponent(name))
    }
    let result = try program.run("run", "p.yaml")
    #expect(result.code == 0, "\(result.errors)")
    let frames = try Artifact.open(
      program.folder.appendingPathComponent("runs/time-never-written/frames.h5"), verify: true)
    #expect(try frames.shape("coordinates") == [20, 6, 3])
    #expect(!frames.exists("time"))
    #expect(frames.provenance.warnings.contains { $0.contains("notime.nc: the times were never written") })
  }
}
