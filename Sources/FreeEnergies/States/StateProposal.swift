import Foundation
import Molecules

/// States that frames of a molecule suggest: the places of the torsions that change theirs most slowly.
///
/// A torsion counts if it has several places with a hundredth of the frames each, and is slow if it stays for ten frames on the average. Of
/// slow ones the two that change least are taken, or the slowest of all where none is slow. States are the boxes of their basins that
/// hold a hundredth of the frames, the most populated first; borders lie where the histogram is lowest.
public struct StateProposal: Sendable {
  /// A torsion that has several places.
  public struct Torsion: Equatable, Sendable {
    public let torsion: RotatableTorsion
    /// Places that hold a hundredth of the frames, and changes between all of them.
    public let places, changes: Int
  }

  /// Those that the states are of; empty where no torsion has several places.
  public let chosen: [Torsion]
  /// Others with several places, the slowest first.
  public let others: [Torsion]
  /// By boxes in the chosen torsions: arcs [states][chosen], rad, rounded to 0.01.
  public let arcs: [[TorsionState]]
  /// Frames in each state, and outside all.
  public let counts: [Int]
  /// Frames in all.
  public let samples: Int

  private static let (leastShare, slowFrames, mostTorsions, mostStates) = (0.01, 10, 2, 12)

  /// `series`: [torsions][stretches of unbroken time][frames], rad.
  public init(_ torsions: [RotatableTorsion], series: [[[Double]]]) {
    let found = SlowTorsions(torsions, series: series).found
    samples = found.first?.samples ?? 0
    let several = torsions.indices.compactMap { index -> (index: Int, torsion: Torsion)? in
      let places = found[index].basins.filter { $0.population >= Self.leastShare }.count
      guard found[index].fold == 1, places > 1 else { return nil }
      return (index, Torsion(torsion: torsions[index], places: places, changes: found[index].changes))
    }.sorted { ($0.torsion.changes, $0.index) < ($1.torsion.changes, $1.index) }
    let total = samples
    let slow = several.filter { $0.torsion.changes * Self.slowFrames <= total }.count
    let taken = several.prefix(min(Self.mostTorsions, max(1, slow))).sorted { $0.index < $1.index }
    chosen = taken.map(\.torsion)
    others = several.dropFirst(taken.count).map(\.torsion)
    guard !taken.isEmpty else {
      (arcs, counts) = ([], [samples])
      return
    }
    let basins = taken.map { one in
      found[one.index].basins.indices.compactMap { found[one.index].arc(of: $0) }.map { arc in
        TorsionState(from: (arc.from * 100).rounded() / 100, to: (arc.to * 100).rounded() / 100)
      }
    }
    let columns = taken.map { series[$0.index].flatMap { $0 } }
    let boxes = basins.reduce([[]] as [[TorsionState]]) { boxes, arcs in
      boxes.flatMap { box in arcs.map { box + [$0] } }
    }
    func count(_ box: [TorsionState]) -> Int {
      (0..<total).filter { n in zip(box, columns).allSatisfy { $0.contains($1[n]) } }.count
    }
    let held = boxes.map { (box: $0, count: count($0)) }
      .filter { Double($0.count) >= Self.leastShare * Double(total) }.enumerated()
      .sorted { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }.map(\.element).prefix(Self.mostStates)
    arcs = held.map(\.box)
    counts = held.map(\.count) + [total - held.reduce(0) { $0 + $1.count }]
  }
}
