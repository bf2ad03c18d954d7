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
