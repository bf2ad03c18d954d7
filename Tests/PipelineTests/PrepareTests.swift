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
  @Test(.enabled(if: isInstalled, ".deps/prepare is not here (./bootstrap)"))
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

  /// A pipeline that names peptides by their sequences: their files are `prepare`'s, made once and kept, one set for each entry.
  @Test(.enabled(if: isInstalled, ".deps/prepare is not here (./bootstrap)"))
  func aPipelineNamesPeptidesByTheirSequences() throws {
    let program = try Program()
    let cache = program.folder.appendingPathComponent("cache")
    func run(_ arguments: String...) throws -> Program.Result {
      try program.finish(program.start(arguments, environment: ["XDG_CACHE_HOME": cache.path]))
    }
    let text = """
      name: peptides
      temperature: 310
      matrix: { of: [AC, ace-G-nme] }
      system: { peptide: "${of}" }
      stages:
        md: { uses: simulate, steering: [psi], starts: [[2]], runs: 1, length: 0.2, save_interval: 0.1, equilibration: 0, steering_time: 1 }
      """
    try program.write(text, to: "p.yaml")
    let first = try run("run", "p.yaml")
    #expect(first.code == 0, "\(first.errors)")
    let peptides = cache.appendingPathComponent("boltzmill/peptides")
    let makers = try FileManager.default.contentsOfDirectory(atPath: peptides.path)
    #expect(makers.count == 1 && makers[0].wholeMatch(of: #/amber14\+obc1-[0-9a-f]{8}/#) != nil)
    let made = peptides.appendingPathComponent(makers[0])
    let places = try FileManager.default.contentsOfDirectory(atPath: made.path).sorted()
    #expect(places == ["AC", "ace-G-nme"])
    for name in ["md@AC.nc", "md@ace-G-nme.nc"] {
      #expect(
        FileManager.default.fileExists(atPath: program.folder.appendingPathComponent("runs/peptides/\(name)").path))
    }
    // what `prepare` writes
    #expect(try run("prepare", "AC", "--output", "AC").code == 0)
    let files = ["topology.pdb", "system.xml"].map { made.appendingPathComponent("AC/\($0)") }
    for file in files {
      let own = program.folder.appendingPathComponent("AC/\(file.lastPathComponent)")
      #expect(try Data(contentsOf: file) == Data(contentsOf: own))
    }
    // they are not made again, and nothing runs again; where they were removed they are made as they were
    let dates = try files.map { try FileManager.default.attributesOfItem(atPath: $0.path)[.modificationDate] as? Date }
    let second = try run("run", "p.yaml", "--json")
    #expect(second.code == 0 && !second.output.contains("\"ran\""))
    #expect(
      try dates == files.map { try FileManager.default.attributesOfItem(atPath: $0.path)[.modificationDate] as? Date })
    try FileManager.default.removeItem(at: made.appendingPathComponent("ace-G-nme"))
    try FileManager.default.removeItem(at: files[1])
    let third = try run("run", "p.yaml", "--json")
    #expect(third.code == 0 && !third.output.contains("\"ran\""), "\(third.output)")
  }

  /// What is wrong with a sequence in a pipeline is said once, at its line.
  @Test func wrongSequencesOfPipelinesAreRefused() throws {
    let program = try Program()
    func check(_ system: String, _ cache: String = "cache") throws -> Program.Result {
      let text = """
        name: peptides
        system: { \(system) }
        stages:
          md: { uses: simulate, steering: [psi], starts: [[2]] }
        """
      try program.write(text, to: "p.yaml")
      return try program.finish(
        program.start(
          ["check", "p.yaml"], environment: ["XDG_CACHE_HOME": program.folder.appendingPathComponent(cache).path]))
    }
    let wrong = try check("peptide: AXC")
    #expect(wrong.code == 2)
    #expect(
      wrong.errors.hasPrefix("p.yaml:2:20: system.peptide: \"AXC\": 'X' at position 2 is no amino acid"),
      "\(wrong.errors)")
    #expect(wrong.errors.split(separator: "\n").count == 2, "\(wrong.errors)")
    let both = try check("peptide: AC, topology: p.yaml, forcefield: p.yaml")
    #expect(both.code == 2 && both.errors.contains("system.topology and system.peptide are given, and mean the same"))
    // a file where the folder should be
    if Self.isInstalled {
      let blocked = try check("peptide: AC", "p.yaml")
      #expect(blocked.code == 2 && blocked.errors.contains("set XDG_CACHE_HOME to a folder"), "\(blocked.errors)")
    }
  }
}
