import Dynamics
import Molecules

/// Torsion moves of side chains, by thirds of a turn where a torsion has staggered places, else by any angle.
public struct TorsionMoves: Sendable {
  public let moves: [TorsionMove]
  /// Of the torsions they turn.
  public let names: [String]

  public static let none = TorsionMoves(moves: [], names: [])

  private init(moves: [TorsionMove], names: [String]) { (self.moves, self.names) = (moves, names) }

  /// These torsions, where turning one moves one part of the molecule alone and its bond is a single one: at least one of its atoms is
  /// tetrahedral. Double and amide bonds stay as they are.
  public init(turning torsions: [RotatableTorsion], of topology: Topology) {
    let turning = torsions.compactMap { torsion in
      torsion.atoms[1...2].contains(where: topology.isTetrahedral)
        ? topology.turningAtoms(of: torsion.atoms).map { (torsion, $0) } : nil
    }
    moves = turning.map { .init(axis: Array($0.atoms[1...2]), isThird: $0.isStaggered, atoms: $1) }
    names = turning.map(\.0.name)
  }

  /// Every side-chain torsion whose turning moves one part of the molecule alone, but for those named (four atoms each).
  public init(sideChainsOf topology: Topology, besides biased: [[Int]] = []) {
    let turning = topology.watchedTorsions(biased: biased).compactMap { torsion in
      torsion.name.hasPrefix("chi") ? topology.turningAtoms(of: torsion.atoms).map { (torsion, $0) } : nil
    }
    moves = turning.map { torsion, atoms in
      .init(axis: Array(torsion.atoms[1...2]), isThird: torsion.isStaggered, atoms: atoms)
    }
    names = turning.map(\.0.name)
  }
}
