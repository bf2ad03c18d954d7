import Foundation
import TestSupport
import Testing

/// The programs of Examples/ run, and print what they promise.
@Suite struct ExampleTests {
  /// README's "From Swift": the whole way from a trajectory to a free energy without a pipeline file.
  @Test(.tags(.slow)) func alanineFreeEnergyPrintsItsNumber() throws {
    let program = try Program()
    let executable = try Program.executable().deletingLastPathComponent().appendingPathComponent("alanine-free-energy")
    let result = try program.finish(
      program.start([Package.alanine.path, "100", "200"], executable: executable))
    #expect(result.code == 0, "\(result.errors)")
    let found = try #require(result.output.firstMatch(of: #/dF = (\S+) \+- (\S+) kT/#))
    let (value, error) = (try #require(Double(found.1)), try #require(Double(found.2)))
    // so short a training finds no number worth the name, but weights of the right order
    #expect(value.isFinite && abs(value) < 30)
    #expect(error.isFinite && error > 0)
  }
}
