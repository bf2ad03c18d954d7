import Artifacts
import Foundation
import Records
import TestSupport
import Testing

/// Force fields of pipeline files that are whole but for one thing, through the real program.
@Suite struct ForceFieldCaseTests {
  let program: Program

  init() throws { program = try Program() }

  /// Takes the files of a case into the program's folder.
  func take(_ name: String) throws { try program.take("cases/\(name)") }

  /// With a training that is short: what is asked is whether it comes to it.
  func run(_ file: String) throws -> Program.Result {
    try program.run(
      "run", file, "--set", "emulator.training.steps=40", "--set", "fresh.count=200", "--set",
      "emulator.network.width=16")
  }

  func energies(_ name: String) throws -> [Double] {
    let file = program.folder.appendingPathComponent("runs/\(name)/traced.h5")
    return try Artifact.open(file, verify: true).read(Recorded.reweight.energies).values
  }

  var hasRuns: Bool { FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("runs").path) }

  @Test func constraintsInASystemAreRefusedBeforeAnythingRuns() throws {
    try take("constraints-in-system")
    for arguments in [["run", "hbonds.yaml"], ["run", "hbonds.yaml", "--dry-run"], ["check", "hbonds.yaml"]] {
      let refused = try program.finish(program.start(arguments))
      #expect(refused.code == 2)
      #expect(
        refused.errors.hasPrefix("hbonds.yaml:5:15: hbonds.xml: the System has 4 constraints, and 4 of them have taken")
      )
      #expect(refused.errors.contains("serialise the System without constraints"))
      #expect(refused.errors.split(separator: "\n").count == 2)  // with what to type next
    }
    #expect(!hasRuns)
    let taken = try run("plain.yaml")
    #expect(taken.code == 0, "\(taken.errors)")
    #expect(try energies("constraints-in-system").count == 200)
  }

  @Test func theSurfaceTermIsASwitch() throws {
    try take("surface-term")
    for file in ["prmtop.yaml", "xml.yaml"] {
      let result = try run(file)
      #expect(result.code == 0, "\(result.errors)")
    }
    let (prmtop, xml) = (try energies("surface-term-prmtop"), try energies("surface-term-xml"))
    #expect(prmtop.count == 200 && zip(prmtop, xml).allSatisfy { abs($0 - $1) < 1e-6 })
    let traced = try Artifact.open(
      program.folder.appendingPathComponent("runs/surface-term-prmtop/traced.h5"), verify: true)
    #expect(
      try traced.read(Recorded.reweight.energyMethod)
        == "an AMBER prmtop with OBC2 (igb=5) on mbondi2 radii, without a surface term, by the built-in kernel")
    // the file by itself means the same, and the key says what it means
    let text = try String(contentsOf: program.folder.appendingPathComponent("prmtop.yaml"), encoding: .utf8)
    let bare = "{ method: amber, file: meoh.prmtop, implicit_solvent: obc2 }"
    #expect(text.contains(bare))
    try program.write(text.replacingOccurrences(of: bare, with: "meoh.prmtop"), to: "prmtop.yaml")
    let again = try run("prmtop.yaml")
    #expect(
      again.code == 0 && again.output.contains("up to date") || again.output.contains("skipped"), "\(again.output)")
    let key = traced.provenance.canonical
    #expect(key.contains("\"surface_term\":\"none\"") && key.contains("\"implicit_solvent\":\"obc2\""))
    let schema = try program.run("schema").output
    #expect(schema.contains("nonpolar energy of the solvent"))
  }

  @Test func theBoxOfAStrippedPrmtopPlaysNoPart() throws {
    try take("stripped-prmtop")
    let result = try run("p.yaml")
    #expect(result.code == 0, "\(result.errors)")
    #expect(result.errors.contains("warning: p.yaml:5:15: stripped.prmtop is of a periodic box, which plays no part"))
    let status = try program.run("status", "p.yaml", "--set", "emulator.training.steps=40")
    #expect(status.output.contains("traced"))
    let traced = try Artifact.open(
      program.folder.appendingPathComponent("runs/stripped-prmtop/traced.h5"), verify: true)
    #expect(traced.provenance.warnings.contains { $0.contains("periodic box") })
  }

  /// What only the last stage reads is looked at first.
  @Test(
    arguments: [
      ("plain.xml", "not xml at all", "not well-formed XML"),
      ("plain.xml", "", "not well-formed XML"),
      ("plain.xml", "<Other/>", "a serialised OpenMM System is needed"),
    ])
  func whatIsNoForceFieldIsRefusedFirst(_ file: String, _ content: String, _ message: String) throws {
    try take("constraints-in-system")
    try program.write(content, to: file)
    let refused = try program.run("run", "plain.yaml")
    #expect(refused.code == 2 && refused.errors.contains(message), "\(refused.errors)")
    #expect(refused.errors.hasPrefix("plain.yaml:5:15: ") && !hasRuns)
  }

  @Test func anotherMoleculesForceFieldIsRefusedFirst() throws {
    try take("constraints-in-system")
    let text = try String(contentsOf: program.folder.appendingPathComponent("plain.yaml"), encoding: .utf8)
    for (file, message) in [
      (AlanineFixture.systemXML.path, "system.xml has 22 particles, the topology 6 atoms"),
      (Package.alanine.appendingPathComponent("alanine.prmtop").path, "the prmtop has 22 atoms, the topology 6"),
    ] {
      try program.write(text.replacingOccurrences(of: "plain.xml", with: file), to: "other.yaml")
      let refused = try program.run("run", "other.yaml")
      #expect(refused.code == 2 && refused.errors.contains(message), "\(refused.errors)")
    }
    #expect(!hasRuns)
  }
}
