import Basics
import Foundation
import OptimalTransport
import TestSupport
import Testing

@testable import FreeEnergies

@Suite struct WassersteinDistanceTests {
  /// Values of POT, written by Tests/Fixtures/transport/make_transport.py.
  struct Fixture: Decodable {
    let line: Double
    let lineWeighted: Double
    let torus: Double
    let torusWeighted: Double
    let published: Double

    static func load() throws -> Fixture {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(
        Fixture.self, from: Data(contentsOf: Package.fixture("transport/transport.json")))
    }
  }

  @Test func distancesEqualPOT() throws {
    let fixture = try Fixture.load()
    var sequence = TransportSequence(state: 3)
    let (a, b) = (sequence.draw(500).map { $0 * 20 - 5 }, sequence.draw(350).map { $0 * $0 * 30 })
    let (p, q) = (sequence.draw(500).map { $0 * $0 * $0 }, sequence.draw(350))
    #expect(abs(try wassersteinDistance(a, b) - fixture.line) < 1e-12)
    #expect(abs(try wassersteinDistance(a, b, weightsOfA: p, weightsOfB: q) - fixture.lineWeighted) < 1e-10)
    #expect(try wassersteinDistance(a, a.shuffled()) < 1e-12)
    #expect(abs(try wassersteinDistance(a, a.map { $0 + 2.5 }) - 2.5) < 1e-12)
  }

  @Test func torusDistancesEqualPOT() throws {
    let fixture = try Fixture.load()
    var sequence = TransportSequence(state: 2)
    let a = sequence.draw(600).map { ($0 * 2 - 1) * Double.pi }
    let b = sequence.draw(480).map { ($0 * $0 * 2 - 1) * Double.pi }
    let (p, q) = (sequence.draw(300).map { pow($0, 4) }, sequence.draw(240))
    #expect(abs(try torsionWasserstein(a, b, torsions: 2) - fixture.torus) < 1e-10)
    #expect(
      abs(try torsionWasserstein(a, b, torsions: 2, weightsOfA: p, weightsOfB: q) - fixture.torusWeighted) < 1e-9)
    #expect(abs(try torsionWasserstein(a, b, torsions: 2, metric: .published) - fixture.published) < 1e-10)
  }

  @Test func torusDistanceGoesTheShortWayRound() throws {
    let distance = try torsionWasserstein([3.1, -3.1], [-3.1, 3.0], torsions: 1)
    // 3.1 -> 3.0 and -3.1 -> -3.1 beats both crossings
    #expect(abs(distance - (0.01 / 2).squareRoot()) < 1e-12)
    #expect(abs(try torsionWasserstein([3.1], [-3.1], torsions: 1) - (2 * Double.pi - 6.2)) < 1e-12)
    // the published formula takes points half a turn apart for one
    #expect(try torsionWasserstein([0.5], [0.5 - Double.pi], torsions: 1, metric: .published) < 1e-7)
  }

  @Test func weightsCountAsCopies() throws {
    let distance = try wassersteinDistance([1, 5], [0, 2, 9], weightsOfA: [2, 1], weightsOfB: [1, 0, 3])
    let copies = try wassersteinDistance(
      [1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 5, 5], [0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9])
    #expect(abs(distance - copies) < 1e-12)
  }

  @Test func resamplingKeepsProportions() throws {
    let indices = try resampledIndices(weights: [1, 0, 2, 5], count: 800, offset: 0.3)
    #expect(indices.count == 800)
    #expect((0..<4).map { index in indices.filter { $0 == index }.count } == [100, 0, 200, 500])
  }

  @Test func whatCannotBeComparedIsRefused() {
    #expect(throws: TransportError.self) { try torsionWasserstein([1, 2, 3], [1, 2], torsions: 2) }
    #expect(throws: TransportError.self) { try torsionWasserstein([.infinity], [1], torsions: 1) }
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([], [1]) }
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([1, .nan], [1]) }
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([1], [1], weightsOfA: [-1]) }
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([1], [1], weightsOfA: [1, 2]) }
    #expect(throws: FreeEnergiesError.self) { try resampledIndices(weights: [0, 0], count: 3, offset: 0.5) }
  }

  @Test func valuesWithoutWeightOrMeaningAreLeftOut() throws {
    let set = WeightedValues(values: [1, .infinity, 3, 100], weights: [1, 1, 1, 0])
    #expect(abs(try set.distance(to: WeightedValues(values: [2, 4], weights: [5, 5])) - 1) < 1e-12)
    #expect(abs(try set.scaled(2).distance(to: set) - (5.0).squareRoot()) < 1e-12)
    // without weights 100 counts
    #expect(try set.unweighted.distance(to: set) > 50)
    #expect(throws: FreeEnergiesError.self) {
      try set.distance(to: WeightedValues(values: [.nan], weights: [1]))
    }
  }

  /// Samples shifted by a known angle, which weights put right.
  @Test func torsionDistancesMeasureAShift() throws {
    var random = RandomStream(seed: 6, "points")
    func cloud(_ count: Int, at center: Double) -> [Double] {
      (0..<count).map { _ in wrapped(center + 0.05 * random.normal()) }
    }
    let reference = WeightedTorsions(
      columns: [cloud(2000, at: 3.1), cloud(2000, at: 0)], weights: [Double](repeating: 2, count: 2000))
    let samples = WeightedTorsions(
      columns: [cloud(1000, at: 3.1) + cloud(1000, at: -2.7), cloud(2000, at: 0.3)],
      weights: [Double](repeating: 1, count: 1000) + [Double](repeating: 0, count: 1000))
    let halves = (reference.points { $0 % 2 == 0 }, reference.points { $0 % 2 == 1 })
    #expect(halves.0.weights.count == 1000 && halves.1.columns[1][3] == reference.columns[1][7])
    func distances(_ seed: UInt64) throws -> TorsionDistances {
      try TorsionDistances(of: samples, from: reference, halves: halves, points: 400, seed: seed)
    }
    let found = try distances(1)
    #expect(abs(found.weighted - 0.3) < 0.01 && found.floor < 0.03)
    // half of them are 2 pi - 5.8 = 0.483 away in the first torsion too
    #expect(abs(found.unweighted - (0.09 + 0.483 * 0.483 / 2).squareRoot()) < 0.02)
    // differences modulo pi: the two directions are no longer the same
    #expect(found.published > 0.2 && found.publishedFloor > found.floor)
    #expect(try distances(1) == found && distances(2) != found)
    #expect(throws: FreeEnergiesError.self) {
      try TorsionDistances(
        of: samples, from: reference, halves: (halves.0, halves.1.points { _ in false }), points: 50, seed: 1)
    }
  }
}
