import Foundation
import TestSupport
import Testing

/// What is known of an emulator of many peptides before any dynamics runs.
@Suite struct TransferCheckTests {
  private func check(_ roles: [(String, String)]) throws -> Program.Result {
    let program = try Program()
    let folder = Package.root.appendingPathComponent("datasets/dipeptides").path
    let text = """
      name: peptides
      temperature: 310
      matrix:
        system: { \(roles.map { "\($0.0): { role: \($0.1) }" }.joined(separator: ", ")) }
      system: { topology: "\(folder)/${system.name}/topology.pdb", forcefield: "\(folder)/${system.name}/system.xml" }
      stages:
        md: { uses: simulate, steering: [psi], starts: [[2]], where: { system.role: [train, judge] } }
        frames: { uses: ingest, simulation: md, forces: keep, where: { system.role: train } }
        judges: { uses: ingest, simulation: md, forces: keep, where: { system.role: judge } }
        shared: { uses: transferable-emulator, frames: [frames], held_out: [judges] }
        zero: { uses: transferred-emulator, model: shared, where: { system.role: drawn } }
      """
    try program.write(text, to: "p.yaml")
    return try program.run("check", "p.yaml")
  }

  @Test func residuesThatWillNotBeKnownAreNamed() throws {
    let wrong = try check([("AC", "train"), ("AT", "train"), ("TC", "judge"), ("NF", "drawn"), ("AA", "drawn")])
    #expect(wrong.code == 2)
    let lines = wrong.errors.split(separator: "\n").map(String.init)
    #expect(
      lines.contains {
        $0.hasPrefix("p.yaml:10:")
          && $0.contains("judges@TC: the emulator has seen no THR first: THR 1 cannot be drawn; it knows ALA first")
      }, "\(wrong.errors)")
    for residue in ["ASN first: ASN 1", "ALA last: ALA 2"] {
      #expect(
        lines.contains { $0.hasPrefix("p.yaml:11:") && $0.contains("has seen no \(residue) cannot be drawn") },
        "\(wrong.errors)")
    }
    #expect(lines.count == 4, "\(wrong.errors)")
  }

  /// Stages of AC and of AT, and `more`.
  private func check(more: String) throws -> Program.Result {
    let program = try Program()
    let folder = Package.root.appendingPathComponent("datasets/dipeptides").path
    try program.write(
      """
      name: peptides
      temperature: 310
      matrix: { system: [AC, AT] }
      system: { topology: "\(folder)/${system}/topology.pdb", forcefield: "\(folder)/${system}/system.xml" }
      stages:
        md: { uses: simulate, steering: [psi], starts: [[2]] }
        frames: { uses: ingest, simulation: md, forces: keep }
        shared: { uses: transferable-emulator, frames: [frames], arc_share: 0.2 }
        zero: { uses: transferred-emulator, model: shared }
        fresh: { uses: sample, emulator: zero, count: 100 }
        weighed: { uses: reweight, samples: fresh, density: stochastic-trace }
      \(more.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
      """, to: "p.yaml")
    return try program.run("check", "p.yaml")
  }

  /// Weights say by how much what has learnt the frames is off, and nothing of what has not.
  @Test(arguments: [
    ("again: { uses: transferred-emulator, model: shared, weights: weighed }", "give frames too"),
    (
      "again: { uses: transferred-emulator, model: shared, frames: frames, weights: weighed, arc_share: 0.2 }",
      "weighed@AC is of zero@AC, which is not the same model that has learnt the same frames"
    ),
    (
      "second: { uses: transferable-emulator, frames: [frames], weights: [weighed], arc_share: 0.2 }",
      "has to be of an emulator taken as it is from the model that start names"
    ),
    (
      "second: { uses: transferable-emulator, frames: [frames], start: shared, weights: [weighed] }",
      "drawn by the same arc and no weights"
    ),
    (
      "second: { uses: transferable-emulator, frames: [frames], start: shared, width: 64 }",
      "width is that of shared, from which it goes on"
    ),
  ])
  func weightsOfOthersAreRefused(_ more: String, _ reason: String) throws {
    let found = try check(more: more)
    #expect(found.code == 2 && found.errors.contains(reason), "\(found.errors)")
  }

  @Test(arguments: [
    "second: { uses: transferable-emulator, frames: [frames], start: shared, weights: [weighed], arc_share: 0.2 }",
    """
    tuned: { uses: transferred-emulator, model: shared, frames: frames, arc_share: 0.2 }
    drawn: { uses: sample, emulator: tuned, count: 100 }
    traced: { uses: reweight, samples: drawn, density: stochastic-trace }
    again: { uses: transferred-emulator, model: shared, frames: frames, weights: traced, arc_share: 0.2 }
    """,
    // what goes on knows what it began with
    """
    second: { uses: transferable-emulator, frames: [frames@AC], start: shared }
    other: { uses: transferred-emulator, model: second }
    """,
  ])
  func weightsOfTheirOwnAreTaken(_ more: String) throws {
    let found = try check(more: more)
    #expect(found.code == 0, "\(found.errors)")
  }

  @Test func knownOnesAreTaken() throws {
    let sound = try check([("AT", "train"), ("CC", "train"), ("CT", "judge"), ("AC", "drawn")])
    #expect(sound.code == 0, "\(sound.errors)")
  }
}
