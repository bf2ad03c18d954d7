import Basics
import Testing

@Suite struct TextTableTests {
  @Test func numbersStandRightAndUnitsInTheHeader() {
    var table = TextTable(
      title: "Free-energy difference", columns: [.init("stage"), .init("dF", unit: "kT"), .init("note")])
    table.addRow(["umbrella", "3.86", "reference"])
    table.addRow(["boltzmann", "-12.04"])
    #expect(
      table.rendered() == """
        Free-energy difference
        stage      dF / kT  note
        ─────────  ───────  ─────────
        umbrella      3.86  reference
        boltzmann   -12.04
        """)
  }

  @Test func rowsOfAnyLengthFit() {
    var table = TextTable(columns: [.init("a"), .init("b")])
    table.addRow(["1", "2", "3"])
    table.addRow([])
    #expect(table.rows == [["1", "2"], ["", ""]])
  }

  @Test(arguments: [
    (0.35, "350 ms"), (12.34, "12.3 s"), (245.0, "4 min 05 s"), (7380.0, "2 h 03 min"), (59.99, "60.0 s"),
  ])
  func durations(seconds: Double, text: String) { #expect(NumberText.duration(seconds: seconds) == text) }

  @Test func counts() {
    #expect(
      [0, 999, 1000, 1_234_567, -100_000].map(NumberText.count) == ["0", "999", "1,000", "1,234,567", "-100,000"])
    #expect(NumberText.count(nil) == "–")
    #expect(NumberText.fixed(3.857, 2) == "3.86")
    #expect(NumberText.significant(0.000123456) == "0.0001235")
  }
}
