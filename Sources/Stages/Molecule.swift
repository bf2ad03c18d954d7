import ForceFields
import Foundation
import Molecules
import OpenMM
import Trajectories
import Workflow

/// The molecule that a pipeline file describes: which atoms of its files it is, and what binds them.
struct Molecule {
  let topology: Topology
  /// Which atoms of the topology's file it is.
  let kept: KeptAtoms
  /// What was made of the file, a sentence each.
  let warnings: [String]
  /// "69 WAT, 2 Na+": what stands around the molecule in the file, by residues; nil where nothing does.
  let surroundings: String?

  /// Throws `MoleculesError`, `TrajectoryError`, `OpenMMError`, with advice.
  init(_ shared: [String: ParameterValue]) throws {
    func file(_ field: SharedField) -> URL? { shared[field.name]?.string.map { URL(fileURLWithPath: $0) } }
    let url = file(.topology) ?? URL(fileURLWithPath: "")
    do {
      var (structure, lengths) = try Self.read(url)
      if let source = file(.bonds) { try Self.takeBonds(of: source, into: &structure) }
      let selection = shared[SharedField.atoms.name].flatMap([String].init(_:))
      let atoms = try selection.map { try Self.atoms($0, of: structure) } ?? structure.moleculeAtoms()
      kept = KeptAtoms(atoms, of: structure.atoms.count)
      if structure.coordinates.isEmpty, let source = file(.coordinates) {
        topology = try Self.placed(structure, kept, by: source, lengths: lengths)
      } else {
        topology = try structure.topology(of: atoms)
      }
      warnings = structure.warnings + [topology.warningOfGuessedBonds].compactMap { $0 }
      surroundings = kept.areAll ? nil : Self.summary(structure, without: Set(atoms))
    } catch let error as MoleculesError {
      throw try Self.advised(error)
    }
  }

  /// The atoms of a file, and the equilibrium lengths of its bonds where it tells them.
  private static func read(_ url: URL) throws -> (Structure, [Topology.Bond: Double]) {
    guard MoleculeFile.isPrmtop(url) else { return (try Structure.read(pdb: url), [:]) }
    let amber = try AMBERTopology.read(url)
    let lengths = amber.bonds.map { (Topology.Bond($0.atoms[0], $0.atoms[1]), $0.length) }
    return (try amber.structure(), Dictionary(lengths, uniquingKeysWith: { first, _ in first }))
  }

  /// The bonds that a force field names, in place of those that distances tell. One of other atoms tells nothing.
  private static func takeBonds(of source: URL, into structure: inout Structure) throws {
    var bonds: [Topology.Bond]
    if MoleculeFile.isPrmtop(source) {
      guard let field = try? AMBERTopology.read(source).structure(),
        field.atoms.map(\.element) == structure.atoms.map(\.element)
      else { return }
      bonds = field.bonds
    } else {
      // one that cannot be read is told where energies are asked of it
      guard let system = try? System(contentsOf: source), system.atomCount == structure.atoms.count else { return }
      let elements = structure.atoms.map { Element(symbol: $0.element) }
      // terms between second neighbours (Urey-Bradley), and constraints of angles, are no bonds
      bonds = system.bondLengths.compactMap { pair in
        guard let first = elements[pair.first], let second = elements[pair.second],
          first.number > 1 || second.number > 1,
          pair.length < 1.3 * (first.covalentRadius + second.covalentRadius)
        else { return nil }
        return Topology.Bond(pair.first, pair.second)
      }
      guard !bonds.isEmpty else { return }
    }
    structure = try structure.bonded(by: bonds)
  }

  /// Indices and ranges, or words.
  private static func atoms(_ entries: [String], of structure: Structure) throws -> [Int] {
    var atoms: Set<Int> = []
    for entry in entries {
      if let match = entry.wholeMatch(of: #/\s*(\d+)(?:\s*(?:-|to)\s*(\d+))?\s*/#) {
        guard let first = Int(match.1), let last = Int(match.2 ?? match.1), first <= last,
          last < structure.atoms.count
        else { throw MoleculesError.selection("\"\(entry)\" are not atoms 0 to \(structure.atoms.count - 1)") }
        atoms.formUnion(first...last)
      } else {
        atoms.formUnion(try AtomSelection(entry).atoms(of: structure))
      }
    }
    return atoms.sorted()
  }

  /// With the coordinates of the first frame that shows the molecule whole, of a file of all atoms or of the kept ones.
  private static func placed(
    _ structure: Structure, _ kept: KeptAtoms, by source: URL, lengths: [Topology.Bond: Double]
  ) throws -> Topology {
    let all = structure.atoms.count
    if let pdb = try? Structure.read(pdb: source), pdb.atoms.count == all {
      return try structure.placed(at: pdb.coordinates, cell: pdb.cell).topology(of: kept.indices)
    }
    let reader = try TrajectoryFile.open(source)
    guard reader.atomCount == all || reader.atomCount == kept.indices.count else {
      throw TrajectoryError.atomCount(file: source.path, found: reader.atomCount, expected: all)
    }
    let zero = [Double](repeating: 0, count: 3 * all)
    for frame in 0..<min(reader.frameCount, 100) {
      var coordinates = try reader.readFrames(frame..<frame + 1)
      let cell = try reader.readCells(frame..<frame + 1)?.first
      if reader.atomCount != all {
        var spread = zero
        for (place, atom) in kept.indices.enumerated() {
          for axis in 0..<3 { spread[3 * atom + axis] = coordinates[3 * place + axis] }
        }
        coordinates = spread
      }
      guard kept.indices.allSatisfy({ atom in (0..<3).allSatisfy { coordinates[3 * atom + $0].isFinite } }) else {
        continue
      }
      let topology: Topology
      do {
        topology = try structure.placed(at: coordinates, cell: cell).topology(of: kept.indices)
      } catch MoleculesError.stretchedBond { continue }
      let isSound = topology.bonds.allSatisfy { bond in
        guard let length = lengths[Topology.Bond(kept.indices[bond.first], kept.indices[bond.second])] else {
          return true
        }
        return abs(topology.length(of: bond) - length) <= 0.3 * length
      }
      if isSound, (try? Chirality(topology: topology)) != nil { return topology }
    }
    throw TrajectoryError.unreadable(
      file: source.path,
      message: "none of its first frames shows the molecule of the topology, with bonds of their lengths")
  }

  private static func summary(_ structure: Structure, without kept: Set<Int>) -> String {
    var counts: [String: Set<Int>] = [:]
    for (index, atom) in structure.atoms.enumerated() where !kept.contains(index) {
      counts[structure.residues[atom.residueIndex].name, default: []].insert(atom.residueIndex)
    }
    let sorted = counts.sorted { ($0.value.count, $1.key) > ($1.value.count, $0.key) }
    return sorted.prefix(5).map { "\($0.value.count) \($0.key)" }.joined(separator: ", ")
      + (sorted.count > 5 ? ", ..." : "")
  }

  private static func advised(_ error: MoleculesError) throws -> any Error {
    switch error {
    case .noCoordinates:
      AdvisedError(
        cause: error,
        description: "\(error): give system.coordinates, a PDB file or a trajectory, or a PDB file as system.topology")
    case .severalMolecules, .brokenSelection, .selection:
      AdvisedError(cause: error, description: "system.atoms: \(error)")
    default: error
    }
  }
}

extension StageContext {
  /// The molecule of the pipeline file. Throws as `Molecule` does.
  func molecule() throws -> Molecule { try Molecule(shared) }
}
