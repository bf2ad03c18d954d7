import Basics
import Foundation
import Molecules
import TestSupport
import Testing
import Torch

@testable import Generative

/// Positions of heavy atoms beside internal coordinates of hydrogens.
@Suite struct HeavyChartTests {
  private static let frames = 600

  /// Alanine dipeptide with noise on every coordinate, methyl groups turned all the way round, each frame turned and moved in space.
  private static func chart(rotors: Bool) throws -> (
    chart: HeavyChart, positions: [Double], values: [Double]
  ) {
    let topology = try Topology.read(pdb: InternalChartTests.pdb)
    let carried = try CarriedHydrogens(topology: topology)
    let coordinates = carried.coordinates
    let (start, _) = try coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1)
    let found = coordinates.rotors(topology: topology, values: start[...])
    var stream = RandomStream(seed: 3, "heavy chart")
    var rows: [Double] = []
    for _ in 0..<frames {
      var row = start
      for k in row.indices {
        row[k] += (coordinates.kinds[k].isLength ? 0.003 : 0.05) * stream.normal()
        if coordinates.kinds[k] == .torsion || coordinates.kinds[k] == .relativeTorsion {
          row[k] = wrappedAngle(row[k])
        }
      }
      for rotor in found { row[rotor.torsion] = (2 * stream.uniform() - 1) * .pi }
      rows += row
    }
    let placed = try coordinates.cartesian(rows, frames: frames).coordinates
    var positions: [Double] = []
    for frame in 0..<frames {
      let (angle, shift) = (stream.uniform() * 2 * .pi, [stream.normal(), stream.normal(), stream.normal()])
      for atom in 0..<22 {
        let p = (0..<3).map { placed[3 * (frame * 22 + atom) + $0] }
        positions += [
          cos(angle) * p[0] - sin(angle) * p[1] + shift[0], sin(angle) * p[0] + cos(angle) * p[1] + shift[1],
          p[2] + shift[2],
        ]
      }
    }
    var options = InternalChart.Options()
    options.rotors = rotors ? found : []
    let chart = try HeavyChart(
      carried, topology, positions: positions, values: rows, frames: frames, options)
    return (chart, positions, rows)
  }

  @Test(arguments: [false, true]) func latentsAreUnitAndComeBack(rotors: Bool) throws {
    let (heavy, positions, _) = try Self.chart(rotors: rotors)
    let space = heavy.space
    #expect(heavy.carried.heavy.count == 10 && space.centred == 30 && space.angles == 3)
    #expect(space.euclidean == 30 + 33 && space.degreesOfFreedom == 60 + 3)
    #expect(heavy.geometry.pairs.count == 45 && heavy.geometry.volumes.count == 13)
    let chart = Chart.heavy(heavy)
    let (latents, jacobian) = try chart.latentsAndJacobians(positions, frames: Self.frames)
    let x = try latents.slice(0..<30, axis: 1)
    #expect(try abs(x.square().sum().item() / Double(27 * Self.frames) - 1) < 1e-9)
    #expect(
      try largestDifference(space.projected(latents.slice(0..<63, axis: 1)), latents.slice(0..<63, axis: 1)) < 1e-9)
    let back = try chart.conformations(latents: latents)
    #expect(zip(back.logJacobian, jacobian).allSatisfy { abs($0 - $1) < 1e-6 })
    #expect(back.internalCoordinates == nil)
    // up to the shift, and with folded rotors up to the names of a methyl group's ends, in the same orientation
    for frame in 0..<20 {
      let offset = (0..<3).map { axis in
        heavy.carried.heavy.reduce(0) { $0 + positions[3 * (frame * 22 + $1) + axis] } / 10
      }
      let atoms = rotors ? heavy.carried.heavy : Array(0..<22)
      for atom in atoms {
        for axis in 0..<3 {
          let place = 3 * (frame * 22 + atom) + axis
          #expect(abs(back.coordinates[place] - (positions[place] - offset[axis])) < 1e-8)
        }
      }
    }
    let stored = try JSONDecoder().decode(Chart.self, from: JSONEncoder().encode(chart))
    #expect(stored == chart)
  }

  /// Gradients over latents of a scalar of the positions plus the hydrogens' log-Jacobian, by central differences.
  @Test(arguments: [false, true]) func gradientsEqualFiniteDifferences(rotors: Bool) throws {
    let (chart, positions, values) = try Self.chart(rotors: rotors)
    // distances between atoms: no net force, no torque, as of a force field
    func energy(_ x: [Double]) -> (value: Double, gradient: [Double]) {
      var (sum, gradient) = (0.0, [Double](repeating: 0, count: 66))
      for i in 0..<22 {
        for j in 0..<i {
          // equal for all hydrogens, so that naming a methyl group's ends otherwise changes nothing
          let weight = chart.carried.heavy.contains(i) && chart.carried.heavy.contains(j) ? 3.0 : 1.0
          for axis in 0..<3 {
            let d = x[3 * i + axis] - x[3 * j + axis]
            sum += weight * d * d
            gradient[3 * i + axis] += 2 * weight * d
            gradient[3 * j + axis] -= 2 * weight * d
          }
        }
      }
      return (sum, gradient)
    }
    let first = Array(positions[..<66])
    let (latents, gradient) = try chart.latents(
      first, internal: Array(values[..<60]), forces: energy(first).gradient, frames: 1)
    let found = try gradient.values(as: Double.self)
    let h = 1e-5
    func scalar(_ latents: Tensor) throws -> Double {
      let (x, jacobian) = try chart.cartesian(latents: latents)
      return energy(x).value + jacobian[0]
    }
    for k in 0..<chart.space.dimension {
      var step = [Double](repeating: 0, count: chart.space.dimension)
      step[k] = h
      let e = try Tensor(step, shape: [1, step.count])
      let slope = try (scalar(latents + e) - scalar(latents - e)) / (2 * h)
      #expect(abs(slope - found[k]) < 1e-4 * max(1, abs(slope)), "column \(k)")
    }
  }

  /// Scores of any chart are carried over to internal coordinates: of a log-density whose gradients over both are known.
  @Test(arguments: [false, true]) func scoresOfAllChartsAreCarriedOver(rotors: Bool) throws {
    let (heavy, positions, values) = try Self.chart(rotors: rotors)
    let coordinates = heavy.carried.coordinates
    let topology = try Topology.read(pdb: InternalChartTests.pdb)
    let n = 50
    let (x, q) = (Array(positions[..<(66 * n)]), Array(values[..<(60 * n)]))
    // the gradient of some ln q: springs between all atoms, which have no net force and no torque
    func springs(_ x: [Double]) -> [Double] {
      var forces = [Double](repeating: 0, count: x.count)
      for frame in 0..<n {
        for i in 0..<22 {
          for j in 0..<i {
            for axis in 0..<3 {
              let (a, b) = (66 * frame + 3 * i + axis, 66 * frame + 3 * j + axis)
              forces[a] += 10 * Double(1 + (i * j) % 5) * (x[a] - x[b])
              forces[b] -= 10 * Double(1 + (i * j) % 5) * (x[a] - x[b])
            }
          }
        }
      }
      return forces
    }
    let forces = springs(x)
    let plain = try InternalChart(coordinates: coordinates, values: values, frames: Self.frames)
    // as the placement turns them, where that function is checked by differences; frames as given are turned and moved
    let placed = try coordinates.cartesian(q, frames: n).coordinates
    let over = try coordinates.gradients(of: springs(placed), at: placed, values: q, frames: n, jacobian: 1)
    let wanted = try plain.latents(internal: q, gradient: over, frames: n).gradient
    var options = InternalChart.Options()
    options.hasConditionalMean = true
    options.rotors = rotors ? coordinates.rotors(topology: topology, values: values[..<60]) : []
    let folded = try InternalChart(coordinates: coordinates, values: values, frames: Self.frames, options)
    let cartesian = try CartesianChart(
      topology: topology, atomClasses: topology.symmetryClasses, scale: 10, meanFree: true)
    let own: [(Chart, Tensor)] = [
      (.heavy(heavy), try heavy.latents(x, internal: q, forces: forces, frames: n).gradient),
      (.internal(folded), try folded.latents(internal: q, gradient: over, frames: n).gradient),
      (.cartesian(cartesian), try Tensor(forces, shape: [n, 66]) / 10),
    ]
    let target = EnergyModelChart(chart: .internal(plain), isEmulators: false)
    for (chart, scores) in own {
      let found = try target.scores(scores, of: chart, positions: x, frames: n)
      #expect(try largestDifference(found.cast(.float64), wanted) < 1e-4 * wanted.abs().maximum(over: 0, 1).item())
      #expect(try wanted.abs().maximum(over: 0, 1).item() > 1)
    }
  }
}
