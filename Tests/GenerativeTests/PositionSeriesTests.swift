import Basics
import Foundation
import Molecules
import Testing
import Torch

@testable import Generative

/// Stein's identity of positions, against networks of springs whose points and forces are known: x ~ N(0, L^+) on centred positions, grad ln p = -L x.
@Suite struct PositionSeriesTests {
  private static let frames = 40_000

  /// Atoms joined by bonds, in no order of residues.
  private static func topology(_ atoms: Int, _ bonds: [(Int, Int)]) throws -> Topology {
    try Topology(
      atoms: (0..<atoms).map { .init(name: "C\($0)", element: "C", residueIndex: 0, serial: $0) },
      residues: [.init(name: "MOL", sequence: 1)], bonds: bonds.map { .init($0.0, $0.1) },
      referenceCoordinates: [Double](repeating: 0, count: 3 * atoms))
  }

  /// A ring of six with a tail of three, and bicyclo[2.2.1]heptane with a methyl group.
  private static let tailed = (9, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (0, 6), (6, 7), (7, 8)])
  private static let cage = (8, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (0, 6), (3, 6), (6, 7)])

  /// Springs between all pairs, soft where more bonds lie between them.
  private static func springs(_ atoms: Int, _ bonds: [(Int, Int)], stiffer: (Int, Int)? = nil) throws -> Tensor {
    var distance = (0..<atoms).map { i in (0..<atoms).map { $0 == i ? 0 : atoms } }
    for (i, j) in bonds { (distance[i][j], distance[j][i]) = (1, 1) }
    for k in 0..<atoms {
      for i in 0..<atoms {
        for j in 0..<atoms { distance[i][j] = min(distance[i][j], distance[i][k] + distance[k][j]) }
      }
    }
    var matrix = [Double](repeating: 0, count: atoms * atoms)
    for i in 0..<atoms {
      for j in 0..<atoms where i != j {
        var stiffness = 100 / pow(Double(distance[i][j]), 2.5)
        if let stiffer, Set([i, j]) == Set([stiffer.0, stiffer.1]) { stiffness *= 3 }
        matrix[i * atoms + i] += stiffness
        matrix[i * atoms + j] -= stiffness
      }
    }
    return try Tensor(matrix, shape: [atoms, atoms])
  }

  private static func check(
    _ molecule: (Int, [(Int, Int)]), scale: Double = 1, stiffer: (Int, Int)? = nil
  ) throws -> (check: SteinCheck, series: PositionSeries) {
    let (atoms, bonds) = molecule
    let (values, vectors) = try springs(atoms, bonds).symmetricEigenDecomposition()
    let widths = try values.values(as: Double.self).map { $0 > 1e-6 ? ($0).squareRoot() : .infinity }
    let noise = try Generator(seed: 5).normal([frames, atoms, 3], .float64)
    let x = try (vectors / Tensor(widths)).matmul(noise) * scale
    let g = try -(springs(atoms, bonds, stiffer: stiffer).matmul(x))
    let series = try PositionSeries(topology(atoms, bonds), atoms: Array(0..<atoms), preferred: [])
    let blocks = SteinCheck.Blocks(frames: frames)
    let found = try series.found(x.values(), g.values(), blocks)
    return (
      SteinCheck(blocks, narrow: found.narrow, further: found.further, turning: found.turning), series
    )
  }

  /// Every field gives 1, or 0 of a torsion that goes round, within its error; so do rings and cages.
  @Test(arguments: [false, true]) func ownFramesAreKnown(isCage: Bool) throws {
    let (check, series) = try Self.check(isCage ? Self.cage : Self.tailed)
    #expect(series.bonds.count == 9 && series.centres.count == (isCage ? 3 : 1))
    // of the tail, and of none of the cage's but the one to its methyl group, behind which nothing is
    #expect(series.torsions.count == (isCage ? 0 : 2) && check.torsions.count == series.torsions.count)
    #expect(series.folds.count == (isCage ? 10 : 6) && series.diagonals.count == (isCage ? 0 : 3))
    let narrow = series.bonds.count + series.angles.count + series.centres.count
    #expect(check.coordinates.count == narrow + series.folds.count + series.diagonals.count)
    for found in check.coordinates {
      #expect(abs(found.value - 1) < 4.5 * found.error, "\(found)")
      #expect(found.error < 0.1, "\(found)")
    }
    for found in check.torsions { #expect(abs(found.value) < 4.5 * found.error && found.error < 0.05, "\(found)") }
    #expect(abs(check.mean - 1) < 4.5 * check.error && check.error < 0.01)
    #expect(check.isSound)
  }

  /// Springs that are 1.2 times as wide: frames of another temperature, whose value is 1.2 in every coordinate.
  @Test func anotherTemperatureIsRead() throws {
    let (check, _) = try Self.check(Self.tailed, scale: 1.2.squareRoot())
    #expect(abs(check.mean - 1.2) < 4.5 * check.error && !check.isSound)
    for found in check.coordinates { #expect(abs(found.value - 1.2) < 4.5 * found.error, "\(found)") }
    #expect(check.verdict(temperature: 300).contains("another temperature, 3"), "\(check.verdict(temperature: 300))")
  }

  /// One spring three times as stiff as in the frames: the distance between its ends is the one that is furthest off, in a ring as in a tail.
  @Test(arguments: [(2, 3), (0, 6)]) func anotherSpringIsNamed(_ ends: (Int, Int)) throws {
    let (check, _) = try Self.check(Self.tailed, stiffer: ends)
    let worst = try #require(check.coordinates.first)
    #expect(!check.isSound && worst.value > 1.5, "\(worst)")
    #expect(worst.subject.label == "bond C\(ends.0)1-C\(ends.1)1", "\(worst)")
  }

  /// Along a torsion's field the energy falls as differences say, and the torsion grows by what the field is turned.
  @Test func slopesOfTorsionsEqualDifferences() throws {
    let (atoms, bonds) = Self.tailed
    let springs = try Self.springs(atoms, bonds)
    let series = try PositionSeries(Self.topology(atoms, bonds), atoms: Array(0..<atoms), preferred: [])
    let x = try Generator(seed: 8).normal([atoms, 3], .float64)
    let (start, gradient) = (try x.values(as: Double.self), try (-springs.matmul(x)).values(as: Double.self))
    let h = 1e-5
    for torsion in series.torsions {
      func turned(_ angle: Double) throws -> (energy: Double, angle: Double) {
        let moved = Self.turned(start, torsion.beyond, about: torsion.atoms, by: angle)
        let y = try Tensor(moved, shape: [atoms, 3])
        let phi = torsionAngles(moved, atoms: atoms, torsions: [torsion.atoms])[0]
        return (try (y * springs.matmul(y)).sum().item() / 2, phi)
      }
      let (up, down) = (try turned(h), try turned(-h))
      #expect(abs(wrappedAngle(up.angle - down.angle) / (2 * h) - 1) < 1e-6)
      let slope = series.slopes(of: torsion, start, gradient, frames: 1)[0]
      #expect(abs((down.energy - up.energy) / (2 * h) - slope) < 1e-5 * max(1, abs(slope)))
    }
  }

  /// Atoms turned about the middle bond of four atoms, by the right hand.
  private static func turned(_ x: [Double], _ beyond: [Int], about four: [Int], by angle: Double) -> [Double] {
    var moved = x
    let end = (0..<3).map { x[3 * four[2] + $0] }
    var axis = (0..<3).map { end[$0] - x[3 * four[1] + $0] }
    let length = axis.reduce(0) { $0 + $1 * $1 }.squareRoot()
    axis = axis.map { $0 / length }
    for atom in beyond {
      let arm = (0..<3).map { x[3 * atom + $0] - end[$0] }
      let along = zip(axis, arm).reduce(0) { $0 + $1.0 * $1.1 }
      for k in 0..<3 {
        let (i, j) = ((k + 1) % 3, (k + 2) % 3)
        let across = axis[i] * arm[j] - axis[j] * arm[i]
        moved[3 * atom + k] = end[k] + arm[k] * cos(angle) + across * sin(angle) + axis[k] * along * (1 - cos(angle))
      }
    }
    return moved
  }
}
