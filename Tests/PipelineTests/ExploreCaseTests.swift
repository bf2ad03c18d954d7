import Foundation
import TestSupport
import Testing

/// What `check` says of an exploration before anything runs.
@Suite struct ExploreCaseTests {
  private static func file(_ explored: String, system: String = "forcefield: chain.xml") -> String {
    """
    name: p
    system:
      topology: chain.pdb
      \(system)
      torsions: { t: [0, 1, 2, 3] }
      state: { torsion: t, from: -1, to: 1 }
    stages:
      frames:   { uses: ingest, trajectory: chain.nc }
      emulator: { uses: emulator, frames: frames }
      fresh:    { uses: sample, emulator: emulator }
      traced:   { uses: reweight, samples: fresh, density: stochastic-trace }
      explored: { uses: explore, reweight: \(explored) }
      report:   { uses: report, compare: [traced, explored] }

    """
  }

  @Test func whatCannotBeIsToldAtItsLine() throws {
    let program = try Program()
    try program.take("held")
    func check(_ text: String) throws -> (code: Int32, said: String) {
      try program.write(text, to: "p.yaml")
      let found = try program.run("check", "p.yaml")
      return (found.code, found.output + found.errors)
    }
    let sound = try check(Self.file("traced"))
    #expect(sound.code == 0, "\(sound.said)")
    let both = try check(Self.file("traced, length: 8, hottest: 305"))
    #expect(both.code == 2)
    #expect(both.said.contains("p.yaml:12:56: length: of 8.0 ps a share of 0.2 counts for nothing"), "\(both.said)")
    #expect(both.said.contains("p.yaml:12:68: hottest: 305.0 K is not above"), "\(both.said)")
    let other = try check(Self.file("fresh"))
    #expect(other.code == 2 && other.said.contains("p.yaml:12:"), "\(other.said)")
    let none = try check(Self.file("traced", system: "# no force field"))
    #expect(none.code == 2 && none.said.contains("stage 'explored' needs 'forcefield' in 'system:'"), "\(none.said)")
  }
}
