import Basics
import Foundation
import TestSupport
import Testing

@testable import Molecules

/// The volume of the surface that constraints hold a molecule on, against the metric of its coordinates by differences.
@Suite struct RigidBondsTests {
  /// ln of the square root of the determinant of the mass-weighted metric of all coordinates but the held ones: free internal coordinates,
  /// translation and rotation.
  private func logVolume(
    _ zmatrix: InternalCoordinates, _ values: [Double], held: Set<Int>, masses: [Double]
  ) throws -> Double {
    let start = try zmatrix.cartesian(values, frames: 1).coordinates
    var columns: [[Double]] = []
    let step = 1e-6
    for k in values.indices where !held.contains(k) {
      let sides = try [step, -step].map { side in
        var moved = values
        moved[k] += side
        return try zmatrix.cartesian(moved, frames: 1).coordinates
      }
      columns.append(zip(sides[0], sides[1]).map { ($0 - $1) / (2 * step) })
    }
    for axis in 0..<3 {
      columns.append(start.indices.map { $0 % 3 == axis ? 1 : 0 })
      let unit = Vector3(axis == 0 ? 1 : 0, axis == 1 ? 1 : 0, axis == 2 ? 1 : 0)
      columns.append(
        stride(from: 0, to: start.count, by: 3).flatMap { atom -> [Double] in
          let turned = unit.cross(Vector3(start[atom], start[atom + 1], start[atom + 2]))
          return [turned.x, turned.y, turned.z]
        })
    }
    let metric = columns.flatMap { a in
      columns.map { b in
        var sum = 0.0
        for k in a.indices { sum += masses[k / 3] * a[k] * b[k] }
        return sum
      }
    }
    return logAbsoluteDeterminant(metric, columns.count) / 2
  }

  /// Bonds to hydrogen, all bonds, and a few: ln sqrt(det A) = ln |dx/dq| + 1/2 ln det Z + a constant, over random conformations.
  @Test(arguments: ["hydrogens", "all", "some"]) func theVolumeIsThatOfTheMassWeightedMetric(_ which: String) throws {
    let topology = try Fixtures.alanine()
    let zmatrix = try InternalCoordinates(topology: topology)
    let bonds = topology.bonds.filter { bond in
      switch which {
      case "hydrogens": topology.isHydrogen(bond.first) || topology.isHydrogen(bond.second)
      case "all": true
      default: (bond.first + bond.second) % 3 == 0
      }
    }
    #expect(bonds.count >= 5)
    let (reference, _) = try zmatrix.internalCoordinates(topology.referenceCoordinates, frames: 1)
    let held = try bonds.map { try #require(zmatrix.coordinate(ofBond: $0)) }
    let rigid = RigidBonds(bonds: bonds, lengths: held.map { reference[$0] })
    // heavy hydrogens beside light ones: the volume depends on masses
    var masses = topology.masses
    masses[0] = 4
    var random = RandomStream(seed: 5, "surface")
    var (rests, volumes): ([Double], [Double]) = ([], [])
    for _ in 0..<4 {
      var values = reference
      for k in values.indices where !held.contains(k) {
        values[k] += zmatrix.kinds[k].isLength ? 0.01 * random.normal() : 0.3 * random.normal()
      }
      let (x, logJacobian) = try zmatrix.cartesian(values, frames: 1)
      let volume = rigid.logVolumes(x, masses: masses)[0]
      rests.append(try logVolume(zmatrix, values, held: Set(held), masses: masses) - logJacobian[0] - volume)
      volumes.append(volume)
      #expect(rigid.violation(x) == nil)
    }
    let spread = (rests.max() ?? 0) - (rests.min() ?? 0)
    #expect(spread < 1e-6, "\(which): \(rests)")
    // what is tested varies
    #expect((volumes.max() ?? 0) - (volumes.min() ?? 0) > 1e-3, "\(volumes)")
  }

  @Test func bondsThatMovedAreNamed() throws {
    let topology = try Fixtures.alanine()
    let x = topology.referenceCoordinates
    let lengths = topology.bonds.map { bond -> Double in
      (0..<3).reduce(0) { $0 + pow(x[3 * bond.first + $1] - x[3 * bond.second + $1], 2) }.squareRoot()
    }
    let rigid = RigidBonds(bonds: topology.bonds, lengths: lengths)
    #expect(rigid.violation([9, 9, 9] + x, from: 3) == nil)
    var moved = x
    for axis in 0..<3 { moved[axis] += 0.03 * (x[axis] - x[3 + axis]) }
    let found = try #require(rigid.violation(moved))
    #expect(found.bond == .init(0, 1) && abs(found.length - 1.03 * lengths[0]) < 1e-9)
  }

  /// Gradients over positions against differences, with all bonds held and masses that differ.
  @Test func gradientsOfTheVolumeEqualDifferences() throws {
    let topology = try Fixtures.alanine()
    let x = topology.referenceCoordinates
    let rigid = RigidBonds(bonds: topology.bonds, lengths: topology.bonds.map { _ in 0.1 })
    let masses = topology.masses.enumerated().map { $0 % 5 == 0 ? 3 : $1 }
    let found = rigid.logVolumeGradients(x, masses: masses)
    #expect(found.contains { abs($0) > 0.1 })
    for k in x.indices {
      func moved(_ by: Double) -> Double {
        var y = x
        y[k] += by
        return rigid.logVolumes(y, masses: masses)[0]
      }
      #expect(abs((moved(1e-6) - moved(-1e-6)) / 2e-6 - found[k]) < 1e-6 * max(1, abs(found[k])))
    }
    #expect(RigidBonds(bonds: [], lengths: []).logVolumeGradients(x, masses: masses).allSatisfy { $0 == 0 })
  }
}
