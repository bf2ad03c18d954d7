import Basics
import Foundation
import Molecules
import TestSupport
import Testing
import Torch

@testable import Generative

/// What weighted samples say of the torsions of frames.
@Suite struct TorsionTiltTests {
  private let topology: Topology
  private let molecule: PeptideCoordinates
  private let torsions: [Int]

  init() throws {
    topology = try Topology.read(
      pdb: Package.datasets.appendingPathComponent("dipeptides/NF/topology.pdb"))
    molecule = try PeptideCoordinates(topology: topology)
    let rotors = Set(molecule.rotors.map(\.torsion))
    torsions = molecule.broad.filter { !rotors.contains($0) }
  }

  /// Positions whose torsions are uniform, and these torsions, [count][torsions].
  private func molecules(_ count: Int, seed: UInt64) throws -> (positions: [Double], theta: [[Double]]) {
    let (reference, _) = try molecule.coordinates.internalCoordinates(topology.referenceCoordinates, frames: 1)
    var random = RandomStream(seed: seed)
    let theta = (0..<count).map { _ in torsions.map { _ in Double.random(in: -Double.pi...Double.pi, using: &random) } }
    let values = theta.flatMap { row -> [Double] in
      var values = reference
      for (torsion, angle) in zip(torsions, row) { values[torsion] = angle }
      return values
    }
    return (try molecule.coordinates.cartesian(values, frames: count).coordinates, theta)
  }

  /// A wave of one torsion, and a product of two.
  private func truth(_ theta: [Double]) -> Double { 0.8 * cos(theta[0]) + 0.6 * sin(theta[1]) * cos(2 * theta[2]) }

  @Test(arguments: [(count: 8000, hasPairs: true), (count: 1500, hasPairs: false)])
  func wavesAreFoundBeneathNoise(_ samples: (count: Int, hasPairs: Bool)) throws {
    let (positions, theta) = try molecules(samples.count, seed: 3)
    var random = RandomStream(seed: 4)
    // an overlap of atoms, and a density that failed, say nothing
    let weights = theta.enumerated().map { number, row -> Double in
      number % 50 == 0 ? -1e6 : number % 51 == 0 ? -.infinity : truth(row) + random.normal()
    }
    let tilt = try TorsionTilt(topology: topology, positions: positions, logWeights: weights)
    let (frames, there) = try molecules(2000, seed: 5)
    let found = try tilt.weights(frames).map(log)
    // of few samples waves of single torsions alone are fitted
    let wanted = there.map { samples.hasPairs ? truth($0) : 0.8 * cos($0[0]) }
    let means = (wanted.reduce(0, +) / 2000, found.reduce(0, +) / 2000)
    let error = zip(found, wanted).reduce(0.0) { $0 + pow($1.0 - means.1 - $1.1 + means.0, 2) } / 2000
    let variance = wanted.reduce(0.0) { $0 + pow($1 - means.0, 2) } / 2000
    #expect(error < 0.15 * variance)
    // 0.32 and 0.09 of variance beside noise of 1
    #expect(abs(tilt.explained - (samples.hasPairs ? 0.41 / 1.41 : 0.32 / 1.41)) < 0.06)
  }

  @Test func noiseAloneSaysNothing() throws {
    let (positions, theta) = try molecules(4000, seed: 6)
    var random = RandomStream(seed: 7)
    let tilt = try TorsionTilt(topology: topology, positions: positions, logWeights: theta.map { _ in random.normal() })
    #expect(tilt.explained < 0.01)
    let weights = try tilt.weights(Array(positions.prefix(300 * 3 * topology.atoms.count)))
    #expect(weights.allSatisfy { abs($0 - 1) < 0.2 })
  }

  @Test func tooFewAreRefused() throws {
    let (positions, _) = try molecules(100, seed: 8)
    #expect(throws: TransferError.tooFewSamples(100, needed: 4 * (6 * torsions.count + 1))) {
      try TorsionTilt(
        topology: topology, positions: positions, logWeights: [Double](repeating: 0, count: 100))
    }
  }
}
