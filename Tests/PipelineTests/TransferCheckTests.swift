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

  @Test func weightsWithoutFramesAreRefused() throws {
    let program = try Program()
    let folder = Package.root.appendingPathComponent("datasets/dipeptides/AC").path
    try program.write(
      """
      name: peptides
      temperature: 310
      system: { topology: \(folder)/topology.pdb, forcefield: \(folder)/system.xml }
      stages:
        md: { uses: simulate, steering: [psi], starts: [[2]] }
        frames: { uses: ingest, simulation: md, forces: keep }
        shared: { uses: transferable-emulator, frames: [frames] }
        zero: { uses: transferred-emulator, model: shared }
        fresh: { uses: sample, emulator: zero, count: 100 }
        weighed: { uses: reweight, samples: fresh, density: stochastic-trace }
        again: { uses: transferred-emulator, model: shared, weights: weighed }
      """, to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2 && found.errors.contains("weights say which frames are drawn how often: give frames too"))
  }

  @Test func knownOnesAreTaken() throws {
    let sound = try check([("AT", "train"), ("CC", "train"), ("CT", "judge"), ("AC", "drawn")])
    #expect(sound.code == 0, "\(sound.errors)")
  }
}
