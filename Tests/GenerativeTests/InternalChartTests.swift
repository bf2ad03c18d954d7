import Basics
import Foundation
import Molecules
import TestSupport
import Testing
import Torch

@testable import Generative

@Suite struct InternalChartTests {
  static let pdb = Package.alanine.appendingPathComponent("alanine.pdb")

  /// The reference structure with noise on every coordinate (two bonds correlated) and rotors turned all the way round.
  func values(_ coordinates: InternalCoordinates, _ reference: [Double], frames: Int) throws -> [Double] {
    let (start, _) = try coordinates.internalCoordinates(reference, frames: 1)
    var stream = RandomStream(seed: 3, "chart")
    let phi = try #require(coordinates.coordinate(ofTorsion: [4, 6, 8, 14]))
    var rows: [Double] = []
    for _ in 0..<frames {
      var row = start
      let shared = stream.normal()
      for k in row.indices {
        switch coordinates.kinds[k] {
        case .bond, .distance: row[k] += 0.003 * (stream.normal() + (k < 2 ? 2 * shared : 0))
        case .angle: row[k] += 0.05 * stream.normal()
        case .torsion, .relativeTorsion: row[k] = wrappedAngle(row[k] + 0.12 * stream.normal())
        }
      }
      row[phi] = (2 * stream.uniform() - 1) * .pi
      rows += row
    }
    return rows
  }

  @Test func whitensNarrowCoordinatesKeepsBroadOnesAndComesBack() throws {
    let topology = try Topology.read(pdb: Self.pdb)
    let coordinates = try InternalCoordinates(topology: topology)
    let frames = 3000
    let rows = try values(coordinates, topology.referenceCoordinates, frames: frames)
    let chart = try InternalChart(coordinates: coordinates, values: rows, frames: frames)
    #expect(chart.broad == [try #require(coordinates.coordinate(ofTorsion: [4, 6, 8, 14]))])
    #expect(chart.space == LatentSpace(euclidean: 59, angles: 1))

    let latents = try chart.latents(internal: rows, frames: frames)
    let y = try chart.space.split(latents).euclidean
    let covariance = try y.transposed().matmul(y) / Double(frames)
    #expect(try largestDifference(covariance, Tensor.identity(59, .float64)) < 1e-8)

    let back = try chart.internalCoordinates(latents: latents)
    let worst =
      zip(back, rows).enumerated().map { index, pair in
        coordinates.kinds[index % 60] == .bond ? abs(pair.0 - pair.1) : abs(wrappedAngle(pair.0 - pair.1))
      }.max() ?? .infinity
    #expect(worst < 1e-9)

    let determinant = try Tensor(chart.whitening, shape: [59, 59]).signLogDeterminant().logAbsolute.item()
    #expect(abs(determinant - chart.logDeterminant) < 1e-8)
    let stored = try JSONDecoder().decode(InternalChart.self, from: JSONEncoder().encode(chart))
    #expect(stored == chart)
  }

  /// A held bond has no latent and comes back at its length; densities are over all other coordinates. Without held bonds the stored chart
  /// is as it was.
  @Test func heldBondsAreConstants() throws {
    let topology = try Topology.read(pdb: Self.pdb)
    let coordinates = try InternalCoordinates(topology: topology)
    let frames = 1000
    var rows = try values(coordinates, topology.referenceCoordinates, frames: frames)
    let bonds = topology.bonds.filter { bond in
      topology.atoms[bond.first].element == "H" || topology.atoms[bond.second].element == "H"
    }
    let held = try bonds.map { try #require(coordinates.coordinate(ofBond: $0)) }
    let lengths = held.map { rows[$0] }
    for frame in 0..<frames { for (k, length) in zip(held, lengths) { rows[frame * 60 + k] = length + 1e-7 } }
    let rigid = RigidBonds(bonds: bonds, lengths: lengths)
    let chart = try InternalChart(coordinates: coordinates, values: rows, frames: frames, rigid: rigid)
    #expect(chart.space == LatentSpace(euclidean: 47, angles: 1) && bonds.count == 12)
    let latents = try chart.latents(internal: rows, frames: frames)
    let back = try chart.internalCoordinates(latents: latents)
    for frame in [0, 500] {
      for k in 0..<60 {
        let value = back[frame * 60 + k]
        if let place = held.firstIndex(of: k) {
          #expect(value == lengths[place])
        } else {
          #expect(abs(wrappedAngle(value - rows[frame * 60 + k])) < 1e-9)
        }
      }
    }
    // ln |dy/dn|: a step along each narrow coordinate, by differences
    let narrow = chart.narrow.count
    #expect(narrow == 47)
    var moved: [Double] = []
    for k in chart.narrow {
      var row = Array(rows[0..<60])
      row[k] += 1e-4
      moved += row
    }
    let y = try chart.space.split(chart.latents(internal: moved, frames: narrow)).euclidean
    let origin = try chart.space.split(chart.latents(internal: Array(rows[0..<60]), frames: 1)).euclidean
    let determinant = try ((y - origin) / 1e-4).signLogDeterminant().logAbsolute.item()
    #expect(abs(determinant - chart.logDeterminant) < 1e-6)
    let stored = try JSONDecoder().decode(InternalChart.self, from: JSONEncoder().encode(chart))
    #expect(stored == chart)
    let free = try values(coordinates, topology.referenceCoordinates, frames: 200)
    let plain = try JSONEncoder().encode(InternalChart(coordinates: coordinates, values: free, frames: 200))
    #expect(!String(decoding: plain, as: UTF8.self).contains("held"))
  }

  @Test func tooFewFramesAndConstraintsAreTypedErrors() throws {
    let topology = try Topology.read(pdb: Self.pdb)
    let coordinates = try InternalCoordinates(topology: topology)
    var rows = try values(coordinates, topology.referenceCoordinates, frames: 200)
    #expect(throws: ChartError.self) {
      try InternalChart(coordinates: coordinates, values: Array(rows[0..<600]), frames: 10)
    }
    for frame in 0..<200 { rows[frame * 60 + 4] = 0.109 }
    #expect(throws: ChartError.constantCoordinate(index: 4)) {
      try InternalChart(coordinates: coordinates, values: rows, frames: 200)
    }
  }
}
