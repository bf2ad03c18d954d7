import Molecules

/// What an emulator of many peptides will know: the residues and links, by place, of the molecules that it learns from.
public struct KnownResidues {
  private var blocks: [String: PeptideCoordinates.Block] = [:]

  /// Throws `TransferError.molecule`, where it is none that can be learnt from, or differs from another in what goes by one name;
  /// `MoleculesError`.
  public init(_ molecules: [(name: String, topology: Topology)]) throws {
    for molecule in molecules {
      try TransferError.naming(molecule.name) {
        for block in try PeptideCoordinates(topology: molecule.topology).blocks {
          if let first = blocks[block.key] {
            try Self.compare(block, first.narrowNames, first.broadNames)
          } else {
            blocks[block.key] = block
          }
        }
      }
    }
  }

  /// Throws `TransferError.unseen` or `.otherCoordinates` where the emulator cannot draw a molecule; `PeptideError`, `MoleculesError`.
  public func check(_ topology: Topology) throws {
    for block in try PeptideCoordinates(topology: topology).blocks {
      let first = try Self.find(block, in: blocks)
      try Self.compare(block, first.narrowNames, first.broadNames)
    }
  }

  /// Throws `TransferError.unseen`.
  static func find<Known>(_ block: PeptideCoordinates.Block, in blocks: [String: Known]) throws -> Known {
    if let found = blocks[block.key] { return found }
    let there = blocks.keys.filter { $0.hasSuffix(" " + block.place) }.sorted()
    throw TransferError.unseen(
      block: block.title, key: block.key, known: there.isEmpty ? blocks.keys.sorted() : there)
  }

  /// Throws `TransferError.otherCoordinates`.
  static func compare(_ block: PeptideCoordinates.Block, _ narrow: [String], _ broad: [String]) throws {
    guard block.narrowNames != narrow || block.broadNames != broad else { return }
    let mine = Set(block.narrowNames + block.broadNames)
    let first = mine.symmetricDifference(narrow + broad).sorted().first ?? ""
    throw TransferError.otherCoordinates(block: block.title, key: block.key, first: first)
  }
}
