import Foundation
import TestSupport
import Testing

@testable import OptimalTransport

@Suite struct TransportTests {
  func squaredDistances(_ a: [Double], _ b: [Double], dimension d: Int) -> [Double] {
    let (rows, columns) = (a.count / d, b.count / d)
    return (0..<rows).flatMap { i in
      (0..<columns).map { j in (0..<d).reduce(0.0) { $0 + pow(a[i * d + $1] - b[j * d + $1], 2) } }
    }
  }

  func cheapest(_ costs: [Double], _ n: Int, row: Int = 0, used: Int = 0) -> Double {
    if row == n { return 0 }
    return (0..<n).filter { used & (1 << $0) == 0 }
      .map { costs[row * n + $0] + cheapest(costs, n, row: row + 1, used: used | 1 << $0) }.min() ?? .infinity
  }

  @Test(arguments: 1...7) func assignmentEqualsTheBestOfAllPermutations(n: Int) throws {
    var sequence = TransportSequence(state: n)
    for round in 0..<20 {
      // every other round in few whole numbers, so that many assignments tie; negative costs too
      let costs = sequence.draw(n * n).map { round % 2 == 0 ? ($0 * 5).rounded() - 2 : $0 * 1e-9 + 7 }
      let targets = try Transport.assignment(costs: costs, count: n)
      #expect(targets.sorted() == Array(0..<n))
      let cost = targets.enumerated().reduce(0.0) { $0 + costs[$1.offset * n + $1.element] }
      #expect(abs(cost - cheapest(costs, n)) < 1e-14 * Double(n) * 7)
    }
  }

  @Test func assignmentOf256PointsEqualsSciPy() throws {
    let fixture = try TransportFixture.load()
    var sequence = TransportSequence(state: 1)
    let costs = squaredDistances(sequence.draw(256 * 66), sequence.draw(256 * 66), dimension: 66)
    let targets = try Transport.assignment(costs: costs, count: 256)
    #expect(targets == fixture.assignment)
    let cost = targets.enumerated().reduce(0.0) { $0 + costs[$1.offset * 256 + $1.element] }
    #expect(abs(cost - fixture.assignmentCost) < 1e-10 * cost)
  }

  @Test func transportOfOnePointIsItsMeanCost() throws {
    #expect(abs(try Transport.cost([1, 2, 6], rows: 1, columns: 3) - 3) < 1e-12)
    #expect(
      abs(try Transport.cost([1, 2, 6], rows: 1, columns: 3, columnWeights: [2, 1, 1]) - 2.5) < 1e-9)
    #expect(try Transport.cost([4, 4, 4, 4], rows: 2, columns: 2) == 4)
  }

  @Test func unitsKeepProportionsAndSum() throws {
    let units = try Transport.units([0.1, 0.2, 0, 0.7], count: 4)
    #expect(units.reduce(0, +) == 1 << 40 && units[2] == 0)
    let total = Double(Int64(1) << 40)
    #expect(abs(Double(units[3]) / total - 0.7) < 1e-11)
  }

  @Test func whatIsNoTransportIsRefused() {
    #expect(throws: TransportError.self) { try Transport.assignment(costs: [1, 2, 3], count: 2) }
    #expect(throws: TransportError.self) { try Transport.assignment(costs: [], count: 0) }
    #expect(throws: TransportError.invalidArgument("the cost at position 2 is not finite")) {
      try Transport.assignment(costs: [1, 2, .nan, 3], count: 2)
    }
    #expect(throws: TransportError.self) {
      try Transport.cost([1, 2], rows: 1, columns: 2, columnWeights: [1, -1])
    }
    #expect(throws: TransportError.self) {
      try Transport.cost([1, 2], rows: 1, columns: 2, columnWeights: [0, 0])
    }
  }
}
