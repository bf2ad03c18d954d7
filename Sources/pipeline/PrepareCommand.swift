import ArgumentParser
import Foundation
import Molecules
import Stages
import Workflow

struct PrepareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract:
      "Make the structure and the force field of a peptide from its sequence, or of a small molecule from SMILES.",
    discussion: """
      A peptide: topology.pdb and system.xml, a serialised OpenMM System without constraints.
      A small molecule: topology.pdb and forcefield.prmtop, GAFF2 with AM1-BCC charges. Needs ./bootstrap --amber.

      Example: pipeline prepare AC --output AC
      Example: pipeline prepare --smiles CCCO --output propanol
      """)

  @Argument(help: "One-letter codes, charged ends: AC. With caps: ace-V-nme.") var sequence: String?
  @Option(help: "A small molecule in place of a sequence: CCCO. Hands of stereocentres are to be told.") var smiles:
    String?
  @Option(
    help: ArgumentHelp("The folder to write to; made if it is not there.", valueName: "folder"), completion: .directory)
  var output: String
  @Option(
    help: ArgumentHelp(
      "Of a peptide, one of \(PeptidePreparation.forceFields.joined(separator: ", ")).", valueName: "name"),
    completion: .list(PeptidePreparation.forceFields))
  var forceField = PeptidePreparation.forceFields[0]
  @Option(
    help: ArgumentHelp("Of a peptide: where interactions end, nm, not periodic; 0 for none.", valueName: "nm"))
  var cutoff = 2.0
  @OptionGroup var results: JSONOption

  func validate() throws {
    guard (sequence == nil) != (smiles == nil) else {
      throw ValidationError("give a sequence or --smiles, one of the two")
    }
    guard PeptidePreparation.forceFields.contains(forceField) else {
      throw ValidationError(
        "--force-field \(forceField) is none of \(PeptidePreparation.forceFields.joined(separator: ", "))")
    }
    guard cutoff.isFinite, cutoff >= 0 else { throw ValidationError("--cutoff must be 0 nm or more") }
  }

  func run() throws {
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let (topology, name, field, file): (Topology, String, String, String)
    if let smiles {
      topology = try LigandPreparation().run(smiles: smiles, output: folder)
      (name, field, file) = (smiles, "GAFF2, AM1-BCC charges", "forcefield.prmtop")
    } else {
      let peptide = try PeptideSequence(sequence ?? "")
      topology = try PeptidePreparation().run(peptide, forceField: forceField, cutoff: cutoff, output: folder)
      (name, field, file) = (peptide.residues.joined(separator: "-"), forceField, "system.xml")
    }
    let centres = try Chirality(topology: topology).centres.map(\.label)
    results.print([
      "residues": .list(topology.residues.map { .string($0.name) }), "atoms": .integer(topology.atoms.count),
      "force_field": .string(field), "stereocentres": .list(centres.map { .string($0) }),
      "files": .list(["topology.pdb", file].map { .string("\(folder.relativePath)/\($0)") }),
    ])
    if results.json { return }
    print("\(name): \(topology.atoms.count) atoms, \(field)")
    print("stereocentres: \(centres.isEmpty ? "none" : centres.joined(separator: ", "))")
    print("written: \(folder.relativePath)/topology.pdb, \(folder.relativePath)/\(file)")
  }
}
