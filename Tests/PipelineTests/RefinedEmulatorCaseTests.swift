import Foundation
import TestSupport
import Testing

/// An emulator refined by its own samples, as a pipeline file asks for it.
@Suite struct RefinedEmulatorCaseTests {
  private func file(_ emulator: String, refined: String = "reweight: [weights]", sample: String = "") -> String {
    """
    name: chain
    system:
      topology: chain.pdb
      forcefield: springs.xml
      torsions: { t: [0, 1, 2, 3] }
      state: { torsion: t, from: -1, to: 1 }
    stages:
      frames:   { uses: ingest, trajectory: chain.nc, constraints: flexible }
      emulator: { uses: emulator, frames: frames\(emulator) }
      drawn:    { uses: sample, emulator: emulator\(sample) }
      weights:  { uses: reweight, samples: drawn, density: stochastic-trace }
      refined:  { uses: refined-emulator, \(refined) }
      fresh:    { uses: sample, emulator: refined }
    """
  }

  /// What cannot be refined is said by `check`, at the stage's line.
  @Test(arguments: [
    (", coordinates: cartesian", "'emulator' has coordinates: cartesian"),
    (", flows: one", "'emulator' has flows: one"),
    (", targets: plain", "'emulator' has targets: plain"),
  ]) func whatCannotBeRefinedIsSaidFirst(_ emulator: String, _ message: String) throws {
    let program = try Program()
    try program.take("held")
    try program.write(file(emulator), to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2 && found.errors.contains(message), "\(found.errors)")
    #expect(found.errors.contains("p.yaml:12:"), "\(found.errors)")
  }

  /// What stands at the stage itself.
  @Test(arguments: [
    ("reweight: [weights], frames: frames, sample_share: 1", "leaves nothing to the frames"),
    ("reweight: []", "reweight"),
  ]) func whatIsAskedOfItIsLookedAt(_ refined: String, _ message: String) throws {
    let program = try Program()
    try program.take("held")
    try program.write(file("", refined: refined), to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2 && found.errors.contains(message), "\(found.errors)")
  }

  /// Tight binding has perturb, and its emulators have rounds of their own.
  @Test func dearPotentialsAndCarriedEmulatorsAreRefused() throws {
    let program = try Program()
    try program.take("held")
    try program.write(
      file("").replacingOccurrences(of: "forcefield: springs.xml", with: "forcefield: gfn2-xtb"), to: "p.yaml")
    let dear = try program.run("check", "p.yaml")
    #expect(dear.code == 2 && dear.errors.contains("perturb, which keeps them"), "\(dear.errors)")
    try program.write(
      file("").replacingOccurrences(
        of: "  drawn:    { uses: sample, emulator: emulator",
        with: "  carried:  { uses: perturb, emulator: emulator }\n  drawn:    { uses: sample, emulator: carried"),
      to: "p.yaml")
    let carried = try program.run("check", "p.yaml")
    #expect(carried.code == 2 && carried.errors.contains("'carried' was carried over by perturb"), "\(carried.errors)")
  }

  @Test func heldBondsAndMovedSamplesAreRefused() throws {
    let program = try Program()
    try program.take("held")
    try program.write(
      file("").replacingOccurrences(of: "constraints: flexible", with: "constraints: rigid"), to: "p.yaml")
    let held = try program.run("check", "p.yaml")
    #expect(held.code == 2 && held.errors.contains("write constraints: flexible where 'emulator'"), "\(held.errors)")
    let moved = file("").replacingOccurrences(
      of: "samples: drawn, density: stochastic-trace", with: "samples: moved, density: annealed"
    ).replacingOccurrences(
      of: "  weights:",
      with: "  ebm: { uses: energy-model, samples: drawn }\n  moved: { uses: anneal, samples: drawn, density: ebm }\n"
        + "  weights:")
    try program.write(moved, to: "p.yaml")
    let annealed = try program.run("check", "p.yaml")
    #expect(
      annealed.code == 2 && annealed.errors.contains("'weights' weighs no samples as an emulator drew them"),
      "\(annealed.errors)")
  }
}
