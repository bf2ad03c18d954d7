import Foundation
import TestSupport
import Testing

/// Dynamics by one force field, weights by another, through the real program.
@Suite(.serialized, .tags(.slow)) struct PerturbCaseTests {
  private func text(_ more: String) -> String {
    """
    name: two
    system:
      topology: \(Package.alanine.path)/alanine.pdb
      forcefield: gfn2-xtb
    \(more)
    stages:
      md: { uses: simulate, runs: 1, length: 2, equilibration: 1, steering_time: 20 }
      frames: { uses: ingest, simulation: md }
      emulator: { uses: emulator, frames: frames, network: { width: 16, depth: 1 }, training: { steps: 3, batch: 4 } }
      target: { uses: perturb, emulator: emulator }
    """
  }

  /// `sampled_by` is what dynamics runs on; without it the method that is wanted would have to, and cannot.
  @Test func dynamicsIsByTheForceFieldOfTheFrames() throws {
    let program = try Program()
    try program.write(text(""), to: "one.yaml")
    let refused = try program.run("check", "one.yaml")
    #expect(refused.code != 0 && (refused.output + refused.errors).contains("GFN2-xTB"), "\(refused.errors)")
    try program.write(text("  sampled_by: \(Package.alanine.path)/system.xml"), to: "two.yaml")
    let checked = try program.run("check", "two.yaml")
    #expect(checked.code == 0, "\(checked.output)\(checked.errors)")
    let run = try program.run("run", "two.yaml", "--only", "md", "--threads", "1")
    #expect(run.code == 0, "\(run.errors)")
    // the key hangs on the force field of the dynamics
    let other = try program.run(
      "run", "two.yaml", "--dry-run", "--set", "system.sampled_by=\(Package.alanine.path)/alanine.prmtop")
    #expect(other.output.contains("sampled_by"), "\(other.output)")
  }
}
