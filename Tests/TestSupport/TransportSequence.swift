/// The sequence of the points that Tests/Fixtures/transport/make_transport.py draws.
public struct TransportSequence {
  private var state: Int

  public init(state: Int) { self.state = state }

  public mutating func draw(_ count: Int) -> [Double] {
    (0..<count).map { _ in
      state = (1_103_515_245 * state + 12_345) % 2_147_483_648
      return Double(state) / 2_147_483_648
    }
  }
}
