import Foundation

extension Topology {
  /// The molecule as MDTraj's HDF5 format stores it: the JSON text of the `topology` node (format 1.1), ASCII only.
  public var mdtrajJSON: String {
    var chains: [(name: String, residues: [Int])] = []
    for (index, residue) in residues.enumerated() {
      if let last = chains.last, last.name == residue.chain {
        chains[chains.count - 1].residues.append(index)
      } else {
        chains.append((residue.chain, [index]))
      }
    }
    var atomsOfResidue = [[Int]](repeating: [], count: residues.count)
    for (index, atom) in atoms.enumerated() { atomsOfResidue[atom.residueIndex].append(index) }

    let chainTexts = chains.enumerated().map { chainIndex, chain in
      let residueTexts = chain.residues.map { residueIndex in
        let residue = residues[residueIndex]
        let atomTexts = atomsOfResidue[residueIndex].map { index in
          "{\"index\": \(index), \"name\": \(Self.quoted(atoms[index].name)), "
            + "\"element\": \(Self.quoted(atoms[index].element))}"
        }
        return "{\"index\": \(residueIndex), \"name\": \(Self.quoted(residue.name)), \"resSeq\": \(residue.sequence), "
          + "\"segmentID\": \(Self.quoted(residue.segment)), \"atoms\": [" + atomTexts.joined(separator: ", ") + "]}"
      }
      return "{\"index\": \(chainIndex), \"residues\": [" + residueTexts.joined(separator: ", ") + "], "
        + "\"chain_id\": \(Self.quoted(chain.name))}"
    }
    let bondTexts = bonds.map { "[\($0.first), \($0.second)]" }
    return "{\"chains\": [" + chainTexts.joined(separator: ", ") + "], \"bonds\": ["
      + bondTexts.joined(separator: ", ") + "]}"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for unit in text.utf16 {
      switch unit {
      case 0x22: result += "\\\""
      case 0x5c: result += "\\\\"
      case 0x20..<0x7f: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
      default:
        let hex = String(unit, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      }
    }
    return result + "\""
  }
}

extension Topology {
  /// The molecule from the JSON text of MDTraj's `topology` node. `coordinates`: a frame of it, nm, [atoms, 3].
  ///
  /// Throws `MoleculesError.inconsistent` for a text of another form, and what `init(atoms:residues:bonds:referenceCoordinates:)` throws.
  public init(mdtrajJSON text: String, coordinates: [Double]) throws {
    struct Stored: Decodable {
      struct Chain: Decodable {
        let residues: [Residue]
        let chain_id: String?
      }
      struct Residue: Decodable {
        let name: String
        let resSeq: Int
        let segmentID: String?
        let atoms: [Atom]
      }
      struct Atom: Decodable {
        let index: Int
        let name, element: String
      }
      let chains: [Chain]
      let bonds: [[Double]]
    }
    let stored: Stored
    do {
      stored = try JSONDecoder().decode(Stored.self, from: Data(text.utf8))
    } catch {
      throw MoleculesError.inconsistent("the text of the topology is not of MDTraj's form: \(error)")
    }
    var residues: [Residue] = []
    var atoms: [(index: Int, atom: Atom)] = []
    for chain in stored.chains {
      for residue in chain.residues {
        for atom in residue.atoms {
          atoms.append(
            (
              atom.index,
              Atom(name: atom.name, element: atom.element, residueIndex: residues.count, serial: atom.index + 1)
            ))
        }
        residues.append(
          Residue(
            name: residue.name, sequence: residue.resSeq, chain: chain.chain_id ?? "", segment: residue.segmentID ?? "")
        )
      }
    }
    atoms.sort { $0.index < $1.index }
    guard atoms.enumerated().allSatisfy({ $0.offset == $0.element.index }), stored.bonds.allSatisfy({ $0.count >= 2 })
    else {
      throw MoleculesError.inconsistent("the topology's atoms are not counted from 0, or a bond has not two atoms")
    }
    try self.init(
      atoms: atoms.map(\.atom), residues: residues, bonds: stored.bonds.map { Bond(Int($0[0]), Int($0[1])) },
      referenceCoordinates: coordinates)
  }
}
