import Basics
import Foundation
import Molecules
import Trajectories
import Workflow

/// A pipeline file that is written for given files: from frames, or from dynamics where there are none, to free energies beside umbrella
/// sampling.
public struct PipelineDraft {
  /// The file's text.
  public let text: String
  /// What was chosen and why, a sentence each.
  public let reasons: [String]

  /// Of one molecule, for a file at `output`; `temperature` in K where it is not to be that of the frames.
  ///
  /// Throws `DraftError`, `MoleculesError`, `TrajectoryError`, `IngestError`.
  public init(_ files: DraftFiles, temperature: Double? = nil, output: URL) throws {
    let drafted = try DraftedMolecule(files, temperature: temperature)
    let plan = DraftedStages(drafted, temperature: temperature, folder: output.deletingLastPathComponent())
    let topology = drafted.topology
    let residues = topology.residues.map(\.name)
    let shown = residues.prefix(6).joined(separator: "-") + (residues.count > 6 ? "-..." : "")
    let head = "# \(shown), \(topology.atoms.count) atoms. Drafted by 'pipeline init'; keys: docs/pipeline-file.md"
    text =
      ([head, "name: \(DraftText.quoted(DraftText.name(output)))", plan.temperatureLine]
      + ["system:"] + plan.systemLines + ["stages:"] + plan.stageLines).joined(separator: "\n") + "\n"
    let around = drafted.molecule.surroundings.map { "; \($0) around it are left out" } ?? ""
    reasons = ["molecule: \(shown), \(topology.atoms.count) atoms\(around)"] + drafted.molecule.warnings + plan.reasons
  }
}

extension PipelineDraft {
  /// Whether energies can be had from a file: a prmtop, or a serialised System.
  public static func isForceField(_ file: URL) -> Bool {
    if MoleculeFile.isPrmtop(file) || file.pathExtension.lowercased() == "xml" { return true }
    return start(of: file).drop { $0.isWhitespace }.hasPrefix("<")
  }

  /// "mine.pdb is a PDB file and no force field", of a file that is not.
  public static func notAForceField(_ file: URL, shown: String) -> String {
    let records = ["ATOM  ", "HETATM", "HEADER", "CRYST1", "REMARK", "MODEL ", "TITLE "]
    let isPDB = file.pathExtension.lowercased() == "pdb" || records.contains { start(of: file).hasPrefix($0) }
    let isTrajectory = !isPDB && (try? TrajectoryFile.open(file)) != nil
    return "\(shown) is \(isPDB ? "a PDB file and " : isTrajectory ? "a trajectory and " : "")no force field"
  }

  private static func start(of file: URL) -> String {
    guard let handle = try? FileHandle(forReadingFrom: file) else { return "" }
    defer { try? handle.close() }
    return String(decoding: (try? handle.read(upToCount: 256)) ?? Data(), as: UTF8.self)
  }
}

/// Why no file can be drafted.
public enum DraftError: Error, Equatable, CustomStringConvertible {
  case noTopology(forceField: String)
  /// Nothing in the molecule turns.
  case noTorsion
  case nothingThere(folder: String)
  /// Frames are of several temperatures, and none of the asked one.
  case temperature(asked: Double, told: [Double])
  /// Molecules of a folder have frames of different temperatures.
  case temperatures([String])
  /// A folder that cannot be read.
  case unreadable(folder: String, reason: String)
  /// Of every molecule of a folder something is wrong, a sentence each.
  case noneOf(folder: String, reasons: [String])
  /// Some molecules of a folder have trajectories and others have none.
  case mixed(with: [String], without: [String])

  public var description: String {
    switch self {
    case .noTopology(let field):
      "\(field) is a force field that does not tell atoms and bonds: give --topology too, a PDB file or a prmtop"
    case .noTorsion:
      "no torsion of this molecule turns, so there are no states to ask for; write the file by hand, with distances as "
        + "coordinates of states (docs/pipeline-file.md)"
    case .nothingThere(let folder):
      "\(folder) holds no molecule: wanted are X.prmtop, or X.pdb with X.xml, or folders X with topology.pdb and system.xml; "
        + "trajectories beside them as X.nc, X-1.nc, ... or any file that begins with the molecule's name"
    case .temperature(let asked, let told):
      "the frames are of \(told.map(DraftText.kelvin).joined(separator: ", ")) K, and none of \(DraftText.kelvin(asked)) K: give one of these by "
        + "--temperature"
    case .temperatures(let found):
      "the molecules' frames are of different temperatures (\(found.joined(separator: ", "))), and one file has one: give --temperature, or keep "
        + "them in several folders"
    case .unreadable(let folder, let reason): "\(folder) cannot be read: \(reason)"
    case .noneOf(let folder, let reasons):
      "of no molecule in \(folder) can a file be drafted:\n" + reasons.map { "  \($0)" }.joined(separator: "\n")
    case .mixed(let with, let without):
      "\(with.joined(separator: ", ")) have trajectories and \(without.joined(separator: ", ")) have none: one file has the same stages "
        + "for all, so keep the two kinds in two folders"
    }
  }
}

/// The lines of a drafted file, and why they are so.
struct DraftedStages {
  private(set) var temperatureLine = ""
  private(set) var systemLines: [String] = []
  private(set) var stageLines: [String] = []
  private(set) var reasons: [String] = []

  static let defaultTemperature = 300.0  // K
  private static let (fewFrames, mostLines) = (2_000, 20)

  /// Where a temperature comes from, in words.
  static func reason(of kelvin: Double, asked: Double?, told: [Double]) -> String {
    if asked != nil { return "as asked for" }
    if told.isEmpty { return "assumed: no file tells it" }
    return told.count == 1 ? "as the trajectory tells" : "the lowest that the frames tell"
  }

  init(_ drafted: DraftedMolecule, temperature: Double?, folder: URL) {
    let files = drafted.files
    func name(_ file: URL) -> String { DraftText.quoted(DraftText.path(file, from: folder)) }

    let told = drafted.survey?.temperatures ?? []
    let kelvin = drafted.survey?.chosen ?? temperature ?? told.first ?? Self.defaultTemperature
    let why = Self.reason(of: kelvin, asked: temperature, told: told)
    temperatureLine = DraftText.line("temperature: \(DraftText.kelvin(kelvin))", "K, \(why)")
    reasons.append("temperature: \(DraftText.kelvin(kelvin)) K, \(why)")

    // the force field's own prmtop is the topology where none is given
    if let topology = files.topology, files.isMethod || topology.path != URL(fileURLWithPath: files.forceField).path {
      systemLines.append("  topology: \(name(topology))")
    }
    systemLines.append(
      DraftText.line(
        "  forcefield: \(files.isMethod ? files.forceField : name(URL(fileURLWithPath: files.forceField)))",
        files.solventComment))
    if let solvent = files.assumedSolvent {
      let other =
        files.isMethod
        ? ""
        : "; OpenMM's createSystem adds one: \(files.withSurfaceTerm(name(URL(fileURLWithPath: files.forceField))))"
      reasons.append("solvent: \(solvent), assumed: no file tells it\(other)")
    }
    if let atoms = files.atoms { systemLines.append("  atoms: \(DraftText.quoted(atoms))") }
    if let coordinates = files.coordinates { systemLines.append("  coordinates: \(name(coordinates))") }
    let torsions = drafted.torsions.map { "\($0.name): \(DraftText.numbers($0.atoms))" }.joined(separator: ", ")
    systemLines.append(DraftText.line("  torsions: { \(torsions) }", "atoms of the molecule, from 0"))
    let head = 5 + systemLines.count  // with the file's first lines, and those of the groups
    reasons.append("states: \(drafted.reason)")

    stageLines = Self.frames(drafted, temperatures: told, kelvin, name) + Self.answers(drafted)
    let room = Self.mostLines - head - stageLines.count
    systemLines += Self.states(drafted, lines: room)
    if let survey = drafted.survey {
      reasons.append(
        "frames: \(NumberText.count(survey.frames)) in \(files.trajectories.count) file\(files.trajectories.count == 1 ? "" : "s")"
      )
      if survey.bad > 0 {
        reasons.append("warning: \(survey.bad) frames that were looked at are not sound; ingest says which")
      }
      if let held = survey.held {
        reasons.append(
          "held bonds: \(held); ingest does with them what the force field calls for (docs/own-trajectory.md)")
      }
      if survey.frames < Self.fewFrames {
        reasons.append(
          "few frames: the emulator keeps the network that held-out frames like best; more frames make a better one")
      }
    } else {
      reasons.append("no trajectory: dynamics from each state makes the frames")
    }
    if drafted.hasDynamics, drafted.torsions.count > 2 {
      reasons.append(
        "no umbrella sampling: it biases one or two torsions, and the states are of \(drafted.torsions.count); 'explore' is the test that is "
          + "independent of the emulator")
    }
    if !drafted.hasDynamics {
      reasons.append(
        "\(files.forceField) gives energies and no dynamics: there is no umbrella sampling to compare with")
    }
  }

  /// A state a line where there is room, else several on each of so many lines.
  private static func states(_ drafted: DraftedMolecule, lines room: Int) -> [String] {
    let shares = drafted.states.map { $0.share.map { String(format: "%.1f", 100 * $0) } }
    let asked = drafted.states.count == 1 ? "against the rest" : "of each against \(drafted.states[0].name)"
    guard drafted.states.count + 1 > room else {
      return [DraftText.line("  states:", "rad; dF \(asked); \(drafted.borders)")]
        + zip(drafted.states, shares).map { state, share in
          DraftText.line("    \(state.text)", share.map { "\($0) % of the frames" })
        }
    }
    let (count, lines) = (drafted.states.count, max(1, room))
    let perLine = (count + lines - 1) / lines
    return stride(from: 0, to: count, by: perLine).map { first in
      let places = first..<min(first + perLine, count)
      let text = places.map { drafted.states[$0].text }.joined(separator: ", ")
      let told = places.compactMap { shares[$0] }
      let list = told.isEmpty ? [] : ["\(told.joined(separator: ", ")) % of the frames"]
      return DraftText.line(
        (first == 0 ? "  states: { " : "            ") + text + (places.upperBound == count ? " }" : ","),
        ((first == 0 ? ["rad; dF \(asked); \(drafted.borders)"] : []) + list).joined(separator: "; ").nonEmpty)
    }
  }

  private static func stage(_ name: String, _ uses: String, _ rest: String, why: String? = nil) -> String {
    let label = "\(name):".padding(toLength: 10, withPad: " ", startingAt: 0)
    let type = "\(uses),".padding(toLength: 13, withPad: " ", startingAt: 0)
    return DraftText.line("  \(label) { uses: \(type) \(rest) }", why)
  }

  /// The stages that make frames.
  private static func frames(
    _ drafted: DraftedMolecule, temperatures: [Double], _ kelvin: Double, _ name: (URL) -> String
  ) -> [String] {
    if !drafted.files.trajectories.isEmpty {
      let files = DraftText.list(drafted.files.trajectories.map(name))
      let chosen = temperatures.count > 1 ? ", temperature_of_frames: \(DraftText.kelvin(kelvin))" : ""
      return [stage("frames", "ingest", "trajectory: \(files)\(chosen)")]
    }
    return [stage("md", "simulate", dynamics(drafted)), stage("frames", "ingest", "simulation: md")]
  }

  /// Of a matrix: every cell has the stages of the largest molecule, of one torsion, or of phi and psi.
  static func batch(_ all: [DraftedMolecule], arePeptides: Bool) -> [String] {
    guard var one = all.max(by: { $0.topology.atoms.count < $1.topology.atoms.count }) else { return [] }
    if !arePeptides { one.keepOne(named: "t") }
    let frames =
      one.files.trajectories.isEmpty
      ? [stage("md", "simulate", dynamics(one)), stage("frames", "ingest", "simulation: md")]
      : [stage("frames", "ingest", "trajectory: \"${molecule.trajectory}\"")]
    return frames + answers(one)
  }

  /// What `simulate` is told, of a molecule without frames.
  static func dynamics(_ drafted: DraftedMolecule) -> String {
    let isPeptide = drafted.starts.isEmpty == false || drafted.states.count > 2
    var words = ["runs: \(isPeptide ? 6 : 8), length: \(drafted.states.count > 2 ? 800 : 400), save_interval: 0.3"]
    if !drafted.starts.isEmpty {
      let starts = drafted.starts.map { "[\($0.map { NumberText.significant($0) }.joined(separator: ", "))]" }
      words.append("steering: [\(drafted.torsions.map(\.name).joined(separator: ", "))]")
      words.append("starts: [\(starts.joined(separator: ", "))]")
    }
    return (words + moves(drafted) + [heavy]).joined(separator: ", ")
  }

  private static let heavy = "hydrogen_mass: 3, timestep: 0.002"

  /// Side chains that turn too seldom by themselves.
  private static func moves(_ drafted: DraftedMolecule) -> [String] {
    drafted.topology.staggeredTorsions.isEmpty ? [] : ["rotamer_moves: true"]
  }

  /// The stages from frames to the report.
  static func answers(_ drafted: DraftedMolecule) -> [String] {
    let isSmall = (drafted.survey?.frames ?? .max) < fewFrames
    var lines = [
      stage("emulator", "emulator", "frames: frames"),
      stage(
        "proposals", "sample", "emulator: emulator, count: \(isSmall ? 10_000 : 30_000), scores: true",
        why: "what the energy model learns from"),
      stage("ebm", "energy-model", "samples: proposals"),
      stage(
        "fresh", "sample", "emulator: emulator, count: \(isSmall ? 20_000 : 50_000)",
        why: "what is weighted; four times as many halve the interval"),
      stage("boltzmann", "reweight", "samples: fresh, density: ebm"),
      stage("traced", "reweight", "samples: fresh, density: stochastic-trace"),
    ]
    var compared = ["boltzmann", "traced"]
    if drafted.hasDynamics, let umbrella = umbrella(drafted) {
      lines.append(stage("umbrella", "umbrella", umbrella, why: umbrellaComment(drafted)))
      compared.append("umbrella")
    }
    return lines + [stage("report", "report", "compare: [\(compared.joined(separator: ", "))]")]
  }

  private static func umbrellaComment(_ drafted: DraftedMolecule) -> String {
    "production: ps a window at most; target_error\(drafted.torsions.count == 2 ? ", ceiling" : ""): kT"
  }

  /// At most so many ps in all, fewer for larger molecules; nil where the states are of more torsions than umbrella sampling biases.
  private static func umbrella(_ drafted: DraftedMolecule) -> String? {
    let names = drafted.torsions.map(\.name)
    guard names.count <= 2 else { return nil }
    let (windows, force) = names.count == 1 ? ([24], [140]) : ([24, 18], [200, 80])
    let count = windows.reduce(1, *)
    let size = pow(Double(drafted.topology.atoms.count) / 22, 1.5)
    let budget = names.count == 1 ? 48_000.0 : 120_000.0
    let production = max(20, (budget / max(1, size) / Double(count) / 10).rounded() * 10)
    return
      "coordinates: \(DraftText.list(names)), windows: \(DraftText.list(windows.map(String.init))), force_constant: "
      + "\(DraftText.list(force.map(String.init))), production: \(NumberText.significant(production)), target_error: 0.05"
      + (moves(drafted) + [heavy]).map { ", " + $0 }.joined() + (names.count == 2 ? ", ceiling: 12" : "")
  }
}
