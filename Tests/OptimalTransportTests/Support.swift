import Foundation
import TestSupport

/// Values of SciPy and POT, written by Tests/Fixtures/transport/make_transport.py.
struct TransportFixture: Decodable {
  let assignment: [Int]
  let assignmentCost: Double

  static func load() throws -> TransportFixture {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      TransportFixture.self, from: Data(contentsOf: Package.fixture("transport/transport.json")))
  }
}

/// The sequence of the fixture's points.
struct Sequence {
  var state: Int

  mutating func draw(_ count: Int) -> [Double] {
    (0..<count).map { _ in
      state = (1_103_515_245 * state + 12_345) % 2_147_483_648
      return Double(state) / 2_147_483_648
    }
  }
}
