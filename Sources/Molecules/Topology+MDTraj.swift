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
