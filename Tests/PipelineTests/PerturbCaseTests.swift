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

  /// `sampled_by` is what dynamics runs on; without it the method that is wanted has to, and cannot by OpenMM.
  @Test func dynamicsIsByTheForceFieldOfTheFrames() throws {
    let program = try Program()
    func text(_ more: String) -> String {
      self.text(more).replacingOccurrences(of: "uses: simulate,", with: "uses: simulate, forces: openmm,")
    }
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

  /// Weights between two potentials: what is wrong is not training, and the way out is named.
  @Test func weightsOfAnotherPotentialAreNotWantOfTraining() throws {
    let program = try Program()
    func text(_ emulator: String, _ more: String = "") -> String {
      """
      name: apart
      system:
        topology: \(Package.alanine.path)/alanine.pdb
        forcefield: gfn2-xtb
        sampled_by: \(Package.alanine.path)/system.xml
      stages:
        frames: { uses: ingest, trajectory: [\(Package.alanine.path)/alanine-left.nc, \(Package.alanine.path)/alanine-beta.nc], stride: 20 }
        emulator: { uses: emulator, frames: frames, network: { \(emulator) }, training: { steps: 40, batch: 64 } }
        drawn: { uses: sample, emulator: emulator, count: 300, ode_steps: 3 }
        weighted: { uses: reweight, samples: drawn, density: stochastic-trace, bootstrap: 10 }
      \(more)
      """
    }
    try program.write(
      text("width: 16, depth: 1", "  report: { uses: report, compare: [weighted] }"), to: "apart.yaml")
    let run = try program.run("run", "apart.yaml", "--threads", "1")
    #expect(run.code == 0, "\(run.errors)")
    let told = run.output + run.errors
    #expect(told.contains("A stage perturb carries the emulator over"), "\(told)")
    #expect(!told.contains("train the emulator longer"), "\(told)")
    let step = told.split(separator: "\n").joined(separator: " ").replacing(#/ +/#, with: " ")
    #expect(step.contains("write `target: { uses: perturb, emulator: emulator }` among the stages"), "\(told)")

    let cartesian = text("type: egnn, layers: 1", "  target: { uses: perturb, emulator: emulator }")
      .replacing("frames: frames,", with: "frames: frames, coordinates: cartesian,")
    try program.write(cartesian, to: "positions.yaml")
    let refused = try program.run("check", "positions.yaml")
    #expect(refused.code == 2 && refused.errors.contains("positions.yaml:"), "\(refused.errors)")
    #expect(refused.errors.contains("only an emulator of internal coordinates"), "\(refused.errors)")
  }
}
