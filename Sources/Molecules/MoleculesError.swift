import Foundation

/// What can be wrong with a structure file, a molecule or coordinates handed to this module.
public enum MoleculesError: Error, Equatable, CustomStringConvertible {
  /// The file could not be read at all.
  case unreadable(file: String, reason: String)
  /// A record of a structure file is not what its format says; `line` counts from 1.
  case malformed(file: String, line: Int, reason: String)
  /// The molecule falls apart: `atom` is bonded to nothing that leads to the first atom.
  case disconnected(atom: String, reached: Int, of: Int)
  /// A list does not fit the molecule's number of atoms, or a bond names an atom that is not there.
  case inconsistent(String)
  case unknownTorsion(name: String, available: [String])
  case ambiguousTorsion(name: String, candidates: [String])
  /// Not four atoms of the molecule.
  case torsionAtoms(name: String, atoms: [Int], atomCount: Int)
  /// Not two atoms of the molecule.
  case distanceAtoms(name: String, atoms: [Int], atomCount: Int)
  /// Coordinates are not [frames, atoms, 3] for this molecule.
  case coordinateCount(count: Int, expected: String)
  /// NaN or infinity in coordinates; indices count from 0.
  case nonFinite(frame: Int, index: Int)
  /// Two atoms on top of each other, or a reference that lies on a line, so that an angle has no meaning.
  case degenerate(frame: Int, atoms: [Int])
  /// The four neighbours of a stereocentre lie in a plane in the reference: it has no hand to compare with.
  case flatCentre(atom: String)
  case tooFewAtoms(Int)
  /// Fewer than three heavy atoms, or one that is placed from this hydrogen: hydrogens cannot be placed from heavy atoms alone.
  case heavyAtoms(count: Int, placedFrom: String?)
  /// A selection of atoms that cannot be read, or that names atoms which are not there.
  case selection(String)
  /// Two bonded atoms of a structure are farther apart than any bond is long, and no box tells why. nm.
  case stretchedBond(first: String, second: String, length: Double)
  /// A selection cuts a bond.
  case brokenSelection(kept: String, dropped: String, guessed: Bool)
  /// A file tells atoms and bonds and not where the atoms are.
  case noCoordinates
  /// The file holds several molecules, and none is plainly the one that is meant; or nothing but solvent.
  case severalMolecules([String])
  /// Hydrogens this heavy (dalton) leave the atom that they are bonded to with too little.
  case hydrogenMass(Double, atom: String, left: Double)

  /// What the system says of a file that `read` reads becomes `.unreadable`.
  static func reading<T>(_ url: URL, _ read: () throws -> T) throws -> T {
    do {
      return try read()
    } catch let error as MoleculesError {
      throw error
    } catch {
      let missing = !FileManager.default.fileExists(atPath: url.path)
      throw MoleculesError.unreadable(file: url.path, reason: missing ? "no such file" : error.localizedDescription)
    }
  }

  public var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
    case .malformed(let file, let line, let reason): "\(file):\(line): \(reason)"
    case .disconnected(let atom, let reached, let total):
      "the molecule is not connected: \(atom) is not bonded to the part that holds the first atom "
        + "(\(reached) of \(total) atoms); give one molecule, with sound coordinates or complete CONECT records"
    case .inconsistent(let reason): reason
    case .unknownTorsion(let name, let available):
      "no torsion is called \"\(name)\" here; this molecule has: " + available.joined(separator: ", ")
    case .ambiguousTorsion(let name, let candidates):
      "several torsions are called \"\(name)\"; say which: " + candidates.joined(separator: ", ")
    case .torsionAtoms(let name, let atoms, let atomCount):
      "torsion \(name): \(atoms) are not four atoms of a molecule with \(atomCount) (from 0)"
    case .distanceAtoms(let name, let atoms, let atomCount):
      "distance \(name): \(atoms) are not two atoms of a molecule with \(atomCount) (from 0)"
    case .coordinateCount(let count, let expected): "\(count) values were given where \(expected) are needed"
    case .nonFinite(let frame, let index): "frame \(frame): value \(index) is not a finite number"
    case .degenerate(let frame, let atoms):
      "frame \(frame): atoms \(atoms) (from 0) coincide or lie on a line, so that they define no angle"
    case .flatCentre(let atom):
      "stereocentre \(atom) is flat in the reference structure; give a reference with sound geometry"
    case .tooFewAtoms(let count):
      "a molecule of \(count) atom(s) has no internal coordinates here; at least 3 are needed"
    case .heavyAtoms(let count, let light):
      light.map {
        "the hydrogen \($0) is more than an end of the molecule: it cannot be placed from heavy atoms alone; take coordinates: internal or cartesian"
      }
        ?? "\(count) heavy atom(s) are too few to place hydrogens from: at least 3 are needed; take coordinates: internal or cartesian"
    case .selection(let reason): "the selection of atoms: \(reason)"
    case .stretchedBond(let first, let second, let length):
      "\(first) and \(second) are bonded and stand \(String(format: "%.3g", length)) nm apart in the structure; give one with sound "
        + "coordinates"
    case .brokenSelection(let kept, let dropped, let guessed):
      "the selection of atoms keeps \(kept) and leaves out \(dropped), which are bonded"
        + (guessed ? " (as their distance tells, and nothing else)" : "") + "; select whole molecules"
    case .noCoordinates: "there are no coordinates of the molecule, which its bond lengths and its hand are taken from"
    case .severalMolecules(let candidates):
      candidates.isEmpty
        ? "there is nothing but water, ions and lipids; select the atoms of the molecule"
        : "there are \(candidates.count) molecules that are neither water nor ion nor lipid; select the atoms of one: "
          + candidates.prefix(10).joined(separator: "; ") + (candidates.count > 10 ? "; ..." : "")
    case .hydrogenMass(let mass, let atom, let left):
      "a hydrogen mass of \(mass) dalton leaves \(atom) with \(left); 3 suits all molecules"
    }
  }
}
