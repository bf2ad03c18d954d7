import Dynamics
import Molecules

/// Torsion moves of side chains, by thirds of a turn where a torsion has staggered places, else by any angle.
public struct TorsionMoves: Sendable {
  public let moves: [TorsionMove]
  /// Of the torsions they turn.
  public let names: [String]

  public static let none = TorsionMoves(moves: [], names: [])

  private init(moves: [TorsionMove], names: [String]) { (self.moves, self.names) = (moves, names) }

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
