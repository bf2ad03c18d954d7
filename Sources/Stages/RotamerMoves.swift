import Artifacts
import Molecules
import OpenMM

/// Monte Carlo moves of side chains, by thirds of a turn where a torsion has staggered places, else by any angle.
struct RotamerMoves {
  let turns: [TorsionSampler.Turn]
  /// Of the torsions they turn.
  let names: [String]

  static let none = RotamerMoves(turns: [], names: [])

  private init(turns: [TorsionSampler.Turn], names: [String]) {
    self.turns = turns
    self.names = names
  }

  /// Every side-chain torsion whose turning moves one part of the molecule alone, but for those named (four atoms each).
  init(_ topology: Topology, besides biased: [[Int]] = []) {
    let moves = topology.watchedTorsions(biased: biased).compactMap { torsion in
      torsion.name.hasPrefix("chi") ? topology.turningAtoms(of: torsion.atoms).map { (torsion, $0) } : nil
    }
    turns = moves.map { torsion, atoms in
      .init(axis: Array(torsion.atoms[1...2]), isThird: torsion.isStaggered, atoms: atoms)
    }
    names = moves.map(\.0.name)
  }

  /// Writes results/turned_torsions and results/turn_acceptance, where there are moves.
  func write(tried: [Int], taken: [Int], to writer: ArtifactWriter) throws {
    guard !turns.isEmpty else { return }
    let rates = zip(taken, tried).map { $1 > 0 ? Double($0) / Double($1) : 0 }
    try writer.write("results/turned_torsions", strings: names)
    try writer.write("results/turn_acceptance", rates, shape: [rates.count], dims: ["torsion"])
  }
}

extension Topology {
  /// Torsions without a bias whose motion may be slow: all but methyl and ammonium rotors, which turn between equal states.
  func watchedTorsions(biased: [[Int]]) -> [RotatableTorsion] {
    let turning = rotatableTorsions
    return namedTorsions.filter { torsion in
      !torsion.name.hasPrefix("methyl") && torsion.name != "ammonium"
        && !biased.contains { $0 == torsion.atoms || $0 == torsion.atoms.reversed() }
    }.map { torsion in
      let match = turning.first { Set($0.atoms[1...2]) == Set(torsion.atoms[1...2]) }
      return RotatableTorsion(
        name: torsion.fullName, atoms: torsion.atoms, fold: match?.fold ?? 1, isStaggered: match?.isStaggered ?? false)
    }
  }
}
