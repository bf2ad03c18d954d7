import Foundation
import Testing
import Torch

@testable import Generative

@Suite struct ElasticFrameTests {
  static let bonds = [[0, 1], [1, 2], [2, 3], [3, 4]]

  func points(_ n: Int) throws -> Tensor {
    try Generator(seed: 3).normal([n, 15], .float64) * 2
  }

  @Test func directionsAreOrthonormal() throws {
    let q = try ElasticFrame(atoms: 5, bonds: Self.bonds).directions(at: points(4))
    let product = try q.transposed().matmul(q)
    #expect(try largestDifference(product, Tensor.identity(15, .float64).expanded([4, 15, 15])) < 1e-10)
  }

  /// Where the Jacobian is that of the elastic network itself, every probe gives the trace exactly; without the frame none does.
  @Test func probesOfAnElasticNetworkHaveNoNoise() throws {
    let x = try points(1)
    let frame = try ElasticFrame(atoms: 5, bonds: Self.bonds)
    let position = try x.values(as: Double.self)
    var jacobian = [Double](repeating: 0, count: 225)
    var trace = 0.0
    for i in 0..<5 {
      for j in (i + 1)..<5 {
        // in a chain atoms i and j are j - i bonds apart
        let k = ElasticFrame.springs[min(j - i, 4) - 1]
        let d: [Double] = (0..<3).map { position[3 * i + $0] - position[3 * j + $0] }
        let square = d.reduce(0) { $0 + $1 * $1 } * (1 + 1e-6)
        for a in 0..<3 {
          for b in 0..<3 {
            let value: Double = k * d[a] * d[b] / square
            for (row, column, sign) in [(i, i, 1.0), (j, j, 1), (i, j, -1), (j, i, -1)] {
              let entry: Int = 15 * (3 * row + a) + 3 * column + b
              jacobian[entry] += sign * value
            }
          }
          trace += 2 * k * d[a] * d[a] / square
        }
      }
    }
    let matrix = try Tensor(jacobian, shape: [15, 15])
    let plain = try Generator(seed: 4).rademacher([40, 1, 15], .float64)
    func estimates(_ probes: Tensor) throws -> [Double] {
      try (probes.matmul(matrix) * probes).sum(-1).values(as: Double.self)
    }
    let turned = try estimates(frame.oriented(plain, at: x))
    #expect(turned.allSatisfy { abs($0 - trace) < 1e-2 * trace })
    let spread = try estimates(plain).map { ($0 - trace) * ($0 - trace) }.reduce(0, +) / 40
    #expect(spread.squareRoot() > 0.1 * trace)
  }

  @Test func aBondOfAnAtomThatDoesNotExistIsRefused() throws {
    #expect(throws: MolecularGraphError.self) { try ElasticFrame(atoms: 5, bonds: Self.bonds + [[0, 9]]) }
  }
}
