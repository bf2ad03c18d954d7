import Artifacts
import Foundation
import TestSupport
import Testing

/// Files of molecules as people have them, through the real program.
@Suite struct MoleculeCaseTests {
  private struct Frames {
    let shape: [Int]
    let coordinates: [Double]
    let warnings: [String]
  }

  /// Frames that `ingest` takes over in a pipeline file of a folder of fixtures.
  private func frames(_ folder: String, _ file: String, text: String? = nil) throws -> Frames {
    let program = try Program()
    try program.take(folder)
    if let text { try program.write(text, to: file) }
    let result = try program.run("run", file)
    guard result.code == 0 else { throw Failed(text: result.output + result.errors) }
    let runs = program.folder.appendingPathComponent("runs")
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: runs.path).first { !$0.hasPrefix(".") })
    let artifact = try Artifact.open(runs.appendingPathComponent("\(name)/frames.h5"), verify: true)
    return Frames(
      shape: try artifact.shape("coordinates"), coordinates: try artifact.read("coordinates", as: Double.self).values,
      warnings: artifact.provenance.warnings)
  }

  private struct Failed: Error { let text: String }

  private func distance(_ frames: Frames, _ frame: Int, _ a: Int, _ b: Int) -> Double {
    let start = 3 * frames.shape[1] * frame
    return (0..<3).reduce(0.0) { sum, axis in
      let x = frames.coordinates[start + 3 * a + axis] - frames.coordinates[start + 3 * b + axis]
      return sum + x * x
    }.squareRoot()
  }

  @Test(arguments: ["crlf", "bom"]) func linesOfAWindowsEditor(_ name: String) throws {
    #expect(try frames("cases/crlf-pdb", "\(name).yaml").shape == [150, 6, 3])
  }

  @Test func bondsFromAClash() throws {
    let frames = try frames("cases/bonds-from-a-clash", "p.yaml")
    #expect(frames.shape[1...] == [32, 3] && frames.shape[0] > 0)
    // CD2 of the ring and the amide hydrogen
    #expect(distance(frames, 0, 22, 27) > 0.2)
  }

  /// A molecule whose residues nobody knows: the force field tells that what is close is not bonded.
  @Test func bondsOfTheForceField() throws {
    let program = try Program()
    let source = Package.fixture("cases/bonds-from-a-clash")
    for name in ["phe.prmtop", "md.nc"] {
      try FileManager.default.copyItem(
        at: source.appendingPathComponent(name), to: program.folder.appendingPathComponent(name))
    }
    let pdb = try String(contentsOf: source.appendingPathComponent("phe.pdb"), encoding: .utf8)
      .replacingOccurrences(of: "PHE", with: "LIG").replacingOccurrences(of: "NME", with: "CAP")
    try program.write(pdb, to: "phe.pdb")
    let stage = "stages:\n  frames: { uses: ingest, trajectory: md.nc }\n"
    try program.write("name: with\nsystem: { topology: phe.pdb, forcefield: phe.prmtop }\n" + stage, to: "with.yaml")
    let told = try program.run("run", "with.yaml")
    #expect(told.code == 0, "\(told.errors)")
    try program.write("name: without\nsystem: { topology: phe.pdb }\n" + stage, to: "without.yaml")
    let guessed = try program.run("run", "without.yaml")
    #expect(guessed.code == 1)
    #expect(guessed.errors.contains("a bond that only its distance there tells"), "\(guessed.errors)")
  }

  @Test(arguments: ["all", "solute"]) func solvated(_ name: String) throws {
    let frames = try frames("cases/solvated", "\(name).yaml")
    #expect(frames.shape == [16, 6, 3])
    for frame in 0..<16 {
      #expect(abs(distance(frames, frame, 0, 1) - 0.1425) < 0.015 && abs(distance(frames, frame, 1, 5) - 0.097) < 0.012)
    }
    #expect(frames.warnings.contains { $0.contains("6 of 75 atoms are the molecule") })
  }

  private static let topologies = [
    "topology: all.pdb", "topology: all.pdb, atoms: protein", "topology: all.pdb, atoms: [9-30]",
    "topology: all.pdb, atoms: \"resname ACE ALA NME\"", "topology: all.prmtop", "forcefield: all.prmtop",
    "topology: all.prmtop, coordinates: all.pdb", "forcefield: { method: amber, file: all.prmtop }",
  ]

  /// The molecule among waters and ions, across the corner of the box: by a PDB file, a prmtop, a force field alone.
  @Test(arguments: topologies) func whole(_ topology: String) throws {
    let text = "name: whole\nsystem: { \(topology) }\nstages:\n  frames: { uses: ingest, trajectory: wrapped.nc }\n"
    let frames = try frames("solvated", "whole.yaml", text: text)
    #expect(frames.shape == [3, 22, 3])
    for frame in 0..<3 {
      #expect(abs(distance(frames, frame, 8, 10) - 0.153) < 0.01)  // CA - CB
      #expect(distance(frames, frame, 1, 18) < 1.2)  // end to end
    }
    #expect(frames.warnings.contains { $0.contains("are the molecule, the others") && $0.contains("HOH") })
  }

  @Test func whatIsNotTheMoleculeIsRefused() throws {
    func errors(_ system: String) throws -> String {
      let text = "name: no\nsystem: { \(system) }\nstages:\n  frames: { uses: ingest, trajectory: wrapped.nc }\n"
      do {
        _ = try frames("solvated", "no.yaml", text: text)
        return "no error"
      } catch let error as Failed { return error.text }
    }
    #expect(
      try errors("topology: all.pdb, atoms: \"resname ALA\"").contains("which are bonded; select whole molecules"))
    #expect(
      try errors("topology: all.pdb, atoms: \"nam ALA\"").contains("system.atoms: the selection of atoms: \"nam ALA\""))
    #expect(try errors("topology: all.pdb, atoms: [5000]").contains("are not atoms 0 to"))
    #expect(try errors("topology: \(Package.dipeptide("AC").path)/topology.pdb").contains("does not begin with them"))
  }
}
