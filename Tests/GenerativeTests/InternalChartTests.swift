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
