import Basics
import Foundation
import Molecules
import Trajectories
import Workflow

extension PipelineDraft {
  /// Of every molecule in a folder, one cell of a matrix each: X.prmtop, or X.pdb with X.xml, or a folder X with topology.pdb and
  /// system.xml. Trajectories are files whose names begin with the molecule's, or in its folder.
  ///
  /// Throws `DraftError`, `MoleculesError`, `TrajectoryError`, `IngestError`.
  public init(batch folder: URL, temperature: Double? = nil, output: URL) throws {
    var leftOut: [String] = []
    let cells = try BatchFolder(folder).molecules.compactMap { name, files -> Cell? in
      do {
        return Cell(name: name, drafted: try DraftedMolecule(files, temperature: temperature))
      } catch {
        leftOut.append("\(name): \(error)")
        return nil
      }
    }
    guard !cells.isEmpty else { throw DraftError.noneOf(folder: folder.path, reasons: leftOut) }
    let drafted = cells.map(\.drafted)
    let here = output.deletingLastPathComponent()
    let (without, with) = (cells.filter(\.hasNoFrames), cells.filter { !$0.hasNoFrames })
    guard with.isEmpty || without.isEmpty else {
      throw DraftError.mixed(with: with.map(\.name), without: without.map(\.name))
    }
    let told = cells.compactMap { cell in
      (cell.drafted.survey?.temperatures).flatMap { $0.isEmpty ? nil : (cell.name, $0) }
    }
    let all = Set(told.flatMap(\.1)).sorted()
    if let first = all.first, let last = all.last, last - first > FrameSurvey.sameTemperature,
      temperature == nil || told.contains(where: { $0.1.count > 1 })
    {
      throw DraftError.temperatures(
        told.map { "\($0): \($1.map(DraftText.kelvin).joined(separator: " and ")) K" })
    }
    let kelvin = temperature ?? all.first ?? DraftedStages.defaultTemperature
    let arePeptides = cells.allSatisfy(\.isDipeptide)

    var lines = [
      "# \(cells.count) molecules of \(folder.lastPathComponent). Drafted by 'pipeline init'; keys: docs/pipeline-file.md",
      "name: \(DraftText.quoted(DraftText.name(output)))",
      DraftText.line(
        "temperature: \(DraftText.kelvin(kelvin))",
        "K, \(DraftedStages.reason(of: kelvin, asked: temperature, told: all.isEmpty ? [] : [all[0]]))"),
      "matrix:", "  molecule:",
    ]
    lines += cells.map { $0.entry(isDipeptide: arePeptides, from: here) }
    lines.append("system:")
    if cells.contains(where: { $0.topology != nil }) { lines.append("  topology: \"${molecule.topology}\"") }
    if cells.contains(where: { $0.drafted.files.coordinates != nil }) {
      lines.append("  coordinates: \"${molecule.coordinates}\"")
    }
    let solvents = Set(cells.compactMap(\.drafted.files.solventComment)).sorted()
    lines.append(DraftText.line("  forcefield: \"${molecule.forcefield}\"", solvents.first))
    if arePeptides {
      lines.append(
        DraftText.line(
          "  state: { torsion: phi, from: 0, to: 2 }", "rad; dF of phi's left-handed place against the rest"))
    } else {
      lines.append("  torsions: { t: \"${molecule.torsion}\" }")
      lines.append(
        DraftText.line(
          "  state: { torsion: t, from: \"${molecule.from}\", to: \"${molecule.to}\" }",
          with.isEmpty
            ? "rad, against the rest: trans of the torsion in each molecule's middle"
            : "rad, against the rest; each molecule's own place with the fewest frames, borders where its histogram is lowest"
        ))
    }
    lines.append("stages:")
    lines += DraftedStages.batch(drafted, arePeptides: arePeptides)
    text = lines.joined(separator: "\n") + "\n"
    reasons =
      cells.map { cell in
        "\(cell.name): \(cell.drafted.topology.atoms.count) atoms; "
          + (arePeptides ? "phi of a dipeptide turns slowest" : cell.drafted.reason)
      } + solvents.prefix(1).map { "solvent: \($0)" } + leftOut.map { "left out: \($0)" }
  }

  private struct Cell {
    let name: String
    let drafted: DraftedMolecule

    var isDipeptide: Bool {
      drafted.topology.turningPhis.count == 1 && drafted.topology.namedTorsions.filter { $0.name == "phi" }.count == 1
        && !drafted.starts.isEmpty
    }

    var hasNoFrames: Bool { drafted.files.trajectories.isEmpty }

    /// Nil where the force field's prmtop is the topology.
    var topology: URL? {
      drafted.files.topology.flatMap { $0.path == URL(fileURLWithPath: drafted.files.forceField).path ? nil : $0 }
    }

    func entry(isDipeptide: Bool, from folder: URL) -> String {
      func path(_ file: URL) -> String { DraftText.quoted(DraftText.path(file, from: folder)) }
      let files = drafted.files
      var words: [String] = []
      if let topology { words.append("topology: \(path(topology))") }
      words.append("forcefield: \(path(URL(fileURLWithPath: files.forceField)))")
      if let coordinates = files.coordinates { words.append("coordinates: \(path(coordinates))") }
      if !files.trajectories.isEmpty {
        words.append("trajectory: [\(files.trajectories.map(path).joined(separator: ", "))]")
      }
      if !isDipeptide, let state = drafted.rarest,
        let torsion = drafted.torsions.first(where: { $0.name == state.torsion })
      {
        words.append("torsion: \(DraftText.numbers(torsion.atoms)), from: \(state.from), to: \(state.to)")
      }
      return "    \(DraftText.quoted(name)): { \(words.joined(separator: ", ")) }"
    }
  }
}

extension DraftedMolecule {
  /// The arc of the slowest torsion that the state with the fewest frames has.
  fileprivate var rarest: (torsion: String, from: String, to: String)? {
    states.min { ($0.share ?? 0) < ($1.share ?? 0) }?.box.first
  }
}

/// The molecules that lie in a folder, by name.
private struct BatchFolder {
  let molecules: [(name: String, files: DraftFiles)]

  /// Throws `DraftError.nothingThere`, and what listing a folder throws.
  init(_ folder: URL) throws {
    let manager = FileManager.default
    func content(_ place: URL) throws -> [URL] {
      do {
        return try manager.contentsOfDirectory(atPath: place.path).filter { !$0.hasPrefix(".") }.sorted()
          .map { place.appendingPathComponent($0) }
      } catch {
        throw DraftError.unreadable(folder: place.path, reason: error.localizedDescription)
      }
    }
    func isPrmtop(_ file: URL) -> Bool { ["prmtop", "parm7"].contains(file.pathExtension.lowercased()) }
    let entries = try content(folder)
    let files = entries.filter(\.isFile)
    var found: [(name: String, files: DraftFiles)] = []
    for entry in entries where !entry.isFile {
      let inside = try content(entry).filter(\.isFile)
      guard let one = Self.molecule(inside, named: "topology", isPrmtop) else { continue }
      found.append((entry.lastPathComponent, one))
    }
    let fields = files.filter { isPrmtop($0) || $0.pathExtension.lowercased() == "xml" }
    let stems = fields.map { $0.deletingPathExtension().lastPathComponent }
    for (field, stem) in zip(fields, stems) {
      // a file belongs to the longest name that it begins with
      let own = files.filter { file in
        let name = file.deletingPathExtension().lastPathComponent
        return stems.filter {
          name == $0 || name.hasPrefix($0 + "-") || name.hasPrefix($0 + "_") || name.hasPrefix($0 + ".")
        }
        .max { $0.count < $1.count } == stem
      }
      guard let one = Self.molecule(own.filter { $0 == field || !fields.contains($0) }, named: stem, isPrmtop) else {
        continue
      }
      found.append((stem, one))
    }
    guard !found.isEmpty else { throw DraftError.nothingThere(folder: folder.path) }
    molecules = found.sorted { $0.name < $1.name }
  }

  /// Of files that belong to one molecule; nil where there is no force field, or a System without a PDB file. A file that is called as the
  /// molecule comes before others; one frame is no trajectory.
  private static func molecule(_ files: [URL], named stem: String, _ isPrmtop: (URL) -> Bool) -> DraftFiles? {
    let files = files.sorted { first, second in
      func isOwn(_ file: URL) -> Bool { file.deletingPathExtension().lastPathComponent == stem }
      return isOwn(first) && !isOwn(second)
    }
    func first(_ endings: String...) -> URL? { files.first { endings.contains($0.pathExtension.lowercased()) } }
    let pdb = first("pdb")
    let restart = first("inpcrd", "rst7", "rst", "restrt", "crd")
    let prmtop = files.first(where: isPrmtop)
    let atoms =
      (prmtop.flatMap { try? AMBERTopology.read($0).structure() } ?? pdb.flatMap { try? Structure.read(pdb: $0) })?
      .atoms.count
    let trajectories = files.filter { file in
      guard file != pdb, !isPrmtop(file), file.pathExtension.lowercased() != "xml" else { return false }
      return ((try? TrajectoryFile.open(file, atomsIfUntold: atoms))?.frameCount ?? 0) > 1
    }.sorted { $0.lastPathComponent.compare($1.lastPathComponent, options: .numeric) == .orderedAscending }
    if let prmtop {
      return DraftFiles(
        forceField: prmtop.path, trajectories: trajectories, coordinates: trajectories.isEmpty ? pdb ?? restart : nil)
    }
    guard let pdb, let system = first("xml") else { return nil }
    return DraftFiles(topology: pdb, forceField: system.path, trajectories: trajectories)
  }
}
