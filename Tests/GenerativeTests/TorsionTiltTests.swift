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
    let found = try tilt(frames)
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
    let change = try tilt(Array(positions.prefix(300 * 3 * topology.atoms.count)))
    #expect(change.allSatisfy { abs($0) < 0.2 })
  }

  /// A rare side whose ln w is far below the rest's is fitted, and drawn, for itself.
  @Test func sidesCountForThemselves() throws {
    let (positions, theta) = try molecules(6000, seed: 9)
    let isInside = theta.map { $0[0] > 0 && $0[0] < 2 }
    var random = RandomStream(seed: 10)
    let weights = zip(theta, isInside).map { 0.7 * cos($0[1]) - ($1 ? 8 : 0) + 0.3 * random.normal() }
    let parted = try TorsionTilt(
      topology: topology, positions: positions, logWeights: weights, isInside: isInside)
    // half of the inside would be left out as too far below the median
    let change = try parted(positions)
    func mean(_ side: Bool) -> Double {
      let there = change.indices.filter { isInside[$0] == side }
      return there.reduce(0) { $0 + change[$1] } / Double(there.count)
    }
    #expect(mean(false) - mean(true) > 4)
    let drawn = TorsionTilt.weights(change, isInside: isInside, share: 0.3)
    let share = drawn.indices.filter { isInside[$0] }.reduce(0) { $0 + drawn[$1] }
    #expect(abs(share - 0.3) < 1e-9 && abs(drawn.reduce(0, +) - 1) < 1e-9)
    for side in [false, true] {
      let there = drawn.indices.filter { isInside[$0] == side }
      let high = there.filter { cos(theta[$0][1]) > 0.9 }
      let low = there.filter { cos(theta[$0][1]) < -0.9 }
      func middle(_ frames: [Int]) -> Double { frames.reduce(0) { $0 + log(drawn[$1]) } / Double(frames.count) }
      #expect(abs(middle(high) - middle(low) - 0.7 * 1.93) < 0.3)
    }
    // within e^3 of the middle, whatever the change
    let clamped = TorsionTilt.weights([-50, 0, 0, 50], isInside: [], share: nil).map(log)
    #expect(clamped == [-3, 0, 0, 3])
    // no frame is on the other side: no share to give
    let alone = TorsionTilt.weights([0, 1], isInside: [true, true], share: 0.2)
    #expect(abs(alone[1] / alone[0] - exp(1)) < 1e-9)
  }

  @Test func tooFewAreRefused() throws {
    let (positions, _) = try molecules(100, seed: 8)
    #expect(throws: TransferError.tooFewSamples(100, needed: 4 * (6 * torsions.count + 1))) {
      try TorsionTilt(
        topology: topology, positions: positions, logWeights: [Double](repeating: 0, count: 100))
    }
  }
}
