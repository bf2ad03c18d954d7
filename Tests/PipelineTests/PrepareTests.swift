import Foundation
import Molecules
import OpenMM
import TestSupport
import Testing

/// `pipeline prepare` as a user calls it.
@Suite struct PrepareTests {
  static let isInstalled = FileManager.default.isExecutableFile(
    atPath: Package.root.appendingPathComponent(".deps/prepare/bin/python").path)

  static let hasAmber = FileManager.default.isExecutableFile(
    atPath: Package.root.appendingPathComponent(".deps/amber/bin/python").path)

  /// The molecule of datasets/propanol again, whose prmtop tleap made: the same types and charges, and a torsion that turns.
  @Test(.enabled(if: hasAmber, ".deps/amber is not here (./bootstrap --amber)"))
  func propanolFromSMILES() throws {
    let program = try Program()
    let made = try program.run("prepare", "--smiles", "CCCO", "--output", "ligand")
    #expect(made.code == 0, "\(made.errors)")
    #expect(made.output.contains("CCCO: 12 atoms") && made.output.contains("stereocentres: none"))
    let ours = try AMBERTopology.read(program.folder.appendingPathComponent("ligand/forcefield.prmtop"))
    let shipped = try AMBERTopology.read(Package.root.appendingPathComponent("datasets/propanol/solvated.prmtop"))
    #expect(try ours.structure().atoms.map(\.element) == shipped.structure().atoms.prefix(12).map(\.element))
    for (mine, theirs) in zip(ours.charges, shipped.charges) { #expect(abs(mine - theirs) < 0.01) }
    let again = try program.run("prepare", "--smiles", "CCCO", "--output", "ligand")
    #expect(again.code == 1 && again.errors.contains("is there already and is not replaced"))
    let open = try program.run("prepare", "--smiles", "CC(F)Cl", "--output", "open")
    #expect(open.code == 1 && open.errors.contains("the hand of C 1 (atoms of the SMILES, from 0) is not told"))
  }

  @Test func badSequencesAreRefusedBeforeAnythingIsStarted() throws {
    let program = try Program()
    let wrong = try program.run("prepare", "AXC", "--output", "peptide")
    #expect(wrong.code == 2)
    #expect(wrong.errors.contains("'X' at position 2 is no amino acid"))
    #expect(try program.run("prepare", "AC", "--output", "peptide", "--force-field", "magic").code == 2)
    #expect(try program.run("prepare", "AC", "--output", "peptide", "--cutoff", "-1").code == 2)
    #expect(try program.run("prepare", "--output", "peptide").errors.contains("a sequence or --smiles"))
    #expect(!FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("peptide").path))
  }

  /// The shipped molecule again: atoms and their order, masses, and energies of shaken structures.
  @Test(.enabled(if: isInstalled, ".deps/prepare is not here (./bootstrap --prepare)"))
  func alanylCysteineIsTheShippedOne() throws {
    let program = try Program()
    let result = try program.run("prepare", "AC", "--output", "A folder; of its own")
    #expect(result.code == 0, "\(result.errors)")
    #expect(result.output.contains("ALA-CYS: 24 atoms"))
    #expect(result.output.contains("CA of ALA 1, CA of CYS 2"))
    let folder = program.folder.appendingPathComponent("A folder; of its own")
    let shipped = Package.root.appendingPathComponent("datasets/dipeptides/AC")
    let (ours, theirs) = try (
      Topology.read(pdb: folder.appendingPathComponent("topology.pdb")),
      Topology.read(pdb: shipped.appendingPathComponent("topology.pdb"))
    )
    #expect(ours.atoms == theirs.atoms && ours.bonds == theirs.bonds && ours.residues == theirs.residues)
    #expect(try Chirality(topology: theirs).invertedCentres(in: ours.referenceCoordinates).isEmpty)
    let systems = try [folder, shipped].map { try System(contentsOf: $0.appendingPathComponent("system.xml")) }
    let frames =
      ours.referenceCoordinates + theirs.referenceCoordinates
      + theirs.referenceCoordinates.enumerated().map { $0.element + 0.003 * sin(Double($0.offset)) }
    let energies = try systems.map { try BatchEvaluator(system: $0, threads: 1).energies(frames) }
    for (a, b) in zip(energies[0], energies[1]) { #expect(abs(a - b) < 1e-6 * max(1, abs(b))) }
  }
}
