import Foundation
import TestSupport
import Testing

/// `pipeline init` as a user calls it: the file that it writes passes `check` and says what its lines rest on.
@Suite struct InitTests {
  private static let datasets = Package.root.appendingPathComponent("datasets")
  private static func data(_ path: String) -> String { datasets.appendingPathComponent(path).path }

  private func lines(_ program: Program, _ file: String) throws -> [String] {
    try String(contentsOf: program.folder.appendingPathComponent(file), encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast()
  }

  @Test func aSolvatedRunBecomesAFileOfTwentyLines() throws {
    let program = try Program()
    let words = [
      "init", "--forcefield", Self.data("propanol/solvated.prmtop"), "--trajectory", Self.data("propanol/md1.nc"),
      Self.data("propanol/md2.nc"), "--output", "own.yaml",
    ]
    let made = try program.finish(program.start(words))
    #expect(made.code == 0, "\(made.errors)")
    #expect(made.output.contains("molecule: LIG, 12 atoms; 224 WAT, 1 Cl-, 1 Na+ around it are left out"))
    #expect(made.output.contains("held bonds: 8 bonds"))
    #expect(made.output.contains("frames: 400 in 2 files"))
    #expect(made.output.contains("assumed: no file tells it"))
    #expect(made.output.contains("solvent: in OBC2 implicit water without a surface term, assumed: no file tells it"))
    #expect(made.output.contains("surface_term: ace }"), "\(made.output)")
    let text = try lines(program, "own.yaml")
    #expect(text.count <= 20)
    #expect(
      text.contains { $0.contains("forcefield: ") && $0.contains("# in OBC2 implicit water without a surface term") })
    // shares of the trans and both gauche places, as inspect counts them in all frames
    let inspected = try program.run(
      "inspect", Self.data("propanol/solvated.prmtop"), Self.data("propanol/md1.nc"), Self.data("propanol/md2.nc"))
    for share in ["48.2 %", "33.0 %", "18.8 %"] {
      #expect(text.contains { $0.contains(share) } && inspected.output.contains(share), "\(inspected.output)")
    }
    let checked = try program.run("check", "own.yaml")
    #expect(checked.code == 0 && checked.output.contains("9 stages, nothing wrong was found"), "\(checked.errors)")

    let again = try program.finish(program.start(words))
    #expect(again.code == 2 && again.errors.contains("own.yaml is there already and is not replaced"))
    #expect(try lines(program, "own.yaml") == text)
  }

  @Test func statesAreThoseOfTheSlowestTorsionsAndNothingIsWrittenForFilesThatDoNotFit() throws {
    let program = try Program()
    let (topology, field) = (Self.data("alanine/alanine.pdb"), Self.data("alanine/system.xml"))
    let made = try program.run(
      "init", "--topology", topology, "--forcefield", field, "--trajectory", Self.data("alanine/alanine-left.nc"),
      "--temperature", "298.15")
    #expect(made.code == 0, "\(made.errors)")
    let text = try lines(program, "alanine.yaml")
    #expect(text.count <= 20 && text.contains { $0.hasPrefix("temperature: 298.15 ") })
    #expect(text.contains { $0.contains("phi: [4, 6, 8, 14]") || $0.contains("psi: [6, 8, 14, 16]") })

    let other = try program.run(
      "init", "--topology", Self.data("dipeptides/AC/topology.pdb"), "--forcefield", field, "--output", "other")
    #expect(other.code != 0 && !other.errors.isEmpty)
    let none = try program.run("init", "--topology", topology)
    #expect(none.code == 2 && none.errors.contains("alanine.pdb is no force field: give --forcefield"))
    let swapped = try program.run("init", "--topology", topology, "--forcefield", topology)
    #expect(swapped.code == 2 && swapped.errors.contains("alanine.pdb is a PDB file and no force field"))
    let frames = try program.run("init", "--forcefield", Self.data("alanine/alanine-left.nc"))
    #expect(frames.errors.contains("alanine-left.nc is a trajectory and no force field"), "\(frames.errors)")
    let missing = try program.run("init", "--forcefield", "gone.prmtop")
    #expect(missing.code == 2 && missing.errors.contains("there is no file gone.prmtop"))
    let silent = try program.run("init")
    #expect(silent.code == 2 && silent.errors.contains("--peptide AC"))
    #expect(try program.run("init", "--peptide", "AC", "--batch", ".").code == 2)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: program.folder.path).filter { $0.hasSuffix(".yaml") } == [
        "alanine.yaml"
      ])
  }

  /// As a person answers on a terminal: `script` gives the program one.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/script"), "there is no script(1) here"))
  func onATerminalItAsks() throws {
    let program = try Program()
    let answers = [
      Self.data("tetra-alanine/topology.pdb"), Self.data("tetra-alanine/system.xml"), "", "peptide", "", "",
    ]
    try program.write(answers.joined(separator: "\n"), to: "answers")
    let command = "script -qec 'exec \(try Program.executable().path) init' /dev/null < answers"
    let asked = try program.finish(program.start(["-c", command], executable: URL(fileURLWithPath: "/bin/bash")))
    #expect(asked.output.contains("Force field"), "\(asked.output)")
    let text = try lines(program, "peptide.yaml")
    #expect(text.contains { $0.contains("left3: { phi2: [3.1415, 0], phi3: [0, 3.1415], phi4: [3.1415, 0] }") })
    #expect(text.contains { $0.contains("simulation: md") })
  }

  @Test func aFolderBecomesAMatrix() throws {
    let program = try Program()
    let made = try program.run("init", "--batch", Self.data("dipeptides"), "--output", "all.yaml")
    #expect(made.code == 0, "\(made.errors)")
    let text = try lines(program, "all.yaml")
    for name in ["AC", "ET", "GN", "IM", "KS", "NF", "NY"] {
      #expect(text.contains { $0.hasPrefix("    \(name): { topology: ") })
    }
    #expect(try program.run("run", "all.yaml", "--dry-run").output.contains("umbrella@NY"))

    // molecules side by side in one folder: two prmtops, of which one is a ring that nothing turns in
    let folder = program.folder.appendingPathComponent("ligands")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    let molecules = Package.root.appendingPathComponent("Benchmarks/Molecules/molecules")
    for name in ["nitrile", "biphenyl"] {
      for ending in ["prmtop", "pdb"] {
        try FileManager.default.copyItem(
          at: molecules.appendingPathComponent("\(name).\(ending)"),
          to: folder.appendingPathComponent("\(name).\(ending)"))
      }
    }
    let ligands = try program.run("init", "--batch", "ligands")
    #expect(ligands.code == 0, "\(ligands.errors)")
    #expect(ligands.output.contains("left out: biphenyl: no torsion of this molecule turns"))
    #expect(
      try lines(program, "ligands.yaml").contains {
        $0.contains(
          "nitrile: { forcefield: ligands/nitrile.prmtop, coordinates: ligands/nitrile.pdb, torsion: [0, 1, 2, 3]")
      })
    // a trajectory for one of them alone
    try FileManager.default.removeItem(at: folder.appendingPathComponent("biphenyl.prmtop"))
    for (from, to) in [("propanol/solvated.prmtop", "propanol.prmtop"), ("propanol/md1.nc", "propanol-1.nc")] {
      try FileManager.default.copyItem(
        at: Self.datasets.appendingPathComponent(from), to: folder.appendingPathComponent(to))
    }
    let mixed = try program.run("init", "--batch", "ligands", "--output", "mixed.yaml")
    #expect(mixed.errors.contains("propanol have trajectories and nitrile have none"), "\(mixed.errors)")
    try FileManager.default.createDirectory(
      at: program.folder.appendingPathComponent("empty"), withIntermediateDirectories: false)
    // one frame is no trajectory, and a folder that is not there is said to be
    try FileManager.default.removeItem(at: folder.appendingPathComponent("propanol-1.nc"))
    try FileManager.default.copyItem(
      at: Self.datasets.appendingPathComponent("propanol/md1.nc"), to: folder.appendingPathComponent("propanol.nc"))
    for name in ["nitrile.prmtop", "nitrile.pdb", "biphenyl.pdb"] {
      try FileManager.default.removeItem(at: folder.appendingPathComponent(name))
    }
    try FileManager.default.copyItem(
      at: molecules.appendingPathComponent("nitrile.pdb"), to: folder.appendingPathComponent("propanol-0.pdb"))
    #expect(try program.run("init", "--batch", "ligands", "--output", "one.yaml").code == 0)
    #expect(try lines(program, "one.yaml").contains { $0.contains("trajectory: [ligands/propanol.nc]") })
    let gone = try program.run("init", "--batch", "gone", "--output", "none.yaml")
    #expect(gone.code != 0 && gone.errors.contains("gone cannot be read"), "\(gone.errors)")
    let empty = try program.run("init", "--batch", "empty", "--output", "none.yaml")
    #expect(empty.code != 0 && empty.errors.contains("holds no molecule"), "\(empty.errors)")
  }

  @Test(.enabled(if: PrepareTests.isInstalled, ".deps/prepare is not here (./bootstrap)"))
  func aPeptideFromItsSequence() throws {
    let program = try Program()
    let made = try program.run("init", "--peptide", "ace-V-nme")
    #expect(made.code == 0, "\(made.errors)")
    #expect(try lines(program, "ace-V-nme.yaml").contains { $0.contains("rotamer_moves: true") })
    #expect(try program.run("check", "ace-V-nme.yaml").code == 0)
    // proline's phi is in its ring
    #expect(try program.run("init", "--peptide", "ace-P-nme").code == 0)
    #expect(try !lines(program, "ace-P-nme.yaml").contains { $0.contains("phi") })
    #expect(try program.run("init", "--peptide", "AC", "--atoms", "all").code == 2)
  }
}
