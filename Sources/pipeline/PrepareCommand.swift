import ArgumentParser
import Foundation
import Molecules
import Stages
import Workflow

struct PrepareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare", abstract: "Make the structure and the force field of a peptide from its sequence.",
    discussion: """
      Writes topology.pdb and system.xml, a serialised OpenMM System without constraints. Needs ./bootstrap --prepare.

      Example: pipeline prepare AC --output AC
      """)

  @Argument(help: "One-letter codes, charged ends: AC. With caps: ace-V-nme.") var sequence: String
  @Option(
    help: ArgumentHelp("The folder to write to; made if it is not there.", valueName: "folder"), completion: .directory)
  var output: String
  @Option(
    help: ArgumentHelp("One of \(PeptidePreparation.forceFields.joined(separator: ", ")).", valueName: "name"),
    completion: .list(PeptidePreparation.forceFields))
  var forceField = PeptidePreparation.forceFields[0]
  @Option(help: ArgumentHelp("Where interactions end, nm, not periodic; 0 for none.", valueName: "nm")) var cutoff = 2.0
  @OptionGroup var results: JSONOption

  func validate() throws {
    guard PeptidePreparation.forceFields.contains(forceField) else {
      throw ValidationError(
        "--force-field \(forceField) is none of \(PeptidePreparation.forceFields.joined(separator: ", "))")
    }
    guard cutoff.isFinite, cutoff >= 0 else { throw ValidationError("--cutoff must be 0 nm or more") }
  }

  func run() throws {
    let peptide = try PeptideSequence(sequence)
    let folder = URL(fileURLWithPath: output, isDirectory: true)
    let topology = try PeptidePreparation().run(peptide, forceField: forceField, cutoff: cutoff, output: folder)
    let centres = try Chirality(topology: topology).centres.map(\.label)
    results.print([
      "residues": .list(peptide.residues.map { .string($0) }), "atoms": .integer(topology.atoms.count),
      "force_field": .string(forceField), "stereocentres": .list(centres.map { .string($0) }),
      "files": .list(["topology.pdb", "system.xml"].map { .string("\(folder.relativePath)/\($0)") }),
    ])
    if results.json { return }
    print("\(peptide.residues.joined(separator: "-")): \(topology.atoms.count) atoms, \(forceField)")
    print("stereocentres: \(centres.isEmpty ? "none" : centres.joined(separator: ", "))")
    print("written: \(folder.relativePath)/topology.pdb, \(folder.relativePath)/system.xml")
  }
}
