import Testing

@testable import FreeEnergies

@Suite struct RankCorrelationTests {
  @Test func monotoneSeriesHaveOneAndReversedMinusOne() {
    let x = [0.1, 3, -2, 8, 4]
    #expect(abs(spearmanCorrelation(x, x.map { $0 * $0 * $0 + 1 }) - 1) < 1e-15)
    #expect(abs(spearmanCorrelation(x, x.map { -$0 }) + 1) < 1e-15)
    #expect(spearmanCorrelation([1], [1]).isNaN)
  }

  /// Value of scipy.stats.spearmanr([1, 2, 2, 3, 5, 8], [2, 1, 4, 4, 9, 3]).
  @Test func tiesShareTheirMeanRank() {
    #expect(abs(spearmanCorrelation([1, 2, 2, 3, 5, 8], [2, 1, 4, 4, 9, 3]) - 0.485_294_117_647_058_9) < 1e-12)
  }
}
