import Artifacts
import Foundation
import Records
import TestSupport
import Testing

/// Forces in the targets of an emulator, as a pipeline file asks for them.
@Suite struct ForceTargetsCaseTests {
  private func file(_ emulator: String = "", forcefield: String = "forcefield: springs.xml", extra: String = "")
    -> String
  {
    """
    name: chain
    seed: 5
    system:
      topology: chain.pdb
      \(forcefield)
      torsions: { t: [0, 1, 2, 3] }
      state: { torsion: t, from: -1, to: 1 }
      \(extra)
    stages:
      frames:   { uses: ingest, trajectory: chain.nc, constraints: keep }
      emulator: { uses: emulator, frames: frames\(emulator.isEmpty ? "" : ", " + emulator) }
    """
  }

  /// What cannot be had is said by `check`, at the parameter's line.
  @Test(arguments: [
    ("flows: two, targets: plain", "flows: two needs targets: forces or auto"),
    ("flows: two, coordinates: cartesian", "flows: two needs coordinates: internal"),
    ("rotors: folded, objective: endpoint", "rotors: folded needs objective: velocity"),
    ("time_weights: likelihood, coupling: optimal-transport", "time_weights: likelihood needs objective: velocity"),
    ("conditional_mean: true, coordinates: cartesian", "conditional_mean needs coordinates: internal"),
    ("coordinates: heavy, targets: plain", "coordinates: heavy learns hydrogens given heavy atoms, which needs forces"),
    ("coordinates: heavy, objective: endpoint", "objective does not go with a network over pairs"),
    ("coordinates: heavy, flows: two", "flows: two needs coordinates: internal"),
    ("coordinates: cartesian, network: { type: pairs }, prior: free", "prior does not go with a network over pairs"),
    (
      "coordinates: cartesian, targets: forces",
      "targets: forces needs coordinates: internal or heavy, or network.type: pairs"
    ),
    ("state_shares: { nowhere: 0.2 }", "there is no state 'nowhere'"),
    ("state_share: 0.2, state_shares: { rest: 0.5 }", "say the same twice"),
  ]) func whatCannotBeHadIsSaidFirst(_ emulator: String, _ message: String) throws {
    let program = try Program()
    try program.take("held")
    try program.write(file(emulator), to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2 && found.errors.contains(message), "\(found.errors)")
    #expect(found.errors.contains("p.yaml:11:"), "\(found.errors)")
  }

  @Test func withoutAForceFieldThereAreNoForces() throws {
    let program = try Program()
    try program.take("held")
    try program.write(file("targets: forces", forcefield: ""), to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2 && found.errors.contains("targets: forces needs system.forcefield"), "\(found.errors)")
    // the frames' own force field will do, and is looked for
    try program.write(
      file("targets: forces", forcefield: "", extra: "sampled_by: springs.xml"), to: "p.yaml")
    #expect(try program.run("check", "p.yaml").code == 0)
    try program.write(file("targets: forces", forcefield: "", extra: "sampled_by: nothing.xml"), to: "p.yaml")
    let missing = try program.run("check", "p.yaml")
    #expect(missing.code == 2 && missing.errors.contains("nothing.xml"), "\(missing.errors)")
  }

  /// Hydrogens given heavy atoms need a force field.
  @Test func heavyAtomsNeedForces() throws {
    let program = try Program()
    try program.take("held")
    try program.write(file("coordinates: heavy", forcefield: ""), to: "p.yaml")
    let found = try program.run("check", "p.yaml")
    #expect(found.code == 2 && found.errors.contains("which needs forces: system.forcefield"), "\(found.errors)")
  }

  /// Entries of a matrix that differ in the temperature have emulators of their own, where these may use forces.
  @Test func entriesOfAMatrixHaveForcesOfTheirOwn() throws {
    let program = try Program()
    try program.take("held")
    func stages(_ text: String) throws -> [String] {
      try program.write(text, to: "p.yaml")
      let found = try program.run("status", "p.yaml", "--json")
      let json = try #require(try JSONSerialization.jsonObject(with: Data(found.output.utf8)) as? [String: Any])
      let stages = try #require(json["stages"] as? [[String: Any]])
      return try stages.map { try #require($0["stage"] as? String) }
    }
    let matrix = """
      matrix:
        T: [300, 350]
      temperature: "${T}"

      """
    // an ingest stage that is told what becomes of held bonds reads the temperature too
    func asked(_ emulator: String = "") -> String {
      matrix + file(emulator).replacingOccurrences(of: ", constraints: keep", with: "")
    }
    let found = try stages(asked())
    #expect(found.filter { $0.hasPrefix("emulator") }.count == 2)
    #expect(found.filter { $0.hasPrefix("frames") }.count == 1)
    // without forces nothing depends on the temperature, and the file says so of its axis
    try program.write(asked("targets: plain"), to: "p.yaml")
    let unused = try program.run("status", "p.yaml")
    #expect(unused.code == 2 && unused.errors.contains("T"), "\(unused.errors)")
  }
}
