import Foundation
import Molecules
import Workflow

/// What a pipeline file says of the molecule itself: which atoms, their bonds, and where they are.
extension SharedField {
  /// A sequence in place of files.
  public static let peptide = SharedField(
    in: system,
    ParameterField(
      "peptide", .string, optional: true,
      help:
        "a peptide by its sequence, in place of topology: AC, or ace-V-nme. Its files are made once (\(PreparedPeptide.summary)) and kept; "
        + "it is the force field too where none is given"))

  public static let topology = SharedField(
    in: system,
    ParameterField(
      "topology", .path, optional: true,
      help:
        "PDB file or AMBER prmtop of the molecule, solvent and all if the trajectory has them; left out: the prmtop of the force field, of sampled_by first"
    ),
    isNeeded: true,
    standIn: { surroundings in
      let file = MoleculeFile.forceFields(surroundings.values).first(where: MoleculeFile.isPrmtop)
      return file.map { .string($0.path) } ?? .null
    }, made: .init(from: peptide, isInPlace: true) { .string(try PreparedPeptide($0).topology.path) })

  public static let atoms = SharedField(
    in: system,
    ParameterField(
      "atoms", .list(.string, acceptsSingle: true, count: 1...Int.max), optional: true,
      help:
        "which atoms of the topology the molecule is: MDTraj's selection words (\"resname LIG\", \"protein\", \"index 0 to 21\") or a "
        + "list of indices and ranges from 0 ([0-21, 30]); left out: the one molecule that is neither water nor ion nor lipid"
    ))

  public static let coordinates = SharedField(
    in: system,
    ParameterField(
      "coordinates", .path, optional: true,
      help:
        "PDB file or trajectory whose first sound frame shows the molecule, for a topology without coordinates (prmtop); left out: "
        + "the first trajectory of the file's ingest stages"),
    standIn: { surroundings in
      guard let file = surroundings.values[topology.name]?.string, MoleculeFile.isPrmtop(URL(fileURLWithPath: file)),
        let first = surroundings.stages.first(where: {
          $0.type == IngestStage.self && $0.parameters["trajectory"]?[0] != nil
        })
      else { return .null }
      return first.parameters["trajectory"]?[0] ?? .null
    })

  /// A force field that tells bonds which the topology tells by nothing but distances. No key of the file.
  static let bonds = SharedField(
    in: system, ParameterField("bonds", .path, optional: true, help: "what tells the molecule's bonds"),
    standIn: { surroundings in
      guard let file = surroundings.values[topology.name]?.string,
        let field = MoleculeFile.forceField(surroundings.values),
        field.path != file, MoleculeFile.guessesBonds(URL(fileURLWithPath: file))
      else { return .null }
      return .string(field.path)
    })

  /// All that a stage needs to know the molecule.
  static let molecule: [SharedField] = [topology, atoms, coordinates, bonds]

  private static let system = "system"
}

/// Files of a molecule, told apart by their content.
enum MoleculeFile {
  /// Whatever its name.
  static func isPrmtop(_ file: URL) -> Bool {
    guard let handle = try? FileHandle(forReadingFrom: file) else { return false }
    defer { try? handle.close() }
    return AMBERTopology.isPrmtop([UInt8]((try? handle.read(upToCount: 64)) ?? Data()))
  }

  /// The file of the force field, where it is one: that of the dynamics first, which is the same for all targets.
  static func forceField(_ values: [String: ParameterValue]) -> URL? { forceFields(values).first }

  static func forceFields(_ values: [String: ParameterValue]) -> [URL] {
    [SharedField.sampledBy, .forcefield].compactMap { field in
      let value = values[field.name] ?? .null
      return (value.string ?? value.variant?.parameters["file"]?.string).map { URL(fileURLWithPath: $0) }
    }
  }

  /// Whether bonds of a structure file are told by distances alone. False for one that cannot be read: whoever reads it says why.
  static func guessesBonds(_ file: URL) -> Bool {
    guard !isPrmtop(file) else { return false }
    return FileAnswers.shared.value(file, of: "guessed bonds") {
      guard let structure = try? Structure.read(pdb: file), let kept = try? structure.moleculeAtoms() else {
        // what falls apart, too, may be held together by bonds of the force field
        return (try? Structure.read(pdb: file))?.guessedBonds.isEmpty == false
      }
      let own = Set(kept)
      return structure.guessedBonds.contains { own.contains($0.first) }
    }
  }
}

/// Answers to questions about files as they are now; a pipeline of many stages asks many times.
final class FileAnswers: @unchecked Sendable {
  static let shared = FileAnswers()
  private let lock = NSLock()
  private var known: [String: Bool] = [:]

  func value(_ file: URL, of question: String, _ make: () -> Bool) -> Bool {
    let attributes = (try? FileManager.default.attributesOfItem(atPath: file.resolvingSymlinksInPath().path)) ?? [:]
    let date = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
    let state =
      "\(question)|\(file.path)|\(attributes[.size] ?? 0)|\(date)|\(attributes[.systemFileNumber] ?? 0)"
    if let answer = lock.withLock({ known[state] }) { return answer }
    let answer = make()
    lock.withLock { known[state] = answer }
    return answer
  }
}
