import Testing

@testable import Molecules

@Suite struct SymmetryTests {
  /// The hydrogens of a methyl group share a class, and nothing else does in alanine dipeptide.
  @Test func methylHydrogensShareAClass() throws {
    let topology = try Fixtures.alanine()
    let classes = topology.symmetryClasses
    #expect(classes == [2, 1, 2, 2, 4, 5, 6, 7, 8, 9, 10, 12, 12, 12, 14, 15, 16, 17, 18, 20, 20, 20])
    #expect((classes.max() ?? 0) + 1 == 21)
  }
}
