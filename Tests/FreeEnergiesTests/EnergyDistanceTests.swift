import Foundation
import Testing

@testable import FreeEnergies

@Suite struct EnergyDistanceTests {
  /// Values of POT, written by Tests/Fixtures/transport/make_transport.py.
  struct Fixture: Decodable {
    let line: Double
    let lineWeighted: Double
  }

  @Test func distancesEqualPOT() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let fixture = try decoder.decode(
      Fixture.self, from: Data(contentsOf: folder.appendingPathComponent("Fixtures/transport/transport.json")))
    var state = 3
    func draw(_ count: Int) -> [Double] {
      (0..<count).map { _ in
        state = (1_103_515_245 * state + 12_345) % 2_147_483_648
        return Double(state) / 2_147_483_648
      }
    }
    let (a, b) = (draw(500).map { $0 * 20 - 5 }, draw(350).map { $0 * $0 * 30 })
    let (p, q) = (draw(500).map { $0 * $0 * $0 }, draw(350))
    #expect(abs(try wassersteinDistance(a, b) - fixture.line) < 1e-12)
    #expect(abs(try wassersteinDistance(a, b, weightsOfA: p, weightsOfB: q) - fixture.lineWeighted) < 1e-10)
    #expect(try wassersteinDistance(a, a.shuffled()) < 1e-12)
    #expect(abs(try wassersteinDistance(a, a.map { $0 + 2.5 }) - 2.5) < 1e-12)
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
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([], [1]) }
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([1, .nan], [1]) }
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([1], [1], weightsOfA: [-1]) }
    #expect(throws: FreeEnergiesError.self) { try wassersteinDistance([1], [1], weightsOfA: [1, 2]) }
    #expect(throws: FreeEnergiesError.self) { try resampledIndices(weights: [0, 0], count: 3, offset: 0.5) }
  }
}
