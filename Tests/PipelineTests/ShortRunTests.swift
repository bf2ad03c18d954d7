import Artifacts
import Foundation
import TestSupport
import Testing

/// A short chain on real frames, through the real program.
@Suite
struct ShortRunTests {
  private func text(steps: Int) -> String {
    let alanine = Package.alanine.path
    return """
      name: short
      seed: 1
      system:
        topology: \(alanine)/alanine.pdb
        forcefield: \(alanine)/system.xml
        torsions: { phi: [4, 6, 8, 14], psi: [6, 8, 14, 16] }
      stages:
        frames:   { uses: ingest, trajectory: \(alanine)/alanine-left.nc, stride: 50 }
        emulator: { uses: emulator, frames: frames, network: { width: 16, depth: 1 }, training: { steps: \(steps), batch: 64 } }
        samples:  { uses: sample, emulator: emulator, count: 20 }
      """
  }

  @Test func runsSkipsAndExplains() throws {
    let program = try Program()
    try program.write(text(steps: 20), to: "short.yaml")
    let plan = try program.run("run", "short.yaml", "--dry-run")
    #expect(plan.code == 0)
    #expect(plan.output.contains("no artifact yet"))
    #expect(!FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("runs").path))

    let first = try program.run("run", "short.yaml")
    #expect(first.code == 0, "\(first.errors)")
    let folder = program.folder.appendingPathComponent("runs/short")
    for stage in ["frames", "emulator", "samples"] {
      let provenance = try Artifact.open(folder.appendingPathComponent("\(stage).h5"), verify: true).provenance
      #expect(provenance.stage == stage)
      #expect(provenance.versions.keys.sorted() == ["HDF5", "LibTorch", "NetCDF", "OpenMM", "xtb"])
    }

    let start = Date()
    let again = try program.run("run", "short.yaml", "--json")
    print("an equal rerun took \(Date().timeIntervalSince(start)) s")
    #expect(again.code == 0)
    let json = try #require(try JSONSerialization.jsonObject(with: Data(again.output.utf8)) as? [String: Any])
    let stages = try #require(json["stages"] as? [[String: Any]])
    #expect(stages.allSatisfy { $0["result"] as? String == "skipped" })

    let explained = try program.run("explain", "short.yaml", "emulator", "--set", "emulator.training.steps=30")
    #expect(explained.output.hasPrefix("emulator: runs\n  training.steps: 20 -> 30\n"))
    #expect(try program.run("status", "short.yaml").output.contains("same key, sound artifact"))
    #expect(
      try program.run("verify", "short.yaml").output.hasSuffix("6 files read, 0 damaged\n"),
      "three artifacts, three inputs, one of them the force field")
    #expect(try program.run("inspect", "short.yaml", "samples").output.contains("stage samples (sample, version"))
    #expect(try program.run("clean", "short.yaml").output == "0 files, 0 bytes\n")

    // one flipped bit in the data: noticed, set aside, made again, and nothing else runs
    let file = folder.appendingPathComponent("frames.h5")
    var bytes = try Data(contentsOf: file)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: file)
    let verified = try program.run("verify", "short.yaml")
    #expect(verified.code == 1)
    #expect(verified.output.contains("DAMAGED  frames.h5"))
    let repaired = try program.run("run", "short.yaml")
    #expect(repaired.code == 0)
    #expect(repaired.errors.contains("the file is kept as frames.h5.damaged"))
    #expect(repaired.output.components(separatedBy: "skipped").count == 3)
  }

  @Test func aFailureSaysWhatIsKeptAndHowToResume() throws {
    let program = try Program()
    let left = try Data(contentsOf: Package.alanine.appendingPathComponent("alanine-left.nc"))
    try left.prefix(left.count / 2).write(to: program.folder.appendingPathComponent("cut.nc"))
    func write(_ trajectory: String, _ more: String = "") throws {
      try program.write(
        """
        name: cut
        system: { topology: \(Package.alanine.path)/alanine.pdb }
        stages: { frames: { uses: ingest, trajectory: \(trajectory), stride: 100\(more) } }
        """, to: "cut.yaml")
    }
    // what the header of a file tells is told before anything runs
    try write("cut.nc")
    let refused = try program.run("run", "cut.yaml", "--threads", "1")
    #expect(refused.code == 2)
    #expect(refused.errors.hasPrefix("cut.yaml:3:") && refused.errors.contains("cut.nc: the file is cut off"))
    // what only its frames tell ends the stage
    try write("\(Package.alanine.path)/alanine-left.nc", ", bond_tolerance: 0.01")
    let result = try program.run("run", "cut.yaml", "--threads", "1")
    #expect(result.code == 1)
    #expect(result.errors.contains("error: stage 'frames': ") && result.errors.contains("frames are bad"))
    #expect(result.errors.contains("kept in runs/cut: nothing yet"))
    #expect(result.errors.hasSuffix("pipeline run cut.yaml --threads 1\n"))
  }

  @Test func interruptedBySignalAndResumed() throws {
    let program = try Program()
    try program.write(text(steps: 1_000_000), to: "long.yaml")
    let folder = program.folder.appendingPathComponent("runs/short")
    for signal in [SIGINT, SIGTERM] {
      let started = try program.start(["run", "long.yaml", "--checkpoint-interval", "0.2"])
      let running = program.wait(seconds: 60) {
        let resumed = program.text(started.tag, "err").contains("emulator (emulator): no artifact yet")
        let stamp =
          try? FileManager.default.attributesOfItem(
            atPath: folder.appendingPathComponent("emulator.ckpt-B.h5").path)[.modificationDate] as? Date
        return resumed && (stamp ?? .distantPast) > Date().addingTimeInterval(-2)
      }
      #expect(running)
      // the run folder is taken
      let second = try program.run("run", "long.yaml")
      #expect(second.code == 2)
      #expect(second.errors.contains("is in use by another run (process "))
      kill(started.process.processIdentifier, signal)
      let result = try program.finish(started)
      #expect(result.code == 75, "\(result.errors)")
      #expect(result.errors.contains("interrupted in stage 'emulator'; its checkpoint is saved"))
      #expect(result.errors.contains("kept in runs/short: finished frames; emulator up to step "))
      #expect(result.errors.hasSuffix("pipeline run long.yaml --checkpoint-interval 0.2\n"))
      if signal == SIGTERM { #expect(result.errors.contains("from the checkpoint of step ")) }
    }
  }
}
