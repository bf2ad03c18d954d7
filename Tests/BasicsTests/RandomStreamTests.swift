import Testing

@testable import Basics

@Suite struct RandomStreamTests {
  @Test func sameSeedAndLabelsGiveTheSameStream() {
    var a = RandomStream(seed: 7, "emulator", "epoch 3")
    var b = RandomStream(seed: 7, "emulator", "epoch 3")
    #expect((0..<100).map { _ in a.next() } == (0..<100).map { _ in b.next() })
  }

  @Test func labelsSeparateStreams() {
    var a = RandomStream(seed: 7, "ab", "c")
    var b = RandomStream(seed: 7, "a", "bc")
    #expect(a.next() != b.next())
  }

  @Test func normalHasUnitMoments() {
    var stream = RandomStream(seed: 11, "normal")
    let n = 200_000
    let draws = (0..<n).map { _ in stream.normal() }
    let mean = draws.reduce(0, +) / Double(n)
    let variance = draws.reduce(0) { $0 + $1 * $1 } / Double(n) - mean * mean
    // 4.5 standard errors of each moment
    #expect(abs(mean) < 4.5 / Double(n).squareRoot())
    #expect(abs(variance - 1) < 4.5 * (2 / Double(n)).squareRoot())
  }
}
