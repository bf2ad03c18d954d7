import ArgumentParser
import Basics
import Foundation
import Molecules
import Stages
import Workflow

struct InitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Write a pipeline file for your files, or for a peptide.",
    discussion: """
      Reads the molecule, the force field and the trajectories, proposes states from the frames' torsions, and writes a file that 'check' \
      finds nothing wrong with. What was chosen is said, and why. Nothing is overwritten. Without options, on a terminal, it asks.

      Example: pipeline init --topology complex.pdb --forcefield system.xml --trajectory md1.nc md2.nc --output own.yaml
      Example: pipeline init --forcefield complex.prmtop --trajectory md.nc
      Example: pipeline init --peptide AC
      Example: pipeline init --smiles CCCO --output propanol.yaml
      Example: pipeline init --batch folder/
      """)

  @Option(help: ArgumentHelp("PDB file or prmtop; left out: the force field's prmtop.", valueName: "file"))
  var topology: String?
  @Option(
    help: ArgumentHelp(
      "Serialised OpenMM System or prmtop, or gfn2-xtb; left out: the topology's prmtop.", valueName: "file"))
  var forcefield: String?
  @Option(parsing: .upToNextOption, help: ArgumentHelp("Trajectories of any known format.", valueName: "file"))
  var trajectory: [String] = []
  @Option(help: ArgumentHelp("Where the atoms of a prmtop are, where there is no trajectory.", valueName: "file"))
  var coordinates: String?
  @Option(help: "Which atoms the molecule is, as system.atoms has it.") var atoms: String?
  @Option(help: ArgumentHelp("K; left out: as the trajectory tells, else 300.", valueName: "K")) var temperature:
    Double?
  @Option(help: ArgumentHelp("A peptide by its sequence, as 'prepare' takes it: AC, ace-V-nme.", valueName: "sequence"))
  var peptide: String?
  @Option(help: ArgumentHelp("A small molecule, as 'prepare --smiles' takes it; needs --output.", valueName: "SMILES"))
  var smiles: String?
  @Option(
    help: ArgumentHelp("A folder with the files of several molecules: one file with a matrix.", valueName: "folder"))
  var batch: String?
  @Option(help: ArgumentHelp("The pipeline file; left out: named after the molecule.", valueName: "file")) var output:
    String?
  @OptionGroup var results: JSONOption

  func validate() throws {
    if let temperature, !(temperature > 0 && temperature <= 1e5) {
      throw ValidationError("--temperature must be above 0 K")
    }
    let isFiles = topology != nil || forcefield != nil || !trajectory.isEmpty
    guard [isFiles, peptide != nil, smiles != nil, batch != nil].filter({ $0 }).count <= 1 else {
      throw ValidationError("give files, or --peptide, or --smiles, or --batch: one of the four")
    }
    if peptide != nil || smiles != nil || batch != nil, atoms != nil || coordinates != nil {
      throw ValidationError("--atoms and --coordinates belong to --topology and --forcefield")
    }
    guard smiles == nil || output != nil else { throw ValidationError("--smiles needs --output, the file to write") }
  }

  func run() throws {
    if let batch {
      let folder = URL(fileURLWithPath: batch, isDirectory: true)
      let target = try target(folder.standardizedFileURL.lastPathComponent)
      return try write(PipelineDraft(batch: folder, temperature: temperature, output: target), to: target)
    }
    if let peptide { return try run(peptide: peptide) }
    if let smiles { return try run(smiles: smiles) }
    var command = self
    if topology == nil, forcefield == nil {
      guard isatty(STDIN_FILENO) == 1 else {
        throw ValidationError(
          "say what for: --forcefield X.prmtop --trajectory X.nc, or --topology X.pdb --forcefield X.xml, or --peptide AC, or --batch FOLDER"
        )
      }
      try command.ask { question in
        print(question, terminator: " ")
        return readLine()
      }
    }
    try command.runWithFiles()
  }

  private func runWithFiles() throws {
    guard let field = forcefield ?? topology else { throw ValidationError("give --forcefield") }
    func file(_ path: String) -> URL { URL(fileURLWithPath: path) }
    if forcefield == nil, !PipelineDraft.isForceField(file(field)) {
      throw ValidationError(
        "\(field) is no force field: give --forcefield, a serialised OpenMM System, a prmtop or gfn2-xtb; of a peptide, --peptide makes both"
      )
    }
    for path in [topology, coordinates].compactMap({ $0 }) + trajectory + (field == "gfn2-xtb" ? [] : [field]) {
      guard file(path).isFile else { throw ValidationError("there is no file \(path)") }
    }
    if field != "gfn2-xtb", !PipelineDraft.isForceField(file(field)) {
      throw ValidationError(
        "\(PipelineDraft.notAForceField(file(field), shown: field)): --forcefield takes a prmtop, a serialised OpenMM System or gfn2-xtb"
      )
    }
    let stem = file(topology ?? field).deletingPathExtension().lastPathComponent
    let target = try target(stem)
    let files = DraftFiles(
      topology: topology.map(file), forceField: field == "gfn2-xtb" ? field : file(field).path,
      trajectories: trajectory.map(file), atoms: atoms, coordinates: coordinates.map(file))
    try write(PipelineDraft(files, temperature: temperature, output: target), to: target)
  }

  private func run(peptide: String) throws {
    let sequence = try PeptideSequence(peptide)
    if !results.json, !sequence.residues.contains("ACE") || !sequence.residues.contains("NME") {
      print("ends: charged where there is no cap; ace-...-nme has caps at both")
    }
    try prepared(sequence.text, "system.xml") { folder in
      _ = try PeptidePreparation().run(
        sequence, forceField: PeptidePreparation.forceFields[0], cutoff: 2, output: folder)
      return PeptidePreparation.forceFields[0]
    }
  }

  private func run(smiles: String) throws {
    let name = URL(fileURLWithPath: output ?? "").deletingPathExtension().lastPathComponent
    try prepared(name, "forcefield.prmtop") { folder in
      _ = try LigandPreparation().run(smiles: smiles, output: folder)
      return "GAFF2, AM1-BCC charges"
    }
  }

  /// A file for what `prepare` makes in a folder beside it. `make` gives the force field's name.
  private func prepared(_ name: String, _ forceField: String, _ make: (URL) throws -> String) throws {
    let target = try target(name)
    let folder = target.deletingLastPathComponent().appendingPathComponent(name, isDirectory: true)
    let (topology, field) = (folder.appendingPathComponent("topology.pdb"), folder.appendingPathComponent(forceField))
    let isNew = FileCalls.presence(folder.path) == .absent
    let made = try make(folder)
    if !results.json {
      print("written: \(folder.relativePath)/topology.pdb, \(folder.relativePath)/\(forceField) (\(made))")
    }
    do {
      let files = DraftFiles(topology: topology, forceField: field.path)
      try write(PipelineDraft(files, temperature: temperature, output: target), to: target)
    } catch {
      // what was made for a file that is not written is in the way of the next try
      for file in isNew ? [folder] : [topology, field] { try? FileManager.default.removeItem(at: file) }
      throw error
    }
  }

  /// The file to be written, which must not be there. Throws `ValidationError`.
  private func target(_ stem: String) throws -> URL {
    let path = output ?? "\(stem.isEmpty ? "pipeline" : stem).yaml"
    let url = URL(fileURLWithPath: path.hasSuffix(".yaml") || path.hasSuffix(".yml") ? path : path + ".yaml")
    guard FileCalls.presence(url.path) == .absent else {
      throw ValidationError("\(url.relativePath) is there already and is not replaced; name another file by --output")
    }
    return url
  }

  /// Asks for what is needed; `answer` is nil where nobody answers any more.
  mutating func ask(_ answer: (String) -> String?) throws {
    func reply(_ question: String) throws -> String? {
      guard let text = answer(question) else { throw ValidationError("no answer: nothing was written") }
      let trimmed = text.trimmingCharacters(in: .whitespaces)
      return trimmed.isEmpty ? nil : trimmed
    }
    /// Asks again as long as `problem` has something against the answer.
    func reply(_ question: String, _ problem: (String) -> String?) throws -> String? {
      while let text = try reply(question) {
        guard let found = problem(text) else { return text }
        print(found)
      }
      return nil
    }
    func missing(_ path: String) -> String? {
      URL(fileURLWithPath: path).isFile ? nil : "there is no file \(path)"
    }
    topology = try reply("Topology, a PDB file or prmtop:", missing)
    forcefield = try reply("Force field, a serialised OpenMM System or prmtop [the topology's]:") { path in
      if path == "gfn2-xtb" { return nil }
      let file = URL(fileURLWithPath: path)
      return missing(path)
        ?? (PipelineDraft.isForceField(file) ? nil : PipelineDraft.notAForceField(file, shown: path))
    }
    if trajectory.isEmpty {
      trajectory =
        try reply("Trajectories, with spaces between them [none: simulate]:") { words in
          words.split(separator: " ").lazy.compactMap { missing(String($0)) }.first
        }?.split(separator: " ").map(String.init) ?? []
    }
    if output == nil { output = try reply("Pipeline file to write [named after the topology]:") }
    if temperature == nil, let text = try reply("Temperature in K [as the trajectory tells, else 300]:") {
      guard let value = Double(text), value > 0 else { throw ValidationError("\(text) is no temperature in K") }
      temperature = value
    }
  }

  /// Writes the file if nothing is wrong with it, and says what was chosen.
  private func write(_ draft: PipelineDraft, to url: URL) throws {
    let definition = try PipelineLoader(registry: StageCatalog.registry).load(text: draft.text, of: url)
    let warnings = try definition.check(Set(definition.stages.map(\.name)))
    do {
      try Data(draft.text.utf8).write(to: url, options: .withoutOverwriting)
    } catch {
      throw ValidationError("\(url.relativePath) cannot be written: \(error.localizedDescription)")
    }
    let next = ["run", url.relativePath]
    results.print([
      "file": .string(url.relativePath), "reasons": .list(draft.reasons.map { .string($0) }),
      "warnings": .list(warnings.map { .string($0) }), "next": .list(next.map { .string($0) }),
    ])
    if results.json { return }
    draft.reasons.forEach { print($0) }
    for warning in warnings { printError("warning: \(warning)") }
    print("written: \(url.relativePath), in which 'check' finds nothing wrong")
    print("next: \(CommandLineText.command(next))")
  }
}
