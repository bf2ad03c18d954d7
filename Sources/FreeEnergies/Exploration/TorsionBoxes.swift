import Foundation

/// The circle of one torsion, or the torus of two, cut into equal boxes.
struct TorsionBoxes: Sendable {
  /// Places of its torsions in a list.
  let torsions: [Int]
  let perTurn: Int

  var count: Int { torsions.count == 1 ? perTurn : perTurn * perTurn }

  /// The box of every row of `columns`, rad, [torsions of the list][rows].
  func boxes(_ columns: [[Double]]) -> [Int] {
    let bins = torsions.map { columns[$0].map { FreeEnergyProfile.bin(of: $0, bins: perTurn) } }
    return bins.count == 1 ? bins[0] : zip(bins[0], bins[1]).map { $0 * perTurn + $1 }
  }

  /// Its bin along each torsion.
  func bins(_ box: Int) -> [Int] { torsions.count == 1 ? [box] : [box / perTurn, box % perTurn] }

  /// All boxes at most `reach` away along each torsion, itself among them.
  func block(_ box: Int, reach: Int) -> [Int] {
    // no bin twice where the block would close around the turn
    let offsets = 2 * reach + 1 >= perTurn ? Array(0..<perTurn) : Array(-reach...reach)
    func around(_ bin: Int) -> [Int] { offsets.map { (bin + $0 + perTurn) % perTurn } }
    let bins = bins(box)
    guard bins.count == 2 else { return around(box) }
    let second = around(bins[1])
    return around(bins[0]).flatMap { first in second.map { first * perTurn + $0 } }
  }

  /// Boxes that hang together: of each group none is further than `reach` from the next. Groups and boxes ascend.
  func groups(_ boxes: [Int], reach: Int) -> [[Int]] {
    var left = Set(boxes)
    var result: [[Int]] = []
    for first in boxes.sorted() where left.remove(first) != nil {
      var (group, next) = ([first], 0)
      while next < group.count {
        for box in block(group[next], reach: reach) where left.remove(box) != nil { group.append(box) }
        next += 1
      }
      result.append(group.sorted())
    }
    return result
  }

  /// The smallest arc along each torsion that holds these boxes, rad.
  func arcs(_ boxes: [Int]) -> [TorsionState] {
    torsions.indices.map { axis in
      let taken = Set(boxes.map { bins($0)[axis] }).sorted()
      // the arc begins after the widest gap
      var (start, widest) = (0, 0)
      for (place, bin) in taken.enumerated() {
        let before = place > 0 ? taken[place - 1] : (taken.last ?? bin) - perTurn
        if bin - before > widest { (start, widest) = (bin, bin - before) }
      }
      func angle(_ edge: Int) -> Double { 2 * .pi * Double(edge) / Double(perTurn) - .pi }
      guard widest > 1 else { return TorsionState(from: -.pi, to: .pi) }
      let end = start + perTurn - widest + 1
      return TorsionState(from: angle(start), to: angle(end > perTurn ? end - perTurn : end))
    }
  }
}
