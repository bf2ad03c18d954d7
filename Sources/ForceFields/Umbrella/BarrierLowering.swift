import Foundation
import OpenMM

/// Takes away from side-chain torsions, in every window alike, what the force field's threefold terms put between their
/// staggered places: each gets -depth (1 + cos 3 chi) / 2, which is 0 at 60, 180 and 300 degrees and -depth between them.
///
/// Side chains then turn within a window, where they would stay as they were at its start; weights exp(bias / kT) give back
/// the force field's own distribution.
public struct BarrierLowering: Sendable {
  /// Which of the recorded torsions, and by how many kJ/mol.
  public let depths: [(torsion: Int, depth: Double)]

  /// Torsions whose threefold terms make no more than this turn by themselves, hydrogens of S and O among them: kJ/mol.
  public static let leastBarrier = 8.0

  /// nil where there is nothing to lower. `torsions`: four atoms of each recorded torsion; `staggered`: which of them have three
  /// staggered places; `share`: of the force field's threefold barrier.
  public init?(share: Double, of system: System, torsions: [[Int]], staggered: [Int]) {
    depths = staggered.compactMap { torsion in
      let barrier = system.threefoldBarrier(about: (torsions[torsion][1], torsions[torsion][2]))
      return barrier > Self.leastBarrier ? (torsion, share * barrier) : nil
    }
    if share == 0 || depths.isEmpty { return nil }
  }

  /// The System with the barriers lowered; `torsions` as above. Throws `OpenMMError`.
  public func applied(to system: System, torsions: [[Int]]) throws -> System {
    try system.adding(
      torsions: depths.map { (atoms: torsions[$0.torsion], periodicity: 3, phase: 0, forceConstant: -$0.depth / 2) })
  }

  /// kJ/mol, [samples], of recorded torsions, rad, [samples, torsionCount].
  public func energies(records: [Double], torsionCount: Int) -> [Double] {
    stride(from: 0, to: records.count, by: torsionCount).map { row -> Double in
      depths.reduce(0.0) { (sum, lowered) -> Double in
        sum - lowered.depth / 2 * (1 + cos(3 * records[row + lowered.torsion]))
      }
    }
  }
}
