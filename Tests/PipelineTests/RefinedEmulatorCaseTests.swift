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

  /// What `check` says of the file, with changes made in it, beside which nothing else is wrong.
  private func refused(_ file: String, _ changes: [(String, String)] = []) throws -> String {
    let program = try Program()
    try program.take("held")
    try program.write(
      changes.reduce(file) { $0.replacingOccurrences(of: $1.0, with: $1.1) }, to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2, "\(found.output)\(found.errors)")
    return found.errors
  }

  /// The file as it stands has nothing wrong: what is refused below is refused for the change alone.
  @Test func asItStandsNothingIsWrong() throws {
    let program = try Program()
    try program.take("held")
    try program.write(file("", refined: "reweight: [weights], frames: frames"), to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 0, "\(found.output)\(found.errors)")
  }

  /// What cannot be refined is said by `check`, at the stage's line.
  @Test(arguments: [
    (", coordinates: cartesian", "'emulator' has coordinates: cartesian"),
    (", flows: one", "'emulator' has flows: one"),
    (", targets: plain", "'emulator' has targets: plain"),
  ]) func whatCannotBeRefinedIsSaidFirst(_ emulator: String, _ message: String) throws {
    let errors = try refused(file(emulator))
    #expect(errors.contains(message) && errors.contains("p.yaml:12:"), "\(errors)")
  }

  /// What stands at the stage itself.
  @Test(arguments: [
    ("reweight: [weights], frames: frames, sample_share: 1", "leaves nothing to the frames"),
    ("reweight: []", "reweight"),
  ]) func whatIsAskedOfItIsLookedAt(_ refined: String, _ message: String) throws {
    let errors = try refused(file("", refined: refined))
    #expect(errors.contains(message), "\(errors)")
  }

  /// Tight binding has perturb, whose emulators have rounds of their own; held bonds, and samples that were moved.
  @Test(arguments: [
    ([("forcefield: springs.xml", "forcefield: gfn2-xtb")], "perturb, which keeps them"),
    (
      [
        (
          "  drawn:    { uses: sample, emulator: emulator",
          "  carried:  { uses: perturb, emulator: emulator }\n  drawn:    { uses: sample, emulator: carried"
        )
      ], "'carried' was carried over by perturb"
    ),
    ([("constraints: flexible", "constraints: rigid")], "write constraints: flexible where 'emulator'"),
    (
      [
        ("samples: drawn, density: stochastic-trace", "samples: moved, density: annealed"),
        (
          "  weights:",
          "  ebm: { uses: energy-model, samples: drawn }\n  moved: { uses: anneal, samples: drawn, density: ebm }\n  weights:"
        ),
      ], "'weights' weighs no samples as an emulator drew them"
    ),
  ]) func whatComesBeforeItIsLookedAt(_ changes: [(String, String)], _ message: String) throws {
    let errors = try refused(file(""), changes)
    #expect(errors.contains(message), "\(errors)")
  }
}
