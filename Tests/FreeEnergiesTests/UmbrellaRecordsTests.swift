import Basics
import Foundation
import Molecules
import Testing

@testable import FreeEnergies

@Suite struct UmbrellaRecordsTests {
  /// Two walks of three windows, four samples of two torsions: every number finds its place, in kT.
  @Test func recordsBecomeWalks() throws {
    let records = (0..<2 * 3 * 4 * 2).map(Double.init)
    let kT = PhysicalConstants.thermalEnergy(temperature: 300)
    let data = try UmbrellaData(
      records: records, walkNames: ["up", "down"], torsionNames: ["phi", "chi2"], folds: [1, 2],
      centers: [[0], [1], [2]], forceConstants: [200], neighbours: [(0, 1), (1, 2), (2, 0)], sampleInterval: 0.2,
      sharedBias: (0..<24).map { Double($0) * kT }, temperature: 300)
    #expect(data.torsionNames == ["phi"] && data.otherNames == ["chi2"] && data.samplesPerWalk == 4)
    #expect(data.forceConstants == [200 / kT])
    #expect(data.walks.map(\.name) == ["up", "down"])
    for (w, walk) in data.walks.enumerated() {
      #expect(walk.series.shape == [3, 4, 1] && walk.others.shape == [3, 4, 1] && walk.sharedBias?.shape == [3, 4])
      #expect(walk.series.values == (0..<12).map { Double(2 * (12 * w + $0)) })
      #expect(walk.others.values == (0..<12).map { 2 * Double(2 * (12 * w + $0) + 1) })
      #expect(try #require(walk.sharedBias).values.enumerated().allSatisfy { abs($1 - Double(12 * w + $0)) < 1e-12 })
    }
    #expect(throws: NDArrayError.self) {
      try UmbrellaData(
        records: Array(records.dropLast(3)), walkNames: ["up", "down"], torsionNames: ["phi", "chi2"], folds: [1, 2],
        centers: [[0], [1], [2]], forceConstants: [200], neighbours: [], sampleInterval: 0.2, temperature: 300)
    }
  }

  /// Windows of one, two and one samples: their rows follow each other.
  @Test func recordsOfDifferentLengthsBecomeWalks() throws {
    let data = try UmbrellaData(
      records: (0..<2 * 4 * 2).map(Double.init), walkNames: ["up", "down"], torsionNames: ["phi", "chi2"],
      folds: [1, 2],
      centers: [[0], [1], [2]], forceConstants: [200], neighbours: [(0, 1)], sampleInterval: 0.2,
      sharedBias: (0..<8).map(Double.init), temperature: 300, lengths: [1, 2, 1])
    #expect(data.walks.map(\.series.values) == [[0, 2, 4, 6], [8, 10, 12, 14]])
    #expect(data.angles(window: 1, torsion: 0) == [[2, 4], [10, 12]])
    #expect(data.angles(window: 2, torsion: 1) == [[14], [30]])
    #expect(data.stateColumn("phi", step: 1)?.count == 8 && data.walks[1].sharedBias?.shape == [4])
  }

  /// A side chain that stands elsewhere in each of the walks of one window of two is said to disagree there.
  @Test func walksThatDisagreeAreCounted() {
    var stream = RandomStream(seed: 4, "windows")
    let samples = 300
    // direction up: both windows near 1; down: the first near 1, the second near -1; phi beside it means nothing
    var records: [Double] = []
    for place in [1.0, 1, 1, -1] {
      for _ in 0..<samples { records += [0, place + 0.1 * stream.normal()] }
    }
    let chi = RotatableTorsion(name: "chi1", atoms: [0, 1, 2, 3], isStaggered: true)
    let (found, disagreeing) = SlowTorsions.inWindows([chi], records: records, windows: 2, recorded: 2)
    #expect(disagreeing == [1])
    #expect(found.found[0].basins.count == 2 && found.found[0].changes == 0)
    #expect(
      found.warnings("samples").count == 1 && found.warnings("samples")[0].text.hasPrefix("chi1 changed its basin 0"))
    let (still, none) = SlowTorsions.inWindows(
      [chi], records: records.map { abs($0) }, windows: 2, recorded: 2)
    // the first window's walks cut to a third
    let cut = Array(records[0..<200] + records[600..<1400] + records[1800..<2400])
    #expect(
      SlowTorsions.inWindows([chi], records: cut, windows: 2, recorded: 2, lengths: [100, 300]).disagreeing == [1])
    #expect(none == [0] && still.warnings("samples")[0].text.hasPrefix("chi1 was always near"))
  }

  @Test func theMiddleOfAStateIsOnItsArc() {
    #expect(TorsionState(from: 0, to: 2).middle == 1)
    #expect(abs(abs(TorsionState(from: 3, to: -3).middle) - .pi) < 1e-12)
  }
}
