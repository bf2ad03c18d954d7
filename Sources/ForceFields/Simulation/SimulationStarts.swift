import Basics
import Molecules

/// Where the runs of a simulation begin: the torsions that lead them there, and the angles of each run.
public struct SimulationStarts: Equatable, Sendable {
  public private(set) var names: [String]
  /// Four atoms each.
  public private(set) var torsions: [[Int]]
  /// rad, [runs][torsions]: all runs of the first start, then those of the second.
  public private(set) var targets: [[Double]]
  private let runsPerStart: Int

  /// `starts`: rad, [starts][torsions].
  public init(names: [String], torsions: [[Int]], starts: [[Double]], runsPerStart: Int) {
    (self.names, self.torsions, self.runsPerStart) = (names, torsions, runsPerStart)
    targets = starts.flatMap { start in (0..<runsPerStart).map { _ in start } }
  }

  /// Leads the side chains too: the runs of a start begin at each of a torsion's three staggered places in turn, in a random
  /// order for each start and each torsion anew.
  public mutating func spreadSideChains(of topology: Topology, seed: UInt64) {
    for torsion in topology.staggeredTorsions where !torsions.contains(where: { $0[1...2] == torsion.atoms[1...2] }) {
      names.append(torsion.fullName)
      torsions.append(torsion.atoms)
      var random = RandomStream(seed: seed, "rotamers", torsion.fullName)
      for start in stride(from: 0, to: targets.count, by: max(1, runsPerStart)) {
        var places: [Double] = []
        for run in start..<start + runsPerStart {
          if places.isEmpty { places = [-Double.pi / 3, .pi / 3, .pi].shuffled(using: &random) }
          targets[run].append(places.removeLast())
        }
      }
    }
  }
}
