import Basics
import Foundation
import TestSupport
import Testing

@testable import Molecules

/// Heavy atoms that stand, and hydrogens placed from them.
@Suite struct CarriedHydrogensTests {
  /// All seven dipeptides, charged ends, aromatic rings and sulphur among them: back to the very positions, in their own orientation.
  @Test(arguments: ["AC", "ET", "GN", "IM", "KS", "NF", "NY"]) func positionsComeBack(_ name: String) throws {
    let topology = try Fixtures.dipeptide(name)
    let carried = try CarriedHydrogens(topology: topology)
    let x = topology.referenceCoordinates
    let (values, _) = try carried.coordinates.internalCoordinates(x, frames: 1)
    let heavy = carried.heavyPositions(x, frames: 1)
    #expect(carried.own.count == 3 * (topology.atoms.count - carried.heavy.count))
    // what belongs to heavy atoms is not read
    var blinded = values
    for k in values.indices where !carried.own.contains(k) { blinded[k] = .nan }
    let (back, own) = carried.cartesian(heavy: heavy, values: blinded, frames: 1)
    #expect(zip(back, x).allSatisfy { abs($0 - $1) < 1e-9 })
    #expect(abs(own[0] - carried.logJacobians(values: values, frames: 1)[0]) < 1e-9)
  }

  /// The volume of hydrogens is what three small steps of each span.
  @Test func jacobianEqualsFiniteDifferences() throws {
    let topology = try Fixtures.alanine()
    let carried = try CarriedHydrogens(topology: topology)
    let x = topology.referenceCoordinates
    let (values, _) = try carried.coordinates.internalCoordinates(x, frames: 1)
    let heavy = carried.heavyPositions(x, frames: 1)
    let hydrogens = topology.atoms.indices.filter { !carried.heavy.contains($0) }
    var columns: [[Double]] = []
    let h = 1e-6
    for k in carried.own {
      func moved(_ step: Double) -> [Double] {
        var changed = values
        changed[k] += step
        let all = carried.cartesian(heavy: heavy, values: changed, frames: 1).coordinates
        return hydrogens.flatMap { atom in (0..<3).map { all[3 * atom + $0] } }
      }
      columns.append(zip(moved(h), moved(-h)).map { ($0 - $1) / (2 * h) })
    }
    let expected = carried.logJacobians(values: values, frames: 1)[0]
    #expect(abs(logAbsoluteDeterminant(columns) - expected) < 1e-5)
  }

  /// Gradients over heavy positions, hydrogens carried along, and over the hydrogens' coordinates, of a scalar and of its sum with the log-Jacobian.
  @Test(arguments: ["AC", "NY"]) func gradientsEqualFiniteDifferences(_ name: String) throws {
    let topology = try Fixtures.dipeptide(name)
    let carried = try CarriedHydrogens(topology: topology)
    let x = topology.referenceCoordinates
    let (values, _) = try carried.coordinates.internalCoordinates(x, frames: 1)
    let heavy = carried.heavyPositions(x, frames: 1)
    var stream = RandomStream(seed: 4, "forces")
    // the scalar: f . x + (x . x) / 2
    let f = x.map { _ in stream.normal() }
    func scalar(_ heavy: [Double], _ values: [Double]) -> Double {
      let (all, jacobian) = carried.cartesian(heavy: heavy, values: values, frames: 1)
      return zip(f, all).reduce(0) { $0 + $1.0 * $1.1 + $1.1 * $1.1 / 2 } + jacobian[0]
    }
    let (own, moving) = carried.gradients(
      of: zip(f, x).map { $0 + $1 }, at: x, values: values, frames: 1, jacobian: 1)
    let h = 1e-6
    for k in carried.own {
      var (up, down) = (values, values)
      up[k] += h
      down[k] -= h
      let slope = (scalar(heavy, up) - scalar(heavy, down)) / (2 * h)
      #expect(abs(slope - own[k]) < 1e-5 * max(1, abs(slope)), "\(carried.coordinates.kinds[k])")
    }
    for k in heavy.indices {
      var (up, down) = (heavy, heavy)
      up[k] += h
      down[k] -= h
      let slope = (scalar(up, values) - scalar(down, values)) / (2 * h)
      #expect(abs(slope - moving[k]) < 1e-5 * max(1, abs(slope)))
    }
    let others = own.indices.filter { !carried.own.contains($0) }
    #expect(others.allSatisfy { own[$0] == 0 })
  }

  /// A ring of fourteen atoms, whose closing bond is no coordinate, and proline: hydrogens come back, and those beside two heavy atoms are counted
  /// from these and follow no torsion of the ring.
  @Test(arguments: ["cases/ring-of-many-atoms/dis.pdb", "rings/proline.pdb"]) func ringsCarryTheirs(_ name: String)
    throws
  {
    let topology = try Topology.read(pdb: Package.fixture(name))
    let carried = try CarriedHydrogens(topology: topology)
    let (kinds, atoms) = (carried.coordinates.kinds, carried.coordinates.atoms)
    let heavy = Set(carried.heavy)
    for k in carried.own where kinds[k] == .torsion {
      #expect(
        topology.neighbours[atoms[k][1]].filter(heavy.contains).count == 1,
        "\(carried.coordinates.title(of: k, in: topology))")
    }
    let x = topology.referenceCoordinates
    var (values, _) = try carried.coordinates.internalCoordinates(x, frames: 1)
    for k in values.indices where !carried.own.contains(k) { values[k] = .nan }
    let back = carried.cartesian(heavy: carried.heavyPositions(x, frames: 1), values: values, frames: 1).coordinates
    #expect(zip(back, x).allSatisfy { abs($0 - $1) < 1e-9 })
  }

  /// Water and formaldehyde have too few heavy atoms, and say so.
  @Test func fewHeavyAtomsAreRefused() throws {
    let water = try Fixtures.molecule(["O", "H", "H"], [(0, 1), (0, 2)], [0, 0, 0, 0.1, 0, 0, 0, 0.1, 0])
    #expect(throws: MoleculesError.heavyAtoms(count: 1, placedFrom: nil)) { try CarriedHydrogens(topology: water) }
  }

  /// By elimination with pivots.
  private func logAbsoluteDeterminant(_ rows: [[Double]]) -> Double {
    var (m, sum) = (rows, 0.0)
    for k in m.indices {
      let pivot = m.indices[k...].max { abs(m[$0][k]) < abs(m[$1][k]) } ?? k
      m.swapAt(k, pivot)
      sum += log(abs(m[k][k]))
      for i in (k + 1)..<max(k + 1, m.count) {
        let factor = m[i][k] / m[k][k]
        for j in k..<m.count { m[i][j] -= factor * m[k][j] }
      }
    }
    return sum
  }
}
